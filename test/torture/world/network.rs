//! The simulated network: connections of two ends, each direction a queue of its own, and what can go wrong with them.
//!
//! Of two kinds. As TCP sees it, what is lost is sent again, later and later, and after 10 s without an acknowledgement
//! the sender's end breaks, of which the other end knows nothing. The harsh one drops and doubles whole lines, which TCP
//! never does: a protocol that stands that stands more than it will meet.

use aliquot::common::limits::SILENCE_MAX_MS;

use super::events::{ConnId, End, Events, Item, What};

/// First pause before what was lost is sent again; it doubles.
const RETRANSMIT_MS: u64 = 200;
/// What is late for once is late by so much at most.
const LATE_MAX_MS: u64 = 5_000;
/// How long a line takes at most once nothing is wrong any more.
const WELL_MS: u64 = 20;

/// What is wrong with the network until it heals.
#[derive(Clone, Debug)]
pub struct Weather {
    /// Lines are lost for good, and doubled.
    pub harsh: bool,
    /// The share of what is sent that is lost.
    pub loss: f64,
    /// The share that comes twice, if harsh.
    pub doubled: f64,
    /// The share that is late by seconds.
    pub late: f64,
    /// How long a line takes at most, as a rule.
    pub delay_max: u64,
    /// When it heals.
    pub heals: u64,
    /// When who is cut off.
    pub cuts: Vec<Cut>,
}

/// A partition.
#[derive(Clone, Debug)]
pub struct Cut {
    /// Of whom; of all, if of none.
    pub path: Option<usize>,
    /// Who isn't heard.
    pub from: Option<End>,
    /// When it begins.
    pub begins: u64,
    /// When it is over.
    pub ends: u64,
}

/// Whose a connection is, at its client's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The data connection of a compute in its life with this number.
    Data(usize, u64),
    /// The control connection of its monitor.
    Control(usize, u64),
    /// A report; one that ends the search, if true.
    Report(bool),
    /// Somebody who says nothing, or rubbish if true.
    Stranger(bool),
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    /// Whose it is.
    pub owner: Owner,
    /// Which life of manage has offered to take it.
    pub offered: Option<u64>,
    /// That has taken it.
    pub taken: bool,
    /// The host of its client is gone: what comes there isn't answered.
    pub mute: bool,
    client_open: bool,
    server_open: bool,
    /// When the latest line of each direction comes.
    latest: [u64; 2],
    /// A direction in which something wasn't acknowledged for too long: nothing follows it.
    stuck: [bool; 2],
}

impl Connection {
    fn open(&mut self, end: End) -> &mut bool {
        match end {
            End::Client => &mut self.client_open,
            End::Server => &mut self.server_open,
        }
    }

    fn path(&self) -> Option<usize> {
        match self.owner {
            Owner::Data(slot, _) | Owner::Control(slot, _) => Some(slot),
            Owner::Report(_) | Owner::Stranger(_) => None,
        }
    }
}

/// The network.
pub struct Network {
    pub weather: Weather,
    pub connections: Vec<Connection>,
    random: fastrand::Rng,
    /// How many lines were lost, or doubled.
    pub lost: u64,
}

impl Network {
    pub fn new(weather: Weather, seed: u64) -> Self {
        Self { weather, connections: Vec::new(), random: fastrand::Rng::with_seed(seed), lost: 0 }
    }

    /// Somebody begins to connect.
    pub fn connect(&mut self, owner: Owner, events: &mut Events) -> ConnId {
        let id = self.connections.len();
        self.connections.push(Connection {
            owner,
            offered: None,
            taken: false,
            mute: false,
            client_open: true,
            server_open: false,
            latest: [0; 2],
            stuck: [false; 2],
        });
        self.send(id, End::Client, Item::Syn, events);
        id
    }

    pub fn is_open(&mut self, conn: ConnId, end: End) -> bool {
        *self.connections[conn].open(end)
    }

    /// Manage's system takes the connection.
    pub fn take(&mut self, conn: ConnId) {
        self.connections[conn].taken = true;
        self.connections[conn].server_open = true;
    }

    /// One end is closed: a process has closed it, or is gone. If `silently`, the other end isn't told.
    pub fn close(&mut self, conn: ConnId, end: End, silently: bool, events: &mut Events) {
        if !std::mem::replace(self.connections[conn].open(end), false) {
            return;
        }
        if !silently {
            self.send(conn, end, Item::Fin, events);
        }
    }

    /// Sends something from one end to the other.
    pub fn send(&mut self, conn: ConnId, from: End, item: Item, events: &mut Events) {
        let direction = from as usize;
        if self.connections[conn].stuck[direction] {
            return;
        }
        let handshake = matches!(item, Item::Syn | Item::SynAck | Item::Refused | Item::Reset);
        let path = self.connections[conn].path();
        let Some(at) = self.carry(path, from, events.now) else {
            self.lost += 1;
            if !self.weather.harsh && !handshake {
                self.connections[conn].stuck[direction] = true;
                events.at(events.now + SILENCE_MAX_MS, What::GivenUp { conn, end: from });
            }
            return;
        };
        let at = at.max(self.connections[conn].latest[direction]);
        self.connections[conn].latest[direction] = at;
        let give_up = events.now + SILENCE_MAX_MS;
        if !self.weather.harsh && !handshake && !self.is_heard(path, from.other(), at, give_up) {
            events.at(give_up, What::GivenUp { conn, end: from });
        }
        if self.weather.harsh && events.now < self.weather.heals && self.random.f64() < self.weather.doubled {
            let again = at + self.random.u64(0..LATE_MAX_MS);
            events.at(again, What::Arrives { conn, to: from.other(), item: item.clone() });
            self.lost += 1;
        }
        events.at(at, What::Arrives { conn, to: from.other(), item });
    }

    /// When something sent now arrives, if it does.
    fn carry(&mut self, path: Option<usize>, from: End, now: u64) -> Option<u64> {
        let (mut at, mut pause) = (now, RETRANSMIT_MS);
        loop {
            let lost = at < self.weather.heals && self.random.f64() < self.weather.loss;
            if !lost && !self.is_cut(path, from, at) {
                return Some(at + self.delay(at));
            }
            at += pause;
            pause *= 2;
            if self.weather.harsh || at >= now + SILENCE_MAX_MS {
                return None;
            }
        }
    }

    fn delay(&mut self, at: u64) -> u64 {
        if at >= self.weather.heals {
            return self.random.u64(0..=WELL_MS);
        }
        let late = self.weather.late > 0.0 && self.random.f64() < self.weather.late;
        self.random.u64(0..=if late { LATE_MAX_MS } else { self.weather.delay_max })
    }

    fn is_cut(&self, path: Option<usize>, from: End, at: u64) -> bool {
        self.cuts(path, from).any(|cut| (cut.begins..cut.ends).contains(&at))
    }

    /// True unless `from` is cut off for all of that time: then no acknowledgement comes.
    fn is_heard(&self, path: Option<usize>, from: End, since: u64, until: u64) -> bool {
        !self.cuts(path, from).any(|cut| cut.begins <= since && until <= cut.ends)
    }

    fn cuts(&self, path: Option<usize>, from: End) -> impl Iterator<Item = &Cut> {
        let concerns =
            move |cut: &&Cut| (cut.path.is_none() || cut.path == path) && cut.from.is_none_or(|it| it == from);
        self.weather.cuts.iter().filter(concerns)
    }
}
