//! The I/O of manage: one poll() loop over the listener, the connections and the signals.
//!
//! A turn: wait; take in signals, connections, lines (`reception`); let the state decide; write the ledger; then, and only
//! then, send (`deeds`).

mod deeds;
mod reception;

use std::collections::BTreeMap;
use std::os::fd::AsFd;

use slog::{Logger, debug, info, warn};

use crate::common::brood::{Brood, News};
use crate::common::clock::{self, Millis};
use crate::common::error::{Error as Failure, Result};
use crate::common::exit::Status;
use crate::common::keyring::Keyring;
use crate::common::limits::{
    CONTROL_LOOK_MS, PROOF_SLICE_DIVISIONS, PROOFS_TURN_MAX_MS, REPORTS_TURN_MAX_MS, SLICE_MS, STRANGERS_TURN_MAX_MS,
    TICK_MS,
};
use crate::common::net::Listener;
use crate::common::poll::{Interest, Ready, Set};
use crate::common::push::pusher::Pusher;
use crate::common::signal::{Ending, Endings, Meaning, Received, Signals};
use crate::common::trouble::Trouble;
use crate::common::view;

use super::ledger::Ledger;
use super::links::Links;
use super::outbox::Outbox;
use super::progress::Progress;
use super::state::{Event, Peer, Standing, State};

/// What the loop owns.
pub struct Server {
    /// Where its log goes.
    pub log: Logger,
    /// The signals of this process.
    pub signals: Signals,
    /// Where others connect.
    pub listener: Listener,
    /// How many descriptors this process may have.
    pub descriptors: usize,
    /// Whom it knows; without, everybody may do everything.
    pub keyring: Option<Keyring>,
    /// The search.
    pub state: State,
    /// Where it is kept.
    pub ledger: Ledger,
    /// The computes of this host that this process has started.
    pub brood: Brood,
    /// What shows the progress.
    pub progress: Progress,
    /// Where its metrics go, if anywhere.
    pub pusher: Option<Pusher>,
}

/// What changes from turn to turn.
struct Turns {
    links: Links,
    next_peer: Peer,
    /// The report whose turn it is.
    next_report: Peer,
    /// Not all strangers were heard who had something to say.
    strangers_wait: bool,
    next_tick: Millis,
    /// This turn has a tick: it looks at all connections first, so that nobody is taken for silent who was not heard.
    ticks: bool,
    /// When the last turn left proofs to do: the loop hasn't rested since.
    proofs_left: Option<Millis>,
    accept_from: Millis,
    /// Connections can't be taken.
    turned_away: Trouble,
    endings: Endings,
    at_once: bool,
    report: Option<String>,
    outbox: Outbox,
    /// When a ledger that had no room is tried again.
    retry_ledger: Option<Millis>,
}

impl Turns {
    fn new(descriptors: usize) -> Self {
        Self {
            links: Links::new(descriptors),
            next_peer: 1,
            next_report: 0,
            strangers_wait: false,
            next_tick: Millis(0),
            ticks: false,
            proofs_left: None,
            accept_from: Millis(0),
            turned_away: Trouble::default(),
            endings: Endings::default(),
            at_once: false,
            report: None,
            outbox: Outbox::default(),
            retry_ledger: None,
        }
    }
}

impl Server {
    /// Runs until the search is over; gives the report if that is because all is tested.
    ///
    /// # Errors
    /// When the ledger can't be written, or the system fails. Nothing that isn't in the ledger was told to anybody.
    pub fn run(mut self) -> Result<Option<String>> {
        let mut turns = Turns::new(self.descriptors);
        while !self.is_over(&turns) {
            self.turn(&mut turns)?;
        }
        self.progress.close();
        self.brood.destroy();
        self.write_last(&mut turns)?;
        if turns.report.is_none() {
            self.say_goodbye();
        }
        self.push_metrics();
        if turns.at_once {
            return Err(Failure::new(Status::Failed, "ending", "a second signal: ended at once"));
        }
        self.ledger.close()?;
        self.pusher.iter_mut().for_each(Pusher::end);
        Ok(turns.report)
    }

    fn push_metrics(&mut self) {
        if let Some(pusher) = &mut self.pusher {
            pusher.push(&self.state.readings());
        }
    }

    fn say_goodbye(&self) {
        let status = self.state.status();
        let next = match status.ledger.as_str() {
            ":memory:" => "nothing is kept of them".to_owned(),
            path => format!("to go on, start manage with --ledger {path} again"),
        };
        info!(self.log, "ended: {} numbers are tested; {next}", view::grouped(status.tested));
    }

    fn is_over(&self, turns: &Turns) -> bool {
        let now = clock::now();
        let quiet = || self.brood.is_empty() && turns.outbox.is_empty() && !turns.links.has_output();
        let gone = self.state.is_over(now) && quiet();
        gone || turns.at_once || self.state.is_overdue(now)
    }

    fn turn(&mut self, turns: &mut Turns) -> Result<()> {
        let ready = self.wait(turns)?;
        let now = clock::now();
        self.take_signals(turns, now);
        self.serve_all(turns, ready, now);
        self.accept(turns, now);
        if turns.ticks {
            turns.next_tick = now.after(TICK_MS);
            self.revoke(turns, now);
            self.state.handle(Event::Tick, now);
            self.tend_brood(now);
            self.push_metrics();
            if turns.turned_away.over(now).is_some() {
                info!(self.log, "accept: connections are taken again");
            }
        }
        self.prove(turns, now);
        self.carry_out(turns, now)?;
        self.sweep(turns, now);
        self.progress.show(&self.state, &self.log, now);
        Ok(())
    }

    /// Serves computes, then, for a moment each, reports and strangers: what they make this process compute holds nobody up.
    fn serve_all(&mut self, turns: &mut Turns, ready: BTreeMap<Peer, Ready>, now: Millis) {
        let (strangers, known): (Vec<_>, Vec<_>) =
            ready.into_iter().partition(|(peer, _)| turns.links.is_stranger(*peer));
        let is_report = |peer: &Peer| self.state.standing(*peer) == Some(Standing::Report);
        let (mut reports, computes): (Vec<_>, Vec<_>) = known.into_iter().partition(|(peer, _)| is_report(peer));
        for (peer, ready) in computes {
            self.serve(turns, peer, ready, now);
        }
        // They take turns, too.
        let next = reports.partition_point(|(peer, _)| *peer < turns.next_report);
        reports.rotate_left(next);
        turns.next_report = self.serve_while(turns, reports, REPORTS_TURN_MAX_MS, now);
        // Those behind wait before the door, until those who are in have been heard.
        turns.strangers_wait = self.serve_while(turns, strangers, STRANGERS_TURN_MAX_MS, now) > 0;
    }

    /// Serves these until so many milliseconds have passed; gives the first of those who have to wait.
    fn serve_while(&mut self, turns: &mut Turns, peers: Vec<(Peer, Ready)>, max_ms: u64, now: Millis) -> Peer {
        let until = clock::now().after(max_ms);
        let mut peers = peers.into_iter();
        for (peer, ready) in peers.by_ref() {
            self.serve(turns, peer, ready, now);
            if clock::now() >= until {
                break;
            }
        }
        peers.next().map_or(0, |(peer, _)| peer)
    }

    /// Works on proofs: for a moment, or for as long as the rest of the loop took since. So they keep up with the results,
    /// however many connections there are.
    fn prove(&mut self, turns: &mut Turns, now: Millis) {
        let begin = clock::now();
        let rest_ms = turns.proofs_left.map_or(0, |since| begin.since(since));
        let until = begin.after(rest_ms.clamp(SLICE_MS, PROOFS_TURN_MAX_MS));
        while self.state.has_proofs() && clock::now() < until {
            self.state.prove(PROOF_SLICE_DIVISIONS, now);
        }
        turns.proofs_left = self.state.has_proofs().then(clock::now);
    }

    /// Waits for something to do; gives the connections that are ready, or left over from the last turn.
    ///
    /// With thousands of connections this costs most of a turn: what it does to each counts.
    fn wait(&self, turns: &mut Turns) -> Result<BTreeMap<Peer, Ready>> {
        let now = clock::now();
        turns.ticks = turns.next_tick <= now;
        let mut set = Set::new();
        set.add(self.signals.as_fd(), Interest::Read);
        let full = !turns.links.strangers.has_place(now);
        if turns.accept_from <= now && !full {
            set.add(self.listener.as_fd(), Interest::Read);
        }
        let slots: Vec<_> = turns
            .links
            .looked_at(turns.ticks)
            .map(|(peer, link)| (peer, set.add(link.conn.as_fd(), link.interest())))
            .collect();
        let mut ready: BTreeMap<Peer, Ready> = turns.links.unheard().map(|peer| (peer, Ready::default())).collect();
        let mut deadline = turns.next_tick.min(self.progress.due());
        let others = [Some(turns.accept_from).filter(|from| *from > now), turns.retry_ledger];
        deadline = others.into_iter().flatten().fold(deadline, Millis::min);
        if full || !turns.links.looks_at_all() {
            deadline = deadline.min(now.after(CONTROL_LOOK_MS));
        }
        if self.state.has_proofs() || !ready.is_empty() {
            deadline = now;
        }
        set.wait(now.until(deadline)).map_err(|error| Failure::new(Status::Failed, "poll", error))?;
        let looked_at = slots.into_iter().map(|(peer, slot)| (peer, set.ready(slot)));
        ready.extend(looked_at.filter(|(_, ready)| ready.readable || ready.writable));
        turns.links.move_on();
        Ok(ready)
    }

    fn take_signals(&mut self, turns: &mut Turns, now: Millis) {
        for received in self.signals.pending() {
            match received {
                Received::Child => self.tend_brood(now),
                Received::Ending(ending, _) => match turns.endings.take(now) {
                    Meaning::Begin => self.begin_ending(ending, now),
                    Meaning::AtOnce => turns.at_once = true,
                    Meaning::Same => {}
                },
            }
        }
    }

    fn begin_ending(&mut self, ending: Ending, now: Millis) {
        info!(self.log, "SIG{ending}: ending");
        self.state.handle(Event::Ending, now);
    }

    fn tend_brood(&mut self, now: Millis) {
        if self.state.is_ending() {
            self.brood.close();
        }
        for news in self.brood.tend(now) {
            match news {
                News::Started(pid) => debug!(self.log, "started compute, pid {pid}"),
                News::Left(pid, Some(0)) => debug!(self.log, "compute pid {pid} has left"),
                News::Left(pid, _) => {
                    warn!(self.log, "compute pid {pid} has failed, see above: it is not started again")
                }
                News::Died(pid, how) => warn!(self.log, "compute pid {pid} died ({how}): starting another"),
                News::NotStarted(why) if why.ends_with("(os error 13)") => {
                    warn!(self.log, "can't start a compute: {why}: if it was replaced, start manage again");
                }
                News::NotStarted(why) => warn!(self.log, "can't start a compute: {why}: trying again"),
                News::Again(what) => debug!(self.log, "compute: again: {what}"),
                News::Steady(more) => info!(self.log, "computes run again, after {more} more failures"),
            }
        }
    }
}
