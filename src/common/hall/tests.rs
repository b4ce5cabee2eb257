//! The hall, with time passed in.

use super::*;
use crate::common::net::Listener;
use std::io::{Read, Write};
use std::net::TcpStream;

/// How long a connection may be idle: long enough not to be taken for one that stalls.
const IDLE_MS: u64 = 3 * STALL_MAX_MS;

/// Whose answers follow when time brings them.
struct Slow;

impl Host for Slow {
    type Guest = ();

    fn take(&mut self, _: u64, (): &mut (), input: &[u8], _: Moment, _: &mut Vec<u8>) -> Taken {
        Taken::Later(input.len())
    }

    fn grace_ms(&self, (): &()) -> u64 {
        0
    }

    fn beginning(&mut self, (): &mut (), _: &mut Vec<u8>) {}

    fn is_due(&mut self, (): &mut (), now: Millis, out: &mut Vec<u8>) -> bool {
        let due = now >= clock::now().after(STALL_MAX_MS);
        out.extend_from_slice(if due { b"due" } else { b"" });
        due
    }

    fn leave(&mut self, (): (), _: bool) {}
}

/// Both sides of a connection, of which the client has said something.
fn connection() -> (Stream, TcpStream) {
    let listener = Listener::open("here", "127.0.0.1:0".parse().unwrap()).unwrap();
    let mut client = TcpStream::connect(listener.address().unwrap()).unwrap();
    client.write_all(b"?").unwrap();
    let stream = std::iter::repeat_with(|| listener.accept().unwrap()).flatten().next().unwrap().0;
    (stream, client)
}

/// A hall with room for one connection, which has it and whose request is at work; and its other side.
fn asked() -> (Hall<()>, TcpStream) {
    let (stream, client) = connection();
    let mut hall = Hall::new(&Waker::new().unwrap(), 1, IDLE_MS).unwrap();
    assert!(hall.enter(stream, (), &mut Slow).is_ok());
    while !hall.seats[&0].pending {
        hall.turn(false, &mut Slow).unwrap();
    }
    (hall, client)
}

#[test]
fn who_has_been_idle_for_long_makes_room_for_another() {
    let (mut hall, _client) = asked();
    let enter = |hall: &mut Hall<()>| hall.enter(connection().0, (), &mut Slow).is_ok();
    hall.now = hall.now.after(2 * IDLE_YIELD_MS);
    assert!(!enter(&mut hall), "one whose request is at work keeps its place");
    hall.answer(0, |(), _| true);
    hall.turn(true, &mut Slow).unwrap();
    let idle_since = hall.seats[&0].active;
    hall.now = idle_since.after(IDLE_YIELD_MS - 1);
    assert!(!enter(&mut hall));
    hall.now = idle_since.after(IDLE_YIELD_MS);
    assert!(enter(&mut hall));
    assert_eq!(hall.count(), 1);
}

#[test]
fn an_answer_that_took_long_is_not_taken_for_one_that_nobody_takes() {
    for by_time in [false, true] {
        let (mut hall, mut client) = asked();
        hall.now = hall.now.after(2 * STALL_MAX_MS);
        if !by_time {
            hall.answer(0, |(), out| {
                out.extend_from_slice(b"due");
                true
            });
        }
        hall.tick(&mut Slow);
        assert_eq!(hall.count(), 1);
        hall.turn(true, &mut Slow).unwrap();
        let mut answer = [0; 3];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"due");
    }
}

#[test]
fn who_takes_nothing_and_who_says_nothing_has_to_go() {
    let (mut hall, _client) = asked();
    hall.answer(0, |(), out| {
        out.extend_from_slice(&vec![0; 64 << 20]);
        true
    });
    hall.turn(true, &mut Slow).unwrap();
    goes_after(&mut hall, STALL_MAX_MS);
    let (mut hall, _client) = asked();
    hall.answer(0, |(), _| true);
    hall.turn(true, &mut Slow).unwrap();
    goes_after(&mut hall, IDLE_MS);
}

/// The one connection is there for less than so long after it was last active, and no longer.
fn goes_after(hall: &mut Hall<()>, ms: u64) {
    for (after, count) in [(ms - 1, 1), (ms, 0)] {
        hall.now = hall.seats[&0].active.after(after);
        hall.tick(&mut Slow);
        assert_eq!(hall.count(), count, "after {after} ms");
    }
}
