//! A pow server, and clients that speak to it by hand.

use std::net::SocketAddr;
use std::ops::Deref;
use std::rc::Rc;

use aliquot::pow::puzzle::{Difficulty, verify};
use serde_json::Value;

use super::client::Client;
use super::process::Process;
use super::{Scene, until};

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
}

/// A client that asks for proofs.
impl Client {
    /// Asks for a proof of this difficulty.
    pub fn ask(&mut self, difficulty: u8, message: &[u8]) {
        self.send(&[format!("\0pow {difficulty} ").as_bytes(), message, b"\n"].concat());
    }

    /// The next line, which has to be a proof for `message`.
    pub fn proof(&mut self, message: &[u8], difficulty: u8) -> Vec<u8> {
        let line = self.reply();
        let verdict = verify(&line, Some(message), Difficulty::new(difficulty).unwrap());
        assert_eq!(verdict, Ok(()), "{}", String::from_utf8_lossy(&line));
        line
    }
}
