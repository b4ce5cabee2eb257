//! What was told to somebody, and must stay true.

use std::collections::BTreeMap;

use aliquot::common::message::{Cells, Instance, Message};
use aliquot::manage::coverage::Span;

use super::image::Outcome;
use super::simulation::World;

/// A lease as its compute was told of it.
#[derive(Clone, Copy, Debug)]
struct Given {
    span: Span,
    to: Instance,
    recheck: bool,
}

/// What was told to computes, by all manages that ever were.
#[derive(Default)]
pub struct Promises {
    /// The ranges whose result was called accepted.
    accepted: Vec<Span>,
    /// The leases that were given, and to whom.
    given: BTreeMap<u64, Given>,
}

impl World {
    /// Manage says `message`: it must be true of the disk by now, whatever happens next.
    pub fn holds_when_said(&mut self, to: Option<Instance>, message: &Message) {
        match message {
            Message::Range(range) => {
                let span = Span { first: range.first, last: range.last };
                let instance = to.unwrap_or(Instance(0));
                let leased = self.disk.image.leased(range.lease);
                let holds = leased.is_some_and(|leased| leased.span == span && leased.holder.instance == instance);
                let recheck = leased.is_some_and(|leased| leased.recheck);
                self.demand(holds, || format!("{range:?} is given, but isn't on the disk"));
                let before = self.promises.given.insert(range.lease, Given { span, to: instance, recheck });
                self.demand(before.is_none(), || format!("lease {} is given twice: {before:?}", range.lease));
            }
            Message::Accepted(accepted) => match self.disk.image.outcomes.get(&accepted.lease) {
                Some(Outcome::Done(span)) => self.promises.accepted.push(*span),
                Some(Outcome::Checked) => {}
                None => self.violate(format!("lease {} is accepted, but not on the disk", accepted.lease)),
            },
            Message::Status(status) => {
                let told = (status.tested, status.contiguous_to, status.perfect.0.clone());
                let written = self.disk.summaries.clone();
                self.demand(written.contains(&told), || format!("the status says {told:?}, the disk {written:?}"));
            }
            Message::Coverage(coverage) => {
                let whole = self.plan.settings.last.unwrap();
                let of = |tested| Cells::of([(tested, whole)].into_iter());
                let written = self.disk.summaries.clone().map(|summary| of(summary.0));
                let told = &coverage.done;
                self.demand(written.contains(told), || format!("the coverage says {told}, the disk {written:?}"));
            }
            Message::Refused(_) => self.counts.refused += 1,
            _ => {}
        }
    }

    /// True if `instance` has no right to its lease any more: some of the range went to another, or is done.
    pub fn has_lost(&self, instance: Instance, lease: u64) -> bool {
        let Some(given) = self.promises.given.get(&lease) else { return true };
        let mut later = self.promises.given.range(lease + 1..);
        let taken = later.any(|(_, other)| other.span.first <= given.span.last && given.span.first <= other.span.last);
        let computes = self.slots.iter().filter_map(|slot| slot.compute.as_ref());
        let mut its = computes.filter(|compute| compute.instance() == given.to);
        let trusted = its.any(|compute| self.plan.is_honest(&compute.nature.host));
        given.to != instance || given.recheck || taken || !trusted || self.disk.image.touches(given.span)
    }

    /// Something was written, or is lost: what was accepted must still be there.
    pub fn accepted_is_there(&mut self) {
        for (revoked, host) in std::mem::take(&mut self.disk.image.revoked) {
            let honest = self.plan.is_honest(&host);
            self.demand(!honest, || format!("{revoked:?} of {host}, which has never lied, is free again"));
            let apart = |span: &Span| span.last < revoked.first || revoked.last < span.first;
            self.promises.accepted.retain(apart);
        }
        let lost = self.promises.accepted.iter().find(|span| !self.disk.image.holds(**span)).copied();
        self.demand(lost.is_none(), || format!("{lost:?} was accepted, and is forgotten"));
        let wronged = self.disk.image.liars().find(|host| self.plan.is_honest(host)).map(str::to_owned);
        self.demand(wronged.is_none(), || format!("{wronged:?} is called a liar"));
    }

    /// What manage believes after a turn whose records are all written; `all` of it, or what can be seen at a glance.
    pub fn manage_agrees_with_disk(&mut self, all: bool) {
        let Some(manage) = &self.manage else { return };
        let status = manage.state.status();
        let believed = (status.tested, status.contiguous_to, status.perfect.0);
        let agrees = believed == self.disk.summaries[1];
        self.demand(agrees, || format!("manage has {believed:?}, unlike the disk"));
        if all {
            self.leases_agree(status.leased);
        }
    }

    fn leases_agree(&mut self, believed: u64) {
        let Some(manage) = &self.manage else { return };
        let (_, lines) = manage.state.report();
        let leased = self.disk.image.leased_count();
        let mut spans: Vec<_> = lines.iter().filter_map(|line| Some((line.first?, line.last?))).collect();
        spans.sort_unstable();
        let apart = spans.windows(2).all(|pair| pair[0].1 < pair[1].0);
        let wronged = lines.into_iter().find(|line| line.strikes > 0 && self.plan.is_honest(&line.host));
        self.demand(believed == leased, || format!("manage has {believed} leased, the disk {leased}"));
        self.demand(apart, || format!("several computes have the same: {spans:?}"));
        self.demand(wronged.is_none(), || format!("an honest host has strikes: {wronged:?}"));
    }

    /// All is tested.
    pub fn all_is_there(&mut self) {
        let last = self.plan.settings.last.unwrap();
        let whole = (last, last, super::truth::perfect(1, last));
        let summary = self.disk.image.summary();
        self.demand(summary == whole, || format!("at the end the disk has {summary:?} instead of {whole:?}"));
        let Some(manage) = &self.manage else { return };
        let status = manage.state.status();
        self.demand(status.perfect.0 == whole.2, || format!("the last report says {:?}", status.perfect));
    }
}
