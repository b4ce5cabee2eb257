//! A pow server, and clients that speak to it by hand.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::ops::Deref;
use std::rc::Rc;
use std::time::Duration;

use aliquot::pow::puzzle::{Difficulty, verify};
use serde_json::Value;
use socket2::{Domain, SockRef, Socket, Type};

use super::process::Process;
use super::{PATIENCE, Scene, until};

/// A pow server that listens.
pub struct Pow {
    process: Rc<Process>,
    /// Where.
    pub address: SocketAddr,
}

impl Deref for Pow {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl Scene {
    /// Starts `pow serve` on a free port, and waits until it listens.
    pub fn pow(&self, arguments: &str) -> Pow {
        self.pow_at("127.0.0.1:0", arguments)
    }

    /// Starts `pow serve` at `listen`, and waits until it listens.
    pub fn pow_at(&self, listen: &str, arguments: &str) -> Pow {
        let process = self.start("pow", &format!("serve --listen {listen} {arguments}"));
        let line = process.log.line_or_end("listening on ").unwrap_or_else(|| panic!("{}", process.evidence()));
        let address = line.rsplit(' ').next().and_then(|address| address.parse().ok()).expect("an address");
        Pow { process, address }
    }

    /// Runs `pow` to its end: its exit status, standard output and standard error.
    pub fn run_pow(&self, arguments: &str) -> (i32, String, String) {
        let process = self.start("pow", arguments);
        (process.wait(), process.stdout.all(), process.log.all())
    }
}

impl Pow {
    /// A connection to it.
    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// So many connections.
    pub fn clients(&self, count: usize) -> Vec<Client> {
        (0..count).map(|_| self.client()).collect()
    }

    /// Its exit status, if it has ended.
    pub fn exit_status(&self) -> Option<i32> {
        self.process.status()
    }

    /// What it says of itself.
    pub fn status(&self) -> Value {
        let mut client = self.client();
        client.send(b"\0status\n");
        serde_json::from_slice(&client.reply()).expect("a status is JSON")
    }

    /// Waits until its status says so; that status.
    pub fn until(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        until(what, || Some(self.status()).filter(&is))
    }

    /// Its resident memory in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel tells");
        line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
    }
}

/// One end of a connection to it.
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

    /// Asks for a proof of this difficulty.
    pub fn ask(&mut self, difficulty: u8, message: &[u8]) {
        self.send(&[format!("\0pow {difficulty} ").as_bytes(), message, b"\n"].concat());
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

    /// The next line, which has to be a proof for `message`.
    pub fn proof(&mut self, message: &[u8], difficulty: u8) -> Vec<u8> {
        let line = self.reply();
        let verdict = verify(&line, Some(message), Difficulty::new(difficulty).unwrap());
        assert_eq!(verdict, Ok(()), "{}", String::from_utf8_lossy(&line));
        line
    }

    /// True if nothing has come, for now.
    pub fn is_silent(&mut self) -> bool {
        self.stream().set_read_timeout(Some(Duration::from_millis(1))).expect("a timeout can be set");
        let silent = self.0.fill_buf().is_err();
        self.stream().set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        silent
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
