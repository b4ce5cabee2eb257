//! What a server has bounds for; and clients that would like to break it.

use std::time::Duration;

use super::are_distinct;
use crate::support::{Client, Loot, Scene, until};
use crate::torture::descriptors;

#[test]
fn a_reset_in_the_middle_of_an_answer_loses_that_answer_and_nothing_else() {
    let scene = Scene::new();
    let loot = scene.loot("--size 3000000 --ledger :memory:");
    let mut client = loot.client();
    client.say("draw 2000000");
    let heard = client.numbers(10);
    client.reset();
    let mut next = loot.client();
    assert_eq!((next.count("drawn"), next.count("left")), (2_000_000, 1_000_000));
    until("the lost answer is known as such", || (next.count("unheard") == 2_000_000).then_some(()));
    let numbers = next.draw(1_000);
    are_distinct(&[heard, numbers].concat());
    assert_eq!(loot.standing(), (2_001_000, 999_000));
    assert_eq!(next.count("unheard"), 2_000_000);
}

#[test]
fn one_that_never_reads_keeps_nobody_else_from_drawing() {
    let scene = Scene::new();
    let loot = scene.loot("--size 6000000 --ledger :memory: --threads 1");
    let (mut deaf, mut honest) = (loot.client(), loot.client());
    deaf.say("draw 5000000");
    deaf.stream().set_write_timeout(Some(Duration::from_millis(50))).unwrap();
    // Until neither side's system takes any more.
    while deaf.try_send(&b"left\n".repeat(20_000)) {}
    let numbers: Vec<_> = (0..500).flat_map(|_| honest.draw(3)).collect();
    are_distinct(&numbers);
    assert_eq!(loot.standing(), (5_001_500, 998_500));
    drop(deaf);
    until("its answer is known as lost", || (honest.count("unheard") == 5_000_000).then_some(()));
}

#[test]
fn many_that_never_read_cost_little_memory() {
    let scene = Scene::new();
    let loot = scene.loot("--size 5000000 --ledger :memory:");
    let mut crowd = loot.clients(50);
    crowd.iter_mut().for_each(|client| client.say("draw 1000000"));
    let mut honest = loot.client();
    until("all is drawn", || (honest.count("left") == 0).then_some(()));
    let requests: Vec<_> = (0..100).map(|_| honest.ask_line("draw 1")).collect();
    assert!(requests.iter().all(|line| line.starts_with("error exhausted: ")), "{requests:?}");
    assert!(loot.resident_kib() < 120 << 10, "{} KiB", loot.resident_kib());
}

#[test]
fn requests_whose_answers_nobody_reads_are_not_kept() {
    let scene = Scene::new();
    let loot = scene.loot("--ledger :memory:");
    let before = loot.resident_kib();
    let mut deaf = loot.clients(20);
    for client in &mut deaf {
        client.stream().set_write_timeout(Some(Duration::from_millis(50))).unwrap();
        while client.try_send(&b"help\n".repeat(20_000)) {}
    }
    assert!(loot.resident_kib() < before + 8_192, "{} KiB, {before} before", loot.resident_kib());
}

#[test]
fn ten_megabytes_without_a_line_end_are_one_error_and_little_memory() {
    let scene = Scene::new();
    let loot = scene.loot("--size 10");
    let mut client = loot.client();
    let before = loot.resident_kib();
    client.send(b"left\n");
    client.expect(b"10\n");
    client.send(&b"draw 1 ".repeat(1_500_000));
    client.send(b"\nleft\n");
    assert!(client.text().starts_with("error line: "));
    client.expect(b"10\n");
    assert!(loot.resident_kib() < before + 4_096, "{} KiB, {before} before", loot.resident_kib());
}

/// Waits until it has no more descriptors than at its `beginning`, when it had no connections.
fn descriptors_are(loot: &Loot, beginning: usize) {
    until("all connections are gone", || (descriptors(loot.pid()) <= beginning).then_some(()));
}

#[test]
fn resets_one_after_the_other_leave_nothing_behind() {
    let scene = Scene::new();
    let loot = scene.loot("--size 100000");
    let beginning = descriptors(loot.pid());
    for nth in 0..1_000 {
        let mut client = loot.client();
        match nth % 4 {
            0 => client.say("draw 1"),
            1 => client.send(b"dra"),
            2 => client.say(&format!("draw 2 #reset{nth}")),
            _ => {}
        }
        client.reset();
    }
    descriptors_are(&loot, beginning);
    let mut client = loot.client();
    let numbers = client.draw(100);
    are_distinct(&numbers);
    let (drawn, left) = loot.standing();
    assert!(drawn + left == 100_000 && (100..=100 + 250 + 500).contains(&drawn), "{drawn} and {left}");
    drop(client);
    descriptors_are(&loot, beginning);
}

#[test]
fn there_are_so_many_connections() {
    let scene = Scene::new();
    let loot = scene.loot("--size 100 --connections 2 --threads 1");
    let mut clients = loot.clients(2);
    clients.iter_mut().for_each(|client| _ = client.draw(1));
    for _ in 0..3 {
        assert_eq!(loot.client().text(), "error busy: too many connections");
    }
    clients.iter_mut().for_each(|client| _ = client.draw(1));
    assert_eq!(clients[0].count("drawn"), 4);
    drop(clients.pop());
    until("a place is free", || {
        let mut client = loot.client();
        client.try_send(b"draw 1\n");
        client.try_reply().filter(|line| !line.starts_with(b"error busy: "))
    });
}

#[test]
fn an_address_may_have_so_many_connections() {
    let scene = Scene::new();
    let loot = scene.loot("--size 100 --per-address 1");
    let mut first = loot.client();
    first.draw(1);
    assert_eq!(loot.client().text(), "error busy: this address has too many connections");
    let mut other = Client::from([127, 0, 0, 9], loot.address);
    are_distinct(&[first.draw(1), other.draw(1)].concat());
}

#[test]
fn who_says_nothing_is_closed() {
    let scene = Scene::new();
    let loot = scene.loot("--size 100 --idle 0.1");
    let silent = loot.client();
    assert_eq!(silent.rest(), b"");
}

#[test]
fn half_a_line_of_one_that_is_closed_draws_nothing() {
    let scene = Scene::new();
    let loot = scene.loot("--size 100 --idle 1");
    let mut half = loot.client();
    half.send(b"left\ndraw 1");
    half.expect(b"100\n");
    assert_eq!(half.rest(), b"");
    assert_eq!(loot.standing(), (0, 100));
}
