//! What a server is asked, and what it answers.

use std::collections::HashSet;

use aliquot::pow::puzzle::parts;

use crate::support::Scene;

#[test]
fn a_message_is_answered_by_a_proof() {
    let scene = Scene::new();
    let pow = scene.pow("");
    let mut client = pow.client();
    for message in ["70NVO", "", ",", "a,b,,c", "grüße", " ", "error busy"] {
        client.send(format!("{message}\n").as_bytes());
        client.proof(message.as_bytes(), 3);
    }
}

#[test]
fn bytes_are_hashed_as_they_came() {
    let scene = Scene::new();
    let pow = scene.pow("-d 2");
    let mut client = pow.client();
    for message in [&b"\xff\xfe\x80"[..], b"a\0b", b"a\rb", b"\r", b"\xc3"] {
        client.send(&[message, b"\n"].concat());
        let message = message.strip_suffix(b"\r").unwrap_or(message);
        client.proof(message, 2);
    }
}

#[test]
fn messages_of_one_block_and_of_many_are_proved() {
    let scene = Scene::new();
    for kernel in aliquot::pow::sha::kernel::Kernel::all() {
        let pow = scene.pow(&format!("-d 2 --max-line 65536 --kernel {}", kernel.name()));
        let mut client = pow.client();
        for length in [1, 49, 50, 51, 58, 59, 60, 114, 115, 1_000, 65_536] {
            let message = vec![b'm'; length];
            client.send(&[&message[..], b"\n"].concat());
            client.proof(&message, 2);
        }
    }
}

#[test]
fn cr_before_lf_is_no_part_of_a_message() {
    let scene = Scene::new();
    let mut client = scene.pow("").client();
    client.send(b"abc\r\n\r\n");
    client.proof(b"abc", 3);
    client.proof(b"", 3);
}

#[test]
fn requests_sent_at_once_are_answered_in_their_order() {
    let scene = Scene::new();
    let mut client = scene.pow("").client();
    let difficulty = |nth: usize| [3, 0, 4, 1, 2][nth % 5];
    for nth in 0..200 {
        client.ask(difficulty(nth), format!("message {nth}").as_bytes());
    }
    for nth in 0..200 {
        client.proof(format!("message {nth}").as_bytes(), difficulty(nth));
    }
}

#[test]
fn a_message_may_come_in_pieces() {
    let scene = Scene::new();
    let mut client = scene.pow("").client();
    for byte in b"piece by piece\r\n" {
        client.send(&[*byte]);
    }
    client.proof(b"piece by piece", 3);
}

#[test]
fn a_client_that_sends_no_line_ends_is_answered() {
    let scene = Scene::new();
    let mut client = scene.pow("").client();
    for message in ["first", "second", "third"] {
        client.send(message.as_bytes());
        client.proof(message.as_bytes(), 3);
    }
}

#[test]
fn a_line_end_that_comes_late_is_no_message() {
    let scene = Scene::new();
    let mut client = scene.pow("").client();
    for end in ["\n", "\r\n"] {
        client.send(b"late");
        client.proof(b"late", 3);
        client.send(end.as_bytes());
        client.send(b"next\n");
        client.proof(b"next", 3);
    }
}

#[test]
fn a_client_that_ends_its_sending_is_answered() {
    let scene = Scene::new();
    let pow = scene.pow("");
    for (message, line) in [(&b"half"[..], &b"half"[..]), (b"whole", b"whole\n"), (b"two", b"one\ntwo")] {
        let mut client = pow.client();
        client.send(line);
        client.end();
        if line.starts_with(b"one") {
            client.proof(b"one", 3);
        }
        client.proof(message, 3);
        assert_eq!(client.rest(), b"");
    }
    let client = pow.client();
    client.end();
    assert_eq!(client.rest(), b"", "nothing was asked");
}

#[test]
fn who_has_ended_his_sending_and_asked_much_hears_the_beginning_and_then_the_rest() {
    let scene = Scene::new();
    let mut client = scene.pow("").client();
    client.ask(6, b"dear");
    client.end();
    client.proof(b"dear", 6);
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_request_may_ask_for_its_own_difficulty() {
    let scene = Scene::new();
    let mut client = scene.pow("-d 1 --max-difficulty 5").client();
    client.ask(5, b"dear");
    client.proof(b"dear", 5);
    client.send(b"plain\n");
    client.proof(b"plain", 1);
    client.ask(0, b"\0cheap");
    client.proof(b"\0cheap", 0);
    client.ask(6, b"too dear");
    assert_eq!(client.text(), "error difficulty: 5 at most");
    client.send(b"pow 5 plain\n");
    client.proof(b"pow 5 plain", 1);
    for wrong in [&b"\0"[..], b"\0pow", b"\0pow x y", b"\0pow 10 y", b"\0help"] {
        client.send(&[wrong, b"\n"].concat());
        assert!(client.text().starts_with("error request: "), "{wrong:?}");
    }
}

#[test]
fn every_seed_can_come_up() {
    let scene = Scene::new();
    let mut client = scene.pow("-d 0").client();
    let (mut seeds, mut characters) = (HashSet::new(), HashSet::new());
    for _ in 0..2_000 {
        client.send(b"same\n");
        let line = client.proof(b"same", 0);
        let seed = parts(&line).expect("a proof").seed;
        characters.extend(seed.into_iter().enumerate());
        seeds.insert(seed);
    }
    // Two of 2,000 are alike once in 460 runs; and a character is missing somewhere once in 10^11.
    assert!(seeds.len() > 1_990, "{} different seeds", seeds.len());
    assert_eq!(characters.len(), 5 * 62);
}

#[test]
fn a_restarted_server_takes_its_port_at_once() {
    let scene = Scene::new();
    let former = scene.pow("");
    let mut client = former.client();
    client.send(b"before\n");
    client.proof(b"before", 3);
    former.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(former.wait(), 0);
    let mut client = scene.pow_at(&former.address.to_string(), "").client();
    client.send(b"after\n");
    client.proof(b"after", 3);
    let second = scene.start("pow", &format!("serve --listen {}", former.address));
    assert_eq!(second.wait(), 1, "two can't listen there");
    assert!(second.log.all().contains(&format!("listen {}: ", former.address)), "{}", second.log.all());
}
