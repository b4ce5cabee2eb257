//! Bad input: refused or taken as the protocol says, counted, and nobody else notices.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

use serde_json::json;

use super::agents::four_types;
use crate::support::{Agent, Collect, Scene, framed, until};

/// Sends these bytes; waits until that is counted under this reason.
fn fault(collect: &Collect, bytes: &[u8], reason: &str) -> Agent {
    let before = collect.refused(reason);
    let mut agent = collect.agent();
    // Some of it may meet a connection that is over already.
    let _ = agent.stream.write_all(bytes);
    until(&format!("{reason} for {}", bytes[..bytes.len().min(80)].escape_ascii()), || {
        (collect.refused(reason) == before + 1.0).then_some(())
    });
    agent
}

#[test]
fn bad_frames_are_refused_and_counted() {
    let scene = Scene::new();
    let collect = scene.collect("");
    let mut honest = collect.declared("honest", 1, four_types());
    honest.push(json!([["t_total", 1]]));
    let header = |length: &str| format!("{length:<64}").into_bytes();
    // Where the next frame begins nobody knows: the connection is over.
    for (bytes, reason) in [
        (header("abc"), "header"),
        (header(""), "header"),
        (header("-5"), "header"),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "header"),
        (vec![0xff; 10_000], "header"),
        (header("99999999999"), "length"),
        (header("32769"), "length"),
        (header(&"9".repeat(64)), "length"),
    ] {
        let mut agent = fault(&collect, &bytes, reason);
        assert_eq!(agent.hear().expect("a last word")["error"]["code"], "frame");
        agent.await_end();
    }
    // What stands in a whole frame is passed over, and the connection goes on.
    for (content, reason) in [
        ("no JSON", "json"),
        ("", "json"),
        ("{\"CPU_Utilization\": NaN}", "json"),
        ("{\"CPU_Utilization\": 1e400}", "json"),
        ("{\"CPU_Utilization\": ", "json"),
        (&"[".repeat(10_000), "json"),
        ("[1]", "json"),
        ("{\"unknown\": 1}", "key"),
        ("{\"CPU_Utilization\": \"NaN\"}", "value"),
        ("{\"CPU_Utilization\": null}", "value"),
        ("{\"A_Pressed\": -1}", "value"),
        ("{\"A_Pressed\": \"one\"}", "value"),
    ] {
        let mut agent = fault(&collect, framed(content).as_bytes(), reason);
        agent.say(r#"{"A_Pressed": 5}"#);
        collect.await_value(&format!("A_Pressed_total{{endpoint=\"{}\",method=\"\"}}", agent.endpoint()), 5.0);
    }
    assert!(honest.push(json!([["t_total", 2]])).is_null());
    collect.await_value("t_total{agent=\"honest\"}", 2.0);
}

#[test]
fn a_frame_may_be_so_long() {
    let scene = Scene::new();
    let collect = scene.collect("");
    let mut agent = collect.agent();
    let longest = format!("{}{}", r#"{"A_Pressed": 1}"#, " ".repeat(32_768 - 16));
    agent.say(&longest);
    collect.await_value(&format!("A_Pressed_total{{endpoint=\"{}\",method=\"\"}}", agent.endpoint()), 1.0);
}

#[test]
fn what_named_agents_do_wrong_ends_their_connection() {
    let scene = Scene::new();
    let collect = scene.collect("");
    for said in [
        json!({ "hello": { "version": 1, "name": "a" } }),
        json!({ "hello": { "version": 1, "name": "a", "instance": "0000000000000001", "program": "t" } }),
        json!({ "unknown": 1 }),
        json!([1]),
        json!({ "push": { "seq": 1, "set": [["t_total", "1"]] } }),
        json!({ "declare": [{ "type": "gauge" }] }),
    ] {
        let mut agent = collect.named("a", 1);
        assert_eq!(agent.ask(&said)["error"]["code"], "frame", "{said}");
        assert_eq!(agent.hear(), None);
    }
    let mut agent = collect.agent();
    let hello = json!({ "version": 2, "name": "a", "instance": "0000000000000001", "program": "t" });
    assert_eq!(agent.ask(&json!({ "hello": hello }))["error"]["code"], "version");
    let mut agent = collect.agent();
    let answer = agent.ask(&json!({ "hello": { "version": 1, "name": "a", "program": "t" } }));
    assert!(answer["error"]["text"].as_str().is_some_and(|text| text.contains("16 hexadecimal digits")), "{answer}");
    let mut agent = collect.agent();
    assert_eq!(agent.ask(&json!({ "push": { "seq": 1 } }))["error"]["code"], "frame", "it has said no name");
}

#[test]
fn what_is_not_taken_is_named_and_the_rest_is_taken() {
    let scene = Scene::new();
    let collect = scene.collect("");
    let mut agent = collect.declared("a", 1, four_types());
    let refused = agent.push(json!([
        ["t_total", 1],
        ["t_total", -1],
        ["t_unknown", 1],
        ["t_level_seconds", { "buckets": [1], "sum": 1 }],
        ["t_sizes", { "buckets": [1, 2], "sum": 1 }],
        ["t_times", 1],
        ["t_total", 1, { "le": "1" }],
        ["t_total", 1, { "long": "v".repeat(257) }],
        ["t_total", 1, { "a": "1", "b": "1", "c": "1", "d": "1", "e": "1", "f": "1", "g": "1", "h": "1", "i": "1" }],
        ["t_level_seconds", 2],
    ]));
    assert_eq!(refused.as_array().expect("a list").len(), 8, "{refused}");
    collect.await_value("t_total{agent=\"a\"}", 1.0);
    collect.await_value("t_level_seconds{agent=\"a\"}", 2.0);
    for (reason, count) in [("value", 4.0), ("metric", 1.0), ("labels", 3.0)] {
        assert_eq!(collect.refused(reason), count, "{reason}");
    }
    let declared = agent.ask(&json!({ "declare": [
        { "name": "t_fine", "type": "gauge" },
        { "name": "t_total", "type": "counter" },
        { "name": "t_level_seconds", "type": "counter" },
        { "name": "t_level_seconds", "type": "histogram", "buckets": [1] },
        { "name": "t_sizes", "type": "histogram", "buckets": [1] },
        { "name": "t_sizes_sum", "type": "gauge" },
        { "name": "collect_agents", "type": "gauge" },
        { "name": "process_x", "type": "gauge" },
        { "name": "CPU_Utilization", "type": "gauge" },
        { "name": "t_x", "type": "untyped" },
        { "name": "t_ms", "type": "gauge", "unit": "seconds" },
        { "name": "1", "type": "gauge" },
    ] }));
    assert_eq!(declared["declared"], 2, "{declared}");
    assert_eq!(declared["refused"].as_array().expect("a list").len(), 10, "{declared}");
}

#[test]
fn ten_thousand_series_of_one_agent_leave_room_for_others() {
    let scene = Scene::new();
    let collect = scene.collect("");
    let (mut greedy, mut honest) =
        (collect.declared("greedy", 1, four_types()), collect.declared("a", 1, four_types()));
    for part in 0..20 {
        let set: Vec<_> = (0..500).map(|n| json!(["t_total", 1, { "n": format!("{part}.{n}") }])).collect();
        greedy.push(json!(set));
    }
    assert!(honest.push(json!([["t_total", 1], ["t_level_seconds", 1]])).is_null());
    collect.await_value("t_total{agent=\"a\"}", 1.0);
    let metrics = collect.metrics();
    assert_eq!(metrics.lines().filter(|line| line.starts_with("t_total{agent=\"greedy\"")).count(), 1_000);
    assert_eq!(collect.refused("series"), 9_000.0);
    let summaries: Vec<_> = (0..20).map(|n| json!(["t_times", [n], { "n": n.to_string() }])).collect();
    assert_eq!(honest.observe(json!(summaries)).as_array().expect("a list").len(), 4, "sixteen are an agent's share");
}

/// One that never reads what it is told costs what it may, and no more.
#[test]
fn who_does_not_read_is_not_heard_and_nobody_else_notices() {
    let scene = Scene::new();
    let collect = scene.collect("");
    let mut deaf = collect.named("deaf", 1);
    deaf.stream.set_nonblocking(true).unwrap();
    let beat = framed(r#"{"push":{"seq":1}}"#).repeat(100);
    let mut said = 0_usize;
    loop {
        match deaf.stream.write(beat.as_bytes()) {
            Ok(count) => said += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
        // It takes what its buffers and collect's take: some megabytes. Without a bound this never ends.
        assert!(said < 1 << 28, "{said} bytes were taken");
        if said.is_multiple_of(1 << 20) {
            assert!(collect.resident_kib() < 200 * 1024);
        }
    }
    let mut honest = collect.declared("a", 1, four_types());
    assert!(honest.push(json!([["t_total", 1]])).is_null());
    collect.await_value("t_total{agent=\"a\"}", 1.0);
}

/// An end in the middle of anything is an end: nothing is left that would make the loop turn.
#[test]
fn an_end_of_stream_ends_a_connection() {
    let scene = Scene::new();
    let collect = scene.collect("");
    for begun in ["", "17", &framed(r#"{"A_Pressed": 1}"#)[..70], &framed(r#"{"A_Pressed": 1}"#)] {
        let mut agent = collect.agent();
        agent.stream.write_all(begun.as_bytes()).unwrap();
        agent.stream.shutdown(Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        agent.stream.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty(), "{begun}");
    }
    until("no connection is left", || collect.log.text().contains("active connections 0").then_some(()));
}

#[test]
fn too_many_who_say_nothing_make_room() {
    let scene = Scene::new();
    let collect = scene.collect("");
    let silent: Vec<_> = (0..300).map(|_| collect.agent()).collect();
    let mut honest = collect.declared("a", 1, four_types());
    assert!(honest.push(json!([["t_total", 1]])).is_null());
    drop(silent);
}
