//! One connection to manage, kept up for as long as its process lives: the I/O around `link`.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use crate::common::clock::Millis;
use crate::common::conn::{Broken, Conn};
use crate::common::error::{Error, Result, printable};
use crate::common::exit::Status;
use crate::common::limits::{CONTROL_HEARTBEAT_MS, HEARTBEAT_MS};
use crate::common::link::{Due, Link};
use crate::common::message::{Code, Hello, Message, Role, Welcome};
use crate::common::net::{self, Stream};
use crate::common::poll::{Interest, Ready};
use crate::common::tls::Context;

/// What has happened on the wire.
#[derive(Debug)]
pub enum News {
    /// Manage has answered the greeting.
    Up(Welcome),
    /// Manage has said something.
    Said(Message),
    /// It is time to say that this side lives.
    Heartbeat,
    /// The connection is gone, or couldn't be made: why, and how long it is until the next attempt, in milliseconds.
    Down(String, u64),
    /// Somebody else answers where manage was, why that is known.
    Impostor(String),
    /// The other side isn't a manage that this program can work with, or doesn't want it.
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
    hello: Hello,
    link: Link,
    socket: Socket,
    /// The addresses that haven't been tried since the name was last looked up.
    untried: Vec<SocketAddr>,
    /// Manage has answered at least once: what goes wrong later is a fault of the moment.
    met: bool,
}

impl Wire {
    /// A connection to `address` (`HOST:PORT`), encrypted if there is a `context`, that begins with `hello`.
    #[must_use]
    pub fn new(address: String, context: Option<Context>, hello: Hello, seed: u64, now: Millis) -> Self {
        let heartbeat_ms = if hello.role == Role::Control { CONTROL_HEARTBEAT_MS } else { HEARTBEAT_MS };
        let link = Link::new(seed, heartbeat_ms, now);
        Self { address, context, hello, link, socket: Socket::None, untried: Vec::new(), met: false }
    }

    /// Where manage is, by what the user has said.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// When `turn` is to be called at the latest.
    #[must_use]
    pub fn deadline(&self) -> Millis {
        self.link.deadline()
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

    /// Sends a message, if the connection stands; else it is lost.
    pub fn send(&mut self, message: impl Into<Message>) {
        if let Socket::Open(conn) = &mut self.socket {
            // What a connection can't take is lost; its silence ends it.
            let _ = conn.send(message.into().line().as_bytes());
        }
    }

    /// Does what is due and what `ready` allows.
    pub fn turn(&mut self, ready: Ready, now: Millis) -> Vec<News> {
        let mut news = Vec::new();
        let done = self.advance(ready, now, &mut news);
        if let Err(cause) = done {
            self.drop_socket(cause, now, &mut news);
        }
        while let Some(due) = self.link.due(now) {
            match due {
                Due::Heartbeat => news.push(News::Heartbeat),
                Due::GiveUp => self.drop_socket("no answer".to_owned(), now, &mut news),
                Due::Connect => {
                    if let Err(cause) = self.connect() {
                        self.drop_socket(cause, now, &mut news);
                    }
                }
            }
        }
        news
    }

    /// Writes what is queued.
    pub fn flush(&mut self) {
        if let Socket::Open(conn) = &mut self.socket {
            // A broken connection shows at the next read.
            let _ = conn.flush();
        }
    }

    fn connect(&mut self) -> std::result::Result<(), String> {
        if self.untried.is_empty() {
            let mut found = lookup(&self.address).map_err(|error| error.to_string())?;
            found.reverse();
            self.untried = found;
        }
        let Some(to) = self.untried.pop() else { return Err("no address".to_owned()) };
        self.socket = Socket::Connecting(Stream::connect(to).map_err(|error| error.to_string())?);
        Ok(())
    }

    fn advance(&mut self, ready: Ready, now: Millis, news: &mut Vec<News>) -> std::result::Result<(), String> {
        match std::mem::replace(&mut self.socket, Socket::None) {
            Socket::Connecting(stream) if ready.writable => {
                stream.outcome().map_err(|error| error.to_string())?;
                let session = self.context.as_ref().map(Context::session).transpose();
                let mut conn = Conn::new(stream, session.map_err(|error| error.to_string())?);
                let _ = conn.send(Message::from(self.hello.clone()).line().as_bytes());
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

    /// Why the connection is lost. What is wrong with the keys at the first meeting won't mend itself; later, whoever is between
    /// the two may have said it.
    fn lose(&self, broken: &Broken, news: &mut Vec<News>) -> String {
        let cause = broken.to_string();
        match broken {
            Broken::WrongKey | Broken::Encrypted | Broken::Unencrypted if self.met => {
                news.push(News::Impostor(cause.clone()));
            }
            Broken::WrongKey | Broken::Encrypted | Broken::Unencrypted => {
                news.push(self.alien(Status::Refused, &cause));
            }
            _ => {}
        }
        cause
    }

    fn alien(&self, status: Status, cause: &str) -> News {
        News::Alien(Error::new(status, format!("manage at {}", self.address), cause))
    }

    /// Takes in the lines that have come.
    fn hear(&mut self, conn: &mut Conn, now: Millis, news: &mut Vec<News>) -> std::result::Result<(), String> {
        while let Some(line) = conn.line() {
            let line = line.map_err(|_| "a line is too long".to_owned());
            let message = line.and_then(|line| Message::read(line).map_err(|malformed| malformed.text));
            match message {
                Ok(Message::Welcome(welcome)) => {
                    self.met = true;
                    self.link.up(now);
                    news.push(News::Up(welcome));
                }
                Ok(Message::Error(error)) => {
                    let text = format!("{}: {}", error.code, printable(&error.text));
                    match error.code {
                        Code::Silent | Code::Replaced | Code::Busy => {}
                        Code::Keys | Code::Forbidden | Code::Unauthorized => {
                            news.push(self.alien(Status::Refused, &text));
                        }
                        _ => news.push(self.alien(Status::Protocol, &text)),
                    }
                    return Err(text);
                }
                Ok(message) => {
                    self.link.heard(now);
                    news.push(News::Said(message));
                }
                Err(cause) if self.met => return Err(cause),
                Err(cause) => {
                    news.push(self.alien(Status::Protocol, &format!("this is no manage: {cause}")));
                    return Err(cause);
                }
            }
        }
        Ok(())
    }

    fn drop_socket(&mut self, cause: String, now: Millis, news: &mut Vec<News>) {
        self.socket = Socket::None;
        let pause = self.link.lost(now);
        news.push(News::Down(cause, pause));
    }
}

fn lookup(address: &str) -> Result<Vec<SocketAddr>> {
    net::resolve(address)
}
