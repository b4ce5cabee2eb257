//! Ranges that a second compute does again: a chosen share, and those whose sum would be too dear to prove. Pure.

use std::collections::BTreeMap;

use crate::common::limits::RECHECKS_LOOK_MAX;
use crate::common::message::Found;

use super::coverage::Span;
use super::roster::{Compute, Roster};
use super::state::{Holder, Policy};

/// A done range that waits for a second compute, with what the first has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The range.
    pub span: Span,
    /// The sum of its aliquot sums.
    pub sum: u128,
    /// Its perfect numbers.
    pub perfect: Vec<u64>,
    /// Who has done it first.
    pub holder: Holder,
}

impl Due {
    /// What `holder` has found.
    #[must_use]
    pub fn new(found: &Found, holder: &Holder) -> Self {
        let span = Span { first: found.first, last: found.last };
        Self { span, sum: found.sum, perfect: found.perfect.0.clone(), holder: holder.clone() }
    }
}

/// True if the range that begins at `first` is in the share that is done again. Only who knows the policy's key can
/// tell.
#[must_use]
pub fn chosen(first: u64, policy: &Policy) -> bool {
    // The finalizer of splitmix64 (Steele, Lea, Flood 2014): every bit of the key and of `first` changes the half.
    let mut mixed = first ^ policy.recheck_key;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    ((mixed >> 32) as f64) < policy.recheck_percent / 100.0 * 4_294_967_296.0
}

/// The ranges that wait, by first candidate.
#[derive(Debug, Default)]
pub struct Rechecks {
    waiting: BTreeMap<u64, Due>,
    leased: BTreeMap<u64, Due>,
    count: u64,
}

impl Rechecks {
    /// Those that waited in the ledger.
    #[must_use]
    pub fn new(due: Vec<Due>) -> Self {
        let mut rechecks = Self::default();
        due.into_iter().for_each(|due| rechecks.add(due));
        rechecks
    }

    /// One more.
    pub fn add(&mut self, due: Due) {
        self.count += due.span.count();
        self.waiting.insert(due.span.first, due);
    }

    /// How many candidates wait or are being done again.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// True if none waits or is being done again.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// A range that `asking` may do again: another compute's, and another host's if `roster` has any other host at
    /// work.
    #[must_use]
    pub fn choose(&self, asking: &Holder, roster: &Roster) -> Option<Span> {
        let other_host = |due: &&Due| due.holder.host != asking.host;
        let looked_at = || self.waiting.values().take(RECHECKS_LOOK_MAX);
        let elsewhere = looked_at().find(other_host);
        let choice = elsewhere.or_else(|| {
            let mut others = looked_at().filter(|due| due.holder.instance != asking.instance).peekable();
            others.peek()?;
            let may_work = |c: &Compute| c.data.is_some() && c.pace.is_some() && !roster.is_struck(&c.host);
            let at_work = roster.iter().any(|(_, c)| c.host != asking.host && may_work(c));
            if at_work { None } else { others.next() }
        });
        choice.map(|due| due.span)
    }

    /// The range that begins at `first` is given to somebody; false if none waits there.
    pub fn lease(&mut self, first: u64) -> bool {
        match self.waiting.remove(&first) {
            Some(due) => self.leased.insert(first, due).is_none(),
            None => false,
        }
    }

    /// Who has done the range first that is being done again and begins at `first`.
    #[must_use]
    pub fn done_by(&self, first: u64) -> Option<&Holder> {
        self.leased.get(&first).map(|due| &due.holder)
    }

    /// The range that begins at `first` waits again.
    pub fn give_back(&mut self, first: u64) {
        if let Some(due) = self.leased.remove(&first) {
            self.waiting.insert(first, due);
        }
    }

    /// The range that begins at `first` needs no check any more.
    pub fn forget(&mut self, first: u64) {
        if let Some(due) = self.waiting.remove(&first).or_else(|| self.leased.remove(&first)) {
            self.count -= due.span.count();
        }
    }

    /// The range that begins at `first` was done again: gives what the first compute had found.
    pub fn take(&mut self, first: u64) -> Option<Due> {
        let due = self.leased.remove(&first)?;
        self.count -= due.span.count();
        Some(due)
    }
}
