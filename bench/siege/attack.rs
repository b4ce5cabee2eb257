//! The attacks: what each of their connections does, and when it is through with it.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use aliquot::common::message::{Code, Message, Query, Role};
use aliquot::common::poll::{Interest, Ready};
use aliquot::common::tls::{Context, random_secret};

use super::caller::{Caller, hello};
use crate::load::master::Keys;

/// From one byte of a slow connection to the next, and from one look of one who stays to the next.
const DRIP: Duration = Duration::from_secs(1);
/// Four times what is read of a stranger.
const FLOOD_BYTES: usize = 16 * 1024;
/// What one who doesn't read asks in one breath.
const QUERIES: usize = 1_000;

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A byte a second: of a handshake's beginning in half of the connections, of anything in the others.
    Drip,
    /// Nothing.
    Stay,
    /// Sends more bytes at once than are read of a stranger, and doesn't go when it is told to.
    Pour,
    /// Closes at once.
    Leave,
    /// The beginning of a handshake, then closes.
    Begin,
    /// Says hello as a report, with this key or none, and waits for this error.
    Knock(Knock, Code),
    /// Asks with the viewer's key without end, and never reads.
    Ask,
}

/// By what one says hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knock {
    Plain,
    UnknownKey,
    WorkerKey,
}

/// Where the connections come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Every second from the honest computes' address, the others from 250 addresses of their own.
    Both,
    /// Each from another one of a thousand.
    Everywhere,
}

/// An attack.
pub struct Attack {
    pub name: &'static str,
    pub deed: Deed,
    pub from: Origin,
    /// Connections at a time.
    pub width: usize,
    /// Of the count that is asked for, one in so many; nothing if connections are held up for a while instead.
    pub share: Option<u64>,
}

const fn held(name: &'static str, deed: Deed, from: Origin, width: usize) -> Attack {
    Attack { name, deed, from, width, share: None }
}

const fn flood(name: &'static str, deed: Deed, share: u64) -> Attack {
    Attack { name, deed, from: Origin::Both, width: 256, share: Some(share) }
}

/// All of them, in their order.
pub const ATTACKS: &[Attack] = &[
    held("slow", Deed::Drip, Origin::Both, 1_000),
    held("idle", Deed::Stay, Origin::Both, 10_000),
    held("scattered", Deed::Stay, Origin::Everywhere, 1_000),
    held("pouring", Deed::Pour, Origin::Both, 20),
    flood("connects", Deed::Leave, 1),
    flood("strangers", Deed::Knock(Knock::UnknownKey, Code::Unauthorized), 1),
    flood("halves", Deed::Begin, 1),
    flood("plain", Deed::Knock(Knock::Plain, Code::Keys), 1),
    flood("workers", Deed::Knock(Knock::WorkerKey, Code::Forbidden), 10),
    held("queries", Deed::Ask, Origin::Both, 10),
];

/// What the connections of an attack have in common.
pub struct Plan {
    deed: Deed,
    from: Origin,
    to: SocketAddr,
    context: Option<Context>,
    /// The beginning of a handshake.
    begin: Vec<u8>,
}

impl Plan {
    pub fn new(attack: &Attack, address: &str, keys: &Path) -> Result<Self, String> {
        let keys = Keys(keys.to_owned());
        let context = match attack.deed {
            Deed::Knock(Knock::UnknownKey, _) => Some(stranger(&keys)?),
            Deed::Knock(Knock::WorkerKey, _) => Some(keys.client("worker")?),
            Deed::Ask => Some(keys.client("viewer")?),
            _ => None,
        };
        let mut begin = Vec::new();
        stranger(&keys)?.session().map_err(|error| error.to_string())?.drain(&mut begin);
        let to = address.parse().map_err(|error| format!("{address}: {error}"))?;
        Ok(Self { deed: attack.deed, from: attack.from, to, context, begin })
    }

    /// The address of the `nth` connection.
    fn source(&self, nth: u64) -> Ipv4Addr {
        let byte = |at: u64| u8::try_from(at % 250 + 1).unwrap_or(1);
        match self.from {
            Origin::Everywhere => Ipv4Addr::new(127, 2, byte(nth % 1_000 / 250), byte(nth)),
            Origin::Both if nth % 2 == 1 => Ipv4Addr::LOCALHOST,
            Origin::Both => Ipv4Addr::new(127, 1, 0, byte(nth / 2)),
        }
    }

    /// Opens the `nth` connection.
    pub fn open(&self, nth: u64) -> Result<Client, String> {
        let mut caller = Caller::connect(self.source(nth), self.to, self.context.as_ref())?;
        caller.close_at_once()?;
        let mut drips = Vec::new();
        match self.deed {
            Deed::Drip if nth % 4 < 2 => drips.extend(self.begin.iter().rev()),
            Deed::Drip => drips.resize(self.begin.len(), b'x'),
            Deed::Pour => caller.send(&[b'x'; FLOOD_BYTES])?,
            Deed::Begin => caller.send(&self.begin)?,
            Deed::Knock(..) | Deed::Ask => caller.say(hello(Role::Report))?,
            Deed::Stay | Deed::Leave => {}
        }
        // They don't drip in step.
        let next = Instant::now() + DRIP.mul_f64(fastrand::f64());
        Ok(Client { caller, deed: self.deed, drips, next })
    }
}

/// One whose key nobody knows.
fn stranger(keys: &Keys) -> Result<Context, String> {
    let secret = random_secret().map_err(|error| error.to_string())?;
    Context::client(secret, keys.key("worker")?.server).map_err(|error| error.to_string())
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Open,
    /// It has done what it came for.
    Done,
    /// The other side has closed it before.
    Dropped,
}

/// A connection of an attack.
pub struct Client {
    caller: Caller,
    deed: Deed,
    /// What it drips, backwards.
    drips: Vec<u8>,
    /// When it drips or looks next.
    next: Instant,
}

impl Client {
    /// What to poll for, if anything.
    pub fn interest(&self) -> Option<Interest> {
        match self.deed {
            Deed::Leave => Some(Interest::Write),
            Deed::Ask if self.caller.is_met() => Some(Interest::Write),
            Deed::Pour if !self.caller.has_output() => None,
            _ => Some(self.caller.interest()),
        }
    }

    /// Goes on with what it does.
    pub fn turn(&mut self, ready: Ready, now: Instant) -> Fate {
        match self.deed {
            Deed::Leave => {
                if ready.writable {
                    Fate::Done
                } else {
                    Fate::Open
                }
            }
            Deed::Begin => self.begin(ready),
            Deed::Ask if self.caller.is_met() => self.ask(ready),
            Deed::Drip if self.next <= now => self.drip(now),
            Deed::Pour if self.next <= now => self.look(now),
            _ if ready.readable || ready.writable => self.listen(ready),
            _ => Fate::Open,
        }
    }

    fn begin(&mut self, ready: Ready) -> Fate {
        if ready.writable && self.caller.push().is_err() {
            return Fate::Dropped;
        }
        if self.caller.has_output() { Fate::Open } else { Fate::Done }
    }

    fn drip(&mut self, now: Instant) -> Fate {
        self.next = now + DRIP;
        let byte = self.drips.pop().unwrap_or(b'x');
        if self.caller.send(&[byte]).is_ok() { Fate::Open } else { Fate::Dropped }
    }

    /// Looks whether it was closed: a word more is refused then.
    fn look(&mut self, now: Instant) -> Fate {
        self.next = now + DRIP;
        if self.caller.send(b"x").is_ok() { Fate::Open } else { Fate::Dropped }
    }

    /// Fills what takes its questions, and reads nothing.
    fn ask(&mut self, ready: Ready) -> Fate {
        if !ready.writable {
            return Fate::Open;
        }
        let queries = Message::from(Query { cells: None }).line().repeat(QUERIES);
        let pushed = self.caller.push();
        let asked = if self.caller.has_output() { pushed } else { self.caller.send(queries.as_bytes()) };
        if asked.is_ok() { Fate::Open } else { Fate::Dropped }
    }

    fn listen(&mut self, ready: Ready) -> Fate {
        match (self.caller.turn(ready), self.deed) {
            (Err(_), _) => Fate::Dropped,
            (Ok(Some(Message::Error(error))), Deed::Knock(_, code)) if error.code == code => Fate::Done,
            (Ok(_), _) => Fate::Open,
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.caller.as_fd()
    }
}
