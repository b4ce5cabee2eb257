//! One named agent: what it says is what the real one would, by the same outbox.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use aliquot::common::clock;
use aliquot::common::frame::{self, Cut};
use aliquot::common::push::outbox::{Heard, Outbox};
use aliquot::common::push::said::{self, Hello};

use super::sample::Sample;

/// Answers are short.
const CHUNK_BYTES: usize = 4096;

/// The agent.
pub struct Agent {
    outbox: Outbox,
    sample: Sample,
    line: Option<Line>,
}

/// Its connection.
struct Line {
    stream: TcpStream,
    input: Vec<u8>,
    /// When it said what isn't answered yet.
    asked: Option<Instant>,
}

impl Agent {
    /// The `nth` agent, which isn't connected.
    pub fn new(nth: usize) -> Self {
        let hello = Hello { name: format!("host{nth:03}.example"), instance: nth as u64 + 1, program: "agent" };
        Self { outbox: Outbox::new(hello), sample: Sample::new(nth as u64), line: None }
    }

    /// How many series it has.
    pub fn series(&self) -> usize {
        self.sample.series()
    }

    /// Connects, and says who it is.
    pub fn connect(&mut self, to: SocketAddr) -> Result<(), String> {
        let stream = TcpStream::connect(to).map_err(|error| error.to_string())?;
        let set = stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true));
        set.map_err(|error| error.to_string())?;
        self.line = Some(Line { stream, input: Vec::new(), asked: None });
        let hello = self.outbox.greet();
        self.say(hello.as_bytes())
    }

    /// True if it is connected.
    pub fn is_connected(&self) -> bool {
        self.line.is_some()
    }

    /// True if it waits for an answer.
    pub fn waits(&self) -> bool {
        self.line.as_ref().is_some_and(|line| line.asked.is_some())
    }

    /// Samples its host.
    pub fn sample(&mut self) {
        self.sample.next().iter().for_each(|reading| self.outbox.read(reading));
    }

    /// Says the next that it has to say, if it may.
    pub fn go_on(&mut self) -> Result<(), String> {
        self.outbox.next(false, clock::now()).map_or(Ok(()), |frame| self.say(frame.as_bytes()))
    }

    fn say(&mut self, content: &[u8]) -> Result<(), String> {
        let line = self.line.as_mut().ok_or("it isn't connected")?;
        let mut bytes = Vec::new();
        frame::put(content, &mut bytes);
        line.asked = Some(Instant::now());
        // One frame is on its way at most, for which there is room.
        line.stream.write_all(&bytes).map_err(|error| error.to_string())
    }

    /// Reads what has come: true if a push is taken, and how long that took. All has to be taken.
    pub fn hear(&mut self) -> Result<Option<(bool, Duration)>, String> {
        let line = self.line.as_mut().ok_or("it isn't connected")?;
        let Some(answer) = line.answer()? else { return Ok(None) };
        let took = line.asked.take().ok_or("an answer to nothing")?.elapsed();
        match self.outbox.hear(said::read(&answer)?)? {
            Heard::Declared(refused) | Heard::Taken(refused) if !refused.is_empty() => Err(format!("{refused:?}")),
            Heard::Error(_, text) => Err(text),
            heard => Ok(Some((matches!(heard, Heard::Taken(_)), took))),
        }
    }

    /// Says that it goes, and goes.
    pub fn leave(&mut self) -> Result<(), String> {
        self.say(frame::DISCONNECT)?;
        self.line = None;
        self.outbox.hang_up();
        Ok(())
    }

    /// What to wait for.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.line.as_ref().map(|line| line.stream.as_fd())
    }
}

impl Line {
    /// The next frame, if it is there.
    fn answer(&mut self) -> Result<Option<Vec<u8>>, String> {
        let mut chunk = [0; CHUNK_BYTES];
        match self.stream.read(&mut chunk) {
            Ok(0) => return Err("collect has closed the connection".to_owned()),
            Ok(count) => self.input.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.to_string()),
        }
        match frame::cut(&self.input) {
            Cut::Frame(begin, end) => {
                let answer = self.input[begin..end].to_vec();
                self.input.drain(..end);
                Ok(Some(answer))
            }
            Cut::More => Ok(None),
            Cut::NoLength | Cut::TooLong => Err(format!("no frame: {}", self.input.escape_ascii())),
        }
    }
}
