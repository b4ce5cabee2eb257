//! One end of a connection to a server whose requests are lines, spoken by hand.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use super::PATIENCE;

/// One end of a connection.
pub struct Client(BufReader<TcpStream>);

impl Client {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).expect("somebody listens"))
    }

    /// Speaks over a connection that stands.
    pub fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.set_nodelay(true).expect("a delay can be switched off");
        Self(BufReader::new(stream))
    }

    /// Connects from an address of this host.
    pub fn from(address: [u8; 4], to: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
        socket.bind(&SocketAddr::from((address, 0)).into()).expect("it is this host's");
        socket.connect(&to.into()).expect("somebody listens");
        Self::over(socket.into())
    }

    /// Its socket.
    pub fn stream(&self) -> &TcpStream {
        self.0.get_ref()
    }

    /// Sends these bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).expect("the server takes bytes");
    }

    /// Sends these bytes; false if they aren't all taken.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.0.get_mut().write_all(bytes).is_ok()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.0.read_exact(&mut byte).expect("the server says something more");
        byte[0]
    }

    /// Sends nothing more.
    pub fn end(&self) {
        self.stream().shutdown(Shutdown::Write).expect("a connection can be ended");
    }

    /// The next line, without its LF.
    pub fn reply(&mut self) -> Vec<u8> {
        let line = self.try_reply().expect("the server says something more");
        assert!(!line.is_empty(), "a line isn't empty");
        line
    }

    /// The next line, without its LF; `None` at the end, however that comes.
    pub fn try_reply(&mut self) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        match self.0.read_until(b'\n', &mut line) {
            Ok(1..) if line.pop() == Some(b'\n') => Some(line),
            _ => None,
        }
    }

    /// The next line, as text.
    pub fn text(&mut self) -> String {
        String::from_utf8(self.reply()).expect("it is UTF-8")
    }

    /// True if nothing has come, for now.
    pub fn is_silent(&mut self) -> bool {
        self.stream().set_read_timeout(Some(Duration::from_millis(1))).expect("a timeout can be set");
        let silent = self.0.fill_buf().is_err();
        self.stream().set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        silent
    }

    /// What has come, at least a byte of it: what one read brings.
    pub fn some(&mut self) -> Vec<u8> {
        let came = self.0.fill_buf().expect("the server says something more").to_vec();
        assert!(!came.is_empty(), "the server has closed");
        self.0.consume(came.len());
        came
    }

    /// The next bytes, as many as `wanted` has: they have to be those.
    pub fn expect(&mut self, wanted: &[u8]) {
        let mut came = vec![0; wanted.len()];
        self.0.read_exact(&mut came).expect("the server says something more");
        assert_eq!(String::from_utf8_lossy(&came), String::from_utf8_lossy(wanted));
    }

    /// Everything until the server closes.
    pub fn rest(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).expect("the server closes in order");
        rest
    }

    /// Breaks the connection by a reset.
    pub fn reset(self) {
        let socket = SockRef::from(self.stream());
        socket.set_linger(Some(Duration::ZERO)).expect("lingering can be switched off");
    }
}
