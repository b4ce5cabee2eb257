//! Results: what is seen at once, what the proof says, and what becomes of them.

use slog::Level;

use super::lease::Lease;
use super::{Holder, Record, State};
use crate::common::message::{Accepted, Code, Found, Instance, Refused};
use crate::divisors::operations;
use crate::manage::coverage::Span;
use crate::manage::proof::{Job, Verdict, affordable};
use crate::manage::recheck::{Due, chosen};

impl State {
    /// A result came: what can be seen at once is checked at once, the rest is left to the proof.
    pub(super) fn take_result(&mut self, instance: Instance, found: Found) {
        if let Err((code, text)) = self.examine(instance, &found) {
            return self.reject(instance, found.lease, code, text);
        }
        if let Some(compute) = self.roster.get_mut(instance) {
            compute.proving = true;
        }
        let limit = affordable(self.settings.method, found.first, found.last);
        self.prover.push(Job::new(found, instance, limit));
    }

    fn examine(&mut self, instance: Instance, found: &Found) -> Result<(), (Code, String)> {
        if self.is_liars(instance) {
            return Err(distrust());
        }
        if self.roster.get(instance).is_some_and(|compute| compute.proving) {
            return Err((Code::OutOfTurn, "a result of yours is just being proved".to_owned()));
        }
        if !self.confirm(instance, found.lease) {
            return Err(if self.coverage.is_done(found.first) {
                (Code::AlreadyDone, "this range is tested already".to_owned())
            } else {
                (Code::NotLeased, format!("lease {} is not yours", found.lease))
            });
        }
        let span = self.leases.get(found.lease).map(|lease| lease.span);
        let Some(span) = span.filter(|s| found.first == s.first && (s.first..=s.last).contains(&found.last)) else {
            return Err((Code::WrongRange, format!("lease {} has another range", found.lease)));
        };
        let count = found.last - span.first + 1;
        if found.tested != count {
            return Err((Code::WrongCount, format!("the range has {count} candidates, not {}", found.tested)));
        }
        match found.perfect.0.iter().find(|n| !(found.first..=found.last).contains(n)) {
            Some(n) => Err((Code::NotPerfect, format!("{n} is not in the range"))),
            None => Ok(()),
        }
    }

    /// Refuses a result. One that is wrong, not only late, is a strike for its host, and gives the lease back.
    fn reject(&mut self, instance: Instance, lease: u64, code: Code, text: String) {
        let Some(compute) = self.roster.get(instance) else { return };
        let (host, pid, peer) = (compute.host.clone(), compute.pid, compute.data);
        self.log(Level::Warning, format!("compute {host} pid {pid}: result refused: {code}: {text}"));
        if let Some(peer) = peer {
            self.send(peer, Refused { lease, code, text });
        }
        if matches!(code, Code::AlreadyDone | Code::NotLeased | Code::OutOfTurn) {
            return;
        }
        if code != Code::Distrusted {
            self.strike(&host);
        }
        self.give_back(instance);
    }

    fn is_liars(&self, instance: Instance) -> bool {
        self.roster.get(instance).is_some_and(|compute| self.roster.is_liar(&compute.host))
    }

    fn strike(&mut self, host: &str) {
        let strikes = self.roster.strike(host);
        if self.roster.is_struck(host) {
            self.log(Level::Error, format!("host {host} has sent {strikes} wrong results: it gets no more work"));
        }
    }

    /// A proof has come to its end.
    pub(super) fn judge(&mut self, found: Found, instance: Instance, verdict: Verdict) {
        let Some(compute) = self.roster.get_mut(instance) else { return };
        compute.proving = false;
        match verdict {
            _ if self.is_liars(instance) => {
                let (code, text) = distrust();
                self.reject(instance, found.lease, code, text);
            }
            Verdict::Wrong(code, text) => self.reject(instance, found.lease, code, text),
            Verdict::Proved => self.accept(instance, &found, true),
            Verdict::HitsOnly => self.accept(instance, &found, false),
        }
        if self.roster.get(instance).is_some_and(|compute| compute.data.is_none()) {
            self.give_back(instance);
        }
    }

    fn accept(&mut self, instance: Instance, found: &Found, proved: bool) {
        let Some(lease) = self.leases.end(found.lease) else {
            // It was a check of a range that is free again.
            return self.reject(
                instance,
                found.lease,
                Code::NotLeased,
                "this range needs no check any more".to_owned(),
            );
        };
        self.credit(instance, found, &lease);
        if lease.recheck {
            self.compare(&lease.holder, lease.span, found);
        } else {
            self.complete(lease.holder, found, proved);
        }
        if let Some(peer) = self.roster.get(instance).and_then(|compute| compute.data) {
            self.send(peer, Accepted { lease: found.lease });
        }
    }

    /// What a compute's result says of its speed.
    ///
    /// The time of a part holds what was begun and thrown away, a block or all that comes before the first candidate.
    /// So of a part only what was said while it was worked on counts: a compute that was slowed down shall not get the
    /// rest at the pace that it had.
    fn credit(&mut self, instance: Instance, found: &Found, lease: &Lease) {
        let Some(compute) = self.roster.get_mut(instance) else { return };
        compute.pace = if found.last < lease.span.last {
            lease.observed.or(compute.pace)
        } else {
            let work = operations(self.settings.method, found.first, found.last);
            compute.pace.map(|pace| pace.corrected(work, found.nanoseconds))
        };
        compute.rate = found.tested as f64 / found.nanoseconds.max(1) as f64 * 1e9;
        compute.ranges += 1;
        (compute.lease, compute.tested) = (None, 0);
    }

    /// A range is done.
    fn complete(&mut self, holder: Holder, found: &Found, proved: bool) {
        let span = Span { first: found.first, last: found.last };
        let Some(joined) = self.coverage.complete(span) else { return };
        let recheck = !proved || chosen(span.first, &self.policy);
        if recheck {
            self.rechecks.add(Due::new(found, &holder));
        }
        self.log(
            Level::Debug,
            format!("{} to {} is done by {} pid {}", span.first, span.last, holder.host, holder.pid),
        );
        self.note_hits(found, &holder);
        self.operations_accepted += operations(self.settings.method, span.first, span.last);
        self.record(Record::Accepted { found: found.clone(), holder, proved, recheck, joined });
    }

    fn note_hits(&mut self, found: &Found, holder: &Holder) {
        for n in &found.perfect.0 {
            if self.perfect.insert(*n) {
                self.log(Level::Info, format!("{n} is perfect, found by {} pid {}", holder.host, holder.pid));
            }
        }
    }

    /// A second compute has done a range again.
    fn compare(&mut self, holder: &Holder, span: Span, found: &Found) {
        if found.last < span.last {
            // Only a part of it, because the compute ends: it stays due.
            self.rechecks.give_back(span.first);
            return self.record(Record::Returned(found.lease));
        }
        let Some(due) = self.rechecks.take(span.first) else { return };
        if due.sum == found.sum && due.perfect == found.perfect.0 {
            let (lease, first, holder) = (found.lease, span.first, holder.clone());
            return self.record(Record::Confirmed { lease, first, holder });
        }
        self.record(Record::Returned(found.lease));
        let other = due.holder.clone();
        self.log(
            Level::Error,
            format!(
                "{} to {}: {} pid {} and {} pid {} disagree",
                span.first, span.last, other.host, other.pid, holder.host, holder.pid
            ),
        );
        // A hit is proved. Who didn't report one that the other has, has hidden it.
        let hidden = |mine: &[u64], theirs: &[u64]| theirs.iter().any(|n| !mine.contains(n));
        let first_lied = hidden(&due.perfect, &found.perfect.0);
        let second_lied = hidden(&found.perfect.0, &due.perfect);
        if first_lied && !self.roster.is_liar(&other.host) {
            // This range goes back with all others of its host.
            self.denounce(&other.host);
            self.rechecks.add(due);
        } else if second_lied {
            self.rechecks.add(due);
        } else {
            self.log(Level::Warning, format!("{} to {} is free again", span.first, span.last));
            self.revoke(span);
        }
        if second_lied {
            self.denounce(&holder.host);
        }
    }
}

fn distrust() -> (Code, String) {
    (Code::Distrusted, "a compute of this host has hidden a perfect number".to_owned())
}
