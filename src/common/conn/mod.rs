//! One connection of the line protocol: bytes to lines and lines to bytes, every buffer bounded.
//!
//! `receive` and `flush` are the only places where bytes meet the socket. Between them and the lines stands a TLS session, if
//! there are keys: it turns what `receive` has read into plain input, and what `send` is given into what `flush` writes.

use std::os::fd::{AsFd, BorrowedFd};

use super::keys::Public;
use super::limits::{LINE_MAX_BYTES, OUTPUT_MAX_BYTES, READ_TURN_MAX_BYTES};
use super::net::{Stream, is_pause};
use super::poll::Interest;
use super::tls::{Fault, Session, is_record};

/// Why a connection can't go on. Its text is fit for a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The other side closed it.
    Closed,
    /// The system reports an error.
    Failed(String),
    /// The other side doesn't read: more than `OUTPUT_MAX_BYTES` wait for it.
    NotReading,
    /// The other side speaks TLS, and this one doesn't.
    Encrypted,
    /// This side speaks TLS, and the other one doesn't. What is sent now goes out as it is, and nothing is heard any more.
    Unencrypted,
    /// The other side doesn't have the key that this one takes.
    WrongKey,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => f.write_str("closed by the other side"),
            Self::Failed(cause) => f.write_str(cause),
            Self::NotReading => write!(f, "the other side doesn't read: {OUTPUT_MAX_BYTES} bytes wait for it"),
            Self::Encrypted => f.write_str("the other side speaks TLS, which needs keys"),
            Self::Unencrypted => {
                f.write_str("the other side speaks plain text, not TLS: a server without keys, or another program")
            }
            Self::WrongKey => {
                f.write_str("the other side doesn't have the key that is expected: this key file is for another one")
            }
        }
    }
}

/// A line longer than `LINE_MAX_BYTES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// What stands between lines and socket.
enum Channel {
    Plain,
    Secure(Session),
    /// The other side has no keys. It may be told so in plain text; whatever it says is never heard.
    Deaf,
}

/// A connection with what has been read but not taken, and what has been sent but not written.
pub struct Conn {
    stream: Stream,
    channel: Channel,
    /// Nothing has been read yet.
    fresh: bool,
    answered: bool,
    /// How many bytes may still be read; nothing if there is no such bound.
    quota: Option<usize>,
    input: Vec<u8>,
    taken: usize,
    scanned: usize,
    output: Vec<u8>,
    written: usize,
}

impl Conn {
    /// Takes over a stream; `session` is how it is encrypted, if it is.
    #[must_use]
    pub fn new(stream: Stream, session: Option<Session>) -> Self {
        let mut conn = Self {
            stream,
            channel: session.map_or(Channel::Plain, Channel::Secure),
            fresh: true,
            answered: false,
            quota: None,
            input: Vec::new(),
            taken: 0,
            scanned: 0,
            output: Vec::new(),
            written: 0,
        };
        conn.drain_session();
        conn
    }

    /// From now on `bytes` more are read of it and no further; without a number, all that comes.
    pub fn set_quota(&mut self, bytes: Option<usize>) {
        self.quota = bytes;
    }

    /// True once there was anything to answer: a whole line, or the beginning of a handshake.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.answered
    }

    /// True if all is read that may be.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.quota == Some(0)
    }

    /// The key that the other side has proved to have; none yet while a handshake goes on.
    #[must_use]
    pub fn key(&self) -> Option<Public> {
        if let Channel::Secure(session) = &self.channel { session.peer() } else { None }
    }

    /// The stream below.
    #[must_use]
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// What to poll for: always input, output only while some waits.
    #[must_use]
    pub fn interest(&self) -> Interest {
        if self.has_output() { Interest::Both } else { Interest::Read }
    }

    /// True while something that was sent isn't written yet.
    #[must_use]
    pub fn has_output(&self) -> bool {
        self.waiting_bytes() > 0
    }

    /// How much that was sent isn't written yet.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.output.len() - self.written
    }

    /// Reads what there is, `READ_TURN_MAX_BYTES` at most. Take the lines with `line` before the next call, and also
    /// after an error: what came before the end is still there.
    ///
    /// # Errors
    /// When the connection has ended.
    pub fn receive(&mut self) -> Result<(), Broken> {
        self.input.drain(..self.taken);
        self.scanned -= self.taken;
        self.taken = 0;
        let mut chunk = [0; 16 * 1024];
        let mut budget = READ_TURN_MAX_BYTES;
        while budget > 0 && !self.is_exhausted() && self.input.len() <= LINE_MAX_BYTES {
            let room = self.quota.map_or(chunk.len(), |quota| quota.min(chunk.len()));
            match self.stream.read(&mut chunk[..room]) {
                Ok(0) => return Err(Broken::Closed),
                Ok(count) => {
                    self.quota = self.quota.map(|quota| quota - count);
                    self.take_in(&chunk[..count])?;
                    if count < room {
                        // That was all there is; if the end follows, poll(2) says so.
                        return Ok(());
                    }
                    budget = budget.saturating_sub(count);
                }
                Err(error) if is_pause(&error) => return Ok(()),
                Err(error) => return Err(Broken::Failed(error.to_string())),
            }
        }
        Ok(())
    }

    /// Takes in what was read.
    fn take_in(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let fresh = std::mem::replace(&mut self.fresh, false);
        match &mut self.channel {
            Channel::Secure(_) if fresh && !is_record(bytes[0]) => {
                self.channel = Channel::Deaf;
                self.output.clear();
                self.written = 0;
                Err(Broken::Unencrypted)
            }
            Channel::Secure(session) => {
                let received = session.receive(bytes, &mut self.input);
                self.drain_session();
                received.map_err(|fault| match fault {
                    Fault::WrongKey => Broken::WrongKey,
                    Fault::Other(text) => Broken::Failed(format!("TLS: {text}")),
                })
            }
            Channel::Plain if fresh && is_record(bytes[0]) => Err(Broken::Encrypted),
            Channel::Plain => {
                self.input.extend_from_slice(bytes);
                Ok(())
            }
            Channel::Deaf => Ok(()),
        }
    }

    fn drain_session(&mut self) {
        if let Channel::Secure(session) = &mut self.channel {
            session.drain(&mut self.output);
        }
    }

    /// The next whole line, without its LF.
    ///
    /// # Errors
    /// When what has come so far of the next line is already too long. The connection can't be used further.
    pub fn line(&mut self) -> Option<Result<&[u8], TooLong>> {
        let unseen = &self.input[self.scanned..];
        let Some(at) = unseen.iter().position(|byte| *byte == b'\n') else {
            self.scanned = self.input.len();
            return (self.scanned - self.taken >= LINE_MAX_BYTES).then_some(Err(TooLong));
        };
        let (begin, end) = (self.taken, self.scanned + at);
        (self.taken, self.scanned) = (end + 1, end + 1);
        Some(if end + 1 - begin > LINE_MAX_BYTES { Err(TooLong) } else { Ok(&self.input[begin..end]) })
    }

    /// What has been read and not taken, for those who speak in something else than lines.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        &self.input[self.taken..]
    }

    /// So many bytes of `unread` are done with.
    pub fn take(&mut self, bytes: usize) {
        self.taken += bytes;
        self.scanned = self.scanned.max(self.taken);
    }

    /// Forgets what has been read: nobody will take it.
    pub fn discard_input(&mut self) {
        self.input.clear();
        (self.taken, self.scanned) = (0, 0);
    }

    /// Queues bytes for the other side; `flush` writes them.
    ///
    /// # Errors
    /// When too much waits already.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        if self.waiting_bytes() + bytes.len() > OUTPUT_MAX_BYTES {
            return Err(Broken::NotReading);
        }
        match &mut self.channel {
            Channel::Secure(session) => session.send(bytes, &mut self.output).map_err(|_| Broken::NotReading),
            Channel::Plain | Channel::Deaf => {
                self.output.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Writes what fits now.
    ///
    /// # Errors
    /// When the connection has ended.
    pub fn flush(&mut self) -> Result<(), Broken> {
        self.answered |= self.has_output();
        while self.has_output() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if is_pause(&error) => break,
                Err(error) => return Err(Broken::Failed(error.to_string())),
            }
        }
        self.forget_written();
        Ok(())
    }

    /// Frees what was written: all of it as a rule, else only when it is the larger part, so that no byte is moved
    /// more than once on average.
    fn forget_written(&mut self) {
        if self.written == self.output.len() {
            self.output.clear();
            self.written = 0;
            self.output.shrink_to(LINE_MAX_BYTES);
        } else if self.written > self.output.len() / 2 {
            self.output.drain(..self.written);
            self.written = 0;
        }
    }
}

impl AsFd for Conn {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests;
