//! What a server is asked by lines, and what it answers.

use nix::sys::signal::Signal;

use super::is_whole_box;
use crate::support::{Client, Scene};

#[test]
fn as_many_numbers_as_are_asked_for_come_a_line_each() {
    let scene = Scene::new();
    let loot = scene.loot("--size 100");
    let mut client = loot.client();
    let mut numbers = client.draw(1);
    numbers.extend(client.draw(4));
    numbers.extend(client.draw(60));
    assert_eq!(client.count("left"), 35);
    numbers.extend(client.draw(35));
    is_whole_box(numbers, 100);
}

#[test]
fn every_request_has_its_answer() {
    let scene = Scene::new();
    let loot = scene.loot("--size 10");
    let mut client = loot.client();
    client.draw(3);
    assert_eq!((client.count("left"), client.count("drawn"), client.count("unheard")), (7, 3, 0));
    let commitment = client.ask_line("commitment");
    assert!(commitment.starts_with("commitment ") && commitment.ends_with(" size 10"), "{commitment}");
    assert!(loot.log.text().contains(&commitment), "the log doesn't have {commitment}");
    assert!(client.ask_line("reveal").starts_with("error reveal: "));
    client.say("help");
    for word in ["draw N ", "draw N #ID", "left", "drawn", "unheard", "commitment", "reveal", "close", "help"] {
        let line = client.text();
        assert!(line.starts_with(word), "{line}");
    }
    client.draw(7);
    assert!(client.ask_line("reveal").ends_with(" size 10 drawn 10"));
}

#[test]
fn closed_before_the_end_it_reveals_its_order_and_nothing_more_is_drawn() {
    let scene = Scene::new();
    for ledger in ["loot.db", ":memory:"] {
        let loot = scene.loot(&format!("--size 10 --ledger {ledger}"));
        let (mut client, mut other) = (loot.client(), loot.client());
        let numbers = other.draw(4);
        assert_eq!(client.ask_line("close"), "closed");
        assert_eq!(client.ask_line("close"), "closed");
        for request in ["draw 1", "draw 1 #new"] {
            assert!(other.ask_line(request).starts_with("error closed: "));
        }
        assert!(other.ask_line("reveal").ends_with(" size 10 drawn 4"));
        assert_eq!((other.count("drawn"), other.count("left")), (4, 6));
        assert_eq!(loot.order()[..4], numbers[..]);
    }
}

#[test]
fn cr_before_lf_is_no_part_of_a_request() {
    let scene = Scene::new();
    let loot = scene.loot("--size 10");
    let mut client = loot.client();
    client.send(b"draw 4\r\nleft\r\n");
    client.numbers(4);
    client.expect(b"6\n");
}

#[test]
fn requests_sent_at_once_are_answered_in_their_order() {
    let scene = Scene::new();
    let loot = scene.loot("--size 30000");
    let mut client = loot.client();
    let mut numbers = Vec::new();
    let requests: String = (1..=200).map(|count| format!("draw {count}\nleft\nnonsense\n")).collect();
    client.send(requests.as_bytes());
    let mut left = 30_000;
    for count in 1..=200 {
        numbers.extend(client.numbers(count));
        left -= count;
        assert_eq!(client.text(), left.to_string());
        assert!(client.text().starts_with("error request: "));
    }
    numbers.extend(client.draw(left));
    is_whole_box(numbers, 30_000);
}

#[test]
fn a_long_answer_is_whole_before_the_next_begins() {
    let scene = Scene::new();
    let loot = scene.loot("--size 400000 --ledger :memory:");
    let mut client = loot.client();
    client.send(b"draw 300000\nleft\ndraw 100000\nleft\n");
    let mut numbers = client.numbers(300_000);
    client.expect(b"100000\n");
    numbers.extend(client.numbers(100_000));
    client.expect(b"0\n");
    is_whole_box(numbers, 400_000);
}

#[test]
fn fewer_than_wanted_are_given_and_it_is_said() {
    let scene = Scene::new();
    let loot = scene.loot("--size 10");
    let mut client = loot.client();
    let mut numbers = client.draw(7);
    client.say("draw 5");
    numbers.extend(client.numbers(3));
    assert_eq!(client.text(), "error exhausted: 3 of 5 were left");
    is_whole_box(numbers, 10);
    for request in ["draw 1", "draw 100000000", "draw 1 #new"] {
        assert!(client.ask_line(request).starts_with("error exhausted: "), "{request}");
    }
    assert_eq!(loot.standing(), (10, 0));
    assert!(loot.client().ask_line("draw 1").starts_with("error exhausted: "), "the server stays up");
}

#[test]
fn the_same_id_gets_the_same_numbers_from_wherever_it_asks() {
    let scene = Scene::new();
    let first = {
        let loot = scene.loot("--size 100");
        loot.client().draw(5);
        let drawn = loot.client().draw_named(20, "a.B_9-");
        assert_eq!((drawn.0, drawn.1.len()), (5, 20));
        assert_eq!(loot.client().draw_named(20, "a.B_9-"), drawn);
        let refused = loot.client().ask_line("draw 21 #a.B_9-");
        assert_eq!(refused, "error id: this id has drawn 20 numbers");
        assert_eq!(loot.standing(), (25, 75), "it was drawn once");
        loot.signal(Signal::SIGTERM);
        assert_eq!(loot.wait_gone(), 0);
        drawn
    };
    let loot = scene.loot("");
    let mut client = loot.client();
    assert_eq!(client.draw_named(20, "a.B_9-"), first);
    assert!(client.ask_line("draw 19 #a.B_9-").starts_with("error id: "));
    assert_eq!(loot.standing(), (25, 75));
    assert_eq!(loot.order()[5..25], first.1[..]);
}

#[test]
fn an_id_that_got_fewer_than_it_wanted_gets_those_again() {
    let scene = Scene::new();
    let loot = scene.loot("--size 10");
    let mut client = loot.client();
    client.draw(7);
    let few = client.draw_named(5, "few");
    assert_eq!((few.0, few.1.len()), (7, 3));
    assert_eq!(client.draw_named(5, "few"), few, "also when nothing is left");
    assert_eq!(client.ask_line("close"), "closed");
    assert_eq!(client.draw_named(5, "few"), few, "also when it is closed");
}

#[test]
fn who_ends_its_sending_is_answered_and_closed() {
    let scene = Scene::new();
    let loot = scene.loot("--size 100");
    let mut client = loot.client();
    client.send(b"draw 3\n");
    client.end();
    client.numbers(3);
    assert_eq!(client.rest(), b"");
    let mut bare = loot.client();
    bare.send(b"draw 3");
    bare.end();
    let number = String::from_utf8(bare.rest()).unwrap();
    assert!(number.bytes().all(|byte| byte.is_ascii_digit()) && number.parse::<u32>().is_ok(), "{number:?}");
    assert_eq!(loot.standing(), (4, 96));
    let mut silent: Client = loot.client();
    silent.send(b"left\n");
    silent.expect(b"96\n");
    silent.end();
    assert_eq!(silent.rest(), b"");
}

#[test]
fn a_long_answer_reaches_who_has_ended_its_sending() {
    let scene = Scene::new();
    let loot = scene.loot("--size 300000 --ledger :memory:");
    let mut client = loot.client();
    client.send(b"draw 300000\nleft\n");
    client.end();
    let numbers = client.numbers(300_000);
    client.expect(b"0\n");
    assert_eq!(client.rest(), b"");
    is_whole_box(numbers, 300_000);
}
