//! `agent --stdin`: what another program prints.

use std::rc::Rc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::endings::deserted;
use crate::support::{FakeCollect, Process, Scene, set_to};

const PRINTED: &str = "\
# HELP jobs_total Jobs done
jobs_total 3
# a comment
temperature{room=\"a \\\"b\\\"\"} -2.5
# TYPE took_seconds histogram
# UNIT took_seconds seconds
# BUCKETS took_seconds 0.1 1
took_seconds 0.05
took_seconds 7
# TYPE size summary
size 1
size 2
not a line
temperature NaN
jobs_total 4";

/// Starts one, and lets it read all of `text`.
fn print(scene: &Scene, options: &str, text: &str) -> Rc<Process> {
    let agent = scene.start_with_input("agent", &format!("--stdin {options}"));
    agent.type_in(text);
    agent.end_input();
    agent
}

#[test]
fn what_is_printed_is_declared_pushed_and_delivered_before_the_end() {
    let (scene, collect) = (Scene::new(), FakeCollect::new());
    let agent = print(&scene, &format!("{} --name job", collect.address), PRINTED);
    let (mut talk, begun) = collect.welcome();
    assert_eq!(begun.hello["name"], "job");
    assert_eq!(
        begun.metrics[..4],
        [
            json!({"name": "jobs_total", "type": "counter", "help": "Jobs done"}),
            json!({"name": "temperature", "type": "gauge", "help": ""}),
            json!({"name": "took_seconds", "type": "histogram", "help": "", "unit": "seconds", "buckets": [0.1, 1]}),
            json!({"name": "size", "type": "summary", "help": ""}),
        ]
    );
    // Where the first push was made before the last line was read, that comes with the next.
    let (last, ()) = talk
        .until(begun.push, "all that was printed", |push| (set_to(push, "jobs_total") == Some(json!(4))).then_some(()));
    if last["seq"] == 1 {
        assert!(last["set"].as_array().unwrap().contains(&json!(["temperature", -2.5, {"room": "a \"b\""}])), "{last}");
        assert_eq!(set_to(&last, "took_seconds"), Some(json!({"buckets": [1, 0, 1], "sum": 7.05})));
        assert_eq!(last["observe"], json!([["size", [1, 2]]]));
    }
    assert_eq!(set_to(&last, "agent_bad_lines_total"), Some(json!(2)));
    assert_eq!(agent.status(), None, "it waits for the answer");
    talk.until_goodbye(last);
    assert_eq!(agent.wait_gone(), 0);
    let log = agent.log.all();
    assert!(log.contains("line 13: its value is no finite number: it is passed over"), "{log}");
    assert_eq!(log.matches(": it is passed over").count(), 1, "{log}");
    assert!(log.contains(": 2 lines were passed over\n"), "{log}");
}

#[test]
fn a_line_is_pushed_when_it_is_printed() {
    let (scene, collect) = (Scene::new(), FakeCollect::new());
    let agent = scene.start_with_input("agent", &format!("--stdin {}", collect.address));
    agent.type_in("first 1\n");
    let (mut talk, begun) = collect.welcome();
    let (push, ()) = talk.until(begun.push, "the first", |push| set_to(push, "first").map(drop));
    agent.type_in("first 2\n");
    let (push, ()) = talk.until(push, "the second", |push| (set_to(push, "first")? == 2).then_some(()));
    agent.end_input();
    talk.until_goodbye(push);
    assert_eq!(agent.wait_gone(), 0);
}

#[test]
fn long_lines_are_passed_over() {
    let (scene, collect) = (Scene::new(), FakeCollect::new());
    let text = format!("{}\na 1\n", "x".repeat(1 << 20));
    let agent = scene.start_with_input("agent", &format!("--stdin {}", collect.address));
    agent.type_in(&text);
    agent.end_input();
    let (mut talk, begun) = collect.welcome();
    let last = talk.until_goodbye(begun.push);
    assert_eq!(set_to(&last, "agent_bad_lines_total"), Some(json!(1)));
    assert_eq!(agent.wait_gone(), 0);
    agent.log.line("line 1: it is too long");
}

#[test]
fn observations_come_once_each_however_often_the_connection_breaks() {
    let (scene, collect) = (Scene::new(), FakeCollect::new());
    let count = 30_000;
    let printed: String = (0..count).map(|nth| format!("seen {nth}\n")).collect();
    let agent = scene.start_with_input("agent", &format!("--stdin {}", collect.address));
    agent.type_in("# TYPE seen summary\n");
    agent.type_in(&printed);
    agent.end_input();
    let (mut seen, mut taken) = (Vec::new(), 0);
    let note = |push: &Value, seen: &mut Vec<f64>| {
        let lists = push["observe"].as_array().unwrap().iter().flat_map(|list| list[1].as_array().unwrap());
        seen.extend(lists.map(|number| number.as_f64().unwrap()));
    };
    // Of three pushes one is taken, of one the answer is lost, and one is lost itself.
    for nth in 0.. {
        let mut talk = collect.accept();
        let push = talk.begin(taken).push;
        if nth % 3 == 1 {
            continue;
        }
        taken += 1;
        assert_eq!(push["seq"], taken);
        note(&push, &mut seen);
        if seen.len() == count {
            talk.until_goodbye(push);
            break;
        }
        if nth % 3 == 0 {
            talk.say(&json!({"taken": taken}));
        }
    }
    assert!(seen.iter().copied().eq((0..count).map(|nth| nth as f64)), "{} of {count}", seen.len());
    assert_eq!(agent.wait_gone(), 0);
}

/// They are more than are kept while collect is away.
#[test]
fn a_collect_that_takes_its_time_gets_all_of_a_flood() {
    const COUNT: usize = 300_000;
    let (scene, collect) = (Scene::new(), FakeCollect::new());
    let agent = scene.start_with_input("agent", &format!("--stdin {}", collect.address));
    let slow = thread::spawn(move || {
        let mut talk = collect.accept();
        let (mut seen, mut pushes) = (0, 0_u32);
        while let Some(frame) = talk.try_frame().filter(|frame| frame != "!DISCONNECT") {
            let said: Value = serde_json::from_str(&frame).unwrap();
            let push = &said["push"];
            let answer = match &said["declare"] {
                _ if !said["hello"].is_null() => json!({"welcome": {"version": 1, "taken": 0}}),
                Value::Array(list) => json!({"declared": list.len()}),
                _ => json!({"taken": push["seq"]}),
            };
            let lists = push["observe"].as_array().into_iter().flatten();
            seen += lists.map(|list| list[1].as_array().unwrap().len()).sum::<usize>();
            pushes += u32::from(!push.is_null());
            thread::sleep(Duration::from_millis(100));
            talk.say(&answer);
        }
        (seen, pushes)
    });
    agent.type_in("# TYPE seen summary\n");
    agent.type_in(&(0..COUNT).map(|nth| format!("seen {nth}\n")).collect::<String>());
    agent.end_input();
    assert_eq!(agent.wait_gone(), 0);
    let (seen, pushes) = slow.join().unwrap();
    assert_eq!(seen, COUNT, "{}", agent.log.all());
    assert!(pushes <= 80, "{pushes}");
}

#[test]
fn too_many_metrics_are_told_once_and_those_that_are_not_taken_at_the_end() {
    let (scene, collect) = (Scene::new(), FakeCollect::new());
    let agent = scene.start_with_input("agent", &format!("--stdin {}", collect.address));
    agent.type_in(&(0..300).map(|nth| format!("g{nth} 1\n")).collect::<String>());
    agent.end_input();
    let mut talk = collect.accept();
    talk.hear("hello");
    talk.say(&json!({"welcome": {"version": 1, "taken": 0}}));
    let declared = talk.hear("declare");
    assert_eq!(declared.as_array().unwrap().len(), 200);
    talk.say(&json!({"declared": 198, "refused": [["g1", "no"], ["g2", "no"]]}));
    let last = talk.hear("push");
    let last = talk.until_goodbye(last);
    assert_eq!(set_to(&last, "agent_bad_lines_total"), Some(json!(102)));
    assert_eq!(agent.wait_gone(), 0);
    let log = agent.log.all();
    assert_eq!(log.matches("there are more than 200 metrics").count(), 1, "{log}");
    assert!(log.contains(": 102 lines were passed over, 2 metrics weren't taken\n"), "{log}");
}

#[test]
fn what_cannot_be_delivered_is_69() {
    let (scene, (_socket, address)) = (Scene::new(), deserted());
    let agent = print(&scene, &format!("{address} --timeout 0.3"), PRINTED);
    assert_eq!(agent.wait_gone(), 69);
    // Somebody is there, but never takes anything.
    let collect = FakeCollect::new();
    let agent = print(&scene, &format!("{} --timeout 0.3", collect.address), PRINTED);
    let (_talk, _) = collect.welcome();
    assert_eq!(agent.wait_gone(), 69);
}

#[test]
fn no_lines_are_delivered_too() {
    let (scene, collect) = (Scene::new(), FakeCollect::new());
    let agent = print(&scene, &collect.address.to_string(), "");
    let (mut talk, begun) = collect.welcome();
    assert_eq!(set_to(&begun.push, "agent_bad_lines_total"), Some(json!(0)));
    talk.until_goodbye(begun.push);
    assert_eq!(agent.wait_gone(), 0);
}
