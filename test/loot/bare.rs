//! Clients that end no message: each message is answered by one number, without an end either.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use aliquot::common::limits::LINE_GRACE_MS;

use super::is_whole_box;
use crate::support::{Client, Loot, PATIENCE, Scene, until};

/// One number as it came, which is all that has come.
fn one(client: &mut Client) -> u32 {
    let came = String::from_utf8(client.some()).unwrap();
    assert!(came.bytes().all(|byte| byte.is_ascii_digit()), "{came:?}");
    came.parse().unwrap_or_else(|_| panic!("{came:?}"))
}

/// A connection that is known to end no messages: it has drawn one number.
fn known(loot: &Loot) -> (Client, u32) {
    let mut client = loot.client();
    client.send(b"draw 1");
    let number = one(&mut client);
    (client, number)
}

#[test]
fn each_message_is_answered_by_exactly_one_number() {
    let scene = Scene::new();
    let loot = scene.loot("--size 100");
    let mut client = loot.client();
    let mut numbers = Vec::new();
    for _ in 0..4 {
        client.send(b"draw 4");
        numbers.push(one(&mut client));
    }
    client.send(b"left");
    client.expect(b"96");
    client.send(b"drawn");
    client.expect(b"4");
    assert!(client.is_silent());
    assert_eq!(loot.order()[..4], numbers[..]);
}

#[test]
fn a_late_line_end_changes_nothing() {
    let scene = Scene::new();
    let loot = scene.loot("--size 100");
    for late in [&b"\n"[..], b"\r\n", b"\n\n", b"\r"] {
        let (mut client, _) = known(&loot);
        client.send(late);
        client.send(b"draw 4");
        one(&mut client);
        client.send(&[&b"draw 4"[..], late].concat());
        one(&mut client);
        client.send(b"left");
        let left = loot.standing().1.to_string();
        client.expect(left.as_bytes());
    }
}

#[test]
fn a_message_may_come_in_pieces() {
    let scene = Scene::new();
    let loot = scene.loot("--size 100000");
    for pieces in [&["dr", "aw 4"][..], &["draw", " ", "4"], &["d", "r", "aw ", "4"]] {
        // A machine that lingers between two pieces makes messages of them, which are errors.
        until("pieces that come one behind the other", || {
            let (mut client, _) = known(&loot);
            for piece in pieces {
                client.send(piece.as_bytes());
            }
            let came = String::from_utf8(client.some()).unwrap();
            let is_number = came.bytes().all(|byte| byte.is_ascii_digit());
            assert!(is_number || came.starts_with("error "), "{came:?}");
            is_number.then(|| assert!(client.is_silent()))
        });
    }
}

#[test]
fn messages_in_one_packet_get_as_many_numbers() {
    let scene = Scene::new();
    let loot = scene.loot("--size 100");
    let (mut client, first) = known(&loot);
    client.send(b"draw 4draw 40draw 4\ndraw 1\r\ndraw 100000");
    until("five more", || (loot.standing() == (6, 94)).then_some(()));
    let order = loot.order();
    assert_eq!(order[0], first);
    let wanted: String = order[1..6].iter().map(u32::to_string).collect();
    client.expect(wanted.as_bytes());
    assert!(client.is_silent());
}

#[test]
fn thousands_of_messages_at_once_get_as_many_numbers() {
    let scene = Scene::new();
    for (ledger, count) in [(":memory:", 3_000), ("loot.db", 300)] {
        let loot = scene.loot(&format!("--size 10000 --ledger {ledger}"));
        let (mut client, _) = known(&loot);
        client.send("draw 10".repeat(count).as_bytes());
        until("all are drawn", || (loot.standing().0 as usize == 1 + count).then_some(()));
        let wanted: String = loot.order()[1..=count].iter().map(u32::to_string).collect();
        client.expect(wanted.as_bytes());
        client.send(b"drawn");
        client.expect((1 + count).to_string().as_bytes());
    }
}

#[test]
fn when_none_are_left_it_is_told_by_a_line() {
    let scene = Scene::new();
    let loot = scene.loot("--size 3");
    let mut client = loot.client();
    let numbers = (0..3).map(|_| {
        client.send(b"draw 4");
        one(&mut client)
    });
    is_whole_box(numbers.collect(), 3);
    for _ in 0..2 {
        client.send(b"draw 4");
        assert!(client.text().starts_with("error exhausted: "));
    }
    client.send(b"left");
    client.expect(b"0");
}

#[test]
fn who_has_ended_a_line_is_never_cut_by_silence() {
    let scene = Scene::new();
    let loot = scene.loot("--size 100");
    let mut client = loot.client();
    client.say("left");
    client.expect(b"100\n");
    for piece in ["dr", "aw ", "2"] {
        client.send(piece.as_bytes());
        // Silence itself is what is tested: it has to last.
        thread::sleep(Duration::from_millis(LINE_GRACE_MS + 60));
        assert!(client.is_silent());
    }
    client.send(b"\n");
    client.numbers(2);
    assert_eq!(client.count("left"), 98);
}

/// What a client does that was written for another server: sends a message, prints what one read brings, and begins anew.
fn old_client(address: SocketAddr, count: usize) -> Vec<u32> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut room = [0; 1024];
    let draws = (0..count).map(|_| {
        stream.write_all(b"draw 1").unwrap();
        let read = stream.read(&mut room).unwrap();
        let text = str::from_utf8(&room[..read]).unwrap();
        text.parse().unwrap_or_else(|_| panic!("{text:?}"))
    });
    draws.collect()
}

fn in_parallel(address: SocketAddr, clients: usize, count: usize) -> Vec<u32> {
    thread::scope(|scope| {
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(|| old_client(address, count))).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    })
}

#[test]
fn two_old_clients_side_by_side_empty_the_box() {
    let scene = Scene::new();
    let loot = scene.loot("--size 100000 --ledger :memory:");
    is_whole_box(in_parallel(loot.address, 2, 50_000), 100_000);
    assert_eq!(loot.standing(), (100_000, 0));
    assert!(loot.client().ask_line("draw 1").starts_with("error exhausted: "));
}

#[test]
fn old_clients_share_a_box_with_a_ledger() {
    let scene = Scene::new();
    let loot = scene.loot("--size 2000");
    is_whole_box(in_parallel(loot.address, 8, 250), 2_000);
}

#[test]
fn an_old_client_of_another_language_draws_as_well() {
    const CLIENT: &str = "import socket, sys\n\
        s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n\
        for i in range(int(sys.argv[3])):\n\
        \x20   s.sendall(b'draw 4')\n\
        \x20   print(s.recv(1024).decode())\n";
    let scene = Scene::new();
    let loot = scene.loot("--size 4000 --ledger :memory:");
    if !super::verified::has_python() {
        return;
    }
    std::fs::write(scene.path("client.py"), CLIENT).unwrap();
    let (ip, port) = (loot.address.ip().to_string(), loot.address.port().to_string());
    let both = [(); 2].map(|()| scene.start_command(&["python3", "client.py", &ip, &port, "2000"]));
    let mut numbers = Vec::new();
    for client in both {
        assert_eq!(client.wait(), 0, "{}", client.evidence());
        numbers.extend(client.stdout.all().lines().map(|line| line.parse::<u32>().unwrap()));
    }
    assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), 4_000);
    is_whole_box(numbers, 4_000);
}

#[test]
fn messages_without_end_in_the_first_packet_get_as_many_numbers() {
    let scene = Scene::new();
    let loot = scene.loot("--size 100");
    let mut client = loot.client();
    client.send(b"draw 4draw 4");
    assert!(client.some().iter().all(u8::is_ascii_digit));
    until("both are drawn", || (loot.standing() == (2, 98)).then_some(()));
}
