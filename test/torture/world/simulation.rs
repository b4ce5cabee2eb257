//! The world: one manage, some computes, who asks, the network between them, a disk, a clock that jumps.
//!
//! What is pure is the product's own: `State`, `Duty`, `Link`. What is I/O is simulated here, after the model of the
//! product's loops. One thread, one order of events, all from one seed.

use aliquot::common::clock::Millis;
use aliquot::common::message::{Alive, CellCount, Hello, Message, Query, Role, Signal, Version};
use aliquot::common::signal::Ending;
use aliquot::manage::coverage::Span;

use super::Broken;
use super::compute::Compute;
use super::disk::Disk;
use super::events::{ConnId, End, Events, Item, What};
use super::manage::Manage;
use super::network::{Network, Owner};
use super::plan::Plan;
use super::promises::Promises;

/// A world that doesn't come to an end has a fault of its own.
const EVENTS_MAX: u64 = 3_000_000;

/// How often what happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub crashes: u64,
    pub computes_lost: u64,
    pub connections: u64,
    pub lost: u64,
    pub commits: u64,
    pub refused: u64,
    /// Simulated time, in milliseconds.
    pub time: u64,
    /// How much of its patience the world has used at most, in percent.
    pub patience: u64,
}

impl Counts {
    /// In the words of the table.
    pub fn seen(&self) -> String {
        format!(
            "{} simulated hours: {} crashes of manage, {} computes lost, {} connections, {} commits",
            self.time / 3_600_000,
            self.crashes,
            self.computes_lost,
            self.connections,
            self.commits
        )
    }

    pub fn add(&mut self, other: &Self) {
        self.crashes += other.crashes;
        self.computes_lost += other.computes_lost;
        self.connections += other.connections;
        self.lost += other.lost;
        self.commits += other.commits;
        self.refused += other.refused;
        self.time += other.time;
        self.patience = self.patience.max(other.patience);
    }
}

/// A place for a compute.
pub struct Slot {
    pub compute: Option<Compute>,
    /// While its compute stands still: what has happened to it meanwhile.
    pub still: Option<Vec<What>>,
    pub slowed: f64,
    /// Somebody has taken the place of the first.
    pub replaced: bool,
}

/// All of it.
pub struct World {
    pub plan: Plan,
    pub broken: Option<Broken>,
    pub events: Events,
    pub network: Network,
    pub disk: Disk,
    pub slots: Vec<Slot>,
    pub manage: Option<Box<Manage>>,
    /// The host of manage is up, whatever manage itself is.
    pub host_up: bool,
    pub stopped_until: u64,
    pub promises: Promises,
    pub random: fastrand::Rng,
    pub counts: Counts,
    pub violation: Option<String>,
    /// All is tested, and manage has left.
    pub finished: bool,
    lives: u64,
    trace: Option<Vec<String>>,
}

impl World {
    pub fn new(seed: u64, broken: Option<Broken>, traced: bool) -> Self {
        let plan = Plan::new(seed);
        let network = Network::new(plan.weather.clone(), seed ^ 1);
        let whole = Span { first: plan.settings.first, last: plan.settings.last.unwrap() };
        let slot = |_| Slot { compute: None, still: None, slowed: 1.0, replaced: false };
        let slots = (0..plan.natures.len()).map(slot).collect();
        let mut world = Self {
            broken,
            events: Events::default(),
            network,
            disk: Disk::new(whole),
            slots,
            manage: None,
            host_up: true,
            stopped_until: 0,
            promises: Promises::default(),
            random: fastrand::Rng::with_seed(seed ^ 2),
            counts: Counts::default(),
            violation: None,
            finished: false,
            lives: 0,
            trace: traced.then(Vec::new),
            plan,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for (nth, (at, _)) in self.plan.faults.iter().enumerate() {
            self.events.at(*at, What::Fault(nth));
        }
        self.events.at(self.plan.heals, What::Healed);
        self.events.at(0, What::Restart);
        for slot in 0..self.slots.len() {
            let at = self.random.u64(..10_000) * u64::from(self.random.bool());
            self.events.at(at, What::Replace(slot));
        }
    }

    /// Runs until the search is over, or a promise is broken.
    pub fn run(&mut self) -> Result<Counts, String> {
        let deadline = self.plan.heals + self.plan.patience;
        let mut happened = 0;
        while !self.finished && self.violation.is_none() {
            let Some(what) = self.events.next() else { return Err("nothing happens any more".to_owned()) };
            happened += 1;
            if self.events.now > deadline || happened > EVENTS_MAX {
                self.violate(format!("{} s after the last fault the search isn't over", self.plan.patience / 1_000));
                break;
            }
            self.happens(what);
        }
        self.counts.time = self.events.now;
        self.counts.lost = self.network.lost;
        self.counts.connections = self.network.connections.len() as u64;
        self.counts.patience = self.events.now.saturating_sub(self.plan.heals) * 100 / self.plan.patience;
        self.violation.take().map_or(Ok(self.counts), Err)
    }

    /// A number that tells one life of a program from every other.
    pub fn new_life(&mut self) -> u64 {
        self.lives += 1;
        self.lives
    }

    pub fn now(&self) -> Millis {
        self.events.millis()
    }

    /// A promise is broken.
    pub fn violate(&mut self, what: String) {
        self.note(|| format!("BROKEN: {what}"));
        self.violation.get_or_insert(what);
    }

    pub fn demand(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violate(what());
        }
    }

    /// Says something to whoever replays this world.
    pub fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let line = format!("{:>9.3} {}", self.events.now as f64 / 1e3, what());
            trace.push(line);
        }
    }

    pub fn trace(&self) -> &[String] {
        self.trace.as_deref().unwrap_or_default()
    }

    pub fn happens(&mut self, what: What) {
        match what {
            What::Arrives { conn, to: End::Server, item } => self.reaches_manage(conn, item),
            What::Arrives { conn, to: End::Client, item } => self.reaches_client(conn, item),
            What::GivenUp { conn, end } => self.breaks(conn, end),
            What::Wakes { slot, life } => self.wakes(slot, life),
            What::WorkEnds { slot, life, work } => self.work_ends(slot, life, work),
            What::Turn { life } => self.turn(life),
            What::Fault(nth) => self.strikes(self.plan.faults[nth].1),
            What::Restart => self.restart(),
            What::Replace(slot) => self.replace(slot),
            What::GoesOn(slot) => self.goes_on(slot),
            What::Healed => self.heal(),
        }
    }

    /// One end of a connection breaks; nobody says so to the other.
    fn breaks(&mut self, conn: ConnId, end: End) {
        if !self.network.is_open(conn, end) {
            return;
        }
        self.note(|| format!("connection {conn} breaks at its {end:?}"));
        match end {
            End::Server => self.reaches_manage(conn, Item::Reset),
            End::Client => self.reaches_client(conn, Item::Reset),
        }
    }

    pub fn send(&mut self, conn: ConnId, from: End, item: Item) {
        self.network.send(conn, from, item, &mut self.events);
    }

    pub fn say(&mut self, conn: ConnId, from: End, message: impl Into<Message>) {
        let message = message.into();
        if !matches!(message, Message::Alive(Alive { lease: None, .. })) {
            self.note(|| format!("{from:?} {conn} says {message:?}"));
        }
        self.send(conn, from, Item::Line(Box::new(message)));
    }

    pub fn close(&mut self, conn: ConnId, end: End, silently: bool) {
        self.network.close(conn, end, silently, &mut self.events);
    }

    pub fn connect(&mut self, owner: Owner) -> ConnId {
        self.network.connect(owner, &mut self.events)
    }

    /// Something reaches the client's end of a connection.
    fn reaches_client(&mut self, conn: ConnId, item: Item) {
        let owner = self.network.connections[conn].owner;
        if let Owner::Data(slot, _) | Owner::Control(slot, _) = owner
            && let Some(missed) = &mut self.slots[slot].still
        {
            return missed.push(What::Arrives { conn, to: End::Client, item });
        }
        if !self.network.is_open(conn, End::Client) {
            let answered = !self.network.connections[conn].mute && matches!(item, Item::Line(_) | Item::SynAck);
            return if answered {
                self.send(conn, End::Client, Item::Reset)
            };
        }
        match owner {
            Owner::Data(..) | Owner::Control(..) => self.compute_hears(owner, conn, item),
            Owner::Report(kill) => self.report_hears(conn, kill, item),
            Owner::Stranger(garbage) => self.stranger_hears(conn, garbage, item),
        }
    }

    /// A report asks, ends the search if it is to, and leaves.
    fn report_hears(&mut self, conn: ConnId, kill: bool, item: Item) {
        match item {
            Item::SynAck => {
                self.send(conn, End::Client, Item::Ack);
                let role = Role::Report;
                let hello = Hello { version: Version, role, host: None, pid: None, instance: None, kernel: None };
                self.say(conn, End::Client, hello);
                self.say(conn, End::Client, Query { cells: Some(CellCount::new(1)) });
            }
            Item::Line(message) => match *message {
                Message::End(_) if kill => self.say(conn, End::Client, Signal { name: Ending::Int }),
                Message::End(_) | Message::Acknowledged(_) => self.close(conn, End::Client, false),
                _ => {}
            },
            _ => self.close(conn, End::Client, false),
        }
    }

    fn stranger_hears(&mut self, conn: ConnId, garbage: bool, item: Item) {
        match item {
            Item::SynAck => {
                self.send(conn, End::Client, Item::Ack);
                if garbage {
                    self.send(conn, End::Client, Item::Garbage);
                }
            }
            Item::Line(_) => {}
            _ => self.close(conn, End::Client, false),
        }
    }
}
