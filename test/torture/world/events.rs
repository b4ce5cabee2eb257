//! The simulated time: what will happen when, in one order that the seed decides.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use aliquot::common::clock::Millis;
use aliquot::common::message::Message;

/// The number of a connection, never used again.
pub type ConnId = usize;

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Who has connected.
    Client,
    /// Manage.
    Server,
}

impl End {
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// What travels.
#[derive(Clone, Debug)]
pub enum Item {
    /// May I connect?
    Syn,
    /// The connection stands, for the client.
    SynAck,
    /// The connection stands, for the server.
    Ack,
    /// Nobody listens there.
    Refused,
    /// A line that is a message.
    Line(Box<Message>),
    /// A line that is none.
    Garbage,
    /// Nothing more will come.
    Fin,
    /// There is no such connection.
    Reset,
}

/// What happens.
#[derive(Clone, Debug)]
pub enum What {
    /// Something reaches one end of a connection.
    Arrives { conn: ConnId, to: End, item: Item },
    /// What one end has sent was never acknowledged: its system breaks the connection.
    GivenUp { conn: ConnId, end: End },
    /// A compute's link or patience has something due.
    Wakes { slot: usize, life: u64 },
    /// A compute's work has come to its end.
    WorkEnds { slot: usize, life: u64, work: u64 },
    /// Manage's loop turns.
    Turn { life: u64 },
    /// The plan's next fault.
    Fault(usize),
    /// Somebody starts manage again.
    Restart,
    /// Somebody starts another compute in place of one that is gone.
    Replace(usize),
    /// A compute that stood still goes on.
    GoesOn(usize),
    /// No more faults from here on.
    Healed,
}

struct Entry {
    at: u64,
    order: u64,
    what: What,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// The clock, and what will happen.
#[derive(Default)]
pub struct Events {
    /// Now, in milliseconds.
    pub now: u64,
    queue: BinaryHeap<Reverse<Entry>>,
    order: u64,
}

impl Events {
    /// `what` happens at that time, or now if that has passed.
    pub fn at(&mut self, at: u64, what: What) {
        self.order += 1;
        self.queue.push(Reverse(Entry { at: at.max(self.now), order: self.order, what }));
    }

    /// Jumps to the next event.
    pub fn next(&mut self) -> Option<What> {
        let Reverse(entry) = self.queue.pop()?;
        self.now = entry.at;
        Some(entry.what)
    }

    /// Now, as the product has it.
    pub fn millis(&self) -> Millis {
        Millis(self.now)
    }
}
