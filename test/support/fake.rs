//! A compute and a manage that do what a test tells them to.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::thread;

use aliquot::common::message::{
    Alive, Code, Found, Hello, Instance, Message, Numbers, Range, Request, Role, Speed, Version, Welcome,
};
use aliquot::divisors::{Method, Search, operations};

use super::peer::Peer;
use super::until;

/// A compute without a kernel, a monitor, or manners.
pub struct FakeCompute {
    /// Its data connection.
    pub peer: Peer,
    /// What manage knows it by.
    pub hello: Hello,
    method: Method,
    pace: u64,
}

impl FakeCompute {
    /// Connects under the name `host`, as a compute that manages `pace` operations a second.
    pub fn connect(address: SocketAddr, host: &str, pace: u64) -> Self {
        let instance = Instance(fastrand::u64(..));
        let pid = fastrand::u32(1..4_000_000);
        Self::connect_as(address, Self::hello(host, pid, instance), pace)
    }

    /// The greeting of a compute.
    pub fn hello(host: &str, pid: u32, instance: Instance) -> Hello {
        let (host, pid, instance) = (Some(host.to_owned()), Some(pid), Some(instance));
        Hello { version: Version, role: Role::Compute, host, pid, instance, kernel: None }
    }

    /// Connects with this greeting: the same instance as before is the same compute come back.
    pub fn connect_as(address: SocketAddr, hello: Hello, pace: u64) -> Self {
        Self::greet(Peer::connect(address), hello, pace).expect("a welcome")
    }

    /// Says who it is over a connection; `None` if that breaks.
    pub fn greet(mut peer: Peer, hello: Hello, pace: u64) -> Option<Self> {
        peer.try_tell(hello.clone())?;
        let Message::Welcome(Welcome { method, .. }) = peer.try_hear()? else { panic!("no welcome") };
        peer.try_tell(Speed { operations: pace, nanoseconds: 1_000_000_000 })?;
        Some(Self { peer, hello, method, pace })
    }

    /// Opens a control connection beside the data connection.
    pub fn control(&self, address: SocketAddr) -> Peer {
        let mut peer = Peer::connect(address);
        peer.tell(Hello { role: Role::Control, ..self.hello.clone() });
        assert!(matches!(peer.hear(), Message::Welcome(_)));
        peer
    }

    /// Asks for a range and waits for it.
    pub fn range(&mut self) -> Range {
        self.peer.tell(Request {});
        match self.hear() {
            Message::Range(range) => range,
            other => panic!("{other:?} instead of a range"),
        }
    }

    /// Asks for a range; whether there is one at once.
    pub fn try_range(&mut self) -> Option<Range> {
        self.peer.tell(Request {});
        self.peer.tell(Alive { lease: None, tested: None });
        // What the request brings comes before the answer to the sign of life, or at the end of the same turn.
        match self.peer.hear() {
            Message::Range(range) => {
                assert!(matches!(self.peer.hear(), Message::Alive(_)));
                Some(range)
            }
            _ => self.settled(),
        }
    }

    fn settled(&mut self) -> Option<Range> {
        self.peer.tell(Alive { lease: None, tested: None });
        match self.peer.hear() {
            Message::Range(range) => {
                assert!(matches!(self.peer.hear(), Message::Alive(_)));
                Some(range)
            }
            _ => None,
        }
    }

    /// The right result for `range`, and the time that it takes at this compute's pace.
    pub fn compute(&self, range: &Range) -> Found {
        let seconds = operations(self.method, range.first, range.last) / self.pace as f64;
        Found { nanoseconds: (seconds * 1e9) as u64, ..honest(self.method, range) }
    }

    /// Hands a result in; `Ok` if it was accepted, else why it was refused.
    pub fn hand_in(&mut self, found: Found) -> Result<(), (Code, String)> {
        let lease = found.lease;
        self.peer.tell(found);
        match self.hear() {
            Message::Accepted(accepted) if accepted.lease == lease => Ok(()),
            Message::Refused(refused) if refused.lease == lease => Err((refused.code, refused.text)),
            other => panic!("{other:?} as the answer to a result"),
        }
    }

    /// Claims a lease; whether it may go on with it.
    pub fn claim(&mut self, lease: u64) -> bool {
        self.peer.tell(Alive { lease: Some(lease), tested: Some(0) });
        self.peer.tell(Alive { lease: None, tested: None });
        assert!(matches!(self.peer.hear(), Message::Alive(_)));
        match self.peer.hear() {
            Message::Alive(_) => true,
            Message::Refused(refused) if refused.lease == lease => {
                assert!(matches!(self.peer.hear(), Message::Alive(_)));
                false
            }
            other => panic!("{other:?} as the answer to a claim"),
        }
    }

    /// The next message that isn't a mere sign of life.
    pub fn hear(&mut self) -> Message {
        loop {
            match self.peer.hear() {
                Message::Alive(_) => {}
                message => return message,
            }
        }
    }
}

/// A whole search of `range`.
fn honest(method: Method, range: &Range) -> Found {
    let mut search = Search::new(method, range.first, range.last);
    while !search.finished() {
        search.step(1 << 30);
    }
    let tally = search.tally();
    Found {
        lease: range.lease,
        first: range.first,
        last: range.last,
        tested: tally.tested,
        sum: tally.sum,
        nanoseconds: 1,
        perfect: Numbers(tally.perfect.to_vec()),
    }
}

/// A manage that says what a test tells it to.
pub struct FakeManage {
    listener: TcpListener,
    /// Where it listens.
    pub address: SocketAddr,
}

impl FakeManage {
    /// Listens on a free port.
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        Self { listener, address }
    }

    /// Takes one connection.
    pub fn accept(&self) -> Peer {
        self.listener.set_nonblocking(true).expect("it can be polled");
        let (stream, _) = until("a connection", || self.listener.accept().ok());
        stream.set_nonblocking(false).expect("it can be waited for");
        Peer::over(stream)
    }

    /// Says `answer` to everybody who connects, for as long as the test program runs.
    pub fn answer_all(self, answer: &'static str) {
        thread::spawn(move || {
            let mut peers = Vec::new();
            for stream in self.listener.incoming() {
                let mut stream = stream.expect("a connection");
                let _ = stream.write_all(answer.as_bytes());
                peers.push(stream);
            }
        });
    }

    /// Takes connections until a compute's data connection comes, and welcomes it. Control connections are welcomed
    /// too, and given back beside it: they end when they are dropped.
    pub fn welcome(&self) -> (Peer, Vec<Peer>) {
        let mut others = Vec::new();
        loop {
            let mut peer = self.accept();
            let Message::Hello(hello) = peer.hear() else { panic!("no hello") };
            peer.tell(Welcome { version: Version, method: Method::Trial, at: 1 });
            if hello.role == Role::Compute {
                return (peer, others);
            }
            others.push(peer);
        }
    }
}
