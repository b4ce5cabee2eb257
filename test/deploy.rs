//! deploy/prometheus, as promtool reads it: the configuration is valid, the alerts fire when they should, and they and the
//! dashboard ask for metrics that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::schema::section;

/// What collect exposes of itself, and Prometheus of a scrape.
const OWN: &[&str] = &[
    "up",
    "collect_agent_last_seen_timestamp_seconds",
    "collect_agent_up",
    "collect_agents",
    "collect_build_info",
    "collect_connections_total",
    "collect_frames_total",
    "collect_refused_total",
    "collect_series",
    "collect_store_failing",
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_virtual_memory_bytes",
];
/// Labels of these, of every scrape, of an agent's series, and of a histogram's buckets.
const OWN_LABELS: &[&str] = &["agent", "instance", "job", "le", "reason", "version"];
/// Words of PromQL that name no metric; in lower case, as they are written here.
const WORDS: &[&str] = &["and", "bool", "offset", "or", "unless"];
/// Words that labels follow, in parentheses.
const BEFORE_LABELS: &[&str] = &["by", "group_left", "group_right", "ignoring", "on", "without"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus")
}

fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Runs promtool in the folder `at`; it has to be content.
#[track_caller]
fn promtool(at: &Path, arguments: &[&str]) -> String {
    let run = Command::new("promtool").args(arguments).current_dir(at).stdin(Stdio::null()).output();
    let run = run.expect("promtool, from the package prometheus, is needed by this test");
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "promtool {arguments:?}: {said}");
    said
}

#[test]
fn the_configuration_is_valid() {
    let said = promtool(&folder(), &["check", "config", "prometheus.yml"]);
    assert!(said.contains("1 rule files found") && said.contains("10 rules found"), "{said}");
}

#[test]
fn the_alerts_fire_when_they_should() {
    promtool(&folder(), &["test", "rules", "alerts.test.yml"]);
}

/// The values of `key` in a YAML text, those that are folded over several lines as one.
fn values(text: &str, key: &str) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let lines: Vec<&str> = text.lines().collect();
    let value = |(at, line): (usize, &&str)| {
        let (_, value) =
            line.trim_start_matches([' ', '-']).split_once(&format!("{key}: ")).filter(|(b, _)| b.is_empty())?;
        let below = lines[at + 1..].iter().take_while(|below| indent(below) > indent(line));
        Some(if value == ">-" { below.map(|line| line.trim()).collect::<Vec<_>>().join(" ") } else { value.to_owned() })
    };
    lines.iter().enumerate().filter_map(value).collect()
}

#[test]
fn each_alert_is_explained_and_tried_both_ways() {
    let (alerts, tests, page) = (read("alerts.yml"), read("alerts.test.yml"), read("README.md"));
    let names = values(&alerts, "alert");
    assert_eq!(names.len(), 10);
    for key in ["expr", "severity", "summary", "description"] {
        assert_eq!(values(&alerts, key).len(), names.len(), "each alert has its {key}");
    }
    for name in names {
        let tried: Vec<&str> =
            tests.split("- eval_time: ").filter(|it| it.contains(&format!("alertname: {name}\n"))).collect();
        let quiet = tried.iter().filter(|it| it.contains("exp_alerts: []")).count();
        assert!(quiet > 0 && quiet < tried.len(), "{name} is quiet {quiet} times of {}", tried.len());
        assert!(page.contains(&format!("\n| `{name}` | ")), "README.md explains {name}");
    }
}

fn dashboard() -> Value {
    serde_json::from_str(&read("grafana.json")).expect("grafana.json is JSON")
}

fn panels(dashboard: &Value) -> &[Value] {
    dashboard["panels"].as_array().expect("a dashboard has panels")
}

/// What the panels ask for.
fn asked(dashboard: &Value) -> Vec<String> {
    let targets = panels(dashboard).iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().expect("a target has an expression").to_owned()).collect()
}

/// The same without Grafana's variables.
fn plain(expression: &str) -> String {
    expression.replace("$__rate_interval", "1m").replace("$search", ".*")
}

/// Two panels that lie on each other, or one that doesn't fit the 24 columns.
fn misplaced(panels: &[Value]) -> Option<String> {
    let place = |panel: &Value| {
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|it| panel["gridPos"][it].as_u64().expect("a panel has its place"));
        (x..x + w, y..y + h)
    };
    let apart = |a: &std::ops::Range<u64>, b: &std::ops::Range<u64>| a.end <= b.start || b.end <= a.start;
    for (at, panel) in panels.iter().enumerate() {
        let (columns, rows) = place(panel);
        let on_it = panels[..at].iter().find(|other| {
            let (others, below) = place(other);
            !apart(&columns, &others) && !apart(&rows, &below)
        });
        if columns.end > 24 || rows.is_empty() || columns.is_empty() || on_it.is_some() {
            return Some(panel["title"].to_string());
        }
    }
    None
}

#[test]
fn the_dashboard_has_its_panels_side_by_side() {
    let dashboard = dashboard();
    let panels = panels(&dashboard);
    let ids: BTreeSet<u64> = panels.iter().filter_map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has an id of its own");
    assert_eq!(misplaced(panels), None);
    let mut moved = panels.to_vec();
    moved[2]["gridPos"] = moved[1]["gridPos"].clone();
    assert_eq!(misplaced(&moved), Some(moved[2]["title"].to_string()));
}

#[test]
fn the_dashboard_names_no_data_source_of_its_own() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().expect("it has variables");
    let names: Vec<_> = variables.iter().filter_map(|variable| variable["name"].as_str()).collect();
    assert_eq!((names, &variables[0]["type"]), (vec!["datasource", "search"], &"datasource".into()));
    let source = json!({ "type": "prometheus", "uid": "${datasource}" });
    for panel in panels(&dashboard).iter().filter(|panel| panel["type"] != "row") {
        let targets = panel["targets"].as_array().expect("a panel asks for something");
        assert!(!targets.is_empty() && !panel["title"].as_str().unwrap_or_default().is_empty(), "{panel}");
        assert!(targets.iter().chain([panel]).all(|it| it["datasource"] == source), "{}", panel["title"]);
    }
    assert_eq!(variables[1]["datasource"], source);
}

/// Grafana would say it in a panel, later.
#[test]
fn promtool_reads_what_the_dashboard_asks_for() {
    let asked = asked(&dashboard());
    assert!(asked.iter().all(|expression| !plain(expression).contains('$')), "{asked:?}");
    let rule =
        |(at, expression): (usize, &String)| json!({ "record": format!("panel:{at}"), "expr": plain(expression) });
    let rules: Vec<_> = asked.iter().enumerate().map(rule).collect();
    let folder = tempfile::tempdir().unwrap();
    let groups = json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    fs::write(folder.path().join("dashboard.yml"), groups.to_string()).unwrap();
    let said = promtool(folder.path(), &["check", "rules", "dashboard.yml"]);
    assert!(said.contains(&format!("{} rules found", asked.len())), "{said}");
}

/// The metrics that the programs push, and their labels, as the document lists them.
fn pushed(page: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut names, mut labels) = (BTreeSet::new(), BTreeSet::new());
    let rows = section(page, "## What the programs push").lines().filter(|line| line.starts_with("| ")).skip(1);
    for row in rows {
        let row = row.replace("\\|", " ");
        let parts = row.split('|').nth(2).expect("a row has its metrics").split(';');
        for (part, quoted) in
            parts.flat_map(|part| part.split('`').skip(1).step_by(2).map(move |quoted| (part, quoted)))
        {
            let (name, label) = quoted.split_once('{').unwrap_or((quoted, ""));
            labels.extend(label.split_once('=').map(|(label, _)| label.to_owned()));
            let histogram = part.trim_start().starts_with("histogram");
            let samples: &[&str] = if histogram { &["_bucket", "_count", "_sum"] } else { &[""] };
            names.extend(samples.iter().map(|end| format!("{name}{end}")));
        }
    }
    (names, labels)
}

/// The metrics and the labels that an expression names.
fn named(expression: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut names, mut labels) = (BTreeSet::new(), BTreeSet::new());
    let in_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    // Whether labels stand here; the parentheses of a list of them end at its first.
    let (mut rest, mut braces, mut list) = (expression, false, false);
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '"' => rest[1..].find('"').map_or(rest.len(), |end| end + 2),
            '[' => rest.find(']').map_or(rest.len(), |end| end + 1),
            c if in_word(c) => rest.find(|c| !in_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (token, behind) = rest.split_at(length);
        match c {
            '{' | '}' => braces = c == '{',
            ')' => list = false,
            c if !in_word(c) || c.is_ascii_digit() => {}
            _ if braces || list => _ = labels.insert(token.to_owned()),
            _ if BEFORE_LABELS.contains(&token) => list = true,
            _ if WORDS.contains(&token) || behind.trim_start().starts_with('(') => {}
            // sum by (…) (…)
            _ if [" by (", " without ("].iter().any(|list| behind.starts_with(list)) => {}
            _ => _ = names.insert(token.to_owned()),
        }
        rest = behind;
    }
    (names, labels)
}

#[test]
fn names_are_found_in_an_expression() {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let expression =
        "sum by (agent, le) (rate(a_total{x=~\"b{c\", y!=\"\"}[5m])) / on (z) d > 3e4 unless e offset 5m and time()";
    assert_eq!(named(expression), (set(&["a_total", "d", "e"]), set(&["agent", "le", "x", "y", "z"])));
}

#[test]
fn only_metrics_are_asked_for_that_there_are() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("doc/watch.md")).unwrap();
    let (mut metrics, mut labels) = pushed(&page);
    assert!(
        metrics.contains("pow_reply_seconds_bucket") && metrics.len() > 40 && labels.contains("window"),
        "{metrics:?}"
    );
    metrics.extend(OWN.iter().map(|name| (*name).to_owned()));
    labels.extend(OWN_LABELS.iter().map(|name| (*name).to_owned()));
    let dashboard = dashboard();
    let variable = dashboard["templating"]["list"][1]["definition"].as_str().expect("it asks for values").to_owned();
    let chosen = variable.strip_prefix("label_values(").and_then(|it| it.split_once(',')).expect("of a label");
    let expressions =
        values(&read("alerts.yml"), "expr").into_iter().chain(asked(&dashboard)).chain([chosen.0.to_owned()]);
    for expression in expressions {
        let (named, labelled) = named(&plain(&expression));
        assert!(!named.is_empty(), "{expression} asks for nothing");
        let unknown: Vec<_> = named.difference(&metrics).chain(labelled.difference(&labels)).collect();
        assert!(unknown.is_empty(), "{expression}: nobody has {unknown:?}");
    }
}
