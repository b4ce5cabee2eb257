//! One connection of a load: what it is about, what it says and hears. Whoever owns it decides what comes next.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use crate::common::net::{Stream, is_pause};

use super::exchange::{Exchange, Verdict};

/// What a connection is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is none.
    Closed,
    /// It is being opened.
    Connecting,
    /// It is open, and nothing is on its way.
    Idle,
    /// A request, or its reply, is on its way.
    Asking,
}

/// What a connection has heard.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// Nothing that is whole.
    Nothing,
    /// A reply, and what it is.
    Reply(Verdict, &'a [u8]),
    /// The connection has been reset, or ended.
    End,
}

/// A connection.
pub struct Wire<E> {
    exchange: E,
    stream: Option<Stream>,
    state: State,
    out: Vec<u8>,
    sent: usize,
    /// The beginning of a reply, where it came in pieces.
    held: Vec<u8>,
    since: Instant,
}

impl<E: Exchange> Wire<E> {
    /// One that isn't open yet.
    pub fn new(exchange: E, now: Instant) -> Self {
        Self { exchange, stream: None, state: State::Closed, out: Vec::new(), sent: 0, held: Vec::new(), since: now }
    }

    /// What it is about.
    pub fn state(&self) -> State {
        self.state
    }

    /// When the present request was made.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Begins to connect; the stream, to be watched.
    ///
    /// # Errors
    /// When it fails at once.
    pub fn open(&mut self, to: SocketAddr) -> io::Result<&Stream> {
        let stream = Stream::connect(to)?;
        self.state = State::Connecting;
        Ok(self.stream.insert(stream))
    }

    /// How connecting came out, when the stream has turned writable.
    ///
    /// # Errors
    /// Why it failed.
    pub fn opened(&mut self) -> io::Result<()> {
        self.stream.as_ref().map_or(Ok(()), Stream::outcome)?;
        self.state = State::Idle;
        Ok(())
    }

    /// Closes it.
    pub fn close(&mut self) {
        self.stream = None;
        self.state = State::Closed;
        self.held.clear();
    }

    /// Waits before it asks again.
    pub fn rest(&mut self) {
        self.state = State::Idle;
    }

    /// Sends the next request.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn ask(&mut self, now: Instant) -> io::Result<()> {
        self.out.clear();
        self.exchange.request(&mut self.out);
        (self.sent, self.since, self.state) = (0, now, State::Asking);
        self.flush()
    }

    /// Sends what hasn't been sent of the request.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn flush(&mut self) -> io::Result<()> {
        let Some(stream) = &self.stream else { return Ok(()) };
        while self.state == State::Asking && self.sent < self.out.len() {
            match stream.write(&self.out[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if is_pause(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads once, into `room`: what was heard, and true if the room was too small for all that there is. `None` if nothing
    /// has come.
    pub fn hear<'a>(&mut self, room: &'a mut [u8]) -> Option<(Heard<'a>, bool)> {
        match self.stream.as_ref()?.read(room) {
            Ok(0) => Some((Heard::End, false)),
            Ok(count) => Some((self.take(&room[..count]), count == room.len())),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Some((Heard::Nothing, true)),
            Err(error) if is_pause(&error) => None,
            Err(_) => Some((Heard::End, false)),
        }
    }

    fn take<'a>(&mut self, came: &'a [u8]) -> Heard<'a> {
        let whole = if self.held.is_empty() {
            came
        } else {
            self.held.extend_from_slice(came);
            &self.held
        };
        let verdict = match self.exchange.reply(whole) {
            Some((_, Verdict::Refused)) => Verdict::Refused,
            // One request is on its way: what comes without one, or behind its reply, nobody has asked for.
            Some((length, verdict)) if length == whole.len() && self.state == State::Asking => verdict,
            Some(_) => Verdict::Wrong,
            None if whole.len() >= self.exchange.reply_max_bytes() => Verdict::Wrong,
            None => {
                if self.held.is_empty() {
                    self.held.extend_from_slice(came);
                }
                return Heard::Nothing;
            }
        };
        self.held.clear();
        Heard::Reply(verdict, came)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::limits::LOAD_REPLY_MAX_BYTES;

    /// Whose replies are lines; right is what says so.
    struct Lines;

    impl Exchange for Lines {
        fn request(&mut self, out: &mut Vec<u8>) {
            out.extend_from_slice(b"a\n");
        }

        fn reply(&mut self, input: &[u8]) -> Option<(usize, Verdict)> {
            let end = input.iter().position(|byte| *byte == b'\n')?;
            let verdict = match &input[..end] {
                b"right" => Verdict::Right,
                b"no" => Verdict::Refused,
                _ => Verdict::Wrong,
            };
            Some((end + 1, verdict))
        }
    }

    fn asking() -> Wire<Lines> {
        let mut wire = Wire::new(Lines, Instant::now());
        wire.ask(Instant::now()).unwrap();
        wire
    }

    #[test]
    fn a_reply_may_come_in_pieces() {
        let mut wire = asking();
        assert_eq!(wire.take(b"ri"), Heard::Nothing);
        assert_eq!(wire.take(b"g"), Heard::Nothing);
        assert_eq!(wire.take(b"ht\n"), Heard::Reply(Verdict::Right, b"ht\n"));
        wire.ask(Instant::now()).unwrap();
        assert_eq!(wire.take(b"right\n"), Heard::Reply(Verdict::Right, b"right\n"));
    }

    #[test]
    fn what_nobody_asked_for_is_wrong() {
        let mut wire = asking();
        assert_eq!(wire.take(b"right\nr"), Heard::Reply(Verdict::Wrong, b"right\nr"));
        wire.rest();
        assert_eq!(wire.take(b"right\n"), Heard::Reply(Verdict::Wrong, b"right\n"));
        assert_eq!(wire.take(b"no\n"), Heard::Reply(Verdict::Refused, b"no\n"));
    }

    #[test]
    fn a_reply_without_end_is_wrong() {
        let mut wire = asking();
        for _ in 1..LOAD_REPLY_MAX_BYTES {
            assert_eq!(wire.take(b"a"), Heard::Nothing);
        }
        assert_eq!(wire.take(b"a"), Heard::Reply(Verdict::Wrong, b"a"));
    }
}
