//! What is decided but not yet done, because the ledger doesn't hold it yet. Pure.
//!
//! Whatever leaves this process must be true after a crash. So a decision waits here until the records made up to then
//! are on the disk. While the ledger has no room for them, only what rests on no record goes out.

use std::collections::BTreeSet;

use crate::common::message::Message;

use super::state::{Action, Record};

/// The decisions that wait, in their order.
#[derive(Debug, Default)]
pub struct Outbox(Vec<Action>);

impl Outbox {
    /// Takes in what a turn has decided.
    pub fn push(&mut self, actions: Vec<Action>) {
        self.0.extend(actions);
    }

    /// True if nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How much waits.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// What the ledger is to be told first.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.0.iter().filter_map(|action| if let Action::Record(record) = action { Some(record) } else { None })
    }

    /// Everything: its records are on the disk. But a range whose lease has gone back while it waited is nobody's any
    /// more: nobody is told to work on it.
    pub fn release(&mut self) -> Vec<Action> {
        let returned: BTreeSet<u64> = self.records().filter_map(returned).collect();
        let mut actions = std::mem::take(&mut self.0);
        if !returned.is_empty() {
            actions.retain(|action| !gives(action, &returned));
        }
        actions
    }

    /// What rests on no record: it may be done although the disk doesn't hold the others.
    pub fn release_harmless(&mut self) -> Vec<Action> {
        self.0.extract_if(.., |action| !rests_on_records(action)).collect()
    }
}

fn returned(record: &Record) -> Option<u64> {
    if let Record::Returned(lease) = record { Some(*lease) } else { None }
}

/// True if `action` gives the range of one of these leases to its compute.
fn gives(action: &Action, leases: &BTreeSet<u64>) -> bool {
    matches!(action, Action::Send(_, Message::Range(range)) if leases.contains(&range.lease))
}

/// True if `action` would be a false word without the records of its turn, or of one before.
fn rests_on_records(action: &Action) -> bool {
    match action {
        Action::Record(_) => true,
        // A result is dropped by its compute when it is accepted or refused, a range taken when it is leased.
        Action::Send(_, message) => {
            matches!(message, Message::Accepted(_) | Message::Refused(_) | Message::Range(_) | Message::Recall(_))
        }
        Action::Close(_) | Action::SignalSelf(_) | Action::Log(..) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::message::{Accepted, Alive, Range};

    #[test]
    fn what_rests_on_a_record_waits_for_it() {
        let accepted = || Action::Send(1, Accepted { lease: 7 }.into());
        let alive = || Action::Send(2, Alive { lease: None, tested: None }.into());
        let record = || Action::Record(Record::Returned(7));
        let mut outbox = Outbox::default();
        outbox.push(vec![record(), accepted(), alive(), Action::Close(3)]);
        assert_eq!(outbox.release_harmless(), [alive(), Action::Close(3)]);
        assert_eq!(outbox.records().count(), 1);
        assert_eq!(outbox.release(), [record(), accepted()]);
        assert!(outbox.is_empty());
    }

    #[test]
    fn a_range_that_went_back_while_it_waited_is_given_to_nobody() {
        let range = |lease| Action::Send(lease, Range { lease, first: 1, last: 10 }.into());
        let mut outbox = Outbox::default();
        outbox.push(vec![range(7), range(8)]);
        outbox.push(vec![Action::Record(Record::Returned(7))]);
        assert_eq!(outbox.release(), [range(8), Action::Record(Record::Returned(7))]);
    }
}
