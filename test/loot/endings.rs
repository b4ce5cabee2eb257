//! How a server ends.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use nix::sys::signal::Signal;

use super::{are_distinct, is_whole_box};
use crate::support::{Client, Scene, until};

#[test]
fn each_signal_ends_it_and_leaves_one_whole_file() {
    for signal in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP, Signal::SIGTERM] {
        let scene = Scene::new();
        let loot = scene.loot("--size 1000");
        let (mut client, idle) = (loot.client(), loot.client());
        client.draw(10);
        assert!(scene.path("loot.db-wal").exists(), "else this shows nothing");
        loot.signal(signal);
        assert_eq!(loot.wait_gone(), 0, "{signal}");
        assert!(loot.log.all().contains("bye: 10 of 1,000 drawn, 0 unheard"), "{}", loot.log.all());
        assert_eq!((client.rest(), idle.rest()), (vec![], vec![]));
        for beside in ["loot.db-wal", "loot.db-shm", "loot.db-journal"] {
            assert!(!scene.path(beside).exists(), "{signal} has left {beside}");
        }
        assert_eq!(scene.run_loot("verify loot.db").0, 0);
    }
}

#[test]
fn an_answer_that_has_begun_is_said_to_its_end() {
    let scene = Scene::new();
    let loot = scene.loot("--size 300000");
    let mut client = loot.client();
    client.say("draw 300000");
    let mut numbers = client.numbers(1);
    loot.signal(Signal::SIGTERM);
    numbers.extend(client.numbers(299_999));
    assert_eq!(client.rest(), b"");
    assert_eq!(loot.wait_gone(), 0);
    is_whole_box(numbers, 300_000);
    assert!(loot.log.all().contains("300,000 of 300,000 drawn, 0 unheard"), "{}", loot.log.all());
}

#[test]
fn under_load_whatever_was_told_is_kept_and_whatever_is_kept_was_told() {
    let scene = Scene::new();
    let loot = scene.loot("--size 100000 --threads 3");
    let (address, count) = (loot.address, AtomicU32::new(0));
    let draw = || {
        let (mut client, mut told) = (Client::connect(address), Vec::new());
        while client.try_send(b"draw 1\n") {
            let Some(line) = client.try_reply() else { break };
            told.push(String::from_utf8(line).unwrap().parse::<u32>().unwrap());
            count.fetch_add(1, Ordering::Relaxed);
        }
        told
    };
    let told: Vec<u32> = thread::scope(|scope| {
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(draw)).collect();
        until("some are drawn", || (count.load(Ordering::Relaxed) > 200).then_some(()));
        loot.signal(Signal::SIGINT);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    assert_eq!(loot.wait_gone(), 0, "{}", loot.evidence());
    are_distinct(&told);
    let again = scene.loot("");
    let mut client = again.client();
    assert_eq!((client.count("drawn") as usize, client.count("unheard")), (told.len(), 0));
    is_whole_box([told, client.draw(again.standing().1)].concat(), 100_000);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let scene = Scene::new();
    let loot = scene.loot("--size 5000000");
    let mut deaf = loot.client();
    deaf.say("draw 5000000");
    let heard = deaf.numbers(1);
    loot.signal(Signal::SIGTERM);
    loot.log.line("SIGTERM: ending");
    // Signals within a quarter of a second are one.
    until("its end", || {
        loot.signal_if_running(Signal::SIGTERM);
        loot.exit_status()
    });
    assert_eq!(loot.wait_gone(), 1, "{}", loot.evidence());
    assert!(loot.log.all().contains("a second signal: ended at once"), "{}", loot.log.all());
    let again = scene.loot("");
    assert_eq!(again.standing(), (5_000_000, 0), "what was drawn stays drawn");
    assert_eq!(again.order()[0], heard[0]);
}

#[test]
fn who_takes_no_answer_keeps_it_from_ending_for_a_while_only() {
    let scene = Scene::new();
    let loot = scene.loot("--size 5000000 --ledger :memory:");
    let mut deaf = loot.client();
    deaf.say("draw 5000000");
    deaf.numbers(1);
    loot.signal(Signal::SIGHUP);
    assert_eq!(loot.wait_gone(), 0);
    assert!(loot.log.all().contains("5,000,000 unheard"), "{}", loot.log.all());
}

#[test]
fn what_a_client_asks_further_takes_nothing_back_that_it_was_told() {
    let scene = Scene::new();
    let loot = scene.loot("--size 800000 --ledger :memory:");
    let mut client = loot.client();
    client.say("draw 800000");
    let mut numbers = client.numbers(1);
    // Nobody reads this: a connection that is closed over it is reset.
    client.say("left");
    loot.signal(Signal::SIGTERM);
    numbers.extend(client.numbers(799_999));
    is_whole_box(numbers, 800_000);
    assert_eq!(client.rest(), b"");
    assert_eq!(loot.wait_gone(), 0);
}
