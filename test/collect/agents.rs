//! What agents say, and what is shown of it.

use serde_json::json;

use crate::support::{Agent, Collect, Scene, framed, until};

use std::io::Write;

/// All four types, as a named agent declares them.
pub fn four_types() -> serde_json::Value {
    json!([
        { "name": "t_total", "type": "counter", "help": "A counter." },
        { "name": "t_level_seconds", "type": "gauge", "help": "A \"gauge\" with \\ and\nlines.", "unit": "seconds" },
        { "name": "t_sizes", "type": "histogram", "help": "A histogram.", "buckets": [0.5, 1, 10] },
        { "name": "t_times", "type": "summary", "help": "A summary." },
    ])
}

#[test]
fn the_originals_agents_are_taken_as_they_are_and_told_apart() {
    let scene = Scene::new();
    let collect = scene.collect("");
    let (mut one, mut other) = (collect.agent(), collect.agent());
    let sample = |name: &str, agent: &Agent| format!("{name}{{endpoint=\"{}\",method=\"\"}}", agent.endpoint());
    let (cpu, pressed) = (sample("CPU_Utilization", &one), sample("A_Pressed_total", &one));
    one.say(r#"{"CPU_Utilization": 0.1}"#);
    other.say(r#"{"CPU_Utilization": 0.5}"#);
    for _ in 0..3 {
        one.say(r#"{"A_Pressed": "1"}"#);
    }
    other.say(r#"{"A_Pressed": 2}"#);
    collect.await_value(&cpu, 0.1);
    collect.await_value(&sample("CPU_Utilization", &other), 0.5);
    collect.await_value(&pressed, 3.0);
    collect.await_value(&sample("A_Pressed_total", &other), 2.0);
    for line in ["starting", "listening on ", ", active connections 1", ", active connections 2"] {
        assert!(collect.log.text().contains(line), "{line}");
    }
    // Nothing was answered: such an agent hears only that it is over.
    one.say("!DISCONNECT");
    assert_eq!(one.hear(), None);
    collect.await_none(&cpu);
    assert_eq!(collect.value(&pressed), Some(3.0), "its counter stays");
    assert_eq!(collect.value(&sample("CPU_Utilization", &other)), Some(0.5));
}

#[test]
fn all_four_types_are_shown() {
    let scene = Scene::new();
    let collect = scene.collect("");
    let mut agent = collect.declared("a", 1, four_types());
    let histogram = json!({ "buckets": [1, 2, 0, 4], "sum": 90.5 });
    let set =
        json!([["t_total", 3], ["t_total", 1, { "kind": "b" }], ["t_level_seconds", -0.25], ["t_sizes", histogram]]);
    assert!(agent.push(set).is_null());
    assert!(agent.observe(json!([["t_times", (1..=100).collect::<Vec<_>>()]])).is_null());
    collect.await_value("t_times_count{agent=\"a\"}", 100.0);
    let metrics = collect.metrics();
    for line in [
        "# HELP t_total A counter.",
        "# TYPE t_total counter",
        "t_total{agent=\"a\"} 3.0",
        "t_total{agent=\"a\",kind=\"b\"} 1.0",
        r#"# HELP t_level_seconds A "gauge" with \\ and\nlines."#,
        "# TYPE t_level_seconds gauge",
        "t_level_seconds{agent=\"a\"} -0.25",
        "# TYPE t_sizes histogram",
        "t_sizes_bucket{agent=\"a\",le=\"0.5\"} 1.0",
        "t_sizes_bucket{agent=\"a\",le=\"1.0\"} 3.0",
        "t_sizes_bucket{agent=\"a\",le=\"10.0\"} 3.0",
        "t_sizes_bucket{agent=\"a\",le=\"+Inf\"} 7.0",
        "t_sizes_sum{agent=\"a\"} 90.5",
        "t_sizes_count{agent=\"a\"} 7.0",
        "# TYPE t_times summary",
        "t_times_sum{agent=\"a\"} 5050.0",
    ] {
        assert!(metrics.lines().any(|own| own == line), "{line}\n{metrics}");
    }
    assert!(agent.push(json!([["t_level_seconds", null]])).is_null());
    collect.await_none("t_level_seconds{agent=\"a\"}");
    assert_eq!(agent.push(json!([["t_total", null]])).as_array().expect("a list").len(), 1);
    for (quantile, wanted) in [("0.5", 50.0), ("0.9", 90.0), ("0.99", 99.0)] {
        let got = collect.value(&format!("t_times{{agent=\"a\",quantile=\"{quantile}\"}}")).expect("a quantile");
        assert!((got - wanted).abs() <= 0.01 * wanted + 1.0, "{quantile}: {got}");
    }
}

#[test]
fn an_empty_window_has_no_quantiles() {
    let scene = Scene::new();
    let collect = scene.collect("--window 0.5");
    let mut agent = collect.declared("a", 1, four_types());
    agent.observe(json!([["t_times", [1, 2, 3]]]));
    let median = "t_times{agent=\"a\",quantile=\"0.5\"}";
    until("the window has moved on", || collect.value(median).filter(|value| value.is_nan()));
    collect.await_value("t_times_count{agent=\"a\"}", 3.0);
}

#[test]
fn a_series_goes_on_when_its_agent_comes_back() {
    let scene = Scene::new();
    let collect = scene.collect("");
    let mut agent = collect.declared("a", 1, four_types());
    agent.push(json!([["t_total", 5], ["t_level_seconds", 1]]));
    agent.observe(json!([["t_times", [1, 2]]]));
    collect.await_value("t_total{agent=\"a\"}", 5.0);
    drop(agent);
    collect.await_none("t_level_seconds{agent=\"a\"}");
    collect.await_value("collect_agent_up{agent=\"a\"}", 0.0);
    // The same process comes back: it is told how far it was, and what comes twice counts once.
    let mut agent = collect.agent();
    assert_eq!(agent.hello("a", 1)["welcome"]["taken"], 2);
    agent.ask(&json!({ "declare": four_types() }));
    let again = json!({ "push": { "seq": 2, "observe": [["t_times", [1, 2]]] } });
    assert_eq!(agent.ask(&again)["taken"], 2);
    agent.ask(&json!({ "push": { "seq": 3, "set": [["t_total", 6]] } }));
    collect.await_value("t_total{agent=\"a\"}", 6.0);
    assert_eq!(collect.value("t_times_count{agent=\"a\"}"), Some(2.0));
    drop(agent);
    // Another process begins at nothing; the counter doesn't.
    collect.await_value("collect_agent_up{agent=\"a\"}", 0.0);
    let mut agent = collect.declared("a", 2, four_types());
    agent.push(json!([["t_total", 2]]));
    collect.await_value("t_total{agent=\"a\"}", 8.0);
}

#[test]
fn a_name_belongs_to_one_at_a_time() {
    let scene = Scene::new();
    let collect = scene.collect("");
    let mut first = collect.declared("a", 1, four_types());
    let mut other = collect.agent();
    let answer = other.hello("a", 2);
    assert_eq!(answer["error"]["code"], "name", "{answer}");
    assert_eq!(other.hear(), None, "it is over");
    first.push(json!([["t_total", 1]]));
    // The same process over another connection takes the place of the former.
    let mut again = collect.agent();
    assert_eq!(again.hello("a", 1)["welcome"]["taken"], 1);
    first.await_end();
    assert_eq!(collect.value("collect_agent_up{agent=\"a\"}"), Some(1.0));
    assert_eq!(collect.value("collect_agents"), Some(1.0));
}

#[test]
fn a_name_may_hold_anything() {
    let scene = Scene::new();
    let collect = scene.collect("");
    let _agent = collect.named("q\"uo\\te\nn", 1);
    collect.await_value(r#"collect_agent_up{agent="q\"uo\\te\nn"}"#, 1.0);
    let longest = "n".repeat(128);
    drop(collect.named(&longest, 1));
    for name in ["", "a\0b", "('127.0.0.1', 1)", &format!("{longest}n")] {
        let answer = collect.agent().hello(name, 1);
        assert_eq!(answer["error"]["code"], "name", "{name:?}: {answer}");
    }
}

#[test]
fn series_go_by_a_timer() {
    let scene = Scene::new();
    let collect = scene.collect("--expire 0.5");
    let mut agent = collect.declared("a", 1, four_types());
    agent.push(json!([["t_total", 1]]));
    collect.await_value("collect_series", 1.0);
    collect.await_value("collect_series", 0.0);
    agent.push(json!([["t_total", 2]]));
    collect.await_value("collect_series", 1.0);
    drop(agent);
    collect.await_none("collect_agent_up{agent=\"a\"}");
    collect.await_value("collect_series", 0.0);
}

#[test]
fn frames_come_whole_however_they_are_cut() {
    let scene = Scene::new();
    let collect = scene.collect("");
    let mut agent = collect.agent();
    for byte in framed(r#"{"A_Pressed": "1"}"#).as_bytes() {
        agent.stream.write_all(&[*byte]).unwrap();
    }
    let two = framed(r#"{"A_Pressed": "1"}"#).repeat(40) + &framed(r#"{"CPU_Utilization": 7, "A_Pressed": 1}"#);
    agent.stream.write_all(two.as_bytes()).unwrap();
    collect.await_value(&format!("A_Pressed_total{{endpoint=\"{}\",method=\"\"}}", agent.endpoint()), 42.0);
    assert_eq!(collect.value("collect_frames_total"), Some(42.0));
}

#[test]
fn the_program_agent_is_one() {
    let scene = Scene::new();
    let collect = scene.collect("");
    let agent = scene.start("agent", &format!("{} --name host-1 --interval 1", collect.agents));
    until("a CPU that does something", || collect.value("host_cpu_utilization_ratio{agent=\"host-1\"}"));
    until("letters", || collect.value("agent_letters_a_total{agent=\"host-1\"}"));
    agent.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(agent.wait(), 0);
    collect.await_none("host_cpu_utilization_ratio{agent=\"host-1\"}");
    assert_eq!(collect.value("collect_agent_up{agent=\"host-1\"}"), None, "it said goodbye: nobody waits for it");
    assert!(collect.value("agent_letters_a_total{agent=\"host-1\"}").is_some());
    end(&collect);
}

/// Ends it as a service manager does.
pub fn end(collect: &Collect) {
    collect.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(collect.wait(), 0);
}
