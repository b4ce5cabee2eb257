//! A connection of manage, from the first line to the last.

use std::net::SocketAddr;

use crate::common::clock::Millis;
use crate::common::conn::{Conn, TooLong};
use crate::common::limits::{GREETING_MAX_BYTES, LINE_MAX_BYTES, LINGER_MAX_BYTES, LINGER_MAX_MS};
use crate::common::message::{Code, Error, Message};
use crate::common::net::Stream;
use crate::common::poll::Interest;
use crate::common::tls::Session;

use super::rights::Bearer;
use super::state::{Event, Peer};

/// A connection.
pub struct Connection {
    /// Its bytes.
    pub conn: Conn,
    /// Where the other end is.
    pub from: SocketAddr,
    /// Who is there, by the key that was proved.
    pub bearer: Bearer,
    /// When it was taken.
    pub opened: Millis,
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
    /// One that has just been taken: of one whom nobody knows little is read.
    #[must_use]
    pub fn new(stream: Stream, session: Option<Session>, from: SocketAddr, now: Millis) -> Self {
        let mut conn = Conn::new(stream, session);
        conn.set_quota(Some(GREETING_MAX_BYTES));
        Self { conn, from, bearer: Bearer::Unknown, opened: now, life: Life::Open { unheard: false } }
    }

    /// What to poll for: a connection that nothing more comes from would be ready for reading for ever.
    #[must_use]
    pub fn interest(&self) -> Interest {
        let deaf = self.is_deaf();
        match self.life {
            Life::Ended(_) => Interest::Write,
            _ if deaf && self.conn.has_output() => Interest::Write,
            _ if deaf => Interest::End,
            _ => self.conn.interest(),
        }
    }

    /// True once nothing more is read of it.
    #[must_use]
    pub fn is_deaf(&self) -> bool {
        matches!(self.life, Life::Lingering(_)) && self.conn.is_exhausted()
    }

    /// The last word is said: what still comes is read for a while, and dropped.
    pub fn linger(&mut self, now: Millis) {
        if self.is_open() {
            self.life = Life::Lingering(now.after(LINGER_MAX_MS));
            self.conn.set_quota(Some(LINGER_MAX_BYTES));
        }
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
