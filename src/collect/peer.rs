//! One connection of an agent: its frames in, the book's answers out.

use std::net::SocketAddr;
use std::sync::Arc;

use slog::{Logger, info, trace};

use crate::common::clock::{Millis, wall_seconds};
use crate::common::conn::{Broken, Conn};
use crate::common::frame::{self, Cut};
use crate::common::keyring::Bearer;
use crate::common::keys::Public;
use crate::common::limits::{
    AGENT_GREETING_MAX_MS, AGENT_SILENCE_MAX_MS, AGENTS_KNOWN_MAX, FRAME_MAX_BYTES, FRAMES_TURN_MAX, LINGER_MAX_BYTES,
    LINGER_MAX_MS, UNNAMED_SILENCE_MAX_MS,
};
use crate::common::net::Stream;
use crate::common::poll::Interest;
use crate::common::tls::Session;

use super::book::{Book, Link};
use super::speech::{self, Answer, Reason, Said};

/// Who is there.
#[derive(Clone, Debug)]
pub enum Who {
    /// Nobody knows yet.
    Stranger,
    /// One of the original's agents, by its endpoint.
    Unnamed(Arc<str>),
    /// A named one.
    Named(Arc<str>),
}

/// A connection.
pub struct Peer {
    /// Its bytes.
    pub conn: Conn,
    /// Where the other end is.
    pub from: SocketAddr,
    /// Who is there,
    pub who: Who,
    /// and by which key, if there are keys and it has proved one.
    pub bearer: Option<Bearer>,
    heard: Millis,
    unheard: bool,
    /// What it is told when what it has said is written.
    owed: Vec<Answer>,
    /// The last word is said; it is closed then at the latest.
    leaving: Option<Millis>,
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.who {
            Who::Named(name) => write!(f, "agent {:?} ({})", &**name, self.from),
            Who::Unnamed(_) => write!(f, "unnamed agent {}", self.from),
            Who::Stranger => write!(f, "connection {}", self.from),
        }
    }
}

/// What has come of listening to a connection.
#[derive(Default)]
pub struct Heard {
    /// What wasn't understood, or not taken.
    pub faults: Vec<String>,
    /// Another connection that is over, as its agent has come back by this one.
    pub former: Option<Link>,
    /// It said that it goes.
    pub bye: bool,
}

impl Peer {
    /// One that has just been taken.
    #[must_use]
    pub fn new(stream: Stream, session: Option<Session>, from: SocketAddr, now: Millis) -> Self {
        let conn = Conn::new(stream, session);
        Self {
            conn,
            from,
            who: Who::Stranger,
            bearer: None,
            heard: now,
            unheard: false,
            owed: Vec::new(),
            leaving: None,
        }
    }

    /// What to poll for: one who has no room for his answers isn't heard until he has taken them.
    #[must_use]
    pub fn interest(&self) -> Interest {
        if self.conn.is_exhausted() {
            return Interest::End;
        }
        match (self.is_held_up(), self.conn.has_output()) {
            (true, true) => Interest::Write,
            (true, false) => Interest::End,
            _ => self.conn.interest(),
        }
    }

    fn is_held_up(&self) -> bool {
        self.leaving.is_none() && (self.conn.waiting_bytes() > FRAME_MAX_BYTES || self.owed.len() >= FRAMES_TURN_MAX)
    }

    /// True if frames of it wait for the next turn.
    #[must_use]
    pub fn is_unheard(&self) -> bool {
        self.unheard && !self.is_held_up()
    }

    /// True if it hasn't said who it is.
    #[must_use]
    pub fn is_stranger(&self) -> bool {
        matches!(self.who, Who::Stranger)
    }

    /// The key that it was let in by.
    #[must_use]
    pub fn key(&self) -> Option<Public> {
        match self.bearer {
            Some(Bearer::Key(_, _, key)) => Some(key),
            _ => None,
        }
    }

    /// True if it has said nothing for longer than it may.
    #[must_use]
    pub fn is_silent(&self, now: Millis) -> bool {
        let may = match self.who {
            Who::Stranger => AGENT_GREETING_MAX_MS,
            Who::Unnamed(_) => UNNAMED_SILENCE_MAX_MS,
            Who::Named(_) => AGENT_SILENCE_MAX_MS,
        };
        now.since(self.heard) >= may
    }

    /// Reads what there is.
    ///
    /// # Errors
    /// When the connection has ended, or whoever is there has not the keys for it.
    pub fn receive(&mut self) -> Result<(), Broken> {
        if self.is_held_up() { Ok(()) } else { self.conn.receive() }
    }

    /// Takes in the frames that have come, some a turn.
    pub fn hear(&mut self, link: Link, book: &mut Book, log: &Logger, now: Millis) -> Heard {
        let mut heard = Heard::default();
        self.unheard = false;
        for nth in 0.. {
            if self.leaving.is_some() {
                self.conn.discard_input();
                break;
            }
            let (begin, end) = match frame::cut(self.conn.unread()) {
                Cut::More => break,
                Cut::Frame(..) if nth == FRAMES_TURN_MAX || self.is_held_up() => {
                    self.unheard = true;
                    break;
                }
                Cut::Frame(begin, end) => (begin, end),
                Cut::NoLength => {
                    self.give_up(Reason::Header, "a header that is no length", book, &mut heard, now);
                    continue;
                }
                Cut::TooLong => {
                    let text = format!("a frame of more than {FRAME_MAX_BYTES} bytes");
                    self.give_up(Reason::Length, &text, book, &mut heard, now);
                    continue;
                }
            };
            book.counts.frames += 1;
            self.heard = now;
            let content = self.conn.unread()[begin..end].to_vec();
            self.conn.take(end);
            trace!(log, "{} {}", self.from, content.escape_ascii());
            match speech::read(&content) {
                Ok(Said::Bye) => {
                    if let Who::Named(name) = &self.who {
                        book.end(name);
                    }
                    heard.bye = true;
                    break;
                }
                said => self.take(said, link, book, log, &mut heard, now),
            }
        }
        heard
    }

    fn take(
        &mut self,
        said: Result<Said, (Reason, String)>,
        link: Link,
        book: &mut Book,
        log: &Logger,
        heard: &mut Heard,
        now: Millis,
    ) {
        let wall = wall_seconds();
        let who = self.who.clone();
        match (said, who) {
            (Ok(Said::Hello(hello)), Who::Stranger) => match book.hello(hello, link, now, wall) {
                Ok(welcome) => {
                    heard.former = welcome.former;
                    self.who = Who::Named(welcome.agent);
                    info!(log, "{self} is here");
                    self.say(&welcome.answer);
                }
                Err(refusal) => {
                    if let Answer::Error(reason, text) = &refusal {
                        book.refuse(*reason);
                        heard.faults.push(text.clone());
                    }
                    self.dismiss(&refusal, now);
                }
            },
            (Ok(Said::Declare(metrics)), Who::Named(agent)) => {
                let answer = book.declare(&agent, metrics, now);
                self.answer(answer, false, heard);
            }
            (Ok(Said::Push(seq, news)), Who::Named(agent)) => {
                let (answer, waits) = book.push(&agent, seq, news, now, wall);
                self.answer(answer, waits, heard);
            }
            (Ok(Said::Other(said)), Who::Unnamed(agent)) => {
                let faults = book.hear(&agent, &said, now, wall);
                heard.faults.extend(faults.into_iter().map(|(_, text)| text));
            }
            (Ok(Said::Other(said)), Who::Stranger) if Book::knows_key_of(&said) => {
                let Some(agent) = book.meet(self.from, link, now, wall) else {
                    let text = format!("there are {AGENTS_KNOWN_MAX} agents already");
                    return self.give_up(Reason::Busy, &text, book, heard, now);
                };
                self.who = Who::Unnamed(agent);
                self.take(Ok(Said::Other(said)), link, book, log, heard, now);
            }
            // Who has said nothing that makes sense is no agent yet, but may become one.
            (Ok(Said::Other(said)), Who::Stranger) => {
                book.refuse(Reason::Key);
                heard
                    .faults
                    .push(format!("no known key: {}", said.keys().next().map_or("none at all", String::as_str)));
            }
            (Err((Reason::Json, text)), Who::Stranger) => {
                book.refuse(Reason::Json);
                heard.faults.push(text);
            }
            (Err((reason, text)), Who::Unnamed(_)) => {
                book.refuse(reason);
                heard.faults.push(text);
            }
            (Err((reason, text)), _) => self.give_up(reason, &text, book, heard, now),
            (Ok(_), _) => self.give_up(Reason::Message, "it was said at the wrong time", book, heard, now),
        }
    }

    /// What was said makes no sense, and nobody knows what would come next.
    fn give_up(&mut self, reason: Reason, text: &str, book: &mut Book, heard: &mut Heard, now: Millis) {
        book.refuse(reason);
        heard.faults.push(text.to_owned());
        self.dismiss(&Answer::Error(reason, text.to_owned()), now);
    }

    /// `waits`: until what was said is written. Answers keep their order.
    fn answer(&mut self, answer: Answer, waits: bool, heard: &mut Heard) {
        if let Answer::Declared(_, refused) | Answer::Taken(_, refused) = &answer {
            heard.faults.extend(refused.iter().map(|(name, text)| format!("{name:?}: {text}")));
        }
        if waits || !self.owed.is_empty() {
            self.owed.push(answer);
        } else {
            self.say(&answer);
        }
    }

    /// What it has said is written, as far as that can be.
    pub fn settle(&mut self) {
        std::mem::take(&mut self.owed).iter().for_each(|answer| self.say(answer));
    }

    fn say(&mut self, answer: &Answer) {
        let mut out = Vec::new();
        frame::put(&answer.content(), &mut out);
        // One who doesn't read is silent, too: nothing more is heard of it meanwhile.
        let _ = self.conn.send(&out);
    }

    /// Says a last word. What still comes is read for a while, and dropped: closing over it would take that word back.
    pub fn dismiss(&mut self, answer: &Answer, now: Millis) {
        if self.leaving.is_none() {
            self.settle();
            self.say(answer);
            self.leaving = Some(now.after(LINGER_MAX_MS));
            self.conn.set_quota(Some(LINGER_MAX_BYTES));
        }
    }

    /// Writes what is queued; false once it is of no more use.
    pub fn flush(&mut self, now: Millis) -> bool {
        let written = self.conn.flush().is_ok();
        if self.leaving.is_some() && !self.conn.has_output() {
            self.conn.stream().shut_down_sending();
        }
        written && self.leaving.is_none_or(|until| now < until)
    }
}
