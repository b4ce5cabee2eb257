//! A connection of manage, from the first line to the last.

use std::net::SocketAddr;

use crate::common::clock::Millis;
use crate::common::conn::{Conn, TooLong};
use crate::common::limits::LINE_MAX_BYTES;
use crate::common::message::{Code, Error, Message};
use crate::common::net::Stream;
use crate::common::poll::Interest;

use super::state::{Event, Peer};

/// A connection.
pub struct Connection {
    /// Its bytes.
    pub conn: Conn,
    /// Who is at the other end.
    pub from: SocketAddr,
    /// How far it has come.
    pub life: Life,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It is heard; of `LINES_TURN_MAX` lines a turn, if more of them wait.
    Open {
        /// More lines wait than a turn takes.
        unheard: bool,
    },
    /// This side has said its last word, and waits until then for the other to have read it and close.
    Lingering(Millis),
    /// The other side has said its last word; what it has asked for may still be written until then.
    Ended(Millis),
}

impl Connection {
    /// One that has just been taken.
    #[must_use]
    pub fn new(stream: Stream, from: SocketAddr) -> Self {
        Self { conn: Conn::new(stream), from, life: Life::Open { unheard: false } }
    }

    /// What to poll for: a connection that nothing more comes from would be ready for reading for ever.
    #[must_use]
    pub fn interest(&self) -> Interest {
        if matches!(self.life, Life::Ended(_)) { Interest::Write } else { self.conn.interest() }
    }

    /// Writes what is queued, and what is left to do to close it; false once it is of no more use.
    pub fn sweep(&mut self, now: Millis) -> bool {
        if self.conn.flush().is_err() {
            return false;
        }
        match self.life {
            Life::Open { .. } => true,
            Life::Ended(until) => self.conn.has_output() && now < until,
            Life::Lingering(until) => {
                // Closing with unread input would take back what was said last: the other side closes first.
                if !self.conn.has_output() {
                    self.conn.stream().shut_down_sending();
                }
                now < until
            }
        }
    }

    /// True if something is left to do for it, even if nothing more comes from it.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.conn.has_output() || self.life != Life::Open { unheard: false }
    }

    /// True if lines of it wait for the next turn.
    #[must_use]
    pub fn is_unheard(&self) -> bool {
        self.life == Life::Open { unheard: true }
    }

    /// True as long as it is heard.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.life, Life::Open { .. })
    }
}

/// A line, without its LF, as an event.
#[must_use]
pub fn understand(peer: Peer, line: Result<&[u8], TooLong>) -> Event {
    let Ok(line) = line else {
        let text = format!("1:1: a line has {LINE_MAX_BYTES} bytes at most");
        return Event::Garbled(peer, Error::new(Code::TooLong, text));
    };
    match Message::read(line) {
        Ok(message) => Event::Said(peer, message),
        Err(malformed) => Event::Garbled(peer, malformed.into()),
    }
}
