//! `loot draw ADDR` without a number: lines from standard input go to the server, what it answers comes to standard output. At a
//! terminal that is a conversation; from a pipe, a script.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::unistd;

use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::limits::{DRAW_ANSWER_MAX_MS, RECORD_LINE_MAX_BYTES, TICK_MS};
use crate::common::net;
use crate::common::output;
use crate::common::poll::{Interest, Set};
use crate::common::signal::Signals;

use super::replies::Replies;

/// Bytes that go one way at once.
const ROOM_BYTES: usize = 16 * 1024;

/// Talks until standard input ends and all is answered, or the server leaves. What was drawn, and what proves it, goes into a file as
/// well, if there is one.
///
/// # Errors
/// Unreachable, also if the server leaves before all is answered; I/O.
pub fn run(address: &str, out: Option<(&str, File)>, signals: &mut Signals) -> Result<()> {
    let stream = net::dial(address)?;
    stream.set_nonblocking(true).map_err(|error| lost(address, error))?;
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        // Nobody reads it, or somebody does.
        let _ = writeln!(io::stderr(), "connected to {address}: draw N, left, drawn, reveal, help; Ctrl-D ends");
    }
    // A record needs it.
    let typed = if out.is_some() { b"commitment\n".to_vec() } else { Vec::new() };
    let talk = Talk {
        address,
        stream,
        out,
        said: Vec::new(),
        typed,
        came: Vec::new(),
        replies: Replies::default(),
        heard: Instant::now(),
        is_open: true,
        is_broken: false,
        has_ended: false,
    };
    talk.run(signals)
}

fn lost(address: &str, error: impl std::fmt::Display) -> Error {
    Error::new(Status::Unreachable, format!("server at {address}"), error)
}

/// What has come of listening.
enum Heard {
    /// There may be more.
    More,
    /// There won't.
    End,
    /// Nobody wants to know any more.
    Unread,
}

/// Where the last whole line ends.
fn lines_end(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
}

struct Talk<'a> {
    address: &'a str,
    stream: TcpStream,
    out: Option<(&'a str, File)>,
    /// What was typed and isn't sent yet: until it is, nothing more is read.
    said: Vec<u8>,
    /// The line that is being typed,
    typed: Vec<u8>,
    /// and the line that is coming.
    came: Vec<u8>,
    replies: Replies,
    /// When something last came from the server, or went there.
    heard: Instant,
    /// Standard input goes on.
    is_open: bool,
    /// The server takes no more.
    is_broken: bool,
    /// The server was told that nothing more comes.
    has_ended: bool,
}

impl Talk<'_> {
    fn run(mut self, signals: &mut Signals) -> Result<()> {
        let mut room = vec![0; ROOM_BYTES];
        self.take_lines()?;
        loop {
            let stdin = io::stdin();
            let mut set = Set::new();
            let ending = set.add(signals.as_fd(), Interest::Read);
            let interest = if self.said.is_empty() { Interest::Read } else { Interest::Both };
            let server = set.add(self.stream.as_fd(), interest);
            let typed = (self.is_open && self.said.is_empty()).then(|| set.add(stdin.as_fd(), Interest::Read));
            set.wait(Duration::from_millis(TICK_MS)).map_err(|error| lost(self.address, error))?;
            let (ended, answered) = (set.ready(ending).readable, set.ready(server).readable);
            let typed = typed.is_some_and(|typed| set.ready(typed).readable);
            if ended && signals.ending().is_some() {
                return Ok(());
            }
            match if answered { self.hear(&mut room)? } else { Heard::More } {
                Heard::More => {}
                Heard::Unread => return Ok(()),
                Heard::End => return self.end(),
            }
            if typed {
                self.read(&mut room)?;
            }
            self.say()?;
            if !self.is_open && self.heard.elapsed() >= Duration::from_millis(DRAW_ANSWER_MAX_MS) {
                return Err(lost(self.address, format!("no answer within {} s", DRAW_ANSWER_MAX_MS / 1_000)));
            }
        }
    }

    /// The server has closed the connection.
    fn end(&self) -> Result<()> {
        let whole = !self.is_broken && self.said.is_empty() && self.replies.are_whole() && self.came.is_empty();
        match (whole, self.is_open) {
            (false, _) => Err(lost(self.address, "it has closed the connection before all was answered")),
            (_, true) => Err(lost(self.address, "it has closed the connection")),
            (_, false) if self.replies.errors() > 0 && !io::stdin().is_terminal() => {
                let cause = format!("requests that were answered by an error: {}", self.replies.errors());
                Err(Error::new(Status::Failed, format!("server at {}", self.address), cause))
            }
            _ => Ok(()),
        }
    }

    /// Passes on what the server says.
    fn hear(&mut self, room: &mut [u8]) -> Result<Heard> {
        let count = match unistd::read(&self.stream, room) {
            Ok(count) => count,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(Heard::More),
            Err(_) if self.is_broken => return Ok(Heard::End),
            Err(errno) => return Err(lost(self.address, errno)),
        };
        self.heard = Instant::now();
        match output::write(&room[..count]) {
            // Nobody reads it any more: nothing more is asked.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Heard::Unread),
            written => written.map_err(|error| Error::new(Status::Io, "standard output", error))?,
        }
        self.came.extend_from_slice(&room[..count]);
        let whole = lines_end(&self.came);
        let mut record = Vec::new();
        for line in self.came[..whole].split_inclusive(|byte| *byte == b'\n') {
            if self.replies.heard(String::from_utf8_lossy(line).trim_end()) {
                record.extend_from_slice(line);
            }
        }
        self.came.drain(..whole);
        if self.came.len() > RECORD_LINE_MAX_BYTES {
            return Err(Error::new(
                Status::Protocol,
                format!("server at {}", self.address),
                "it says more than a line",
            ));
        }
        if let Some((path, file)) = &mut self.out {
            file.write_all(&record).map_err(|error| Error::new(Status::Io, *path, error))?;
        }
        Ok(if count > 0 { Heard::More } else { Heard::End })
    }

    /// Takes in what is typed, line by line. The last one gets an end: without it, it would be a message of another form.
    fn read(&mut self, room: &mut [u8]) -> Result<()> {
        let count = unistd::read(io::stdin(), room).map_err(|errno| Error::new(Status::Io, "standard input", errno))?;
        self.typed.extend_from_slice(&room[..count]);
        if count == 0 {
            self.is_open = false;
            let unfinished = !self.typed.is_empty();
            self.typed.extend(unfinished.then_some(b'\n'));
        }
        self.take_lines()
    }

    /// The lines that are whole are to be sent.
    fn take_lines(&mut self) -> Result<()> {
        let whole = lines_end(&self.typed);
        for line in self.typed[..whole].split_inclusive(|byte| *byte == b'\n') {
            self.replies.sent(&line[..line.len() - 1]);
        }
        self.said.extend(self.typed.drain(..whole));
        if self.typed.len() > RECORD_LINE_MAX_BYTES {
            return Err(Error::new(Status::Usage, "standard input", "a line that is longer than any request"));
        }
        Ok(())
    }

    /// Sends of that what the server takes; behind the last of it, the end.
    fn say(&mut self) -> Result<()> {
        while !self.said.is_empty() {
            match self.stream.write(&self.said) {
                Ok(count) => {
                    self.said.drain(..count);
                    self.heard = Instant::now();
                }
                Err(error) if net::is_pause(&error) => return Ok(()),
                // It takes no more; what it has said is still to be heard.
                Err(_) => {
                    (self.is_open, self.is_broken) = (false, true);
                    self.said.clear();
                }
            }
        }
        if !self.is_open && !std::mem::replace(&mut self.has_ended, true) {
            // Where that fails, reading will tell.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
        Ok(())
    }
}
