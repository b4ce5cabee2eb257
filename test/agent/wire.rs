//! What an agent says when, and what of it again.

use std::net::TcpListener;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::endings::deserted;
use crate::support::{FakeCollect, Scene, number, set_to};

#[test]
fn it_says_who_it_is_what_it_has_and_how_that_stands() {
    let (scene, collect) = (Scene::new(), FakeCollect::new());
    let agent = scene.start("agent", &format!("{} --name here --interval 0.1", collect.address));
    let (mut talk, begun) = collect.welcome();
    assert_eq!(begun.hello["version"], 1);
    assert_eq!((&begun.hello["name"], &begun.hello["program"]), (&json!("here"), &json!("agent")));
    let instance = begun.hello["instance"].as_str().unwrap();
    assert!(instance.len() == 16 && instance.bytes().all(|byte| byte.is_ascii_hexdigit()), "{instance}");
    assert_eq!(begun.first("gauge"), "host_cpu_utilization_ratio");
    assert_eq!(begun.first("counter"), "agent_letters_a_total");
    assert_eq!(begun.push["seq"], 1);
    let memory = set_to(&begun.push, "host_memory_total_bytes").unwrap();
    assert!(memory.as_f64() > set_to(&begun.push, "host_memory_available_bytes").unwrap().as_f64());
    assert!(begun.push["set"].as_array().unwrap().iter().any(|set| set[2] == json!({"window": "15m"})));
    let letters = number(&set_to(&begun.push, "agent_letters_a_total").unwrap());
    let (push, share) =
        talk.until(begun.push, "the processors' share", |push| set_to(push, "host_cpu_utilization_ratio"));
    assert!((0.0..=1.0).contains(&share.as_f64().unwrap()), "{share}");
    let (push, _) = talk.until(push, "more letters", |push| {
        let now = number(&set_to(push, "agent_letters_a_total")?);
        assert!(now >= letters, "a counter has fallen");
        (now > letters).then_some(())
    });
    assert!(number(&push["seq"]) > 1);
    agent.signal(Signal::SIGTERM);
    talk.until_goodbye(push);
    assert_eq!(agent.wait_gone(), 0);
}

#[test]
fn it_says_nothing_more_before_the_answer() {
    let (scene, collect) = (Scene::new(), FakeCollect::new());
    let agent = scene.start("agent", &format!("{} --interval 0.1", collect.address));
    let (mut talk, _) = collect.welcome();
    agent.signal(Signal::SIGTERM);
    assert_eq!(talk.try_frame().unwrap(), "!DISCONNECT");
    assert_eq!((talk.try_frame(), agent.wait_gone()), (None, 0));
}

#[test]
fn a_push_without_an_answer_is_said_again_under_its_number_unless_it_was_taken() {
    for taken in [1, 2] {
        let (scene, collect) = (Scene::new(), FakeCollect::new());
        let agent = scene.start_with_input("agent", &format!("--stdin {}", collect.address));
        agent.type_in("a_total 1\na 1\n");
        let (mut talk, begun) = collect.welcome();
        agent.type_in("a 2\n");
        let lost = talk.take(&begun.push);
        assert_eq!((&lost["seq"], set_to(&lost, "a")), (&json!(2), Some(json!(2))));
        // It has read what comes behind that.
        agent.type_in("a 3\nbad\n");
        agent.log.line("it is passed over");
        drop(talk);
        let mut talk = collect.accept();
        let again = talk.begin(taken);
        assert_eq!((again.hello, again.metrics), (begun.hello, begun.metrics), "it is the same agent");
        let next = if taken == 1 {
            assert_eq!(again.push, lost);
            talk.take(&again.push)
        } else {
            again.push
        };
        assert_eq!((&next["seq"], set_to(&next, "a")), (&json!(3), Some(json!(3))), "all is set again");
        agent.signal(Signal::SIGTERM);
        talk.until_goodbye(next);
        assert_eq!(agent.wait_gone(), 0);
    }
}

#[test]
fn it_may_start_before_collect_and_each_change_is_one_line() {
    let (scene, (socket, address)) = (Scene::new(), deserted());
    let agent = scene.start("agent", &format!("{address} --interval 0.1 -v"));
    agent.log.lines("trying again in ", 3);
    socket.listen(8).unwrap();
    let collect = FakeCollect::over(TcpListener::from(socket));
    let (mut talk, begun) = collect.welcome();
    let push = talk.take(&begun.push);
    agent.log.line(" is here: ");
    let count = |what: &str| agent.log.text().matches(what).count();
    assert_eq!((count(" is away: "), count(" is here: ")), (1, 1));
    drop((talk, push));
    // It is away for a moment, which may be told or not; then for good.
    let mut talk = collect.accept();
    let begun = talk.begin(1);
    talk.take(&begun.push);
    drop((talk, collect));
    agent.log.lines(" is away: ", 2);
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait_gone(), 0);
    let log = agent.log.all();
    let told: Vec<_> = log.lines().filter(|line| line.contains(" is away: ") || line.contains(" is here: ")).collect();
    assert!(told.windows(2).all(|two| two[0].contains(" is away: ") != two[1].contains(" is away: ")), "{told:?}");
}

#[test]
fn it_gives_up_where_nobody_will_ever_take_it() {
    let error = |code: &str| json!({"error": {"code": code, "text": "no"}});
    let version = json!({"welcome": {"version": 2, "taken": 0}});
    for (answer, status) in [(error("version"), 76), (error("frame"), 76), (error("forbidden"), 77), (version, 76)] {
        let (scene, collect) = (Scene::new(), FakeCollect::new());
        let agent = scene.start("agent", &collect.address.to_string());
        let mut talk = collect.accept();
        talk.hear("hello");
        talk.say(&answer);
        assert_eq!(agent.wait_gone(), status, "{answer}");
    }
}

#[test]
fn what_passes_is_waited_for() {
    for code in ["name", "busy", "another"] {
        let (scene, collect) = (Scene::new(), FakeCollect::new());
        let agent = scene.start("agent", &collect.address.to_string());
        let mut talk = collect.accept();
        talk.hear("hello");
        talk.say(&json!({"error": {"code": code, "text": "later\u{1b}[2J"}}));
        agent.log.line(&format!(" is away: {code}: later\\u{{1b}}[2J"));
        collect.welcome();
        agent.signal(Signal::SIGTERM);
        assert_eq!(agent.wait_gone(), 0);
    }
}

#[test]
fn what_is_refused_is_told_once_and_the_rest_goes_on() {
    let (scene, collect) = (Scene::new(), FakeCollect::new());
    let agent = scene.start("agent", &format!("{} --interval 0.1", collect.address));
    let mut talk = collect.accept();
    talk.hear("hello");
    talk.say(&json!({"welcome": {"version": 1, "taken": 0}}));
    talk.hear("declare");
    let refused = json!([["host_load_average", "another has it"], ["unknown", "x"]]);
    talk.say(&json!({"declared": 4, "refused": refused}));
    let push = talk.hear("push");
    assert!(set_to(&push, "host_load_average").is_none() && set_to(&push, "host_memory_total_bytes").is_some());
    talk.say(&json!({"taken": 1, "refused": refused}));
    let push = talk.hear("push");
    agent.signal(Signal::SIGTERM);
    talk.until_goodbye(push);
    assert_eq!(agent.wait_gone(), 0);
    let log = agent.log.all();
    assert_eq!(log.matches("collect doesn't take host_load_average: another has it").count(), 1, "{log}");
    assert!(!log.contains("unknown"), "{log}");
}

#[test]
fn each_signal_ends_it() {
    for signal in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP, Signal::SIGTERM] {
        for options in ["", "--stdin"] {
            let (scene, collect) = (Scene::new(), FakeCollect::new());
            let agent = scene.start_with_input("agent", &format!("{} {options}", collect.address));
            agent.type_in("a 1\n");
            let (mut talk, begun) = collect.welcome();
            agent.signal(signal);
            talk.until_goodbye(begun.push);
            assert_eq!(agent.wait_gone(), 0, "{signal} {options}");
        }
    }
}

#[test]
fn wrong_options_are_usage() {
    let scene = Scene::new();
    for options in ["a:b:c", ":70000", "--name=", "--interval 0", "--timeout 5", "--stdin --interval 1", "-q -v"] {
        assert_eq!(scene.start("agent", options).wait_gone(), 2, "{options}");
    }
    assert_eq!(scene.start("agent", ":1 --keys nowhere").wait_gone(), 77);
}
