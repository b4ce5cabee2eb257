//! A client's end of a connection: text out, lines in, each within a deadline; a signal ends the wait.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::limits::{DRAW_ANSWER_MAX_MS, RECORD_LINE_MAX_BYTES};
use crate::common::net;
use crate::common::poll::{Interest, Set};
use crate::common::signal::Signals;

/// A connection to a server.
pub struct Wire<'s> {
    stream: TcpStream,
    /// How long it waits for each line.
    patience: Duration,
    signals: &'s mut Signals,
    /// What has come, from `used` on.
    came: Vec<u8>,
    used: usize,
}

/// Why a line didn't come.
#[derive(Debug)]
pub enum Fault {
    /// The connection is lost, or silent: it may help to try again.
    Lost(io::Error),
    /// That is no server of this kind.
    Foreign(String),
    /// A signal came.
    Ended(Error),
}

impl Fault {
    /// As an error about `address`.
    #[must_use]
    pub fn about(self, address: &str) -> Error {
        match self {
            Self::Lost(error) => Error::new(Status::Unreachable, format!("server at {address}"), error),
            Self::Foreign(cause) => Error::new(Status::Protocol, format!("server at {address}"), cause),
            Self::Ended(error) => error,
        }
    }
}

impl<'s> Wire<'s> {
    /// Connects to `address` (`HOST:PORT`). It waits for each line for `patience`, `DRAW_ANSWER_MAX_MS` at most.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn dial(address: &str, patience: Duration, signals: &'s mut Signals) -> Result<Self> {
        let stream = net::dial(address)?;
        let patience = patience.min(Duration::from_millis(DRAW_ANSWER_MAX_MS));
        let tuned = stream.set_write_timeout(Some(patience));
        tuned.map_err(|error| Fault::Lost(error).about(address))?;
        Ok(Self { stream, patience, signals, came: Vec::new(), used: 0 })
    }

    /// Sends it.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn say(&mut self, text: &str) -> std::result::Result<(), Fault> {
        self.stream.write_all(text.as_bytes()).map_err(Fault::Lost)
    }

    /// The next line, without its end.
    ///
    /// # Errors
    /// When it doesn't come in time, or is none.
    pub fn line(&mut self) -> std::result::Result<String, Fault> {
        let deadline = Instant::now() + self.patience;
        loop {
            let rest = &self.came[self.used..];
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8(rest[..end].to_vec());
                self.used += end + 1;
                return line.map_err(|_| Fault::Foreign("what it says is no text".to_owned()));
            }
            if rest.len() > RECORD_LINE_MAX_BYTES {
                return Err(Fault::Foreign("it says more than a line".to_owned()));
            }
            self.came.drain(..self.used);
            self.used = 0;
            self.fill(deadline)?;
        }
    }

    fn fill(&mut self, deadline: Instant) -> std::result::Result<(), Fault> {
        let mut set = Set::new();
        let (signals, stream) =
            (set.add(self.signals.as_fd(), Interest::Read), set.add(self.stream.as_fd(), Interest::Read));
        set.wait(deadline.saturating_duration_since(Instant::now())).map_err(Fault::Lost)?;
        let (signalled, readable) = (set.ready(signals).readable, set.ready(stream).readable);
        if signalled && let Some(ending) = self.signals.ending() {
            return Err(Fault::Ended(Error::new(Status::Failed, "ended", format!("SIG{ending}"))));
        }
        if !readable && Instant::now() >= deadline {
            let cause = format!("no answer within {} s", self.patience.as_secs_f64());
            return Err(Fault::Lost(io::Error::new(ErrorKind::TimedOut, cause)));
        }
        let mut room = [0; 16 * 1024];
        match if readable { self.stream.read(&mut room) } else { return Ok(()) } {
            Ok(0) => Err(Fault::Lost(ErrorKind::UnexpectedEof.into())),
            Ok(count) => {
                self.came.extend_from_slice(&room[..count]);
                Ok(())
            }
            Err(error) if net::is_pause(&error) => Ok(()),
            Err(error) => Err(Fault::Lost(error)),
        }
    }
}
