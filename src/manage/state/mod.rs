//! The decisions of manage: an event and the time go in, actions come out. Pure: what is here is tested without a
//! socket, a clock or a disk.

mod lease;
mod metrics;
mod peers;
mod record;
mod result;
mod trust;
mod view;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use slog::Level;

use crate::common::clock::Millis;
use crate::common::message::{Code, Error, Message};
use crate::common::signal::Ending;
use crate::divisors::{Method, operations};

use super::coverage::{Coverage, Span};
use super::gate::Gate;
use super::proof::Prover;
use super::rate::Rates;
use super::recheck::Rechecks;
use super::rights::Bearer;
use super::roster::{Compute, Roster};
use super::sizing::Plan;
use lease::{Lease, Leases};
use peers::{Seat, TurnedAway};
use view::Kept;
use waiting::Waiting;

pub use record::{Holder, Leased, Record, Restored};
pub use trust::Deeds;

/// The number of a connection, never used again.
pub type Peer = u64;

/// What a search is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How divisors are found.
    pub method: Method,
    /// The first candidate.
    pub first: u64,
    /// The last, if the search is bounded.
    pub last: Option<u64>,
}

/// How a search is run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// What a range should take.
    pub seconds: f64,
    /// The share of finished ranges that a second compute does again, in percent.
    pub recheck_percent: f64,
    /// What decides which: a secret, so that a compute can't tell where it may cheat.
    pub recheck_key: u64,
    /// Connections of computes and their monitors, at most.
    pub workers_max: usize,
}

/// What manage calls itself in a report.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The host that it runs on.
    pub host: String,
    /// The address that it listens on.
    pub listen: String,
    /// The ledger's path.
    pub ledger: String,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// Somebody connected from this address.
    Opened(Peer, IpAddr, Bearer),
    /// A handshake is over: who is behind the connection.
    Known(Peer, Bearer),
    /// A message came.
    Said(Peer, Message),
    /// Something came that is no message.
    Garbled(Peer, Error),
    /// A connection is gone.
    Gone(Peer),
    /// This process is told to end.
    Ending,
    /// The ledger has no room, why; or it has some again.
    Stalled(Option<String>),
    /// What a host has done that has lied.
    Disowned(String, Deeds),
    /// Time has passed.
    Tick,
}

/// What is to be done about it, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Put this into the ledger, before anything of the same turn is sent.
    Record(Record),
    /// Send this.
    Send(Peer, Message),
    /// Close this connection when all is sent.
    Close(Peer),
    /// Send this process this signal: the one path of all endings.
    SignalSelf(Ending),
    /// Tell the log.
    Log(Level, String),
}

/// What a connection is, as far as the one who moves its bytes has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has said yet who is behind it.
    Stranger,
    /// A monitor's.
    Control,
    /// A report's: what it asks for costs more than what others do.
    Report,
    /// Anybody else's.
    Guest,
}

/// How far the search is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// The computes were told to end; whatever they do, it is over at this time.
    Ending(Millis),
}

/// All that manage knows and decides.
#[derive(Debug)]
pub struct State {
    settings: Settings,
    policy: Policy,
    identity: Identity,
    started: Millis,
    now: Millis,
    phase: Phase,
    coverage: Coverage,
    leases: Leases,
    rechecks: Rechecks,
    told_of_checks: bool,
    perfect: BTreeSet<u64>,
    /// The cost of all that is done.
    operations_accepted: f64,
    prover: Prover,
    roster: Roster,
    /// The computes that have asked for a range and haven't got one yet.
    waiting: Waiting,
    /// Since when a compute has waited in vain, because all that is left is leased.
    starved: Option<Millis>,
    seats: BTreeMap<Peer, Seat>,
    gate: Gate,
    turned_away: TurnedAway,
    rates: Rates,
    /// Why the ledger can't be written, if that is so: nothing new is handed out.
    stalled: Option<String>,
    /// How far the search is by what is in the ledger.
    kept: Kept,
    actions: Vec<Action>,
}

impl State {
    /// A search as the ledger had it.
    ///
    /// # Errors
    /// The first entry that contradicts the others: the ledger is damaged.
    pub fn new(
        settings: Settings,
        policy: Policy,
        identity: Identity,
        restored: Restored,
        now: Millis,
    ) -> Result<Self, String> {
        let whole = Span { first: settings.first, last: settings.last.unwrap_or(crate::common::limits::CANDIDATE_MAX) };
        let operations_accepted = restored.done.iter().map(|s| operations(settings.method, s.first, s.last)).sum();
        let coverage = Coverage::new(whole, restored.done)
            .map_err(|span| format!("the done range {} to {} overlaps another", span.first, span.last))?;
        let mut state = Self {
            settings,
            policy,
            identity,
            started: now,
            now,
            phase: Phase::Running,
            coverage,
            leases: Leases::new(restored.next_lease),
            rechecks: Rechecks::new(restored.due),
            told_of_checks: false,
            perfect: restored.perfect.into_iter().collect(),
            operations_accepted,
            prover: Prover::default(),
            roster: Roster::default(),
            waiting: Waiting::default(),
            starved: None,
            seats: BTreeMap::new(),
            gate: Gate::default(),
            turned_away: TurnedAway::default(),
            rates: Rates::default(),
            stalled: None,
            kept: Kept::default(),
            actions: Vec::new(),
        };
        for leased in restored.leases {
            state.restore_lease(leased, now)?;
        }
        restored.liars.iter().for_each(|(host, taken_back)| state.roster.note_lie(host, *taken_back));
        state.written();
        Ok(state)
    }

    fn restore_lease(&mut self, leased: Leased, now: Millis) -> Result<(), String> {
        let Leased { lease, span, holder, recheck } = leased;
        if lease >= self.leases.next() {
            return Err(format!("lease {lease} is out, but the next number is {}", self.leases.next()));
        }
        let fits = if recheck { self.rechecks.lease(span.first) } else { self.coverage.lease(span, lease) };
        if !fits {
            return Err(format!("lease {lease} of {} to {} overlaps another range", span.first, span.last));
        }
        let mut compute = Compute::new(holder.host.clone(), holder.pid, None, now);
        compute.lease = Some(lease);
        self.roster.admit(holder.instance, compute);
        self.leases.insert(lease, Lease::restored(span, holder, recheck, now));
        Ok(())
    }

    /// Takes in what happened at the time `now`, which never goes back.
    pub fn handle(&mut self, event: Event, now: Millis) {
        self.now = now;
        match event {
            Event::Opened(peer, from, bearer) => _ = self.seats.insert(peer, Seat::new(from, bearer, now)),
            Event::Known(peer, bearer) => self.introduce(peer, bearer),
            Event::Said(peer, message) => self.said(peer, message),
            Event::Garbled(peer, error) => self.dismiss(peer, error),
            Event::Gone(peer) => self.gone(peer),
            Event::Ending => self.begin_ending(),
            Event::Stalled(why) => self.stalled = why,
            Event::Disowned(host, deeds) => self.disown(&host, deeds),
            Event::Tick => self.tick(),
        }
    }

    /// The end of a turn: gives ranges to those who wait, and says what is to be done about all that was handled.
    pub fn settle(&mut self) -> Vec<Action> {
        self.serve_waiting();
        self.note_starved();
        if self.is_complete() && !self.is_ending() {
            let whole = self.coverage.whole();
            self.log(Level::Info, format!("all of {} to {} is tested", whole.first, whole.last));
            self.begin_ending();
        }
        self.tell_of_checks();
        std::mem::take(&mut self.actions)
    }

    /// Says, once, that nothing but checks is left to do, which not every compute may do.
    fn tell_of_checks(&mut self) {
        if !self.told_of_checks && self.coverage.is_complete() && !self.rechecks.is_empty() {
            self.told_of_checks = true;
            let text = "all is tested once; some ranges are left that another compute than the first has to do again";
            self.log(Level::Warning, text);
        }
    }

    /// True while results wait for their proof: call `prove` again soon.
    #[must_use]
    pub fn has_proofs(&self) -> bool {
        !self.prover.is_idle()
    }

    /// Works on a proof for about `divisions` operations.
    pub fn prove(&mut self, divisions: u64, now: Millis) {
        self.now = now;
        if let Some((job, verdict)) = self.prover.step(divisions) {
            self.judge(job.found, job.instance, verdict);
        }
    }

    /// True once manage may exit: it is told to end, or has nothing left to do, and the computes are gone.
    #[must_use]
    pub fn is_over(&self, now: Millis) -> bool {
        let quiet = self.prover.is_idle() && !self.seats.values().any(Seat::is_computes);
        self.is_overdue(now) || (self.is_ending() && quiet)
    }

    /// True once the time to end in has passed: nobody is waited for any more.
    #[must_use]
    pub fn is_overdue(&self, now: Millis) -> bool {
        matches!(self.phase, Phase::Ending(deadline) if deadline <= now)
    }

    /// What the connection `peer` is; nothing if it was given up.
    #[must_use]
    pub fn standing(&self, peer: Peer) -> Option<Standing> {
        self.seats.get(&peer).map(Seat::standing)
    }

    /// True once manage ends.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.phase != Phase::Running
    }

    /// True if every candidate is done, by what is in the ledger, and nothing waits for a check.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.kept.complete
    }

    /// All records that were given out are in the ledger: what they say may be shown.
    pub fn written(&mut self) {
        self.kept = self.progress();
    }

    /// Tells every control monitor to end its compute. Whoever connects later is told when it does.
    fn begin_ending(&mut self) {
        if self.is_ending() {
            return;
        }
        self.phase = Phase::Ending(self.now.after(crate::common::limits::ENDING_MAX_MS));
        let monitors: Vec<Peer> = self.seats.iter().filter(|(_, seat)| seat.is_control()).map(|(p, _)| *p).collect();
        for peer in monitors {
            self.send_ending(peer);
        }
    }

    fn tick(&mut self) {
        self.drop_silent();
        self.tell_of_turned_away();
        self.free_unclaimed();
        self.recall_for_starved();
        self.free_overdue();
        self.roster.forget_lost(self.now);
        self.sample_rates();
    }

    fn plan(&self) -> Plan {
        Plan { method: self.settings.method, seconds: self.policy.seconds }
    }

    fn send(&mut self, peer: Peer, message: impl Into<Message>) {
        self.actions.push(Action::Send(peer, message.into()));
    }

    fn record(&mut self, record: Record) {
        self.actions.push(Action::Record(record));
    }

    fn log(&mut self, level: Level, text: impl Into<String>) {
        self.actions.push(Action::Log(level, text.into()));
    }

    /// Tells a peer what it did wrong, and closes its connection. Nobody else notices.
    fn refuse(&mut self, peer: Peer, code: Code, text: impl Into<String>) {
        self.dismiss(peer, Error::new(code, text));
    }
}

#[cfg(test)]
mod tests;
