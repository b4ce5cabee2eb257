//! Leases: who works on which range, how one is given, claimed and given back.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use slog::Level;

use super::peers::Seat;
use super::{Holder, Leased, Peer, Record, State};
use crate::common::clock::Millis;
use crate::common::limits::{LAPSED_MAX, OVERDUE_FACTOR_MAX, OVERDUE_MIN_MS, RESTART_GRACE_MS, STARVED_MS};
use crate::common::message::{Alive, Code, Instance, Range, Recall, Refused};
use crate::divisors::{Method, operations};
use crate::manage::coverage::{Held, Span};
use crate::manage::roster::{Compute, Fleet};
use crate::manage::sizing::Pace;

/// A range that somebody works on.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub(super) span: Span,
    pub(super) holder: Holder,
    pub(super) recheck: bool,
    pub(super) given: Millis,
    /// After a restart: when it is given back unless its holder has claimed it by then.
    unclaimed_until: Option<Millis>,
    /// How far it was when, in operations: from there on its holder's pace is observed.
    mark: (Millis, f64),
    /// The pace that its holder's words show, where that is lower than the one that its range was made for.
    pub(super) observed: Option<Pace>,
    /// How often its holder was asked to hand it in.
    recalls: u32,
}

impl Lease {
    fn new(span: Span, holder: Holder, recheck: bool, now: Millis) -> Self {
        let mark = (now, 0.0);
        Self { span, holder, recheck, given: now, unclaimed_until: None, mark, observed: None, recalls: 0 }
    }

    pub(super) fn restored(span: Span, holder: Holder, recheck: bool, now: Millis) -> Self {
        let unclaimed_until = Some(now.after(RESTART_GRACE_MS));
        Self { unclaimed_until, ..Self::new(span, holder, recheck, now) }
    }

    /// Its holder, of that pace by what manage knows, says how many candidates are tested.
    ///
    /// Where none was tested since the mark, it stays: a block, or what comes before the first candidate, may take
    /// seconds, and shows no lack of pace until it takes longer than the model says.
    fn observe(&mut self, method: Method, pace: Pace, tested: u64, now: Millis) {
        let (since, before) = self.mark;
        let ms = now.since(since);
        if ms < STARVED_MS {
            return;
        }
        let next = self.span.first.saturating_add(tested).min(self.span.last);
        let done = operations(method, self.span.first, next);
        let more = if done > before { done - before } else { operations(method, next, next) };
        self.observed = Some(pace.observed(more, ms));
        if tested > 0 && done > before {
            self.mark = (now, done);
        }
    }
}

/// The leases, and those given back whose result may still come.
#[derive(Debug)]
pub(super) struct Leases {
    next: u64,
    held: BTreeMap<u64, Lease>,
    /// Of the held ones those under which a done range is done again, by its first candidate.
    rechecks: BTreeMap<u64, u64>,
    lapsed: BTreeMap<u64, Lease>,
}

impl Leases {
    pub(super) fn new(next: u64) -> Self {
        Self { next, held: BTreeMap::new(), rechecks: BTreeMap::new(), lapsed: BTreeMap::new() }
    }

    /// The number of the next lease.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn insert(&mut self, number: u64, lease: Lease) {
        if lease.recheck {
            self.rechecks.insert(lease.span.first, number);
        }
        self.held.insert(number, lease);
    }

    pub(super) fn get(&self, number: u64) -> Option<&Lease> {
        self.held.get(&number)
    }

    /// How many were given before `since` and are still held.
    pub(super) fn older_than(&self, since: Millis) -> usize {
        self.held.values().filter(|lease| lease.given < since).count()
    }

    pub(super) fn end(&mut self, number: u64) -> Option<Lease> {
        let lease = self.held.remove(&number)?;
        if lease.recheck {
            self.rechecks.remove(&lease.span.first);
        }
        Some(lease)
    }

    /// The lease under which the done range that begins at `first` is done again.
    pub(super) fn recheck_of(&self, first: u64) -> Option<u64> {
        self.rechecks.get(&first).copied()
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    fn lapse(&mut self, number: u64, lease: Lease) {
        self.lapsed.insert(number, lease);
        if self.lapsed.len() > LAPSED_MAX {
            self.lapsed.pop_first();
        }
    }
}

impl State {
    /// A compute asks for a range: it has none, so what it had before goes back.
    pub(super) fn take_request(&mut self, peer: Peer, instance: Instance) {
        let Some(compute) = self.roster.get_mut(instance) else { return };
        if compute.pace.is_none() {
            return self.refuse(peer, Code::OutOfTurn, "1:1: a request before any speed");
        }
        let Some(origin) = self.seats.get(&peer).map(Seat::origin) else { return };
        self.waiting.insert(instance, origin);
        self.give_back(instance);
    }

    /// Gives ranges to all who wait for one, as far as there are any.
    pub(super) fn serve_waiting(&mut self) {
        if self.is_ending()
            || self.stalled.is_some()
            || (self.coverage.next_free().is_none() && self.rechecks.is_empty())
        {
            return;
        }
        let mut able: Vec<Instance> = self.able().collect();
        self.bar_hoarders(&mut able);
        if able.is_empty() {
            return;
        }
        self.waiting.put_in_order(&mut able);
        // Once for all: it walks all computes.
        let fleet = self.roster.fleet();
        for instance in able {
            self.serve(instance, fleet);
        }
    }

    /// Leaves those out from where a range was held for too long, if there is anybody else to work.
    fn bar_hoarders(&mut self, able: &mut Vec<Instance>) {
        if !self.waiting.bars_anybody(self.now) {
            return;
        }
        let may_work = |instance| {
            self.roster.get(instance).is_some_and(|it: &Compute| it.pace.is_some() && !self.roster.is_struck(&it.host))
        };
        let works = |seat: &Seat| seat.compute().is_some_and(may_work) && !self.waiting.bars(seat.origin());
        if self.seats.values().any(works) {
            able.retain(|instance| !self.waiting.bars_instance(*instance));
        }
    }

    /// Those who wait for a range and may work: no result of theirs is being proved, and their host isn't struck.
    fn able(&self) -> impl Iterator<Item = Instance> {
        let may_work = |compute: &Compute| !compute.proving && !self.roster.is_struck(&compute.host);
        self.waiting.iter().filter(move |instance| self.roster.get(*instance).is_some_and(may_work))
    }

    /// Gives a range to a compute that waits for one and may work, one of `fleet`, if there is any for it.
    fn serve(&mut self, instance: Instance, fleet: Fleet) {
        let Some(compute) = self.roster.get(instance) else { return };
        let (Some(peer), Some(pace)) = (compute.data, compute.pace) else { return };
        let holder = Holder { instance, host: compute.host.clone(), pid: compute.pid };
        let (span, recheck) = if let Some(span) = self.rechecks.choose(&holder, &self.roster) {
            (span, true)
        } else if let Some(free) = self.coverage.next_free() {
            (self.plan().range(free, pace, fleet.operations_per_s(pace), self.coverage.free_spans()), false)
        } else {
            return;
        };
        let lease = self.leases.number();
        let taken = if recheck { self.rechecks.lease(span.first) } else { self.coverage.lease(span, lease) };
        if !taken {
            // It can't happen; should it, nothing is handed out.
            return self.log(Level::Error, format!("{} to {} is not free: not leased", span.first, span.last));
        }
        if let Some(compute) = self.roster.get_mut(instance) {
            (compute.lease, compute.tested) = (Some(lease), 0);
        }
        self.waiting.remove(instance);
        self.record(Record::Leased(Leased { lease, span, holder: holder.clone(), recheck }));
        self.leases.insert(lease, Lease::new(span, holder, recheck, self.now));
        self.send(peer, Range { lease, first: span.first, last: span.last });
    }

    /// How many computes wait in vain: they could work, but all that is left is leased.
    fn waiting_in_vain(&self) -> usize {
        if self.is_ending() || self.coverage.leased() == 0 || self.coverage.next_free().is_some() {
            return 0;
        }
        self.able().count()
    }

    /// Notes whether a compute waits in vain, and since when.
    pub(super) fn note_starved(&mut self) {
        let starved = self.waiting_in_vain() > 0;
        self.starved = starved.then(|| self.starved.unwrap_or(self.now));
    }

    /// Where a compute has waited in vain for too long, another is asked to hand in what it has tested: the rest of
    /// its range is then divided among all. It finds those that were slowed down, and those that had taken much
    /// before others came. As many are asked as wait, since each part has to be proved.
    pub(super) fn recall_for_starved(&mut self) {
        if self.starved.is_none_or(|since| self.now.since(since) < STARVED_MS) {
            return;
        }
        let mut worth: Vec<_> = self.leases.held.keys().filter_map(|number| self.recall_of(*number)).collect();
        worth.sort_by(|(_, _, one), (_, _, other)| one.partial_cmp(other).unwrap_or(Ordering::Equal));
        worth.truncate(self.waiting_in_vain());
        for (peer, number, _) in worth {
            if let Some(lease) = self.leases.held.get_mut(&number) {
                lease.recalls += 1;
            }
            self.log(Level::Debug, format!("connection {peer}: lease {number} is recalled: others idle"));
            self.send(peer, Recall { lease: number });
        }
    }

    /// Where computes wait in vain, whoever has held a range far longer than it should take has to let it go, the longest
    /// first, one a tick: nobody can keep a search from its end. Its result still counts, if nobody has taken the range by then.
    pub(super) fn free_overdue(&mut self) {
        if self.is_ending() || self.stalled.is_some() || self.able().next().is_none() {
            return;
        }
        let overdue = |lease: &&Lease| self.able().any(|waiting| self.is_overdue_for(lease, waiting));
        let longest = self.leases.held.values().filter(overdue).min_by_key(|lease| lease.given);
        let Some(Holder { instance, host, pid }) = longest.map(|lease| lease.holder.clone()) else { return };
        self.log(Level::Warning, format!("compute {host} pid {pid} has had its range for too long: it is free again"));
        let peer = self.roster.get(instance).and_then(|compute| compute.data);
        if let Some(seat) = peer.and_then(|peer| self.seats.get(&peer)) {
            self.waiting.note_overdue(seat.origin(), self.now);
        }
        self.give_back(instance);
    }

    /// True if `waiting` could have done the range of `lease` many times over since it was given.
    fn is_overdue_for(&self, lease: &Lease, waiting: Instance) -> bool {
        let seconds = self.now.since(lease.given) as f64 / 1e3;
        if seconds * 1e3 < OVERDUE_MIN_MS as f64 || seconds < self.policy.seconds * OVERDUE_FACTOR_MAX {
            return false;
        }
        let Some(compute) = self.roster.get(waiting) else { return false };
        let fits = !lease.recheck || self.rechecks.done_by(lease.span.first).is_some_and(|by| by.host != compute.host);
        let needed = operations(self.settings.method, lease.span.first, lease.span.last);
        let pace = compute.pace.map_or(0.0, Pace::operations_per_s);
        fits && needed * OVERDUE_FACTOR_MAX <= seconds * pace
    }

    /// Whom to ask for the lease `number`, if it is worth it, and what orders the leases: first those not asked in
    /// vain, then those of which something is tested, then those that would take longest.
    fn recall_of(&self, number: u64) -> Option<(Peer, u64, (u32, bool, f64))> {
        let lease = self.leases.get(number).filter(|lease| !lease.recheck)?;
        let holder = self.roster.get(lease.holder.instance).filter(|holder| !holder.proving)?;
        let first = lease.span.first.checked_add(holder.tested).filter(|first| *first <= lease.span.last)?;
        let pace = lease.observed.or(holder.pace)?;
        let seconds = self.plan().worth_recalling(Span { first, last: lease.span.last }, pace)?;
        let given_lately = self.now.since(lease.given) < STARVED_MS;
        holder.data.filter(|_| !given_lately).map(|peer| (peer, number, (lease.recalls, holder.tested == 0, -seconds)))
    }

    /// A sign of life. One that names a lease says that it is still worked on.
    pub(super) fn take_alive(&mut self, peer: Peer, instance: Instance, alive: &Alive) {
        self.send(peer, Alive { lease: None, tested: None });
        let Some(number) = alive.lease else { return };
        if !self.confirm(instance, number) {
            let text = "another compute has this range by now".to_owned();
            return self.send(peer, Refused { lease: number, code: Code::NotLeased, text });
        }
        let Some(lease) = self.leases.get(number) else { return };
        let (given, count) = (lease.given, lease.span.count());
        let ms = self.now.since(given);
        let Some(compute) = self.roster.get_mut(instance) else { return };
        compute.tested = alive.tested.unwrap_or(0).min(count);
        if compute.tested > 0 && ms > 0 {
            compute.rate = compute.tested as f64 * 1e3 / ms as f64;
        }
        let (tested, pace) = (compute.tested, compute.pace);
        if let (Some(lease), Some(pace)) = (self.leases.held.get_mut(&number), pace) {
            lease.observe(self.settings.method, pace, tested, self.now);
        }
    }

    /// A compute says that it works on the lease `number`: true if that is so, or can be so again.
    pub(super) fn confirm(&mut self, instance: Instance, number: u64) -> bool {
        let Some(lease) = self.leases.held.get_mut(&number) else { return self.revive(instance, number) };
        let own = lease.holder.instance == instance;
        if own {
            lease.unclaimed_until = None;
        }
        own
    }

    /// Gives a lease that had been given back to its holder again, if nobody else has taken any of its range since.
    fn revive(&mut self, instance: Instance, number: u64) -> bool {
        let Some(lease) = self.leases.lapsed.get(&number).filter(|lease| lease.holder.instance == instance) else {
            return false;
        };
        let (span, holder) = (lease.span, lease.holder.clone());
        let may_work = |c: &Compute| !c.proving && !self.roster.is_struck(&c.host);
        let barred = !self.roster.get(instance).is_some_and(may_work);
        if barred || self.coverage.segment(span.first) != Some((span, Held::Free(Some(number)))) {
            return false;
        }
        // Taken out first: what is given back for it may push the oldest lapsed lease out, which may be this one.
        let Some(lease) = self.leases.lapsed.remove(&number) else { return false };
        let lease = Lease { unclaimed_until: None, ..lease };
        self.give_back(instance);
        self.coverage.lease(span, number);
        self.leases.insert(number, lease);
        if let Some(compute) = self.roster.get_mut(instance) {
            compute.lease = Some(number);
        }
        self.waiting.remove(instance);
        self.record(Record::Leased(Leased { lease: number, span, holder, recheck: false }));
        true
    }

    /// The lease of a compute goes back, unless a result for it is being proved.
    pub(super) fn give_back(&mut self, instance: Instance) {
        let Some(compute) = self.roster.get_mut(instance).filter(|compute| !compute.proving) else { return };
        compute.tested = 0;
        let Some(number) = compute.lease.take() else { return };
        let Some(lease) = self.leases.end(number) else { return };
        if lease.recheck {
            self.rechecks.give_back(lease.span.first);
        } else {
            self.coverage.give_back(lease.span.first);
            self.leases.lapse(number, lease);
        }
        self.record(Record::Returned(number));
    }

    /// After a restart, leases that nobody has claimed in time go back.
    pub(super) fn free_unclaimed(&mut self) {
        let late = |lease: &Lease| lease.unclaimed_until.is_some_and(|until| until <= self.now);
        let holders: Vec<Holder> =
            self.leases.held.values().filter(|lease| late(lease)).map(|lease| lease.holder.clone()).collect();
        for holder in holders {
            self.log(Level::Info, format!("compute {} pid {} has not come back", holder.host, holder.pid));
            self.give_back(holder.instance);
        }
    }
}
