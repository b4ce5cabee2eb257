//! What the HTTP port answers, to whom, and how long it waits.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::json;

use super::agents::{end, four_types};
use crate::support::http::{Reply, request};
use crate::support::{Collect, Scene, until};

const OPEN_METRICS: &str =
    "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

/// A collect with series of all types.
fn collect_with_all(scene: &Scene) -> (Collect, crate::support::Agent) {
    let collect = scene.collect("");
    let mut agent = collect.declared("q\"uo\\te\nn", 1, four_types());
    let histogram = json!({ "buckets": [1, 2, 0, 4], "sum": 90.5 });
    agent.push(json!([["t_total", 3, { "l": "a\"\\\nb" }], ["t_level_seconds", 1], ["t_sizes", histogram]]));
    agent.observe(json!([["t_times", [1, 2, 3]]]));
    let mut original = collect.agent();
    original.say(r#"{"CPU_Utilization": 0.25, "A_Pressed": 1}"#);
    collect.await_value(r#"t_times_count{agent="q\"uo\\te\nn"}"#, 3.0);
    until("the original's", || collect.metrics().contains("A_Pressed_total{").then_some(()));
    (collect, agent)
}

/// What a program says of its standard input, and whether it likes it.
fn judged(command: &[&str], input: &[u8]) -> (bool, String) {
    let mut child = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it is installed");
    child.stdin.take().expect("it is piped").write_all(input).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn promtool_finds_no_fault() {
    let scene = Scene::new();
    let (collect, _agent) = collect_with_all(&scene);
    let metrics = collect.get("/metrics", &[]);
    assert_eq!(metrics.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let (fine, said) = judged(&["promtool", "check", "metrics"], &metrics.body);
    assert!(fine && said.is_empty(), "{said}");
}

#[test]
fn open_metrics_is_given_to_those_who_ask_for_it() {
    let scene = Scene::new();
    let (collect, _agent) = collect_with_all(&scene);
    for path in ["/metrics", "/"] {
        let reply = collect.get(path, &[OPEN_METRICS]);
        assert_eq!(reply.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
        let text = reply.text();
        for line in [
            "# TYPE t counter",
            "# UNIT t_level_seconds seconds",
            r#"# HELP t_level_seconds A \"gauge\" with \\ and\nlines."#,
            r#"t_total{agent="q\"uo\\te\nn",l="a\"\\\nb"} 3.0"#,
            "# TYPE A_Pressed counter",
            "# TYPE collect_frames counter",
            "# TYPE process_cpu_seconds counter",
        ] {
            assert!(text.lines().any(|own| own == line), "{line}\n{text}");
        }
        assert!(text.ends_with("\n# EOF\n"));
    }
    // The reference parser of the format agrees, where it is installed.
    let text = collect.get("/metrics", &[OPEN_METRICS]).text();
    let mut families = std::collections::HashSet::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        assert!(families.insert(line.split(' ').next()), "{line} comes twice");
    }
}

#[test]
fn a_browser_gets_the_page_and_others_metrics() {
    let scene = Scene::new();
    let collect = scene.collect("");
    let kind = |accept: &str| collect.get("/", &[accept]).header("content-type").to_owned();
    assert_eq!(kind("Accept: text/html,application/xhtml+xml,*/*;q=0.8"), "text/html; charset=utf-8");
    for accept in ["Accept: */*", "X-None: 1", "Accept: text/plain"] {
        assert_eq!(kind(accept), "text/plain; version=0.0.4; charset=utf-8", "{accept}");
    }
    let page = collect.get("/", &["Accept: text/html"]);
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    assert_eq!(page.header("cache-control"), "no-store");
    for (path, kind) in [("/page.css", "text/css"), ("/page.js", "text/javascript"), ("/icon.svg", "image/svg+xml")] {
        assert!(collect.get(path, &[]).header("content-type").starts_with(kind), "{path}");
    }
}

#[test]
fn nothing_can_be_changed_by_http() {
    let scene = Scene::new();
    let collect = scene.collect("");
    for path in ["/", "/metrics", "/events", "/healthz"] {
        for method in ["POST", "PUT", "DELETE"] {
            assert_eq!(request(collect.http, method, path, &[], "x").status, 405, "{method} {path}");
        }
    }
    assert_eq!(collect.get("/nowhere", &[]).status, 404);
    assert_eq!((collect.get("/healthz", &[]).status, collect.get("/healthz", &[]).text().as_str()), (200, "ok\n"));
}

#[test]
fn head_has_no_body_and_gzip_is_smaller() {
    let scene = Scene::new();
    let (collect, _agent) = collect_with_all(&scene);
    for (path, header) in [("/metrics", "X-None: 1"), ("/", "Accept: text/html"), ("/healthz", "X-None: 1")] {
        let head = request(collect.http, "HEAD", path, &[header], "");
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-type"), collect.get(path, &[header]).header("content-type"));
    }
    let small: Reply = collect.get("/", &["Accept: text/html", "Accept-Encoding: gzip"]);
    assert_eq!(small.header("content-encoding"), "gzip");
    let (fine, page) = judged(&["gzip", "-dc"], &small.body);
    assert!(fine && page.contains("<h1>aliquot</h1>") && page.len() > small.body.len(), "{page}");
    assert_eq!(collect.get("/metrics", &["Accept-Encoding: gzip;q=0, identity"]).header("content-encoding"), "");
}

/// Clients that never say all of what they want don't keep others from it, nor collect from ending.
#[test]
fn who_is_slow_holds_nobody_up() {
    let scene = Scene::new();
    let collect = scene.collect("");
    let mut slow: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(collect.http).unwrap();
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n").unwrap();
            stream
        })
        .collect();
    let mut watcher = TcpStream::connect(collect.http).unwrap();
    watcher.write_all(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    watcher.read_exact(&mut [0; 100]).unwrap();
    assert_eq!(collect.get("/healthz", &[]).status, 200);
    // Not even when there is no place left.
    slow.extend((0..100).map(|_| TcpStream::connect(collect.http).unwrap()));
    end(&collect);
    drop(slow);
}

#[test]
fn bad_requests_are_answered_so() {
    let scene = Scene::new();
    let collect = scene.collect("");
    for bytes in [&b"\x16\x03\x01\x02\x00\x01"[..], b"NONSENSE\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", &[b'x'; 100_000]] {
        let mut stream = TcpStream::connect(collect.http).unwrap();
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", answer.escape_ascii());
    }
    assert_eq!(collect.get("/healthz", &[]).status, 200);
}
