//! Programs that push beside their work: what they say, and what becomes of their pushers.

use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};

use crate::support::{FakeCollect, Member, Process, Scene, number, set_to, until};

/// The name that `program` has by itself.
fn name(program: &str) -> String {
    format!("{}/{program}", aliquot::common::process::host_name())
}

/// The pusher of a program that has no other child.
fn pusher(program: &Process) -> Member {
    program.only_child()
}

/// All that a push sets, by name and labels.
fn sets(push: &Value) -> Vec<String> {
    push["set"].as_array().unwrap().iter().map(|set| format!("{}{}", set[0], set[2])).collect()
}

#[test]
fn pow_pushes_what_it_does() {
    let (scene, collect) = (Scene::new(), FakeCollect::new());
    let pow = scene.pow(&format!("-d 1 -v --collect {}", collect.address));
    let (mut talk, begun) = collect.welcome();
    assert_eq!((&begun.hello["name"], &begun.hello["program"]), (&json!(name("pow")), &json!("pow")));
    assert_eq!((begun.first("counter"), begun.first("gauge")), ("pow_replies_total", "pow_connections"));
    assert_eq!(begun.metrics[1]["name"], "pow_hashes_total");
    assert_eq!(begun.metrics.last().unwrap()["name"], "push_samples_dropped_total");
    let mut client = pow.client();
    for _ in 0..5 {
        client.send(b"pushed\n");
        client.proof(b"pushed", 1);
    }
    let (push, seconds) = talk.until(begun.push, "five replies", |push| {
        (set_to(push, "pow_replies_total")? == 5).then(|| set_to(push, "pow_reply_seconds").unwrap())
    });
    assert_eq!(seconds["buckets"].as_array().unwrap().iter().map(number).sum::<u64>(), 5);
    assert_eq!(set_to(&push, "pow_difficulty_digits"), Some(json!(1)));
    assert!(number(&set_to(&push, "pow_hashes_total").unwrap()) >= 5);
    let mut series = sets(&push);
    series.sort();
    series.dedup();
    assert_eq!(series.len(), push["set"].as_array().unwrap().len(), "{series:?}");
    // What it has given up is as much as without; its pusher can reach collect alone.
    pow.log.line("pow[");
    assert!(pow.log.text().contains("sandbox: writes nowhere, starts nothing, connects nowhere;"));
    pow.log.line(&format!("sandbox: writes nowhere, starts nothing, connects to port {};", collect.address.port()));
    pow.signal(Signal::SIGTERM);
    talk.until_goodbye(push);
    assert_eq!(pow.wait_gone(), 0);
}

#[test]
fn loot_pushes_what_is_drawn() {
    let (scene, collect) = (Scene::new(), FakeCollect::new());
    let options = format!("--size 10 --collect {} --collect-name box", collect.address);
    let loot = scene.loot(&options);
    let (mut talk, begun) = collect.welcome();
    assert_eq!((begun.first("gauge"), begun.first("counter")), ("loot_drawn_numbers", "loot_taken_numbers_total"));
    assert_eq!((&begun.hello["name"], set_to(&begun.push, "loot_size_numbers")), (&json!("box"), Some(json!(10))));
    let status = std::fs::read_to_string(format!("/proc/{}/status", pusher(&loot).pid)).unwrap();
    assert!(status.contains("\nSeccomp:\t2\n"), "{status}");
    scene.run_loot(&format!("draw {} 3", loot.address));
    let drawn = |count: u64| move |push: &Value| (set_to(push, "loot_drawn_numbers")? == count).then_some(());
    let (push, ()) = talk.until(begun.push, "three numbers", drawn(3));
    assert_eq!(set_to(&push, "loot_taken_numbers_total"), Some(json!(3)));
    assert_eq!(set_to(&push, "loot_left_numbers"), Some(json!(7)));
    loot.signal(Signal::SIGTERM);
    talk.until_goodbye(push);
    assert_eq!(loot.wait_gone(), 0);
    // Another process counts from nothing, the box goes on.
    let loot = scene.loot(&options);
    let (mut talk, begun) = collect.welcome();
    assert_eq!(set_to(&begun.push, "loot_drawn_numbers"), Some(json!(3)));
    assert_eq!(set_to(&begun.push, "loot_taken_numbers_total"), Some(json!(0)));
    loot.signal(Signal::SIGTERM);
    talk.until_goodbye(begun.push);
    assert_eq!(loot.wait_gone(), 0);
}

#[test]
fn manage_pushes_how_far_it_is() {
    let (scene, collect) = (Scene::new(), FakeCollect::new());
    let manage = scene.manage(&format!("--last 50000 --seconds 0.1 --ledger :memory: --collect {}", collect.address));
    let (mut talk, begun) = collect.welcome();
    assert_eq!((&begun.hello["program"], begun.first("gauge")), (&json!("manage"), "search_tested_numbers"));
    let compute = scene.compute(&manage, "");
    let last = talk.until_goodbye(begun.push);
    assert_eq!(set_to(&last, "search_tested_numbers"), Some(json!(50_000)), "the last push has the last word");
    assert_eq!(set_to(&last, "search_perfect_numbers"), Some(json!(4)));
    assert_eq!((manage.wait_gone(), compute.wait_gone()), (0, 0));
}

#[test]
fn manage_says_what_its_computes_do() {
    let (scene, collect) = (Scene::new(), FakeCollect::new());
    let manage = scene.manage(&format!("--ledger :memory: --collect {}", collect.address));
    let (mut talk, begun) = collect.welcome();
    let _compute = scene.compute(&manage, "");
    let busy = json!(["search_computes", 1, {"state": "busy"}]);
    let (push, ()) =
        talk.until(begun.push, "a busy compute", |push| push["set"].as_array().unwrap().contains(&busy).then_some(()));
    assert_eq!(set_to(&push, "search_ending"), Some(json!(0)));
    assert!(set_to(&push, "search_leased_numbers").is_some_and(|leased| number(&leased) > 0));
}

#[test]
fn each_of_several_computes_has_its_name() {
    let (scene, collect) = (Scene::new(), FakeCollect::new());
    let manage = scene.manage("--seconds 0.2 --ledger :memory:");
    let several = scene.compute(&manage, &format!("--count 2 --collect {}", collect.address));
    let mut talks: Vec<_> = (0..2).map(|_| collect.welcome()).collect();
    talks.sort_by_key(|(_, begun)| begun.hello["name"].to_string());
    for (nth, (talk, begun)) in talks.iter_mut().enumerate() {
        assert_eq!(begun.hello["name"], format!("{}/{}", name("compute"), nth + 1));
        assert_eq!(begun.first("counter"), "compute_tested_numbers_total");
        let (push, ()) = talk.until(begun.push.take(), "an accepted range", |push| {
            (number(&set_to(push, "compute_ranges_total")?) > 0).then_some(())
        });
        assert!(number(&set_to(&push, "compute_tested_numbers_total").unwrap()) > 0);
        assert_eq!(set_to(&push, "compute_connected"), Some(json!(1)));
        begun.push = push;
    }
    several.signal(Signal::SIGTERM);
    for (talk, begun) in &mut talks {
        talk.until_goodbye(begun.push.take());
    }
    assert_eq!(several.wait_gone(), 0);
}

#[test]
fn samples_that_newer_ones_have_replaced_are_counted() {
    let (scene, collect) = (Scene::new(), FakeCollect::new());
    let pow = scene.pow(&format!("--collect {}", collect.address));
    let (mut talk, begun) = collect.welcome();
    // Some seconds without an answer, by its own clock.
    pow.until("some samples", |status| status["uptime_s"].as_f64() > Some(4.0));
    talk.until(begun.push, "what was dropped", |push| {
        (number(&set_to(push, "push_samples_dropped_total")?) > 0).then_some(())
    });
}

/// Collect answers when it has written.
#[test]
fn the_last_word_waits_for_an_answer_that_is_late() {
    let (scene, collect) = (Scene::new(), FakeCollect::new());
    let loot = scene.loot(&format!("--size 10 --ledger :memory: --collect {}", collect.address));
    let (mut talk, begun) = collect.welcome();
    scene.run_loot(&format!("draw {} 3", loot.address));
    loot.signal(Signal::SIGTERM);
    thread::sleep(Duration::from_millis(380));
    let last = talk.take(&begun.push);
    assert_eq!(set_to(&last, "loot_drawn_numbers"), Some(json!(3)));
    talk.until_goodbye(last);
    assert_eq!(loot.wait_gone(), 0);
}

#[test]
fn a_signal_to_all_ends_it_as_one_to_the_program_does() {
    for signal in [Signal::SIGINT, Signal::SIGHUP] {
        let (scene, collect) = (Scene::new(), FakeCollect::new());
        let pow = scene.pow(&format!("--collect {}", collect.address));
        let (mut talk, begun) = collect.welcome();
        pow.signal_group(signal);
        talk.until_goodbye(begun.push);
        assert_eq!(pow.wait_gone(), 0, "{signal}");
    }
}

#[test]
fn a_pusher_is_gone_with_its_parent_even_if_it_is_stopped() {
    for signal in [Signal::SIGCONT, Signal::SIGSTOP] {
        let (scene, collect) = (Scene::new(), FakeCollect::new());
        let manage = scene.manage(&format!("--ledger :memory: --collect {}", collect.address));
        let (mut talk, _) = collect.welcome();
        kill(pusher(&manage).pid, signal).unwrap();
        manage.signal(Signal::SIGKILL);
        assert_eq!(manage.wait_gone(), -9);
        assert!(talk.try_frame().is_none_or(|last| last == "!DISCONNECT"));
    }
}

#[test]
fn a_program_goes_on_without_its_pusher() {
    let (scene, collect) = (Scene::new(), FakeCollect::new());
    let pow = scene.pow(&format!("-d 1 --collect {}", collect.address));
    let _talk = collect.welcome();
    kill(pusher(&pow).pid, Signal::SIGKILL).unwrap();
    pow.log.line("no metrics are pushed any more");
    until("that it is reaped", || pow.children().is_empty().then_some(()));
    let mut client = pow.client();
    client.send(b"alone\n");
    client.proof(b"alone", 1);
    pow.signal(Signal::SIGTERM);
    assert_eq!(pow.wait_gone(), 0);
    assert_eq!(pow.log.all().matches("pushed any more").count(), 1);
}

#[test]
fn a_stopped_pusher_holds_nobody_up() {
    let (scene, collect) = (Scene::new(), FakeCollect::new());
    let loot = scene.loot(&format!("--ledger :memory: --collect {}", collect.address));
    let _talk = collect.welcome();
    kill(pusher(&loot).pid, Signal::SIGSTOP).unwrap();
    assert_eq!(scene.run_loot(&format!("draw {} 3", loot.address)).0, 0);
    loot.signal(Signal::SIGTERM);
    assert_eq!(loot.wait_gone(), 0);
}

#[test]
fn wrong_options_are_usage() {
    let scene = Scene::new();
    for program in ["manage --ledger :memory:", "compute", "pow serve", "loot serve --ledger :memory:"] {
        let (program, options) = program.split_once(' ').unwrap_or((program, ""));
        for (more, status) in
            [("--collect a:b:c", 2), ("--collect-name x", 2), ("--collect :1 --collect-keys nowhere", 77)]
        {
            let listen = if program == "compute" { "" } else { "--listen 127.0.0.1:0" };
            let ended = scene.start(program, &format!("{options} {listen} {more}"));
            assert_eq!(ended.wait_gone(), status, "{program} {more}");
        }
    }
}
