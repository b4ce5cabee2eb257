//! One connection of the line protocol: bytes to lines and lines to bytes, every buffer bounded.
//!
//! `receive` and `flush` are the only places where bytes meet the socket. Encryption, when it comes, sits there: it
//! turns what `receive` read into plain input, and what `send` queued into what `flush` writes.

use std::os::fd::{AsFd, BorrowedFd};

use super::limits::{LINE_MAX_BYTES, OUTPUT_MAX_BYTES, READ_TURN_MAX_BYTES};
use super::net::{Stream, is_pause};
use super::poll::Interest;

/// Why a connection can't go on. Its text is fit for a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The other side closed it.
    Closed,
    /// The system reports an error.
    Failed(String),
    /// The other side doesn't read: more than `OUTPUT_MAX_BYTES` wait for it.
    NotReading,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => f.write_str("closed by the other side"),
            Self::Failed(cause) => f.write_str(cause),
            Self::NotReading => write!(f, "the other side doesn't read: {OUTPUT_MAX_BYTES} bytes wait for it"),
        }
    }
}

/// A line longer than `LINE_MAX_BYTES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// A connection with what has been read but not taken, and what has been sent but not written.
pub struct Conn {
    stream: Stream,
    input: Vec<u8>,
    taken: usize,
    scanned: usize,
    output: Vec<u8>,
    written: usize,
}

impl Conn {
    /// Takes over a stream.
    #[must_use]
    pub fn new(stream: Stream) -> Self {
        Self { stream, input: Vec::new(), taken: 0, scanned: 0, output: Vec::new(), written: 0 }
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
        self.written < self.output.len()
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
        while budget > 0 && self.input.len() <= LINE_MAX_BYTES {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(Broken::Closed),
                Ok(count) => {
                    self.input.extend_from_slice(&chunk[..count]);
                    if count < chunk.len() {
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
        if self.output.len() - self.written + bytes.len() > OUTPUT_MAX_BYTES {
            return Err(Broken::NotReading);
        }
        self.output.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes what fits now.
    ///
    /// # Errors
    /// When the connection has ended.
    pub fn flush(&mut self) -> Result<(), Broken> {
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
mod tests {
    use std::io::Write;
    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;
    use crate::common::net::Listener;
    use crate::common::poll::Set;

    /// A connection and its other end.
    fn pair() -> (Conn, TcpStream) {
        let listener = Listener::open("127.0.0.1:0").unwrap();
        let other = TcpStream::connect(listener.address().unwrap()).unwrap();
        let mut set = Set::new();
        set.add(listener.as_fd(), Interest::Read);
        set.wait(Duration::from_secs(10)).unwrap();
        let (stream, _) = listener.accept().unwrap().unwrap();
        (Conn::new(stream), other)
    }

    /// Waits for something to read, and reads it.
    fn receive(conn: &mut Conn) -> Result<(), Broken> {
        let mut set = Set::new();
        set.add(conn.as_fd(), Interest::Read);
        set.wait(Duration::from_secs(10)).unwrap();
        conn.receive()
    }

    fn lines(conn: &mut Conn) -> Vec<String> {
        std::iter::from_fn(|| conn.line().map(|line| String::from_utf8_lossy(line.unwrap()).into_owned())).collect()
    }

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        let (mut conn, mut other) = pair();
        other.write_all(b"one\ntwo\n\nthr").unwrap();
        receive(&mut conn).unwrap();
        assert_eq!(lines(&mut conn), ["one", "two", ""]);
        for byte in b"ee\nf" {
            other.write_all(&[*byte]).unwrap();
            receive(&mut conn).unwrap();
        }
        assert_eq!(lines(&mut conn), ["three"]);
        drop(other);
        assert_eq!(receive(&mut conn), Err(Broken::Closed));
        assert_eq!(lines(&mut conn), [""; 0], "half a line is none");
    }

    #[test]
    fn a_line_has_its_longest_length() {
        for (length, fits) in [(LINE_MAX_BYTES - 1, true), (LINE_MAX_BYTES, false)] {
            let (mut conn, mut other) = pair();
            let writer = std::thread::spawn(move || {
                other.write_all(&vec![b'x'; length]).unwrap();
                other.write_all(b"\n").unwrap();
                other
            });
            let line = loop {
                receive(&mut conn).unwrap();
                if let Some(line) = conn.line() {
                    break line.map(<[u8]>::len);
                }
            };
            assert_eq!(line, if fits { Ok(length) } else { Err(TooLong) });
            writer.join().unwrap();
        }
    }

    #[test]
    fn output_for_one_who_does_not_read_is_bounded() {
        let (mut conn, _other) = pair();
        let chunk = vec![b'x'; LINE_MAX_BYTES];
        let mut taken = 0;
        while conn.send(&chunk).is_ok() {
            conn.flush().unwrap();
            taken += chunk.len();
            assert!(taken < 1 << 30, "no bound");
        }
        assert!(taken >= OUTPUT_MAX_BYTES);
        assert_eq!(conn.send(&chunk), Err(Broken::NotReading));
        assert_eq!(conn.interest(), Interest::Both);
    }
}
