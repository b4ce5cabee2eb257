//! One connection that says something and takes the answers, line by line.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use aliquot::common::conn::Conn;
use aliquot::common::message::{Hello, Instance, Message, Role, Version};
use aliquot::common::net::Stream;
use aliquot::common::poll::{Interest, Ready, Set};
use aliquot::common::tls::Context;
use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt};

const PATIENCE: Duration = Duration::from_secs(10);

/// The connection.
pub struct Caller(Conn);

impl Caller {
    /// Begins to connect, over TLS if there is a context for it.
    pub fn connect(from: Ipv4Addr, to: SocketAddr, context: Option<&Context>) -> Result<Self, String> {
        let stream = Stream::connect_from(from.into(), to).map_err(|error| format!("connect from {from}: {error}"))?;
        let session = context.map(Context::session).transpose().map_err(|error| error.to_string())?;
        Ok(Self(Conn::new(stream, session)))
    }

    /// Closing it resets it: a port waits for nothing after that, and a flood doesn't run out of ports.
    pub fn close_at_once(&self) -> Result<(), String> {
        let at_once = linger { l_onoff: 1, l_linger: 0 };
        setsockopt(&self.0, sockopt::Linger, &at_once).map_err(|errno| format!("SO_LINGER: {errno}"))
    }

    /// Says a message, as soon as a handshake allows it.
    pub fn say(&mut self, message: impl Into<Message>) -> Result<(), String> {
        self.send(message.into().line().as_bytes())
    }

    /// Sends bytes that needn't be a message.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.0.send(bytes).and_then(|()| self.0.flush()).map_err(|broken| broken.to_string())
    }

    /// What to poll for.
    pub fn interest(&self) -> Interest {
        self.0.interest()
    }

    /// True while something that was sent isn't written yet; words that wait for a handshake don't count.
    pub fn has_output(&self) -> bool {
        self.0.has_output()
    }

    /// True once a handshake is over.
    pub fn is_met(&self) -> bool {
        self.0.key().is_some()
    }

    /// Writes what waits, whatever comes from the other side.
    pub fn push(&mut self) -> Result<(), String> {
        self.0.flush().map_err(|broken| broken.to_string())
    }

    /// Writes and reads what it is ready for; gives the next message if it is whole.
    pub fn turn(&mut self, ready: Ready) -> Result<Option<Message>, String> {
        let ended = if ready.readable { self.0.receive().err() } else { None };
        // One who has closed can't be written to any more, but is still to be read.
        let _ = self.0.flush();
        match self.0.line() {
            Some(Ok(line)) => Message::read(line).map(Some).map_err(|malformed| malformed.text),
            Some(Err(_)) => Err("a line is too long".to_owned()),
            None => ended.map_or(Ok(None), |broken| Err(broken.to_string())),
        }
    }

    /// Waits for the next message.
    pub fn hear(&mut self) -> Result<Message, String> {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            let mut set = Set::new();
            let slot = set.add(self.as_fd(), self.interest());
            set.wait(PATIENCE).map_err(|error| error.to_string())?;
            let ready = set.ready(slot);
            if let Some(message) = self.turn(ready)? {
                return Ok(message);
            }
        }
        Err(format!("no answer for {PATIENCE:?}"))
    }
}

impl AsFd for Caller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// How one who wants to be `role` begins.
pub fn hello(role: Role) -> Hello {
    let report = role == Role::Report;
    Hello {
        version: Version,
        role,
        host: (!report).then(|| "caller".to_owned()),
        pid: (!report).then_some(1),
        instance: (!report).then_some(Instance(u64::MAX)),
        kernel: None,
    }
}
