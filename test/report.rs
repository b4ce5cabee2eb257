//! What report shows, to persons and to programs, and what it does when there is nothing to show.

use std::process::{Command, Stdio};

use aliquot::common::message::{Alive, CellCount, Message, Numbers, Query, Range};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::endings::deserted;
use crate::support::{FakeCompute, FakeManage, Manage, Peer, Scene, number, until};

/// A search in which all but the times is known: one compute works, one has lied, one is gone.
fn still_life(scene: &Scene) -> (Manage, FakeCompute, FakeCompute) {
    let manage = scene.manage("--last 10000 --seconds 0.1");
    let hello = |host, pid| FakeCompute::hello(host, pid, aliquot::common::message::Instance(u64::from(pid)));
    let mut gone = FakeCompute::connect_as(manage.address, hello("node03", 812), 100_000);
    let range = gone.range();
    let found = gone.compute(&range);
    gone.hand_in(found).expect("it is right");
    drop(gone);
    let mut liar = FakeCompute::connect_as(manage.address, hello("node02", 4712), 100_000);
    let range = liar.range();
    let mut found = liar.compute(&range);
    found.perfect = Numbers::default();
    found.sum += 1;
    liar.hand_in(found).expect_err("it is wrong");
    let mut busy = FakeCompute::connect_as(manage.address, hello("node01", 4711), 100_000);
    let range = busy.range();
    busy.peer.tell(Alive { lease: Some(range.lease), tested: Some(1) });
    until("the lost one", || scene.computes(&manage).iter().any(|compute| compute["state"] == "lost").then_some(()));
    (manage, liar, busy)
}

/// `text` with what differs from run to run replaced: rates, times, addresses, the host's name. A bar between cells.
fn steady(text: &str, manage: &Manage) -> String {
    let line = |line: &str| {
        let mut cells: Vec<_> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        match cells.as_mut_slice() {
            [head, _, up, _] if head.starts_with("manage ") => (*head, *up) = ("manage HOST ADDRESS", "up TIME"),
            ["RATE", rate, ..] if rate.contains("numbers/s") => return "RATE | N numbers/s".to_owned(),
            [host, _, _, _, rate, seen, _] if host.starts_with("node") => (*rate, *seen) = ("RATE", "TIME"),
            _ => {}
        }
        cells.join(" | ")
    };
    assert!(text.contains(&format!(" {}   ", manage.address)), "{text}");
    text.lines().map(|text| line(text) + "\n").collect()
}

const TABLE: &str = "\
manage HOST ADDRESS | trial | up TIME | ledger search.db
TESTED | 155 of 10,000 (1.5 %) | every number up to 155
RATE | N numbers/s
PERFECT | 6 | 28

HOST | PID | STATE | RANGE | RATE | SEEN | STRIKES
node01 | 4711 | busy | 156 … 252 | RATE | TIME | 0
node02 | 4712 | idle | - | RATE | TIME | 1
node03 | 812 | lost | - | RATE | TIME | 0
3 computes: 1 idle, 1 busy, 1 lost
";

#[test]
fn the_table() {
    let scene = Scene::new();
    let (manage, _liar, _busy) = still_life(&scene);
    let report = scene.start("report", &manage.address.to_string());
    assert_eq!(report.wait_gone(), 0);
    assert_eq!(report.log.all(), "");
    assert_eq!(steady(&report.stdout.all(), &manage), TABLE);
}

/// What `manage` answers to a question with so many cells: its coverage, and how many messages came.
fn coverage(manage: &Manage, cells: u32) -> (Option<(u64, u64, String, String)>, usize) {
    let mut peer = Peer::report(manage.address);
    peer.tell(Query { cells: Some(CellCount::new(cells)) });
    let mut messages = Vec::new();
    while !matches!(messages.last(), Some(Message::End(_))) {
        messages.push(peer.hear());
    }
    assert!(matches!(messages[0], Message::Status(_)), "{messages:?}");
    let found = messages.iter().position(|message| matches!(message, Message::Coverage(_)));
    let found = found.map(|at| (at, &messages[at]));
    let picture = found.map(|(at, message)| match message {
        Message::Coverage(it) if at == 1 => {
            (it.first, it.last, it.done.as_str().to_owned(), it.leased.as_str().to_owned())
        }
        _ => panic!("behind the status: {messages:?}"),
    });
    (picture, messages.len())
}

#[test]
fn the_coverage_shows_what_is_where() {
    let scene = Scene::new();
    // 1 to 155 are tested, 156 to 252 are leased.
    let (manage, _liar, _busy) = still_life(&scene);
    let zeros = |count| "0".repeat(count);
    let (hundred, messages) = coverage(&manage, 100);
    assert_eq!(hundred, Some((1, 10_000, format!("X5{}", zeros(98)), format!("045{}", zeros(97)))));
    assert_eq!(messages, 1 + 1 + 3 + 1, "a status, the coverage, three computes, the end");
    assert_eq!(coverage(&manage, 1).0, Some((1, 10_000, "1".to_owned(), "1".to_owned())));
    let (_, _, done, leased) = coverage(&manage, 1_000).0.expect("there is one");
    assert_eq!(
        (done, leased),
        (format!("{}5{}", "X".repeat(15), zeros(984)), format!("{}5{}2{}", zeros(15), "X".repeat(9), zeros(974)))
    );
}

#[test]
fn a_search_without_end_is_shown_as_far_as_it_has_come() {
    let scene = Scene::new();
    let manage = scene.manage("--seconds 0.1");
    assert_eq!(coverage(&manage, 240).0, None, "nothing was handed out");
    let mut compute = FakeCompute::connect(manage.address, "node01", 100_000);
    let range = compute.range();
    let (first, last, done, leased) = coverage(&manage, 4).0.expect("a range is out");
    assert_eq!((first, last, done.as_str(), leased.as_str()), (1, range.last, "0000", "XXXX"));
    let found = compute.compute(&Range { last: range.last / 2, ..range.clone() });
    compute.hand_in(found).expect("it is right");
    drop(compute);
    until("the lease back", || (number(&scene.report(&manage)["leased"]) == 0).then_some(()));
    let half = coverage(&manage, 2).0.expect("half of it is tested");
    assert_eq!(half, (1, range.last, "X0".to_owned(), "00".to_owned()));
}

/// The type of a JSON value, told so that a string that holds a number is something else than any string.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) if value.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(text) if text.parse::<u64>().is_ok() => "digits",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[track_caller]
fn check_kinds(object: &Value, want: &[(&str, &[&str])]) {
    for (key, kinds) in want {
        let value = object.get(key).unwrap_or_else(|| panic!("{key} is missing in {object}"));
        assert!(kinds.contains(&kind(value)), "{key}: {value} is none of {kinds:?}");
    }
}

#[test]
fn json_has_every_key() {
    let scene = Scene::new();
    let (manage, _liar, _busy) = still_life(&scene);
    let report = scene.report(&manage);
    let (digits, integer) = (&["digits"][..], &["integer"][..]);
    #[rustfmt::skip]
    check_kinds(&report, &[
        ("schema", integer), ("method", &["string"]), ("first", digits), ("last", digits), ("perfect", &["array"]),
        ("tested", digits), ("contiguous_to", digits), ("leased", digits), ("rate_per_s", &["integer", "number"]),
        ("eta_s", &["integer", "null"]), ("uptime_s", integer), ("computes", &["array"]),
    ]);
    assert_eq!((&report["schema"], &report["method"]), (&1.into(), &"trial".into()));
    assert_eq!((&report["first"], &report["last"]), (&"1".into(), &"10000".into()));
    assert!(report["perfect"].as_array().is_some_and(|all| all.iter().all(|n| kind(n) == "digits")));
    let computes = report["computes"].as_array().expect("an array");
    assert_eq!(computes.len(), 3);
    for compute in computes {
        #[rustfmt::skip]
        check_kinds(compute, &[
            ("host", &["string"]), ("pid", integer), ("state", &["string"]), ("ops_per_s", &["integer", "number"]),
            ("rate_per_s", &["integer", "number"]), ("first", &["digits", "null"]), ("last", &["digits", "null"]),
            ("seen_s", &["integer", "number"]), ("ranges", integer), ("strikes", integer),
        ]);
    }
    let states: Vec<_> = computes.iter().map(|compute| compute["state"].as_str().expect("a string")).collect();
    assert_eq!(states, ["busy", "idle", "lost"]);
}

#[test]
fn an_unbounded_search_has_no_last() {
    let scene = Scene::new();
    let manage = scene.manage("--ledger :memory: --first 7");
    let report = scene.report(&manage);
    assert_eq!(
        (&report["last"], &report["eta_s"], &report["contiguous_to"]),
        (&Value::Null, &Value::Null, &"6".into())
    );
}

#[test]
fn watch_shows_it_again_until_told_to_end() {
    let scene = Scene::new();
    let manage = scene.manage("--ledger :memory:");
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let report = scene.start("report", &format!("{} --watch 1", manage.address));
        report.stdout.lines("PERFECT  none yet", 2);
        report.signal(signal);
        assert_eq!(report.wait_gone(), 0);
        assert_eq!(report.log.all(), "");
    }
}

#[test]
fn manage_away_is_69_and_one_line() {
    let (scene, (_socket, address)) = (Scene::new(), deserted());
    for options in ["", "--json", "-k", "--watch"] {
        let report = scene.start("report", &format!("{address} {options}"));
        assert_eq!(report.wait_gone(), 69);
        let said = report.log.all();
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(&address.to_string()) && said.contains("refused") && said.contains("start it"), "{said}");
        assert_eq!(report.stdout.all(), "");
    }
}

#[test]
fn what_is_no_manage_is_76() {
    for answer in [
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "<welcome version='2' method='trial' at='1'/>\n",
        "\0\n",
        "<end computes='0'/>\n",
    ] {
        let (scene, manage) = (Scene::new(), FakeManage::new());
        let report = scene.start("report", &manage.address.to_string());
        manage.answer_all(answer);
        assert_eq!(report.wait_gone(), 76, "{answer:?}");
        assert_eq!(report.log.all().lines().count(), 1, "{}", report.log.all());
    }
}

/// `report | head -1`: who reads no more leaves nothing to complain about.
#[test]
fn closed_output_is_no_error() {
    let scene = Scene::new();
    let manage = scene.manage("--ledger :memory:");
    for options in ["", "--json", "--watch=1"] {
        let mut report = Command::new(env!("CARGO_BIN_EXE_report"));
        report.arg(manage.address.to_string()).args(options.split_whitespace());
        let mut report = report.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("report starts");
        drop(report.stdout.take());
        let output = report.wait_with_output().expect("report ends");
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}
