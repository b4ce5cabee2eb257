//! Asking manage, as a report does: one connection, one question at a time, with a deadline for each answer. Each wait is on the
//! connection and on whatever may interrupt it: signals, or a call from another thread.

use std::os::fd::AsFd;
use std::time::Duration;

use super::clock::{self, Millis};
use super::conn::{Broken, Conn};
use super::epoll::Waker;
use super::error::{Error, printable};
use super::exit::Status as Exit;
use super::limits::{CONNECT_MAX_MS, REPORT_MAX_MS};
use super::message::{
    CellCount, Code, Compute, Coverage, Distrusted, Hello, Message, Query, Role, Signal, Status, Version,
};
use super::net::{self, Stream};
use super::poll::{Interest, Set};
use super::signal::{Ending, Signals};
use super::tls::Context;

/// A report as it came.
#[derive(Clone, Debug)]
pub struct Report {
    /// The state of the search.
    pub status: Status,
    /// A picture of what is tested and leased, if it was asked for and there is one.
    pub coverage: Option<Coverage>,
    /// The hosts that have lied.
    pub distrusted: Vec<Distrusted>,
    /// The computes, by host and pid.
    pub computes: Vec<Compute>,
}

/// What ends a wait for an answer: it can be polled for, and then asked whether it has come.
pub trait Interrupt: AsFd {
    /// True if it has; it may be taken back by that.
    fn has_come(&mut self) -> bool;
}

impl Interrupt for Signals {
    fn has_come(&mut self) -> bool {
        self.ending().is_some()
    }
}

/// Called once, it has come for good.
impl Interrupt for &Waker {
    fn has_come(&mut self) -> bool {
        let mut set = Set::new();
        let slot = set.add(self.as_fd(), Interest::Read);
        set.wait(Duration::ZERO).is_ok() && set.ready(slot).readable
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Stop {
    /// It was interrupted.
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
    /// What to try where nobody answers; it stands behind the cause. It may be empty.
    pub hint: &'static str,
}

/// A connection to manage, in the role of a report.
pub struct Client<'t> {
    target: &'t Target,
    interrupt: &'t mut dyn Interrupt,
    conn: Conn,
    /// Why nothing more can come.
    ended: Option<Broken>,
}

impl<'t> Client<'t> {
    /// Connects and says hello.
    ///
    /// # Errors
    /// Unreachable, with what was tried and what to try; protocol, if it isn't a manage of this version; refused, if keys
    /// are in the way.
    pub fn connect(target: &'t Target, interrupt: &'t mut dyn Interrupt) -> std::result::Result<Self, Stop> {
        let mut cause = String::new();
        for to in net::resolve(&target.address)? {
            match open(to, interrupt) {
                Ok(stream) => {
                    let conn = Conn::new(stream, target.context.as_ref().map(Context::session).transpose()?);
                    let mut client = Self { target, interrupt, conn, ended: None };
                    client.greet()?;
                    return Ok(client);
                }
                Err(Attempt::Ended) => return Err(Stop::Ended),
                Err(Attempt::Failed(error)) => cause = error,
            }
        }
        Err(unreachable(target, &cause).into())
    }

    fn greet(&mut self) -> std::result::Result<(), Stop> {
        let hello = Hello { version: Version, role: Role::Report, host: None, pid: None, instance: None, kernel: None };
        match self.ask(hello)? {
            Message::Welcome(_) => Ok(()),
            other => Err(self.alien(&format!("{} instead of a welcome", other.name())).into()),
        }
    }

    /// Asks for a report; with a picture of the coverage in so many `cells`, 1 to `CELLS_MAX`.
    ///
    /// # Errors
    /// As `connect`.
    pub fn query(&mut self, cells: Option<u32>) -> std::result::Result<Report, Stop> {
        let Message::Status(status) = self.ask(Query { cells: cells.map(CellCount::new) })? else {
            return Err(self.alien("no status").into());
        };
        let (mut coverage, mut distrusted, mut computes) = (None, Vec::new(), Vec::new());
        let deadline = clock::now().after(REPORT_MAX_MS);
        loop {
            match self.answer(deadline)? {
                Message::Coverage(picture) if cells.is_some() && picture.is_even() => coverage = Some(picture),
                Message::Distrusted(host) => distrusted.push(host),
                Message::Compute(compute) => computes.push(compute),
                Message::End(end) if end.computes == computes.len() as u64 => {
                    return Ok(Report { status, coverage, distrusted, computes });
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
            return Err(unreachable(self.target, &broken.to_string()).into());
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
                        Code::Busy | Code::Silent => Error::new(Exit::Unreachable, self.whom(), cause),
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
                    Some(broken) => return Err(unreachable(self.target, &broken.to_string()).into()),
                    None => self.wait(deadline)?,
                },
            }
        }
    }

    /// Waits for more to read, and writes what is to be written.
    fn wait(&mut self, deadline: Millis) -> std::result::Result<(), Stop> {
        let lost = |cause: String| unreachable(self.target, &cause);
        // One who has said no and closed can't be written to any more, but is still to be read.
        let _ = self.conn.flush();
        let mut set = Set::new();
        let slot = set.add(self.conn.as_fd(), self.conn.interest());
        set.add(self.interrupt.as_fd(), Interest::Read);
        let now = clock::now();
        if now >= deadline {
            return Err(lost("no answer".to_owned()).into());
        }
        set.wait(now.until(deadline)).map_err(|error| Error::new(Exit::Failed, "poll", error))?;
        let ready = set.ready(slot);
        if self.interrupt.has_come() {
            return Err(Stop::Ended);
        }
        if ready.readable {
            // What was said before the end comes first.
            self.ended = self.conn.receive().err();
        }
        Ok(())
    }

    fn whom(&self) -> String {
        whom(self.target)
    }

    fn refused(&self, what: &str) -> Error {
        Error::new(Exit::Refused, self.whom(), what)
    }

    fn alien(&self, what: &str) -> Error {
        Error::new(Exit::Protocol, self.whom(), what)
    }
}

/// Why one address can't be connected to.
enum Attempt {
    Ended,
    Failed(String),
}

fn open(to: std::net::SocketAddr, interrupt: &mut dyn Interrupt) -> std::result::Result<Stream, Attempt> {
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
        set.add(interrupt.as_fd(), Interest::Read);
        set.wait(now.until(deadline)).map_err(failed)?;
        let writable = set.ready(slot).writable;
        if interrupt.has_come() {
            return Err(Attempt::Ended);
        }
        if writable {
            stream.outcome().map_err(failed)?;
            return Ok(stream);
        }
    }
}

fn whom(target: &Target) -> String {
    format!("manage at {}", target.address)
}

fn unreachable(target: &Target, cause: &str) -> Error {
    let parts: Vec<_> = [cause, target.hint].into_iter().filter(|part| !part.is_empty()).collect();
    Error::new(Exit::Unreachable, whom(target), parts.join("; "))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;
    use crate::common::net::Listener;

    /// One who takes connections, and never says anything.
    fn mute() -> (Listener, Target) {
        let listener = Listener::open("127.0.0.1:0", "127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.address().unwrap().to_string();
        (listener, Target { address, context: None, hint: "try another" })
    }

    #[test]
    fn a_call_from_another_thread_ends_the_wait() {
        let (_listener, target) = mute();
        let waker = Waker::new().unwrap();
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| Client::connect(&target, &mut &waker).err());
            waker.wake();
            assert!(matches!(asking.join().unwrap(), Some(Stop::Ended)));
        });
        // It has come for good.
        assert!(matches!(Client::connect(&target, &mut &waker).err(), Some(Stop::Ended)));
    }

    #[test]
    fn what_to_try_is_said_behind_the_cause() {
        let (listener, target) = mute();
        drop(listener);
        let waker = Waker::new().unwrap();
        for (hint, said) in [("try another", "refused (os error 111); try another"), ("", "refused (os error 111)")] {
            let target = Target { address: target.address.clone(), context: None, hint };
            let Some(Stop::Failed(error)) = Client::connect(&target, &mut &waker).err() else { panic!("connected") };
            assert_eq!(error.status(), Exit::Unreachable);
            assert!(error.to_string().ends_with(said), "{error}");
        }
    }

    /// What comes of a question for the coverage that is answered by these lines.
    fn answered(lines: &str) -> std::result::Result<Report, Stop> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Target { address: listener.local_addr().unwrap().to_string(), context: None, hint: "" };
        let status = r#"<status host="h" listen="l" ledger="s" method="trial" first="1" last="9" perfect="" tested="0" contiguous_to="0" leased="0" unchecked="0" rate_per_s="0" uptime_s="0" ending="false"/>"#;
        let said =
            format!("<welcome version=\"1\" method=\"trial\" at=\"1\"/>\n{status}\n{lines}<end computes=\"0\"/>\n");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().unwrap();
                stream.write_all(said.as_bytes()).unwrap();
                // Until the other side has what it wants.
                let _ = stream.read_to_end(&mut Vec::new());
            });
            let waker = Waker::new().unwrap();
            Client::connect(&target, &mut &waker).and_then(|mut client| client.query(Some(3)))
        })
    }

    #[test]
    fn both_strings_of_a_coverage_have_one_length() {
        let report = answered(
            r#"<coverage first="1" last="9" done="X50" leased="004"/>
"#,
        )
        .expect("it is right");
        let coverage = report.coverage.expect("it was said");
        assert_eq!((coverage.done.as_str(), coverage.leased.as_str()), ("X50", "004"));
        assert!(answered("").expect("it may be left out").coverage.is_none());
        let uneven = answered(
            r#"<coverage first="1" last="9" done="X50" leased="0040"/>
"#,
        );
        let Err(Stop::Failed(error)) = uneven else { panic!("it was taken") };
        assert_eq!(error.status(), Exit::Protocol);
    }
}
