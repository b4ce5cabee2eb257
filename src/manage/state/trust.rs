//! Hosts that have lied: who keeps a perfect number to himself, with a sum that is right, can't be trusted in anything.
//!
//! The lie goes into the ledger first. Then the server asks the ledger what the host has done, since the partition knows
//! only that it is done, and tells it here: all of it is free again. A restart between the two goes on there.

use slog::Level;

use super::{Record, State};
use crate::common::message::{Code, Instance, Refused};
use crate::divisors::operations;
use crate::manage::coverage::Span;
use crate::manage::recheck::Due;

/// What the ledger says that the computes of a host have done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deeds {
    /// The ranges that were accepted from them.
    pub done: Vec<Span>,
    /// The ranges of others that they have confirmed.
    pub confirmed: Vec<Due>,
}

impl State {
    /// A host whose deeds have to be looked up in the ledger, for `Event::Disowned`.
    #[must_use]
    pub fn disowning(&self) -> Option<String> {
        self.roster.liars().find(|(_, taken_back)| taken_back.is_none()).map(|(host, _)| host.to_owned())
    }

    /// A second compute has found a perfect number that `host` has not reported: it gets no more work, and what it
    /// works on goes back.
    pub(super) fn denounce(&mut self, host: &str) {
        if self.roster.is_liar(host) {
            return;
        }
        self.log(Level::Error, format!("host {host} has hidden a perfect number: all that it has done is done again"));
        self.roster.note_lie(host, None);
        let its: Vec<Instance> = self.roster.iter().filter(|(_, c)| c.host == host).map(|(i, _)| i).collect();
        for instance in its {
            self.waiting.remove(instance);
            self.give_back(instance);
        }
        self.record(Record::Lied { host: host.to_owned(), taken_back: None });
    }

    /// Takes back all that a liar has done or confirmed.
    pub(super) fn disown(&mut self, host: &str, deeds: Deeds) {
        let mut taken_back = 0;
        for span in deeds.done {
            self.forget_recheck(span);
            if self.revoke(span) {
                taken_back += span.count();
            }
        }
        for due in deeds.confirmed {
            if self.coverage.is_done(due.span.first) {
                self.record(Record::Doubted { first: due.span.first });
                self.rechecks.add(due);
            }
        }
        self.roster.note_lie(host, Some(taken_back));
        self.log(Level::Warning, format!("host {host}: {taken_back} numbers that it has tested are free again"));
        self.record(Record::Lied { host: host.to_owned(), taken_back: Some(taken_back) });
    }

    /// A done range is free again; false, and nothing happens, if it isn't done.
    pub(super) fn revoke(&mut self, span: Span) -> bool {
        let Some((before, after)) = self.coverage.revoke(span) else { return false };
        self.operations_accepted -= operations(self.settings.method, span.first, span.last);
        self.record(Record::Revoked { span, before, after });
        true
    }

    /// A range needs no check any more; whoever is just checking it is told so.
    fn forget_recheck(&mut self, span: Span) {
        self.rechecks.forget(span.first);
        let Some(number) = self.leases.recheck_of(span.first) else { return };
        let Some(lease) = self.leases.end(number) else { return };
        self.record(Record::Returned(number));
        let Some(compute) = self.roster.get_mut(lease.holder.instance).filter(|c| c.lease == Some(number)) else {
            return;
        };
        (compute.lease, compute.tested) = (None, 0);
        if let Some(peer) = compute.data.filter(|_| !compute.proving) {
            let text = "this range needs no check any more".to_owned();
            self.send(peer, Refused { lease: number, code: Code::NotLeased, text });
        }
    }
}
