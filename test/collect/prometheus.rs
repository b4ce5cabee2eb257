//! A real Prometheus scrapes collect, and has what agents have pushed.

use std::fs;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::agents::four_types;
use crate::support::http::get;
use crate::support::{Collect, Scene, until};

/// Starts a Prometheus that scrapes `collect` each second; where it listens.
fn prometheus(scene: &Scene, collect: &Collect) -> SocketAddr {
    let config = format!(
        "global:\n  scrape_interval: 1s\nscrape_configs:\n  - job_name: aliquot\n    static_configs:\n      - targets: ['{}']\n",
        collect.http
    );
    fs::write(scene.path("prometheus.yml"), config).unwrap();
    let process = scene.start_command(&[
        "prometheus",
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=tsdb",
        "--web.listen-address=127.0.0.1:0",
    ]);
    until("a Prometheus that listens", || {
        let log = process.log.text();
        let line = log.lines().find(|line| line.contains("Listening on"))?;
        line.rsplit("address=").next()?.trim().parse().ok()
    })
}

/// The value of the one series that `query` selects.
fn query(prometheus: SocketAddr, query: &str) -> Option<f64> {
    let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let reply = get(prometheus, &format!("/api/v1/query?query={encoded}"), &[]);
    let answer: Value = serde_json::from_slice(&reply.body).ok()?;
    answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
}

#[test]
fn a_real_prometheus_has_what_agents_push() {
    let scene = Scene::new();
    let collect = scene.collect("");
    let mut agent = collect.declared("q\"uo\\te\nn", 1, four_types());
    let histogram = json!({ "buckets": [1, 2, 0, 4], "sum": 90.5 });
    agent.push(json!([["t_total", 3], ["t_level_seconds", 0.125], ["t_sizes", histogram]]));
    agent.observe(json!([["t_times", [7, 7, 7]]]));
    let mut original = collect.agent();
    original.say(r#"{"CPU_Utilization": 0.1, "A_Pressed": "2"}"#);
    let server = prometheus(&scene, &collect);
    let named = r#"agent="q\"uo\\te\nn""#;
    let endpoint = original.endpoint();
    for (wanted, value) in [
        ("up{job=\"aliquot\"}".to_owned(), 1.0),
        (format!("t_total{{{named}}}"), 3.0),
        (format!("t_level_seconds{{{named}}}"), 0.125),
        (format!("t_sizes_bucket{{{named},le=\"1.0\"}}"), 3.0),
        (format!("t_sizes_bucket{{{named},le=\"+Inf\"}}"), 7.0),
        (format!("t_sizes_count{{{named}}}"), 7.0),
        (format!("t_sizes_sum{{{named}}}"), 90.5),
        (format!("t_times_count{{{named}}}"), 3.0),
        (format!("CPU_Utilization{{endpoint=\"{endpoint}\"}}"), 0.1),
        (format!("A_Pressed_total{{endpoint=\"{endpoint}\"}}"), 2.0),
        ("collect_agents".to_owned(), 2.0),
        ("scrape_samples_scraped - scrape_samples_post_metric_relabeling".to_owned(), 0.0),
    ] {
        until(&format!("{wanted} = {value}"), || (query(server, &wanted)? == value).then_some(()));
    }
    let median = until("a median", || query(server, &format!("t_times{{{named},quantile=\"0.5\"}}")));
    assert!((median - 7.0).abs() <= 0.07, "{median}");
    agent.push(json!([["t_total", 4]]));
    until("what comes later", || (query(server, &format!("t_total{{{named}}}"))? == 4.0).then_some(()));
}
