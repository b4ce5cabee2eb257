//! Where a session takes place: before manage's state alone, or before a manage that listens, with its ledger.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use aliquot::common::clock::Millis;
use aliquot::common::conn::TooLong;
use aliquot::common::limits::LINE_MAX_BYTES;
use aliquot::common::message::Message;
use aliquot::divisors::Method;
use aliquot::manage::connection::understand;
use aliquot::manage::state::{Action, Event, Identity, Policy, Record, Restored, Settings, State};

use super::model::{Answer, Books, Conn, Model};
use crate::support::{self, Peer};

/// What comes back over a connection.
#[derive(Debug)]
pub enum Heard {
    Message(Box<Message>),
    Closed,
    /// Of no connection: manage sends itself a signal.
    SignalSelf,
}

/// Manage, as those see it who talk to it.
pub trait Hall {
    /// Somebody connects.
    fn open(&mut self, conn: Conn);
    /// Somebody sends a line, which has no line feed yet.
    fn say(&mut self, conn: Conn, line: &[u8]);
    /// Somebody goes. Gives what was said to him and nobody has heard yet.
    fn leave(&mut self, conn: Conn) -> Vec<String>;
    /// It is so late now.
    fn wait(&mut self, now_ms: u64);
    /// Manage gets the signal that it has sent itself.
    fn end(&mut self);
    /// The end of a turn, with the proofs that wait if `prove`: what is said, as far as `model` expects it.
    fn turn(&mut self, prove: bool, model: &Model<'_>) -> Vec<(Conn, Heard)>;
    /// What the ledger was told by now, if that can be known.
    fn books(&self) -> Result<Option<&Books>, String>;
}

/// Manage's state, a clock that jumps, and a ledger on paper.
pub struct Bare {
    state: State,
    now: Millis,
    books: Result<Books, String>,
}

impl Bare {
    /// A search of so many candidates.
    pub fn new(method: Method, first: u64, count: u64) -> Self {
        let settings = Settings { method, first, last: Some(first + count - 1) };
        let policy = Policy { seconds: 15.0, recheck_percent: 0.0, recheck_key: 1, workers_max: usize::MAX };
        let identity = Identity { host: "here".to_owned(), listen: "there".to_owned(), ledger: "l".to_owned() };
        let restored = Restored { next_lease: 1, ..Restored::default() };
        let state = State::new(settings, policy, identity, restored, Millis(0)).unwrap();
        Self { state, now: Millis(0), books: Ok(Books::default()) }
    }
}

impl Hall for Bare {
    fn open(&mut self, conn: Conn) {
        self.state.handle(support::opened(conn), self.now);
    }

    fn say(&mut self, conn: Conn, line: &[u8]) {
        let line = if line.len() < LINE_MAX_BYTES { Ok(line) } else { Err(TooLong) };
        self.state.handle(understand(conn, line), self.now);
    }

    fn leave(&mut self, conn: Conn) -> Vec<String> {
        self.state.handle(Event::Gone(conn), self.now);
        Vec::new()
    }

    fn wait(&mut self, now_ms: u64) {
        self.now = Millis(now_ms);
        self.state.handle(Event::Tick, self.now);
    }

    fn end(&mut self) {
        self.state.handle(Event::Ending, self.now);
    }

    fn turn(&mut self, prove: bool, _: &Model<'_>) -> Vec<(Conn, Heard)> {
        while prove && self.state.has_proofs() {
            self.state.prove(1_000, self.now);
        }
        let mut heard = Vec::new();
        // What is in the ledger may lead to more.
        let rounds = std::iter::from_fn(|| {
            let actions = self.state.settle();
            self.state.written();
            (!actions.is_empty()).then_some(actions)
        });
        for action in rounds.flatten() {
            match action {
                Action::Send(conn, message) => heard.push((conn, Heard::Message(Box::new(message)))),
                Action::Close(conn) => heard.push((conn, Heard::Closed)),
                Action::SignalSelf(_) => heard.push((0, Heard::SignalSelf)),
                Action::Record(record) => {
                    if let Ok(books) = &mut self.books {
                        enter(books, &record).unwrap_or_else(|fault| self.books = Err(fault));
                    }
                }
                Action::Log(..) => {}
            }
        }
        heard
    }

    fn books(&self) -> Result<Option<&Books>, String> {
        self.books.as_ref().map(Some).map_err(Clone::clone)
    }
}

/// Enters a record into the books, as the ledger would.
fn enter(books: &mut Books, record: &Record) -> Result<(), String> {
    match record {
        Record::Leased(leased) => {
            let row = (leased.span.first, leased.span.last, leased.holder.instance.0);
            let former = books.leases.insert(leased.lease, row);
            former.map_or(Ok(()), |_| Err(format!("lease {} is leased twice", leased.lease)))
        }
        Record::Returned(lease) => books.leases.remove(lease).map(|_| ()).ok_or(format!("no lease {lease} to return")),
        Record::Accepted { found, .. } => {
            books.accepted.push((found.first, found.last, found.sum));
            books.perfect.extend(&found.perfect.0);
            books.leases.remove(&found.lease).map(|_| ()).ok_or(format!("accepted without lease {}", found.lease))
        }
        other => Err(format!("{other:?} in a search without rechecks")),
    }
}

/// A manage that listens.
pub struct Listening {
    address: SocketAddr,
    peers: BTreeMap<Conn, Peer>,
    /// Sees to it that one speaks after the other.
    usher: Peer,
}

impl Listening {
    /// The one that listens at `address`.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, peers: BTreeMap::new(), usher: Peer::report(address) }
    }

    /// Waits until manage has heard all that was said by now: what lies at its door when it reads this question is read in
    /// the same turn, and the answer comes at its end.
    fn settle(&mut self) {
        self.usher.say("<query/>");
        while self.usher.hear().name() != "end" {}
    }
}

impl Hall for Listening {
    fn open(&mut self, conn: Conn) {
        self.peers.insert(conn, Peer::connect(self.address));
    }

    fn say(&mut self, conn: Conn, line: &[u8]) {
        self.peers.get_mut(&conn).unwrap().send(&[line, b"\n"].concat());
    }

    fn leave(&mut self, conn: Conn) -> Vec<String> {
        self.peers.remove(&conn).map_or(Vec::new(), Peer::leave)
    }

    fn wait(&mut self, _: u64) {}

    fn end(&mut self) {}

    fn turn(&mut self, _: bool, model: &Model<'_>) -> Vec<(Conn, Heard)> {
        self.settle();
        let mut heard = Vec::new();
        for (conn, answer) in &model.answers {
            let Some(peer) = self.peers.get_mut(conn) else { continue };
            if *answer == Answer::Closed {
                let end = peer.line();
                assert_eq!(end, None, "connection {conn} is closed");
                self.peers.remove(conn);
                heard.push((*conn, Heard::Closed));
            } else {
                heard.push((*conn, Heard::Message(Box::new(peer.hear()))));
            }
        }
        for (conn, peer) in &mut self.peers {
            if model.is_due(*conn) {
                heard.push((*conn, Heard::Message(Box::new(peer.hear()))));
            }
        }
        heard
    }

    fn books(&self) -> Result<Option<&Books>, String> {
        Ok(None)
    }
}
