//! What a server has bounds for, on both sides of them; and clients that would like to break it.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{Client, Scene};

#[test]
fn a_line_may_be_so_long_and_no_longer() {
    let scene = Scene::new();
    let pow = scene.pow("--max-line 10");
    let mut client = pow.client();
    client.send(b"0123456789\n");
    client.proof(b"0123456789", 3);
    client.send(b"0123456789\r\n");
    client.proof(b"0123456789", 3);
    client.send(b"0123456789a\nnext\n");
    assert_eq!(client.text(), "error line: more than 10 bytes");
    client.proof(b"next", 3);
    client.send(b"0123456789ab");
    assert_eq!(client.text(), "error line: more than 10 bytes");
    client.send(b"cdef\nnext\n");
    client.proof(b"next", 3);
}

#[test]
fn ten_megabytes_without_a_line_end_are_one_error_and_little_memory() {
    let scene = Scene::new();
    let pow = scene.pow("");
    let mut client = pow.client();
    let before = pow.resident_kib();
    client.send(&vec![b'x'; 10 << 20]);
    client.send(b"\nnext\n");
    assert_eq!(client.text(), "error line: more than 8192 bytes");
    client.proof(b"next", 3);
    assert!(pow.resident_kib() < before + 2_048, "{} KiB, {before} before", pow.resident_kib());
}

#[test]
fn so_many_requests_may_wait() {
    let scene = Scene::new();
    let pow = scene.pow("--queue 2");
    let mut dear = pow.clients(2);
    dear.iter_mut().for_each(|client| client.ask(9, b"dear"));
    pow.until("they wait", |status| status["queue"]["now"] == 2);
    let mut third = pow.client();
    third.ask(3, b"third");
    assert_eq!(third.text(), "error busy: too many requests wait already");
    third.ask(2, b"cheap");
    third.proof(b"cheap", 2);
    drop(dear.pop());
    pow.until("one has left", |status| status["queue"]["now"] == 1);
    third.ask(3, b"third");
    third.proof(b"third", 3);
    assert_eq!(pow.status()["errors"]["busy"], 1);
}

#[test]
fn an_address_with_many_requests_makes_room_for_another() {
    let scene = Scene::new();
    let pow = scene.pow("--queue 4");
    let mut crowd = pow.clients(4);
    crowd.iter_mut().for_each(|client| client.ask(9, b"crowd"));
    pow.until("they wait", |status| status["queue"]["now"] == 4);
    let mut other = Client::from([127, 0, 0, 9], pow.address);
    other.ask(3, b"other");
    other.proof(b"other", 3);
    let told: Vec<_> = crowd.iter_mut().map(|client| !client.is_silent()).collect();
    assert_eq!(told.iter().filter(|told| **told).count(), 1, "one has made room");
    let mut displaced = crowd.swap_remove(told.iter().position(|told| *told).unwrap());
    assert_eq!(displaced.text(), "error busy: too many requests wait already");
}

#[test]
fn lines_that_nobody_reads_the_answers_of_are_not_kept() {
    let scene = Scene::new();
    let pow = scene.pow("-d 0");
    let before = pow.resident_kib();
    let mut deaf = pow.clients(20);
    for client in &mut deaf {
        client.stream().set_write_timeout(Some(Duration::from_millis(50))).unwrap();
        while client.try_send(&b"\n".repeat(100_000)) {}
    }
    assert!(pow.resident_kib() < before + 4_096, "{} KiB, {before} before", pow.resident_kib());
}

#[test]
fn a_client_without_line_ends_goes_on_after_a_message_that_was_too_long() {
    let scene = Scene::new();
    let pow = scene.pow("--max-line 10");
    let mut client = pow.client();
    for _ in 0..2 {
        client.send(&[b'x'; 1_000]);
        assert_eq!(client.text(), "error line: more than 10 bytes");
        // Its rest ends by silence, which nothing tells but the next answer.
        std::thread::sleep(Duration::from_millis(2 * aliquot::common::limits::LINE_GRACE_MS));
        client.send(b"next");
        client.proof(b"next", 3);
    }
}

#[test]
fn urgent_bytes_are_bytes_like_others() {
    let scene = Scene::new();
    let mut client = scene.pow("").client();
    client.send(b"ur");
    socket2::SockRef::from(client.stream()).send_out_of_band(b"g").unwrap();
    client.send(b"ent\n");
    client.proof(b"urgent", 3);
    client.send(b"next\n");
    client.proof(b"next", 3);
}

#[test]
fn an_address_may_have_so_many_connections() {
    let scene = Scene::new();
    let pow = scene.pow("--per-address 3");
    let mut clients = pow.clients(3);
    for client in &mut clients {
        client.send(b"in\n");
        client.proof(b"in", 3);
    }
    assert_eq!(pow.client().text(), "error busy: this address has too many connections");
    pow.log.line(" is turned away: its address has too many connections");
    drop(clients.pop());
    crate::support::until("a place is free", || {
        let mut client = pow.client();
        client.try_send(b"in\n");
        client.try_reply().filter(|line| line.starts_with(b"in,"))
    });
}

#[test]
fn there_are_so_many_connections() {
    let scene = Scene::new();
    let pow = scene.pow("--connections 4 --threads 2");
    let mut clients = pow.clients(4);
    for client in &mut clients {
        client.send(b"in\n");
        client.proof(b"in", 3);
    }
    for _ in 0..3 {
        assert_eq!(pow.client().text(), "error busy: too many connections");
    }
    for client in &mut clients {
        client.send(b"still in\n");
        client.proof(b"still in", 3);
    }
    pow.signal(Signal::SIGTERM);
    assert_eq!(pow.wait(), 0);
    // Of a trouble that goes on each of the two threads tells once.
    let told = pow.log.all().matches(" is turned away: there are too many connections").count();
    assert!((1..=2).contains(&told), "{}", pow.log.all());
}

#[test]
fn what_takes_too_long_is_an_error() {
    let scene = Scene::new();
    let pow = scene.pow("--timeout 0.3");
    let mut client = pow.client();
    client.ask(9, b"dear");
    assert_eq!(client.text(), "error timeout: nothing found within 0.3 s");
    client.ask(3, b"easy");
    client.proof(b"easy", 3);
    let mut half = pow.client();
    half.ask(9, b"dear");
    half.end();
    assert_eq!(half.text(), "dear,error timeout: nothing found within 0.3 s");
    let status = pow.status();
    assert_eq!((&status["errors"]["timeouts"], &status["queue"]["now"]), (&2.into(), &0.into()));
}

#[test]
fn who_says_nothing_is_closed_and_who_waits_is_not() {
    let scene = Scene::new();
    let pow = scene.pow("--idle 0.3");
    let (silent, mut waiting) = (pow.client(), pow.client());
    waiting.ask(9, b"dear");
    assert_eq!(silent.rest(), b"");
    assert!(waiting.is_silent());
}

#[test]
fn one_that_never_reads_costs_little_and_nobody_else_notices() {
    let scene = Scene::new();
    let pow = scene.pow("-d 0");
    let (mut deaf, mut honest) = (pow.client(), pow.client());
    let before = pow.resident_kib();
    deaf.stream().set_write_timeout(Some(Duration::from_millis(50))).unwrap();
    let lines = [&[b'x'; 1_000][..], b"\n"].concat().repeat(1_000);
    // Until neither side's system takes any more.
    while deaf.try_send(&lines) {}
    for _ in 0..100 {
        honest.send(b"honest\n");
        honest.proof(b"honest", 0);
    }
    assert!(pow.resident_kib() < before + 2_048, "{} KiB, {before} before", pow.resident_kib());
}

#[test]
fn thousands_that_say_nothing_or_half_a_line_cost_little() {
    let scene = Scene::new();
    let pow = scene.pow("-d 2 --per-address 1000000");
    let before = pow.resident_kib();
    let mut crowd = pow.clients(4_000);
    for client in crowd.iter_mut().step_by(2) {
        client.end();
    }
    let mut honest = pow.client();
    honest.send(b"honest\n");
    honest.proof(b"honest", 2);
    pow.until("those that have ended are gone", |status| status["connections"]["now"] == 2_002);
    assert!(pow.resident_kib() < before + 8_192, "{} KiB, {before} before", pow.resident_kib());
}

#[test]
fn resets_one_after_the_other_leave_nothing_behind() {
    let scene = Scene::new();
    let pow = scene.pow("");
    for nth in 0..1_000 {
        let mut client = pow.client();
        client.ask(nth as u8 % 10, b"reset");
        client.reset();
    }
    let status = pow.until("all are gone", |status| status["connections"]["now"] == 1 && status["queue"]["now"] == 0);
    let count = |name: &str| status.pointer(name).unwrap().as_u64().unwrap();
    assert_eq!(count("/requests"), count("/replies") + count("/errors/abandoned"));
}

#[test]
fn what_is_out_of_bounds_on_the_command_line_is_refused() {
    let scene = Scene::new();
    let refused = "-d 10|-d x|--threads 0|--threads 1025|--timeout 0|--timeout 604801|--idle 0.05|--max-line 0|--max-line 65537|\
                   --queue 0|--queue 1000001|--connections 0|--per-address 0|--kernel abacus|--listen 127.0.0.1:x|--user nobody-at-all";
    for arguments in refused.split('|') {
        let (status, _, log) = scene.run_pow(&format!("serve --listen 127.0.0.1:0 {arguments}"));
        assert_eq!(status, 2, "{arguments}: {log}");
    }
    let taken = "-d 0|-d 9|--threads 1|--timeout 0.1|--timeout 604800|--max-line 1|--max-line 65536|--queue 1000000";
    for arguments in taken.split('|') {
        scene.pow(arguments);
    }
}
