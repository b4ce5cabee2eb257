//! The connection to collect, kept up for as long as its process lives: the I/O between an outbox and a socket.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use crate::common::clock::Millis;
use crate::common::conn::{Broken, Conn};
use crate::common::error::{Error, printable};
use crate::common::exit::Status;
use crate::common::frame::{self, Cut};
use crate::common::limits::AGENT_HEARTBEAT_MS;
use crate::common::link::{Due, Link};
use crate::common::net::{self, Stream};
use crate::common::poll::{Interest, Ready};
use crate::common::tls::Context;

use super::outbox::{Heard, Outbox};
use super::said::{self, Code, Hello, Refused};

/// What has happened on the wire.
#[derive(Debug)]
pub enum News {
    /// Collect takes what this agent pushes.
    Up,
    /// The connection is gone, or couldn't be made: why, and how long it is until the next attempt, in milliseconds.
    Down(String, u64),
    /// Of what was said this isn't taken.
    Refused(Refused),
    /// The other side isn't a collect that this program can work with, or doesn't want it.
    Alien(Error),
}

/// How far the connection is.
enum Socket {
    None,
    Connecting(Stream),
    Open(Conn),
}

/// The connection.
pub struct Wire {
    address: String,
    /// How it is encrypted, if there are keys.
    context: Option<Context>,
    /// What is said on it.
    pub outbox: Outbox,
    link: Link,
    socket: Socket,
    /// The addresses that haven't been tried since the name was last looked up.
    untried: Vec<SocketAddr>,
    /// Collect has answered at least once: what goes wrong later is a fault of the moment.
    met: bool,
    /// A push was taken on this connection.
    up: bool,
}

impl Wire {
    /// A connection to `address` (`HOST:PORT`), encrypted if there is a `context`.
    #[must_use]
    pub fn new(address: String, context: Option<Context>, hello: Hello, seed: u64, now: Millis) -> Self {
        let (link, outbox) = (Link::new(seed, AGENT_HEARTBEAT_MS, now), Outbox::new(hello));
        Self { address, context, outbox, link, socket: Socket::None, untried: Vec::new(), met: false, up: false }
    }

    /// Where collect is, by what the user has said.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// True while collect takes what is pushed.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// True while collect takes what is pushed, or will in a moment: not if a second attempt in a row was in vain.
    #[must_use]
    pub fn is_promising(&self) -> bool {
        self.link.failures() < 2
    }

    /// True while there is a connection, or one is being opened.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !matches!(self.socket, Socket::None)
    }

    /// When `turn` is to be called at the latest.
    #[must_use]
    pub fn deadline(&self) -> Millis {
        self.outbox.due().map_or(self.link.deadline(), |due| due.min(self.link.deadline()))
    }

    /// The descriptor to poll, and what for.
    #[must_use]
    pub fn poll_for(&self) -> Option<(BorrowedFd<'_>, Interest)> {
        match &self.socket {
            Socket::None => None,
            Socket::Connecting(stream) => Some((stream.as_fd(), Interest::Write)),
            Socket::Open(conn) => Some((conn.as_fd(), conn.interest())),
        }
    }

    /// Does what is due and what `ready` allows.
    pub fn turn(&mut self, ready: Ready, now: Millis) -> Vec<News> {
        let mut news = Vec::new();
        if let Err(cause) = self.advance(ready, now, &mut news) {
            self.drop_socket(cause, now, &mut news);
        }
        let mut beat = false;
        while let Some(due) = self.link.due(now) {
            match due {
                Due::Heartbeat => beat = true,
                Due::GiveUp => self.drop_socket("no answer".to_owned(), now, &mut news),
                Due::Connect => {
                    if let Err(cause) = self.connect() {
                        self.drop_socket(cause, now, &mut news);
                    }
                }
            }
        }
        if let Err(cause) = self.say(beat, now) {
            self.drop_socket(cause, now, &mut news);
        }
        news
    }

    fn connect(&mut self) -> Result<(), String> {
        if self.untried.is_empty() {
            self.untried = net::resolve(&self.address).map_err(|error| error.to_string())?;
            self.untried.reverse();
        }
        let Some(to) = self.untried.pop() else { return Err("no address".to_owned()) };
        self.socket = Socket::Connecting(Stream::connect(to).map_err(|error| error.to_string())?);
        Ok(())
    }

    fn advance(&mut self, ready: Ready, now: Millis, news: &mut Vec<News>) -> Result<(), String> {
        match std::mem::replace(&mut self.socket, Socket::None) {
            Socket::Connecting(stream) if ready.writable => {
                stream.outcome().map_err(|error| error.to_string())?;
                let session = self.context.as_ref().map(Context::session).transpose();
                let mut conn = Conn::new(stream, session.map_err(|error| error.to_string())?);
                let greeting = self.outbox.greet();
                send(&mut conn, greeting.as_bytes())?;
                self.socket = Socket::Open(conn);
                Ok(())
            }
            Socket::Open(mut conn) if ready.readable => {
                let received = conn.receive();
                let heard = self.hear(&mut conn, now, news);
                self.socket = Socket::Open(conn);
                heard.and(received.map_err(|broken| self.lose(&broken, news)))
            }
            socket => {
                self.socket = socket;
                Ok(())
            }
        }
    }

    /// Says what there is to say now.
    fn say(&mut self, beat: bool, now: Millis) -> Result<(), String> {
        let Socket::Open(conn) = &mut self.socket else { return Ok(()) };
        if let Some(content) = self.outbox.next(beat, now) {
            send(conn, content.as_bytes())?;
        }
        // A broken connection shows at the next read.
        let _ = conn.flush();
        Ok(())
    }

    /// Why the connection is lost. What is wrong with the keys at the first meeting won't mend itself; later, whoever is between
    /// the two may have said it.
    fn lose(&self, broken: &Broken, news: &mut Vec<News>) -> String {
        let cause = broken.to_string();
        if matches!(broken, Broken::WrongKey | Broken::Encrypted | Broken::Unencrypted) && !self.met {
            news.push(self.alien(Status::Refused, &cause));
        }
        cause
    }

    fn alien(&self, status: Status, cause: &str) -> News {
        News::Alien(Error::new(status, format!("collect at {}", self.address), cause))
    }

    /// Takes in the frames that have come.
    fn hear(&mut self, conn: &mut Conn, now: Millis, news: &mut Vec<News>) -> Result<(), String> {
        loop {
            let (heard, end) = match frame::cut(conn.unread()) {
                Cut::More => return Ok(()),
                Cut::Frame(begin, end) => {
                    let answer = said::read(&conn.unread()[begin..end]);
                    (answer.and_then(|answer| self.outbox.hear(answer)), end)
                }
                Cut::NoLength => (Err("what it says is no frame"), 0),
                Cut::TooLong => (Err("a frame is too long"), 0),
            };
            conn.take(end);
            match heard {
                Ok(heard) => self.take(heard, now, news)?,
                Err(fault) => {
                    if !self.met {
                        news.push(self.alien(Status::Protocol, &format!("this is no collect: {fault}")));
                    }
                    return Err(fault.to_owned());
                }
            }
        }
    }

    fn take(&mut self, heard: Heard, now: Millis, news: &mut Vec<News>) -> Result<(), String> {
        self.link.heard(now);
        match heard {
            Heard::Welcome => self.met = true,
            Heard::Declared(refused) => news.extend(some(refused)),
            Heard::Taken(refused) => {
                news.extend(some(refused));
                if !std::mem::replace(&mut self.up, true) {
                    self.link.up(now);
                    news.push(News::Up);
                }
            }
            Heard::Error(code, text) => {
                let text = printable(&text);
                match code {
                    Code::Alien => news.push(self.alien(Status::Protocol, &text)),
                    Code::Forbidden => news.push(self.alien(Status::Refused, &text)),
                    Code::Passing => {}
                }
                return Err(text);
            }
        }
        Ok(())
    }

    fn drop_socket(&mut self, cause: String, now: Millis, news: &mut Vec<News>) {
        (self.socket, self.up) = (Socket::None, false);
        self.outbox.hang_up();
        let pause = self.link.lost(now);
        news.push(News::Down(cause, pause));
    }

    /// Says goodbye, as far as that goes at once, and closes.
    pub fn leave(self) {
        if let Socket::Open(mut conn) = self.socket {
            let _ = send(&mut conn, frame::DISCONNECT);
            let _ = conn.flush();
        }
    }
}

fn some(refused: Refused) -> Option<News> {
    (!refused.is_empty()).then_some(News::Refused(refused))
}

/// Queues a frame. What a connection can't take ends it.
fn send(conn: &mut Conn, content: &[u8]) -> Result<(), String> {
    let mut bytes = Vec::new();
    frame::put(content, &mut bytes);
    conn.send(&bytes).map_err(|broken| broken.to_string())
}
