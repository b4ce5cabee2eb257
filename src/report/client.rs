//! Asking manage: one connection, one question at a time, with a deadline for each answer.

use std::os::fd::AsFd;

use crate::common::clock::{self, Millis};
use crate::common::conn::{Broken, Conn};
use crate::common::error::{Error, printable};
use crate::common::exit::Status as Exit;
use crate::common::limits::{CONNECT_MAX_MS, REPORT_MAX_MS};
use crate::common::message::{Code, Compute, Distrusted, Hello, Message, Query, Role, Signal, Status, Version};
use crate::common::net::{self, Stream};
use crate::common::poll::{Interest, Set};
use crate::common::signal::{Ending, Signals};
use crate::common::tls::Context;

/// A report as it came.
#[derive(Clone, Debug)]
pub struct Report {
    /// The state of the search.
    pub status: Status,
    /// The hosts that have lied.
    pub distrusted: Vec<Distrusted>,
    /// The computes, by host and pid.
    pub computes: Vec<Compute>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Stop {
    /// This process was told to end.
    Ended,
    /// Something failed.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Whom to ask.
#[derive(Debug)]
pub struct Target {
    /// Where, `HOST:PORT`.
    pub address: String,
    /// How the connection is encrypted, if there are keys.
    pub context: Option<Context>,
}

/// A connection to manage, in the role of a report.
pub struct Client<'s> {
    address: String,
    signals: &'s mut Signals,
    conn: Conn,
    /// Why nothing more can come.
    ended: Option<Broken>,
}

impl<'s> Client<'s> {
    /// Connects and says hello.
    ///
    /// # Errors
    /// Unreachable, with what was tried and what to try; protocol, if it isn't a manage of this version; refused, if keys
    /// are in the way.
    pub fn connect(target: &Target, signals: &'s mut Signals) -> std::result::Result<Self, Stop> {
        let address = &target.address;
        let mut cause = String::new();
        for to in net::resolve(address)? {
            match open(to, signals) {
                Ok(stream) => {
                    let conn = Conn::new(stream, target.context.as_ref().map(Context::session).transpose()?);
                    let mut client = Self { address: address.clone(), signals, conn, ended: None };
                    client.greet()?;
                    return Ok(client);
                }
                Err(Attempt::Ended) => return Err(Stop::Ended),
                Err(Attempt::Failed(error)) => cause = error,
            }
        }
        Err(unreachable(address, &cause).into())
    }

    fn greet(&mut self) -> std::result::Result<(), Stop> {
        let hello = Hello { version: Version, role: Role::Report, host: None, pid: None, instance: None, kernel: None };
        match self.ask(hello)? {
            Message::Welcome(_) => Ok(()),
            other => Err(self.alien(&format!("{} instead of a welcome", other.name())).into()),
        }
    }

    /// Asks for a report.
    ///
    /// # Errors
    /// As `connect`.
    pub fn query(&mut self) -> std::result::Result<Report, Stop> {
        let Message::Status(status) = self.ask(Query {})? else {
            return Err(self.alien("no status").into());
        };
        let (mut distrusted, mut computes) = (Vec::new(), Vec::new());
        let deadline = clock::now().after(REPORT_MAX_MS);
        loop {
            match self.answer(deadline)? {
                Message::Distrusted(host) => distrusted.push(host),
                Message::Compute(compute) => computes.push(compute),
                Message::End(end) if end.computes == computes.len() as u64 => {
                    return Ok(Report { status, distrusted, computes });
                }
                other => return Err(self.alien(&format!("{} in a report", other.name())).into()),
            }
        }
    }

    /// Tells manage to send itself SIGINT; it has acknowledged when this returns.
    ///
    /// # Errors
    /// As `connect`.
    pub fn end_search(&mut self) -> std::result::Result<(), Stop> {
        match self.ask(Signal { name: Ending::Int })? {
            Message::Acknowledged(_) => Ok(()),
            other => Err(self.alien(&format!("{} instead of an acknowledgement", other.name())).into()),
        }
    }

    fn ask(&mut self, question: impl Into<Message>) -> std::result::Result<Message, Stop> {
        if let Err(broken) = self.conn.send(question.into().line().as_bytes()) {
            return Err(unreachable(&self.address, &broken.to_string()).into());
        }
        self.answer(clock::now().after(REPORT_MAX_MS))
    }

    /// The next message from manage.
    fn answer(&mut self, deadline: Millis) -> std::result::Result<Message, Stop> {
        loop {
            let line = self.conn.line().map(|line| match line {
                Ok(line) => Message::read(line).map_err(|malformed| malformed.text),
                Err(_) => Err("a line is too long".to_owned()),
            });
            match line {
                Some(Ok(Message::Error(error))) => {
                    let cause = format!("{}: {}", error.code, printable(&error.text));
                    return Err(match error.code {
                        Code::Keys | Code::Forbidden | Code::Unauthorized => self.refused(&cause),
                        Code::Busy | Code::Silent => {
                            Error::new(Exit::Unreachable, format!("manage at {}", self.address), cause)
                        }
                        _ => self.alien(&cause),
                    }
                    .into());
                }
                Some(Ok(message)) => return Ok(message),
                Some(Err(cause)) => return Err(self.alien(&cause).into()),
                None => match &self.ended {
                    Some(broken @ (Broken::WrongKey | Broken::Encrypted | Broken::Unencrypted)) => {
                        return Err(self.refused(&broken.to_string()).into());
                    }
                    Some(broken) => return Err(unreachable(&self.address, &broken.to_string()).into()),
                    None => self.wait(deadline)?,
                },
            }
        }
    }

    /// Waits for more to read, and writes what is to be written.
    fn wait(&mut self, deadline: Millis) -> std::result::Result<(), Stop> {
        let lost = |cause: String| unreachable(&self.address, &cause);
        // One who has said no and closed can't be written to any more, but is still to be read.
        let _ = self.conn.flush();
        let mut set = Set::new();
        let slot = set.add(self.conn.as_fd(), self.conn.interest());
        set.add(self.signals.as_fd(), Interest::Read);
        let now = clock::now();
        if now >= deadline {
            return Err(lost("no answer".to_owned()).into());
        }
        set.wait(now.until(deadline)).map_err(|error| Error::new(Exit::Failed, "poll", error))?;
        let ready = set.ready(slot);
        if self.signals.ending().is_some() {
            return Err(Stop::Ended);
        }
        if ready.readable {
            // What was said before the end comes first.
            self.ended = self.conn.receive().err();
        }
        Ok(())
    }

    fn refused(&self, what: &str) -> Error {
        Error::new(Exit::Refused, format!("manage at {}", self.address), what)
    }

    fn alien(&self, what: &str) -> Error {
        Error::new(Exit::Protocol, format!("manage at {}", self.address), what)
    }
}

/// Why one address can't be connected to.
enum Attempt {
    Ended,
    Failed(String),
}

fn open(to: std::net::SocketAddr, signals: &mut Signals) -> std::result::Result<Stream, Attempt> {
    let failed = |error: std::io::Error| Attempt::Failed(error.to_string());
    let stream = Stream::connect(to).map_err(failed)?;
    let deadline = clock::now().after(CONNECT_MAX_MS);
    loop {
        let now = clock::now();
        if now >= deadline {
            return Err(Attempt::Failed("no answer".to_owned()));
        }
        let mut set = Set::new();
        let slot = set.add(stream.as_fd(), Interest::Write);
        set.add(signals.as_fd(), Interest::Read);
        set.wait(now.until(deadline)).map_err(failed)?;
        let writable = set.ready(slot).writable;
        if signals.ending().is_some() {
            return Err(Attempt::Ended);
        }
        if writable {
            stream.outcome().map_err(failed)?;
            return Ok(stream);
        }
    }
}

fn unreachable(address: &str, cause: &str) -> Error {
    let hint = "is manage running? start it, or name its address: report HOST:PORT, or set ALIQUOT_MANAGE";
    Error::new(Exit::Unreachable, format!("manage at {address}"), format!("{cause}; {hint}"))
}
