//! Who is served when, and what a client that has gone still costs: nothing.

use aliquot::pow::puzzle::{Difficulty, verify};
use serde_json::Value;

use crate::support::{Client, Scene};

fn number(status: &Value, path: &str) -> u64 {
    status.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path} in {status}"))
}

#[test]
fn easy_requests_pass_dear_ones() {
    let scene = Scene::new();
    let pow = scene.pow("");
    let mut dear = pow.clients(100);
    dear.iter_mut().for_each(|client| client.ask(9, b"dear"));
    pow.until("dear requests wait", |status| number(status, "/queue/now") == 100);
    let mut easy = pow.client();
    for nth in 0..100 {
        easy.ask(nth % 4, b"easy");
        easy.proof(b"easy", nth % 4);
    }
    assert!(dear.iter_mut().all(Client::is_silent), "no dear one was answered before them");
}

#[test]
fn dear_requests_get_on_under_a_flood_of_easy_ones() {
    let scene = Scene::new();
    let pow = scene.pow("");
    let mut flood = pow.clients(32);
    flood.iter_mut().for_each(|client| client.ask(3, b"flood"));
    let mut dear = pow.client();
    dear.ask(6, b"dear");
    while dear.is_silent() {
        for client in &mut flood {
            client.proof(b"flood", 3);
            client.ask(3, b"flood");
        }
    }
    dear.proof(b"dear", 6);
}

#[test]
fn a_client_that_has_gone_costs_nothing() {
    let scene = Scene::new();
    let pow = scene.pow("");
    type Leave = fn(Client);
    let ways: [(Leave, &str); 3] =
        [(drop, "closed"), (Client::reset, "reset"), (|client| client.end(), "ended its sending, and closed")];
    for (nth, (leave, how)) in (1..).zip(ways) {
        let mut clients = pow.clients(20);
        clients.iter_mut().for_each(|client| client.ask(9, b"in vain"));
        pow.until("they wait", |status| number(status, "/queue/now") == 20);
        clients.into_iter().for_each(leave);
        let gone = pow.until(how, |status| number(status, "/queue/now") == 0);
        assert_eq!(number(&gone, "/errors/abandoned"), 20 * nth, "{how}");
        // Slices that were under way have ended when another request is through: from then on nothing is computed.
        let hashes = || number(&pow.status(), "/hashes");
        crate::support::until("no more hashes", || (hashes() == hashes()).then_some(()));
    }
}

#[test]
fn a_client_that_goes_later_or_with_much_unread_costs_nothing_either() {
    let scene = Scene::new();
    let pow = scene.pow("");
    // It has ended its sending, listens for a while, and goes.
    let mut later = pow.client();
    later.ask(9, b"later");
    later.end();
    assert_eq!(later.byte(), b'l');
    drop(later);
    pow.until("it is noticed", |status| number(status, "/errors/abandoned") == 1);
    // It has sent so much that its end doesn't get through.
    let mut much = pow.client();
    much.stream().set_nonblocking(true).unwrap();
    while much.try_send(&b"\0pow 9 much\n".repeat(1_000)) {}
    pow.until("it waits", |status| number(status, "/queue/now") == 1);
    drop(much);
    pow.until("it is noticed", |status| number(status, "/errors/abandoned") == 2);
    assert_eq!(number(&pow.status(), "/queue/now"), 0);
}

#[test]
fn a_result_that_comes_with_the_end_of_its_time_is_not_taken_for_the_next_ones() {
    let scene = Scene::new();
    let pow = scene.pow("--timeout 0.1");
    let mut clients = pow.clients(60);
    for round in 0..8 {
        for (nth, client) in clients.iter_mut().enumerate() {
            let message = |line| format!("{round} {nth} {line}");
            (0..4).for_each(|line| client.ask(4, message(line).as_bytes()));
        }
        for (nth, client) in clients.iter_mut().enumerate() {
            for line in 0..4 {
                let reply = client.reply();
                if !reply.starts_with(b"error timeout: ") {
                    let message = format!("{round} {nth} {line}");
                    assert_eq!(
                        verify(&reply, Some(message.as_bytes()), Difficulty::new(4).unwrap()),
                        Ok(()),
                        "{}",
                        String::from_utf8_lossy(&reply)
                    );
                }
            }
        }
    }
    let status = pow.status();
    let (all, proofs, late) = ("/requests", "/replies", "/errors/timeouts");
    assert_eq!(number(&status, all), number(&status, proofs) + number(&status, late));
    assert_eq!((number(&status, all), number(&status, "/queue/now")), (60 * 8 * 4, 0));
}

#[test]
fn long_messages_hold_nobody_up_either() {
    let scene = Scene::new();
    let pow = scene.pow("");
    let mut dear = pow.clients(50);
    dear.iter_mut().for_each(|client| client.ask(9, &[b'x'; 8_000]));
    let mut easy = pow.client();
    for _ in 0..50 {
        easy.ask(3, b"easy");
        easy.proof(b"easy", 3);
        easy.ask(1, &[b'y'; 8_000]);
        easy.proof(&[b'y'; 8_000], 1);
    }
    assert!(dear.iter_mut().all(Client::is_silent));
}

#[test]
fn addresses_have_their_turns() {
    let scene = Scene::new();
    let pow = scene.pow("--threads 1");
    let from = |last| Client::from([127, 0, 0, last], pow.address);
    // A crowd of one address and one request of another, all dear: that one has half of the time, so it is nearly always
    // answered before half of the crowd is. Of the crowd's forty each has one in eighty of it.
    let mut crowd: Vec<_> = (0..40).map(|_| from(2)).collect();
    crowd.iter_mut().for_each(|client| client.ask(5, b"crowd"));
    let mut alone = from(3);
    alone.ask(5, b"alone");
    alone.proof(b"alone", 5);
    let before = crowd.iter_mut().map(|client| usize::from(!client.is_silent())).sum::<usize>();
    assert!(before < 35, "{before} of 40 were answered before it");
}

#[test]
fn a_thousand_connections_are_answered() {
    let scene = Scene::new();
    let pow = scene.pow("");
    let mut clients = pow.clients(1_000);
    for difficulty in [0, 3, 4] {
        clients.iter_mut().for_each(|client| client.ask(difficulty, b"all"));
        clients.iter_mut().for_each(|client| drop(client.proof(b"all", difficulty)));
    }
    let status = pow.status();
    assert_eq!((number(&status, "/replies"), number(&status, "/connections/now")), (3_000, 1_001));
}

#[test]
fn a_thousand_dear_requests_most_of_which_are_reset_leave_the_others_theirs() {
    let scene = Scene::new();
    let pow = scene.pow("");
    let mut clients = pow.clients(1_000);
    clients.iter_mut().for_each(|client| client.ask(6, b"dear"));
    pow.until("all wait", |status| {
        number(status, "/queue/now") + number(status, "/replies") + number(status, "/errors/abandoned") == 1_000
    });
    let mut kept = clients.split_off(996);
    clients.into_iter().for_each(Client::reset);
    kept.iter_mut().for_each(|client| drop(client.proof(b"dear", 6)));
    let status = pow.until("the others are gone", |status| number(status, "/connections/now") == 5);
    assert_eq!(number(&status, "/queue/now"), 0);
    assert_eq!(number(&status, "/requests"), 1_000);
    assert_eq!(number(&status, "/replies") + number(&status, "/errors/abandoned"), 1_000);
}
