//! What is said when, and what of it again.

use serde_json::{Value as Json, json};

use super::*;
use crate::common::push::metric::Kind;

fn metric(name: &str, kind: Kind) -> Metric {
    let (name, unit, help, buckets) = (name.to_owned().into(), "".into(), "".into(), (&[][..]).into());
    Metric { name, kind, unit, help, buckets }
}

fn series(name: &str) -> Series {
    Series { name: name.to_owned().into(), labels: Vec::new() }
}

fn outbox() -> Outbox {
    let mut outbox = Outbox::new(Hello { name: "a".to_owned(), instance: 1, program: "agent" });
    outbox.declare(&metric("g", Kind::Gauge));
    outbox.declare(&metric("s", Kind::Summary));
    outbox
}

fn json(frame: &str) -> Json {
    assert!(frame.len() <= FRAME_MAX_BYTES, "{} bytes", frame.len());
    serde_json::from_str(frame).unwrap()
}

/// What it says next, which has to be something.
#[track_caller]
fn next(outbox: &mut Outbox, ms: u64) -> Json {
    json(&outbox.next(false, Millis(ms)).unwrap())
}

/// On a new connection it says who it is and what it has; collect has taken this push before.
fn greet(outbox: &mut Outbox, taken: u64) {
    outbox.hang_up();
    assert_eq!(json(&outbox.greet())["hello"]["name"], "a");
    assert_eq!(outbox.next(true, Millis(0)), None, "not before the welcome");
    assert_eq!(outbox.hear(Answer::Welcome(taken)), Ok(Heard::Welcome));
    let declared = next(outbox, 0)["declare"].as_array().unwrap().len();
    assert_eq!(declared, outbox.metrics.len());
    assert_eq!(outbox.next(true, Millis(0)), None, "one at a time");
    assert_eq!(outbox.hear(Answer::Declared(vec![])), Ok(Heard::Declared(vec![])));
}

fn taken(outbox: &mut Outbox, seq: u64) {
    assert_eq!(outbox.hear(Answer::Taken(seq, vec![])), Ok(Heard::Taken(vec![])));
}

#[test]
fn the_latest_value_is_said_and_all_that_was_seen() {
    let mut outbox = outbox();
    outbox.set(series("g"), Value::Number(1.0));
    outbox.set(series("g"), Value::Number(2.0));
    outbox.observe(series("s"), 3.0);
    outbox.observe(series("s"), 4.5);
    greet(&mut outbox, 0);
    assert_eq!(next(&mut outbox, 0), json!({"push": {"seq": 1, "set": [["g", 2]], "observe": [["s", [3, 4.5]]]}}));
    outbox.set(series("g"), Value::Number(5.0));
    assert_eq!(outbox.next(true, Millis(9_000)), None, "one at a time");
    assert!(!outbox.is_delivered());
    taken(&mut outbox, 1);
    assert_eq!(outbox.next(false, Millis(PUSH_PAUSE_MS - 1)), None, "not in a hurry");
    assert_eq!(outbox.due(), Some(Millis(PUSH_PAUSE_MS)));
    assert_eq!(next(&mut outbox, PUSH_PAUSE_MS), json!({"push": {"seq": 2, "set": [["g", 5]], "observe": []}}));
    taken(&mut outbox, 2);
    assert!(outbox.is_delivered());
    assert_eq!(outbox.next(false, Millis(90_000)), None, "nothing is new");
    let beat = outbox.next(true, Millis(90_000)).unwrap();
    assert_eq!(json(&beat), json!({"push": {"seq": 3, "set": [], "observe": []}}));
}

#[test]
fn a_push_without_an_answer_is_said_again_under_its_number_unless_it_was_taken() {
    for was_taken in [false, true] {
        let mut outbox = outbox();
        greet(&mut outbox, 0);
        outbox.set(series("g"), Value::Number(1.0));
        outbox.observe(series("s"), 2.0);
        let first = next(&mut outbox, 0);
        outbox.set(series("g"), Value::Number(3.0));
        greet(&mut outbox, u64::from(was_taken));
        if !was_taken {
            assert_eq!(next(&mut outbox, 0), first);
            taken(&mut outbox, 1);
        }
        // What was seen is not said again, how it stands is.
        let second = json!({"push": {"seq": 2, "set": [["g", 3]], "observe": []}});
        assert_eq!(next(&mut outbox, PUSH_PAUSE_MS), second);
        taken(&mut outbox, 2);
        greet(&mut outbox, 2);
        assert_eq!(next(&mut outbox, PUSH_PAUSE_MS)["push"], json!({"seq": 3, "set": [["g", 3]], "observe": []}));
    }
}

#[test]
fn what_is_declared_later_is_said_before_what_is_said_of_it() {
    let mut outbox = outbox();
    greet(&mut outbox, 0);
    next(&mut outbox, 0);
    taken(&mut outbox, 1);
    outbox.declare(&metric("late", Kind::Gauge));
    outbox.declare(&metric("g", Kind::Counter));
    outbox.set(series("late"), Value::Number(1.0));
    assert_eq!(outbox.metric("g").unwrap().kind, Kind::Gauge, "the first declaration counts");
    assert_eq!(next(&mut outbox, PUSH_PAUSE_MS)["declare"][0]["name"], "late");
    assert_eq!(outbox.hear(Answer::Declared(vec![])), Ok(Heard::Declared(vec![])));
    assert_eq!(next(&mut outbox, PUSH_PAUSE_MS)["push"]["set"], json!([["late", 1]]));
}

#[test]
fn what_is_refused_is_not_said_on_this_connection() {
    let mut outbox = outbox();
    outbox.set(series("g"), Value::Number(1.0));
    outbox.observe(series("s"), 1.0);
    outbox.greet();
    outbox.hear(Answer::Welcome(0)).unwrap();
    next(&mut outbox, 0);
    let refused = vec![("g".to_owned(), "why".to_owned()), ("s".to_owned(), "why".to_owned())];
    assert_eq!(outbox.hear(Answer::Declared(refused.clone())), Ok(Heard::Declared(refused)));
    assert_eq!(next(&mut outbox, 0)["push"], json!({"seq": 1, "set": [], "observe": []}));
    taken(&mut outbox, 1);
    outbox.set(series("g"), Value::Number(2.0));
    assert!(!outbox.observe(series("s"), 2.0) && outbox.dropped() == 2);
    assert!(outbox.is_delivered());
    greet(&mut outbox, 1);
    assert_eq!(next(&mut outbox, 0)["push"]["set"], json!([["g", 2]]));
}

#[test]
fn what_is_too_much_for_a_frame_is_said_in_several_and_nothing_is_left_out() {
    let mut outbox = outbox();
    let long = "x".repeat(200);
    let count = 500_u32;
    for nth in 0..count {
        let labels = vec![("label".into(), format!("{long}{nth}").into())];
        assert!(outbox.set(Series { name: "g".into(), labels }, Value::Number(f64::from(nth))));
    }
    let seen: Vec<f64> = (0..20_000).map(f64::from).collect();
    seen.iter().for_each(|number| assert!(outbox.observe(series("s"), *number)));
    for nth in 2..METRICS_OF_AGENT_MAX {
        assert!(outbox.declare(&metric(&format!("{long}{nth}"), Kind::Gauge)));
    }
    outbox.greet();
    outbox.hear(Answer::Welcome(0)).unwrap();
    let (mut set, mut observed, mut declared, mut frames) = (0, Vec::new(), 0, 0);
    while let Some(frame) = outbox.next(false, Millis(frames * PUSH_PAUSE_MS)) {
        frames += 1;
        let frame = json(&frame);
        if let Some(list) = frame["declare"].as_array() {
            declared += list.len();
            outbox.hear(Answer::Declared(vec![])).unwrap();
            continue;
        }
        let push = &frame["push"];
        set += push["set"].as_array().unwrap().len();
        let lists = push["observe"].as_array().unwrap().iter().flat_map(|list| list[1].as_array().unwrap());
        observed.extend(lists.map(|number| number.as_f64().unwrap()));
        taken(&mut outbox, push["seq"].as_u64().unwrap());
    }
    assert_eq!((set, declared), (count as usize, METRICS_OF_AGENT_MAX));
    assert!(observed == seen && outbox.is_delivered() && frames > 8, "{frames}");
}

#[test]
fn series_and_observations_are_bounded() {
    let mut outbox = outbox();
    (0..OBSERVATIONS_MAX).for_each(|_| assert!(outbox.observe(series("s"), 1.0)));
    assert!(!outbox.observe(series("s"), 1.0) && outbox.dropped() == 1 && outbox.is_full());
    let one = |nth: usize| Series { name: "g".into(), labels: vec![("n".into(), nth.to_string().into())] };
    (1..SERIES_OF_AGENT_MAX).for_each(|nth| assert!(outbox.set(one(nth), Value::Number(1.0))));
    assert!(!outbox.set(one(0), Value::Number(1.0)) && outbox.set(one(1), Value::Number(2.0)));
    assert!(!outbox.set(series("unknown"), Value::Number(1.0)));
}

#[test]
fn answers_out_of_turn_are_errors_and_none_is_believed_too_much() {
    for answer in [Answer::Welcome(0), Answer::Declared(vec![]), Answer::Taken(0, vec![])] {
        assert!(outbox().hear(answer).is_err());
    }
    let mut outbox = outbox();
    greet(&mut outbox, u64::MAX);
    assert_eq!(next(&mut outbox, 0)["push"]["seq"], u64::MAX);
    assert!(outbox.hear(Answer::Taken(7, vec![])).is_err(), "another push's");
    greet(&mut outbox, 0);
    outbox.next(false, Millis(0)).unwrap();
    let error = Answer::Error(said::Code::Passing, "busy".to_owned());
    assert_eq!(outbox.hear(error), Ok(Heard::Error(said::Code::Passing, "busy".to_owned())));
}

#[test]
fn metrics_are_bounded() {
    let mut outbox = outbox();
    let nth = |nth: usize| metric(&format!("g{nth}"), Kind::Gauge);
    assert!((2..METRICS_OF_AGENT_MAX).all(|at| outbox.declare(&nth(at))));
    assert!(!outbox.declare(&nth(0)) && outbox.metric("g0").is_none());
    outbox.read(&Reading::counter("a_total", "", "", 1));
    assert!(outbox.declare(&nth(2)), "it is declared already");
    assert_eq!(outbox.metrics(), METRICS_OF_AGENT_MAX);
}

#[test]
fn all_is_said_again_now_and_then() {
    let mut outbox = outbox();
    greet(&mut outbox, 0);
    outbox.set(series("g"), Value::Number(1.0));
    outbox.observe(series("s"), 2.0);
    next(&mut outbox, 7);
    taken(&mut outbox, 1);
    let mut beat = |ms: u64, seq: u64| {
        let frame = json(&outbox.next(true, Millis(ms)).unwrap());
        taken(&mut outbox, seq);
        frame
    };
    let nothing = |seq: u64| json!({"push": {"seq": seq, "set": [], "observe": []}});
    let all = |seq: u64| json!({"push": {"seq": seq, "set": [["g", 1]], "observe": [["s", []]]}});
    assert_eq!(beat(6 + PUSH_REPEAT_MS, 2), nothing(2));
    assert_eq!(beat(7 + PUSH_REPEAT_MS, 3), all(3));
    assert_eq!(beat(6 + 2 * PUSH_REPEAT_MS, 4), nothing(4), "once each time");
    assert_eq!(beat(7 + 2 * PUSH_REPEAT_MS, 5), all(5));
    assert!(outbox.is_delivered());
    // A connection that breaks again and again doesn't put it off.
    greet(&mut outbox, 5);
    assert_eq!(next(&mut outbox, 7 + 3 * PUSH_REPEAT_MS), all(6));
}

/// Where each answer takes its time it counts how many there are.
#[test]
fn frames_are_filled() {
    for (sets, labels) in [(0, 0), (1, 0), (200, 100)] {
        let mut outbox = outbox();
        for nth in 0..sets {
            let labels = vec![("n".into(), format!("{nth:0labels$}").into())];
            outbox.set(Series { name: "g".into(), labels }, Value::Number(1.0));
        }
        (0..20_000).for_each(|nth| assert!(outbox.observe(series("s"), f64::from(nth) / 8.0)));
        greet(&mut outbox, 0);
        for seq in 1..4 {
            let frame = outbox.next(true, Millis(seq)).unwrap();
            assert!((FRAME_MAX_BYTES - 100..=FRAME_MAX_BYTES).contains(&frame.len()), "{sets}: {}", frame.len());
            taken(&mut outbox, seq);
        }
    }
}
