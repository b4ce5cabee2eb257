//! What is shown of counters is kept: over restarts, kills, and a disk without room.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::json;

use super::agents::{end, four_types};
use crate::support::{Mount, SIGKILL, Scene, until, value};

#[test]
fn counters_go_on_after_a_restart() {
    let scene = Scene::new();
    let collect = scene.collect("");
    let mut agent = collect.declared("a", 1, four_types());
    agent.push(json!([
        ["t_total", 5],
        ["t_total", 2, { "kind": "b\"\\\n" }],
        ["t_sizes", { "buckets": [1, 0, 0, 1], "sum": 20 }],
        ["t_level_seconds", 1],
    ]));
    agent.observe(json!([["t_times", [4, 6]]]));
    end(&collect);
    assert!(!scene.path("collect.db-wal").exists(), "one whole file is left");
    let collect = scene.collect_again(&collect, "");
    let metrics = collect.metrics();
    for (sample, wanted) in [
        ("t_total{agent=\"a\"}", 5.0),
        (r#"t_total{agent="a",kind="b\"\\\n"}"#, 2.0),
        ("t_sizes_count{agent=\"a\"}", 2.0),
        ("t_sizes_sum{agent=\"a\"}", 20.0),
        ("t_times_count{agent=\"a\"}", 2.0),
        ("t_times_sum{agent=\"a\"}", 10.0),
        ("collect_agent_up{agent=\"a\"}", 0.0),
    ] {
        assert_eq!(value(&metrics, sample), Some(wanted), "{sample}\n{metrics}");
    }
    assert_eq!(value(&metrics, "t_level_seconds{agent=\"a\"}"), None);
    // The same process goes on where it was, another adds to it.
    let mut agent = collect.declared("a", 1, four_types());
    agent.push(json!([["t_total", 6]]));
    collect.await_value("t_total{agent=\"a\"}", 6.0);
    drop(agent);
    collect.await_value("collect_agent_up{agent=\"a\"}", 0.0);
    collect.declared("a", 2, four_types()).push(json!([["t_total", 1]]));
    collect.await_value("t_total{agent=\"a\"}", 7.0);
}

/// What a scrape has seen is there after kill -9, whenever that comes.
#[test]
fn no_counter_falls_when_collect_is_killed() {
    let scene = Scene::new();
    let mut collect = scene.collect("");
    let sample = "t_total{agent=\"a\"}";
    let mut seen = 0.0;
    for total in (10..=50).step_by(10) {
        let mut agent = collect.declared("a", 1, four_types());
        for nth in 0..10 {
            agent.push(json!([["t_total", total + nth]]));
        }
        let shown = until("the counter goes on", || collect.value(sample).filter(|value| *value > seen));
        collect.signal(Signal::SIGKILL);
        assert_eq!(collect.wait(), SIGKILL);
        collect = scene.collect_again(&collect, "");
        seen = collect.value(sample).expect("it is kept");
        assert!(seen >= shown, "{seen} after {shown} was shown");
    }
}

/// What was answered as taken is there after kill -9, and what comes again after that counts once.
#[test]
fn no_observation_is_lost_or_counts_twice_when_collect_is_killed() {
    let scene = Scene::new();
    let mut collect = scene.collect("");
    let mut agent = collect.named("a", 1);
    for seq in 1..=5 {
        agent.ask(&json!({ "declare": four_types() }));
        let push = json!({ "push": { "seq": seq, "observe": [["t_times", [1, 2, 3]]] } });
        assert_eq!(agent.ask(&push)["taken"], seq);
        collect.signal(Signal::SIGKILL);
        assert_eq!(collect.wait(), SIGKILL);
        collect = scene.collect_again(&collect, "");
        agent = collect.agent();
        assert_eq!(agent.hello("a", 1)["welcome"]["taken"], seq);
        // As if the answer had been lost.
        agent.ask(&json!({ "declare": four_types() }));
        assert_eq!(agent.ask(&push)["taken"], seq);
        collect.await_value("t_times_count{agent=\"a\"}", f64::from(3 * seq));
        agent = collect.agent();
        assert_eq!(agent.hello("a", 1)["welcome"]["taken"], seq);
    }
}

#[test]
fn a_store_that_is_held_or_none_is_refused() {
    let scene = Scene::new();
    let _collect = scene.collect("");
    let other = scene.start("collect", "--agents 127.0.0.1:0 --http 127.0.0.1:0");
    assert_eq!(other.wait(), 74);
    assert!(other.log.all().contains("store collect.db: another collect holds it"), "{}", other.log.all());
    fs::write(scene.path("text"), "no store").unwrap();
    let other = scene.start("collect", "--agents 127.0.0.1:0 --http 127.0.0.1:0 --store text");
    assert_eq!(other.wait(), 74);
}

/// Where there is no room counters stand still, and go on when there is; nothing is lost.
#[test]
fn a_full_disk_stops_counters_and_nothing_else() {
    let scene = Scene::new();
    let mount = Mount::new(scene.path("disk"), 1024);
    let collect = scene.collect("--store disk/collect.db");
    let mut agent = collect.declared("a", 1, four_types());
    agent.push(json!([["t_total", 1], ["t_level_seconds", 1]]));
    collect.await_value("t_total{agent=\"a\"}", 1.0);
    let filler = mount.leave(200);
    let many: Vec<_> = (0..900).map(|n| json!(["t_total", 1, { "n": n.to_string().repeat(60) }])).collect();
    for part in many.chunks(100) {
        agent.push(json!(part));
    }
    agent.push(json!([["t_total", 2], ["t_level_seconds", 2]]));
    collect.await_value("collect_store_failing", 1.0);
    assert_eq!(collect.get("/healthz", &[]).status, 503);
    collect.await_value("t_level_seconds{agent=\"a\"}", 2.0);
    assert_eq!(collect.value("t_total{agent=\"a\"}"), Some(1.0));
    fs::remove_file(filler).unwrap();
    collect.await_value("t_total{agent=\"a\"}", 2.0);
    collect.await_value("collect_store_failing", 0.0);
    assert_eq!(collect.get("/healthz", &[]).status, 200);
}
