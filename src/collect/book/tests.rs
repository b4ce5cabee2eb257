//! What the book decides, by its events alone.

use serde_json::json;

use super::*;
use crate::collect::shelf::Row;
use crate::common::limits::{SERIES_EACH_MAX, SERIES_MAX};

const HOUR_MS: u64 = 3_600_000;

fn book() -> Book {
    Book::new(60_000, HOUR_MS)
}

fn hello(name: &str, instance: u64) -> Hello {
    Hello { version: VERSION, name: name.to_owned(), instance, program: "test".to_owned() }
}

fn metric(name: &str, kind: Type) -> Result<Metric, (String, String)> {
    Ok(Metric { name: name.to_owned(), kind, help: String::new(), unit: String::new(), buckets: Vec::new() })
}

fn number(name: &str, number: f64) -> News {
    News { name: name.to_owned(), labels: Vec::new(), amount: Amount::Number(number) }
}

/// An agent that is here, with a counter and a gauge.
fn enter(book: &mut Book, name: &str, link: Link, now: Millis) -> Arc<str> {
    let Ok(welcome) = book.hello(hello(name, 1), link, now, 0) else { panic!("not welcome") };
    let declared = book.declare(&welcome.agent, vec![metric("a_total", Type::Counter), metric("b", Type::Gauge)], now);
    assert_eq!(declared, Answer::Declared(2, Vec::new()));
    welcome.agent
}

fn refused(answer: Result<Welcome, Answer>) -> Reason {
    match answer {
        Err(Answer::Error(reason, _)) => reason,
        _ => panic!("it is welcome"),
    }
}

/// A counter as it is shown.
fn shown(book: &Book, agent: &Arc<str>) -> Option<f64> {
    let family = book.shelf.family("a_total")?;
    let series = family.series.get(&(Arc::clone(agent), Labels::default()))?;
    series.is_shown.then(|| series.value.totals()[0].kept)
}

#[test]
fn what_is_shown_is_kept() {
    let mut book = book();
    let agent = enter(&mut book, "n", 1, Millis(0));
    book.push(&agent, 1, vec![number("a_total", 5.0)], Millis(1), 0);
    assert_eq!(shown(&book, &agent), None);
    let batch = book.changes();
    book.push(&agent, 2, vec![number("a_total", 7.0)], Millis(2), 0);
    book.keep(&batch);
    assert_eq!(shown(&book, &agent), Some(5.0), "what came since isn't written yet");
    // A disk without room: it is to be written still, and with it what has changed meanwhile.
    let batch = book.changes();
    book.push(&agent, 3, vec![number("a_total", 8.0)], Millis(3), 0);
    book.put_back(batch);
    assert_eq!(shown(&book, &agent), Some(5.0));
    let batch = book.changes();
    assert_eq!(batch.series.rows.len(), 1);
    book.keep(&batch);
    assert_eq!(shown(&book, &agent), Some(8.0));
    assert!(book.changes().is_empty());
}

#[test]
fn a_name_is_given_to_one_who_comes_when_its_holder_is_silent() {
    let mut book = book();
    enter(&mut book, "n", 1, Millis(0));
    assert_eq!(refused(book.hello(hello("n", 2), 2, Millis(AGENT_YIELD_MS - 1), 0)), Reason::Name);
    let welcome = book.hello(hello("n", 2), 2, Millis(AGENT_YIELD_MS), 0);
    assert!(welcome.is_ok_and(|welcome| welcome.former == Some(1)));
    book.leave(&"n".into(), 1, Millis(AGENT_YIELD_MS));
    assert_eq!(book.connected(), 1, "the former connection's end is none of the agent");
}

#[test]
fn a_push_counts_once() {
    let mut book = book();
    let agent = enter(&mut book, "n", 1, Millis(0));
    for (seq, total, taken) in [(1, 1.0, 1), (1, 9.0, 1), (2, 2.0, 2), (1, 9.0, 2)] {
        let told = book.push(&agent, seq, vec![number("a_total", total)], Millis(0), 0);
        assert_eq!(told, (Answer::Taken(taken, Vec::new()), true), "not before it is written");
    }
    book.leave(&agent, 1, Millis(0));
    let Ok(welcome) = book.hello(hello("n", 1), 2, Millis(0), 0) else { panic!("not welcome") };
    assert_eq!(welcome.answer, Answer::Welcome(0), "nothing of it is written");
    let batch = book.changes();
    book.keep(&batch);
    let Ok(welcome) = book.hello(hello("n", 1), 3, Millis(0), 0) else { panic!("not welcome") };
    assert_eq!(welcome.answer, Answer::Welcome(2));
    book.declare(&agent, vec![metric("b", Type::Gauge)], Millis(0));
    let told = book.push(&agent, 3, vec![number("b", 1.0)], Millis(0), 0);
    assert_eq!(told, (Answer::Taken(3, Vec::new()), false), "a gauge isn't written");
    let Ok(welcome) = book.hello(hello("n", 3), 4, Millis(AGENT_YIELD_MS), 0) else { panic!("not welcome") };
    assert_eq!(welcome.answer, Answer::Welcome(0), "another process");
}

#[test]
fn what_was_kept_goes_on() {
    let mut book = book();
    let agent = enter(&mut book, "n", 1, Millis(0));
    book.push(&agent, 1, vec![number("a_total", 5.0)], Millis(0), 0);
    let batch = book.changes();
    let mut after = self::book();
    batch.series.metrics.into_iter().for_each(|metric| after.shelf.restore_metric(metric, Millis(0)));
    let stranger = Row { key: ("x".into(), Labels::default()), ..batch.series.rows[0].clone() };
    batch.met.into_iter().for_each(|known| after.restore(known, Millis(0)));
    assert!(after.restore_series(batch.series.rows[0].clone(), Millis(0)));
    assert!(!after.restore_series(stranger, Millis(0)), "nobody knows whose it is");
    assert_eq!(shown(&after, &agent), Some(5.0));
    // All of it goes in time, and what counts it is right: an underflow would end the program.
    after.tick(Millis(HOUR_MS));
    assert_eq!((after.agents().count(), after.shelf.count()), (0, 0));
}

#[test]
fn caps_hold_on_both_sides() {
    let mut book = book();
    let labelled = |nth: usize| News { labels: vec![("n".to_owned(), nth.to_string())], ..number("b", 1.0) };
    let full = enter(&mut book, "n", 1, Millis(0));
    let all: Vec<_> = (0..SERIES_EACH_MAX).map(labelled).collect();
    assert_eq!(book.push(&full, 1, all, Millis(0), 0), (Answer::Taken(1, Vec::new()), false));
    let (Answer::Taken(2, refused), _) = book.push(&full, 2, vec![labelled(SERIES_EACH_MAX)], Millis(0), 0) else {
        panic!("not taken");
    };
    assert_eq!((refused.len(), book.counts.refused["series"]), (1, 1));
    for nth in 1..SERIES_MAX / SERIES_EACH_MAX {
        let agent = enter(&mut book, &format!("n{nth}"), 1, Millis(0));
        book.push(&agent, 1, (0..SERIES_EACH_MAX).map(labelled).collect(), Millis(0), 0);
    }
    assert_eq!((book.shelf.count(), book.counts.refused["series"]), (SERIES_MAX, 1));
    let more = enter(&mut book, "more", 2, Millis(0));
    book.push(&more, 1, vec![number("b", 1.0)], Millis(0), 0);
    assert_eq!(book.counts.refused["series"], 2);
    book.leave(&full, 1, Millis(0));
    assert_eq!(book.shelf.count(), SERIES_MAX - SERIES_EACH_MAX, "gauges go with their agent");
    book.push(&more, 2, vec![number("b", 1.0)], Millis(0), 0);
    assert_eq!(book.counts.refused["series"], 2);
}

#[test]
fn who_is_gone_for_longest_makes_room() {
    let mut book = book();
    for nth in 0..AGENTS_KNOWN_MAX as u64 {
        let agent = enter(&mut book, &format!("n{nth}"), nth, Millis(nth));
        if nth < 2 {
            book.push(&agent, 1, vec![number("a_total", 1.0)], Millis(nth), 0);
            book.leave(&agent, nth, Millis(nth));
        }
    }
    enter(&mut book, "new", 1_000_000, Millis(0));
    assert!(!book.agents().any(|(name, _)| **name == *"n0") && book.shelf.count() == 1);
    enter(&mut book, "newer", 1_000_001, Millis(0));
    assert_eq!(refused(book.hello(hello("newest", 1), 1_000_002, Millis(0), 0)), Reason::Busy);
}

#[test]
fn two_metrics_never_share_a_sample() {
    let mut book = book();
    let agent = enter(&mut book, "n", 1, Millis(0));
    let histogram = |name: &str| metric(name, Type::Histogram).map(|metric| Metric { buckets: vec![1.0], ..metric });
    let first = vec![
        histogram("h"),
        metric("s", Type::Summary),
        metric("c_total", Type::Counter),
        metric("g_count", Type::Gauge),
    ];
    assert_eq!(book.declare(&agent, first, Millis(0)), Answer::Declared(4, Vec::new()));
    for (name, kind) in [
        ("h_bucket", Type::Gauge),
        ("h_sum", Type::Gauge),
        ("s_count", Type::Gauge),
        ("c", Type::Gauge),
        ("g", Type::Summary),
        ("CPU_Utilization", Type::Gauge),
        ("A_Pressed", Type::Gauge),
    ] {
        assert!(matches!(book.declare(&agent, vec![metric(name, kind)], Millis(0)), Answer::Declared(0, _)), "{name}");
    }
}

#[test]
fn the_originals_words_are_understood() {
    let mut book = book();
    let agent = book.meet(([127, 0, 0, 1], 41_604).into(), 1, Millis(0), 0).unwrap();
    assert_eq!(&*agent, "('127.0.0.1', 41604)");
    let said = json!({ "CPU_Utilization": "0.5", "A_Pressed": 2, "x": 1 });
    let faults = book.hear(&agent, said.as_object().unwrap(), Millis(0), 0);
    assert!(matches!(faults[..], [(Reason::Key, _)]));
    assert_eq!(book.shelf.count(), 2);
    book.leave(&agent, 1, Millis(0));
    assert_eq!(book.shelf.count(), 1);
}

#[test]
fn a_bucket_is_a_series() {
    let mut book = book();
    let agent = enter(&mut book, "n", 1, Millis(0));
    let histogram = |nth: usize| {
        let buckets = (1..=61).map(f64::from).collect();
        metric(&format!("h{nth}"), Type::Histogram).map(|metric| Metric { buckets, ..metric })
    };
    book.declare(&agent, (0..16).map(histogram).collect(), Millis(0));
    let news = |nth: usize| News { amount: Amount::Histogram(vec![0.0; 63]), ..number(&format!("h{nth}"), 0.0) };
    book.push(&agent, 1, (0..16).map(news).collect(), Millis(0), 0);
    assert_eq!((book.shelf.count(), book.counts.refused["series"]), (15 * 64, 1));
    book.tick(Millis(HOUR_MS));
    assert_eq!(book.shelf.count(), 0);
}

#[test]
fn an_agent_has_so_many_metrics() {
    let mut book = book();
    let Ok(welcome) = book.hello(hello("n", 1), 1, Millis(0), 0) else { panic!("not welcome") };
    let many = (0..=METRICS_OF_AGENT_MAX).map(|nth| metric(&format!("m{nth}"), Type::Gauge)).collect();
    let Answer::Declared(count, refused) = book.declare(&welcome.agent, many, Millis(0)) else { panic!("no answer") };
    assert_eq!((count, refused.len()), (METRICS_OF_AGENT_MAX, 1));
    // When it has gone its metrics go, too.
    book.leave(&welcome.agent, 1, Millis(0));
    book.tick(Millis(HOUR_MS));
    assert_eq!(book.shelf.families().count(), 2, "the original's");
}

#[test]
fn the_originals_agents_push_nobody_else_out() {
    let mut book = book();
    let prod = enter(&mut book, "prod", 1, Millis(0));
    book.push(&prod, 1, vec![number("a_total", 5.0)], Millis(0), 0);
    book.leave(&prod, 1, Millis(0));
    for nth in 0..2 * UNNAMED_KNOWN_MAX as u64 {
        let from = ([127, 0, 0, 1], 1_000 + nth as u16).into();
        let agent = book.meet(from, nth, Millis(nth + 1), 0).unwrap();
        book.hear(&agent, json!({ "A_Pressed": 1 }).as_object().unwrap(), Millis(nth + 1), 0);
        book.leave(&agent, nth, Millis(nth + 1));
    }
    assert_eq!((book.agents().count(), book.shelf.count()), (UNNAMED_KNOWN_MAX + 1, UNNAMED_KNOWN_MAX + 1));
    assert!(book.agents().any(|(name, _)| *name == prod));
}
