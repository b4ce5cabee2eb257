//! The hall, with time passed in.

use super::*;
use crate::common::limits::CHUNKS_TURN_MAX;
use crate::common::net::Listener;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Instant;

/// How long a connection may be idle: long enough not to be taken for one that stalls.
const IDLE_MS: u64 = 3 * STALL_MAX_MS;

/// Whose answers follow when time brings them.
struct Slow;

impl Host for Slow {
    type Guest = ();

    fn take(&mut self, _: u64, (): &mut (), input: &[u8], _: Moment, _: &mut Vec<u8>) -> Taken {
        Taken::Later(input.len())
    }

    fn grace_ms(&self, (): &()) -> Option<u64> {
        Some(0)
    }

    fn beginning(&mut self, (): &mut (), _: &mut Vec<u8>) {}

    fn is_due(&mut self, (): &mut (), now: Millis, out: &mut Vec<u8>) -> bool {
        let due = now >= clock::now().after(STALL_MAX_MS);
        out.extend_from_slice(if due { b"due" } else { b"" });
        due
    }

    fn leave(&mut self, (): (), _: bool) {}
}

/// Answers each byte by itself, but `L` by so many chunks of it.
struct Long {
    chunks: usize,
    chunk: usize,
    /// Whose chunks were said, in that order.
    said: Vec<u64>,
}

impl Long {
    fn new(chunks: usize, chunk: usize) -> Self {
        Self { chunks, chunk, said: Vec::new() }
    }

    /// All of a long answer.
    fn answer(&self) -> Vec<u8> {
        vec![b'L'; self.chunks * self.chunk]
    }
}

impl Host for Long {
    /// Its name, and how many chunks are still to be said to it.
    type Guest = (u64, usize);

    fn take(&mut self, name: u64, guest: &mut (u64, usize), input: &[u8], _: Moment, out: &mut Vec<u8>) -> Taken {
        assert_eq!(guest.1, 0, "no request is taken while an answer is unfinished");
        if input[0] != b'L' {
            out.push(input[0]);
            return Taken::Answered(1);
        }
        *guest = (name, self.chunks - 1);
        out.resize(out.len() + self.chunk, b'L');
        Taken::Enough(1)
    }

    fn grace_ms(&self, _: &(u64, usize)) -> Option<u64> {
        Some(0)
    }

    fn beginning(&mut self, _: &mut (u64, usize), _: &mut Vec<u8>) {}

    fn go_on(&mut self, (name, left): &mut (u64, usize), out: &mut Vec<u8>) {
        assert!(out.is_empty(), "what was said before is written");
        if *left > 0 {
            *left -= 1;
            out.resize(self.chunk, b'L');
            self.said.push(*name);
        }
    }

    fn is_due(&mut self, _: &mut (u64, usize), _: Millis, _: &mut Vec<u8>) -> bool {
        false
    }

    fn leave(&mut self, _: (u64, usize), broken: bool) {
        assert!(!broken || self.chunks == usize::MAX);
    }
}

/// Both sides of a connection, of which the client has said something.
fn connection() -> (Stream, TcpStream) {
    saying(b"?")
}

fn saying(what: &[u8]) -> (Stream, TcpStream) {
    let listener = Listener::open("here", "127.0.0.1:0".parse().unwrap()).unwrap();
    let mut client = TcpStream::connect(listener.address().unwrap()).unwrap();
    client.write_all(what).unwrap();
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

/// A hall with as many connections, each of which has asked for this; and their other sides.
fn asking<const COUNT: usize>(what: &[u8], host: &mut Long) -> (Hall<(u64, usize)>, [TcpStream; COUNT]) {
    let mut hall = Hall::new(&Waker::new().unwrap(), COUNT, IDLE_MS).unwrap();
    let clients = [(); COUNT].map(|()| {
        let (stream, client) = saying(what);
        client.set_nonblocking(true).unwrap();
        assert!(hall.enter(stream, (0, 0), host).is_ok());
        client
    });
    (hall, clients)
}

/// What a client hears until it has so much, or, if that never comes, the end; it reads a little each time.
fn hear(hall: &mut Hall<(u64, usize)>, client: &mut TcpStream, host: &mut Long, length: usize) -> Vec<u8> {
    let (mut heard, mut room, begin) = (Vec::new(), vec![0; 100_000], Instant::now());
    while heard.len() < length {
        assert!(begin.elapsed() < Duration::from_secs(20), "{} bytes of {length} have come", heard.len());
        hall.turn(true, host).unwrap();
        match client.read(&mut room) {
            Ok(0) => break,
            Ok(count) => heard.extend_from_slice(&room[..count]),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    }
    heard
}

#[test]
fn a_long_answer_comes_in_chunks_and_what_was_asked_behind_it_after_it() {
    let mut host = Long::new(256, 64 * 1024);
    let (mut hall, [mut client]) = asking(b"aLbLc", &mut host);
    let long = host.answer();
    while !hall.seats[&0].has_output() {
        hall.turn(false, &mut host).unwrap();
    }
    let room = hall.seats[&0].output.capacity();
    assert!(host.said.len() < 255 && (host.chunk..2 * host.chunk).contains(&room), "{room}: a chunk waits, not all");
    let whole = [b"a", &long[..], b"b", &long[..], b"c"].concat();
    let heard = hear(&mut hall, &mut client, &mut host, whole.len());
    assert!(heard == whole, "{} bytes of {}", heard.len(), whole.len());
    hall.turn(true, &mut host).unwrap();
    assert!(hall.seats[&0].is_idle() && hall.seats[&0].output.capacity() <= 1024);
    client.write_all(b"d").unwrap();
    assert_eq!(hear(&mut hall, &mut client, &mut host, 1), b"d");
}

#[test]
fn who_has_ended_its_sending_gets_all_of_a_long_answer_and_so_it_is_at_the_end() {
    for ending in [false, true] {
        let mut host = Long::new(256, 64 * 1024);
        let (mut hall, [mut client]) = asking(b"L", &mut host);
        if ending {
            hall.turn(false, &mut host).unwrap();
            hall.end();
        } else {
            client.shutdown(Shutdown::Write).unwrap();
        }
        let heard = hear(&mut hall, &mut client, &mut host, usize::MAX);
        assert!(heard == host.answer(), "ending {ending}: {} bytes", heard.len());
        assert_eq!(hall.count(), 0);
    }
}

#[test]
fn two_long_answers_are_said_in_turns() {
    let mut host = Long::new(1 + 10 * CHUNKS_TURN_MAX, 100);
    let (mut hall, mut clients) = asking::<2>(b"La", &mut host);
    let whole = [&host.answer()[..], b"a"].concat();
    for client in &mut clients {
        assert_eq!(hear(&mut hall, client, &mut host, whole.len()), whole);
    }
    let mut names: Vec<_> = host.said.chunks(CHUNKS_TURN_MAX).map(|turn| turn[0]).collect();
    assert!(host.said.chunks(CHUNKS_TURN_MAX).all(|turn| turn.iter().all(|name| *name == turn[0])), "{:?}", host.said);
    names.dedup();
    assert_eq!(names.len(), 20, "none had two turns at once: {:?}", host.said);
}

#[test]
fn who_takes_nothing_of_a_long_answer_has_to_go() {
    let mut host = Long::new(usize::MAX, 64 * 1024);
    let (mut hall, [_client]) = asking(b"L", &mut host);
    while !hall.seats[&0].has_output() {
        hall.turn(false, &mut host).unwrap();
    }
    goes_after(&mut hall, &mut host, STALL_MAX_MS);
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
    goes_after(&mut hall, &mut Slow, STALL_MAX_MS);
    let (mut hall, _client) = asked();
    hall.answer(0, |(), _| true);
    hall.turn(true, &mut Slow).unwrap();
    goes_after(&mut hall, &mut Slow, IDLE_MS);
}

/// The one connection is there for less than so long after it was last active, and no longer.
fn goes_after<H: Host>(hall: &mut Hall<H::Guest>, host: &mut H, ms: u64) {
    for (after, count) in [(ms - 1, 1), (ms, 0)] {
        hall.now = hall.seats[&0].active.after(after);
        hall.tick(host);
        assert_eq!(hall.count(), count, "after {after} ms");
    }
}
