//! One end of a connection, spoken by hand.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use aliquot::common::message::{Code, Message};

use super::PATIENCE;

/// A connection that says whatever a test wants it to.
pub struct Peer {
    reader: BufReader<TcpStream>,
}

impl Peer {
    /// Connects to `address` and says nothing yet.
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).expect("somebody listens"))
    }

    /// Connects and says what it is; takes the welcome.
    pub fn report(address: SocketAddr) -> Self {
        let mut peer = Self::connect(address);
        peer.say("<hello version='1' role='report'/>");
        assert!(peer.line().expect("a welcome").starts_with("<welcome"));
        peer
    }

    /// Speaks over a connection that stands.
    pub fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.set_nodelay(true).expect("a delay can be switched off");
        Self { reader: BufReader::new(stream) }
    }

    /// As it was, but who says nothing for `patience` is given up.
    pub fn with_patience(self, patience: Duration) -> Self {
        self.reader.get_ref().set_read_timeout(Some(patience)).expect("a timeout can be set");
        self
    }

    /// Sends these bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).expect("the other side takes bytes");
    }

    /// Sends one line.
    pub fn say(&mut self, line: &str) {
        self.send(format!("{line}\n").as_bytes());
    }

    /// Sends a message.
    pub fn tell(&mut self, message: impl Into<Message>) {
        self.send(message.into().line().as_bytes());
    }

    /// The next line, without its LF; `None` at the end.
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(line.strip_suffix('\n').expect("a line ends").to_owned()),
            Err(error) => panic!("no line: {error}"),
        }
    }

    /// The next message.
    pub fn hear(&mut self) -> Message {
        let line = self.line().expect("the other side says something more");
        Message::read(line.as_bytes()).unwrap_or_else(|malformed| panic!("{line}: {}", malformed.text))
    }

    /// Sends a message; `None` if the connection is broken.
    pub fn try_tell(&mut self, message: impl Into<Message>) -> Option<()> {
        self.reader.get_mut().write_all(message.into().line().as_bytes()).ok()
    }

    /// The next message; `None` if the connection has ended, or has broken.
    pub fn try_hear(&mut self) -> Option<Message> {
        let mut line = String::new();
        self.reader.read_line(&mut line).ok()?;
        // A line that the other side has died over has no LF.
        let whole = line.strip_suffix('\n')?;
        Some(Message::read(whole.as_bytes()).unwrap_or_else(|malformed| panic!("{whole}: {}", malformed.text)))
    }

    /// Sends nothing more, and waits for the other side to close as well; the lines that it said until then.
    pub fn leave(mut self) -> Vec<String> {
        let _ = self.reader.get_ref().shutdown(Shutdown::Write);
        std::iter::from_fn(|| self.line()).collect()
    }

    /// The error that the other side ends the connection with: its code and text.
    pub fn error(&mut self) -> (Code, String) {
        loop {
            match self.hear() {
                Message::Error(error) => {
                    assert_eq!(self.line(), None, "an error is the last that is said");
                    return (error.code, error.text);
                }
                Message::Welcome(_) | Message::Alive(_) => {}
                other => panic!("{other:?} instead of an error"),
            }
        }
    }
}
