//! What a ledger holds, as plain maps: a second, simpler writing of what each record means. It refuses a record that
//! contradicts what is there.

use std::collections::{BTreeMap, BTreeSet};

use aliquot::common::message::{Found, Instance};
use aliquot::manage::coverage::Span;
use aliquot::manage::recheck::Due;
use aliquot::manage::state::{Deeds, Holder, Leased, Record, Restored};

use super::truth;

/// An accepted range.
#[derive(Clone, Debug)]
struct Row {
    found: Found,
    holder: Holder,
    due: bool,
    /// Who has come to the same result.
    agreed: Option<Holder>,
}

impl Row {
    fn due(&self) -> Due {
        Due::new(&self.found, &self.holder)
    }
}

/// What a lease with a result has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This span is done by it.
    Done(Span),
    /// It was a recheck.
    Checked,
}

/// What a report says of a disk: tested, contiguous to, the perfect numbers.
pub type Summary = (u64, u64, Vec<u64>);

/// The content of a disk.
#[derive(Clone, Debug)]
pub struct Image {
    whole: Span,
    done: BTreeMap<u64, u64>,
    rows: BTreeMap<u64, Row>,
    leases: BTreeMap<u64, Leased>,
    perfect: BTreeSet<u64>,
    next_lease: u64,
    liars: BTreeMap<String, Option<u64>>,
    /// What the leases that brought a result have come to: for the promises, no ledger keeps it.
    pub outcomes: BTreeMap<u64, Outcome>,
    /// The spans that are free again, and whose they were, since this was emptied last.
    pub revoked: Vec<(Span, String)>,
}

type Verdict = Result<(), String>;

fn demand(holds: bool, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(what()) }
}

impl Image {
    /// That of a new search.
    pub fn new(whole: Span) -> Self {
        Self {
            whole,
            done: BTreeMap::new(),
            rows: BTreeMap::new(),
            leases: BTreeMap::new(),
            perfect: BTreeSet::new(),
            next_lease: 1,
            liars: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            revoked: Vec::new(),
        }
    }

    /// The whole search.
    pub fn whole(&self) -> Span {
        self.whole
    }

    /// Writes a record, if it makes sense.
    pub fn apply(&mut self, record: &Record) -> Verdict {
        match record {
            Record::Leased(leased) => self.lease(leased),
            Record::Returned(lease) => self.give_back(*lease),
            Record::Accepted { found, holder, recheck, joined, .. } => self.accept(found, holder, *recheck, *joined),
            Record::Confirmed { lease, first, holder } => self.confirm(*lease, *first, holder),
            Record::Doubted { first } => self.doubt(*first),
            Record::Revoked { span, before, after } => self.revoke(*span, [*before, *after]),
            Record::Lied { host, taken_back } => {
                self.liars.insert(host.clone(), *taken_back);
                Ok(())
            }
        }
    }

    fn lease(&mut self, leased: &Leased) -> Verdict {
        let known = self.leases.insert(leased.lease, leased.clone());
        self.next_lease = self.next_lease.max(leased.lease + 1);
        demand(known.is_none(), || format!("lease {} is out already", leased.lease))
    }

    fn end(&mut self, lease: u64) -> Result<Leased, String> {
        self.leases.remove(&lease).ok_or_else(|| format!("lease {lease} ends, but isn't out"))
    }

    fn give_back(&mut self, lease: u64) -> Verdict {
        let leased = self.end(lease)?;
        if leased.recheck {
            // A part of a recheck is taken, and comes to nothing.
            self.outcomes.insert(lease, Outcome::Checked);
        }
        Ok(())
    }

    fn accept(&mut self, found: &Found, holder: &Holder, due: bool, joined: Span) -> Verdict {
        let leased = self.end(found.lease)?;
        let (first, last) = (found.first, found.last);
        let fits =
            !leased.recheck && leased.span.first == first && last <= leased.span.last && leased.holder == *holder;
        demand(fits, || format!("{found:?} is not of {leased:?}"))?;
        demand(found.sum == truth::sum(first, last), || format!("a wrong sum is accepted: {found:?}"))?;
        let row = Row { found: found.clone(), holder: holder.clone(), due, agreed: None };
        demand(self.rows.insert(first, row).is_none(), || format!("{first} to {last} is accepted twice"))?;
        self.perfect.extend(&found.perfect.0);
        self.outcomes.insert(found.lease, Outcome::Done(Span { first, last }));
        self.join(joined);
        Ok(())
    }

    /// Replaces the done spans inside `joined` by it.
    fn join(&mut self, joined: Span) {
        self.done.retain(|first, _| !(joined.first..=joined.last).contains(first));
        self.done.insert(joined.first, joined.last);
    }

    fn confirm(&mut self, lease: u64, first: u64, holder: &Holder) -> Verdict {
        let leased = self.end(lease)?;
        self.outcomes.insert(lease, Outcome::Checked);
        let fits = leased.recheck && leased.span.first == first && leased.holder == *holder;
        let row = self.rows.get_mut(&first).filter(|row| row.due && fits && row.holder.instance != holder.instance);
        let row = row.ok_or_else(|| format!("{leased:?} confirms what isn't due to it at {first}"))?;
        (row.due, row.agreed) = (false, Some(holder.clone()));
        Ok(())
    }

    fn doubt(&mut self, first: u64) -> Verdict {
        let row = self.rows.get_mut(&first).filter(|row| row.agreed.is_some());
        let row = row.ok_or_else(|| format!("nobody has confirmed what is at {first}"))?;
        (row.due, row.agreed) = (true, None);
        Ok(())
    }

    fn revoke(&mut self, span: Span, left: [Option<Span>; 2]) -> Verdict {
        let row = self.rows.remove(&span.first).filter(|row| row.found.last == span.last);
        let row = row.ok_or_else(|| format!("{span:?} is revoked, but wasn't accepted"))?;
        self.done.retain(|first, last| !(*first <= span.first && span.last <= *last));
        left.into_iter().flatten().for_each(|part| self.join(part));
        self.revoked.push((span, row.holder.host));
        Ok(())
    }

    /// What the computes of a host have done.
    pub fn deeds_of(&self, host: &str) -> Deeds {
        let rows = || self.rows.iter();
        let its = rows().filter(|(_, row)| row.holder.host == host);
        let confirmed = rows().filter(|(_, row)| row.agreed.as_ref().is_some_and(|holder| holder.host == host));
        Deeds {
            done: its.map(|(first, row)| Span { first: *first, last: row.found.last }).collect(),
            confirmed: confirmed.map(|(_, row)| row.due()).collect(),
        }
    }

    /// The hosts that have lied.
    pub fn liars(&self) -> impl Iterator<Item = &str> {
        self.liars.keys().map(String::as_str)
    }

    /// The promises that a disk keeps whatever was written before: no number is counted twice, `done` is what was
    /// accepted, nobody has what another has.
    pub fn check(&self) -> Verdict {
        let mut joined: Vec<Span> = Vec::new();
        for (first, row) in &self.rows {
            let span = Span { first: *first, last: row.found.last };
            match joined.last_mut() {
                Some(before) if before.last >= span.first => return Err(format!("{span:?} is counted twice")),
                Some(before) if before.last + 1 == span.first => before.last = span.last,
                _ => joined.push(span),
            }
        }
        demand(joined == self.done_spans(), || format!("accepted: {joined:?}, done: {:?}", self.done))?;
        let inside = |span: &Span| self.whole.first <= span.first && span.last <= self.whole.last;
        demand(joined.iter().all(inside), || format!("{joined:?} is not within {:?}", self.whole))?;
        self.check_leases()
    }

    fn check_leases(&self) -> Verdict {
        let mut spans: Vec<_> = self.leases.values().map(|leased| leased.span).collect();
        spans.sort_unstable();
        let apart = spans.windows(2).all(|pair| pair[0].last < pair[1].first);
        demand(apart, || format!("leases overlap: {:?}", self.leases))?;
        for leased in self.leases.values() {
            let fits = if leased.recheck {
                self.rows.get(&leased.span.first).is_some_and(|row| row.due && row.found.last == leased.span.last)
            } else {
                leased.span.last <= self.whole.last && !self.touches_done(leased.span)
            };
            demand(fits, || format!("{leased:?} doesn't fit {:?}", self.done))?;
        }
        let mut holders: Vec<_> = self.leases.values().map(|leased| leased.holder.instance).collect();
        holders.sort_unstable();
        demand(holders.windows(2).all(|pair| pair[0] != pair[1]), || format!("one has two leases: {:?}", self.leases))?;
        demand(self.leases.keys().all(|lease| *lease < self.next_lease), || "a lease of the future".to_owned())
    }

    /// True if any of `span` is done or leased.
    pub fn touches(&self, span: Span) -> bool {
        let shares = |other: &Leased| other.span.first <= span.last && span.first <= other.span.last;
        self.touches_done(span) || self.leases.values().any(shares)
    }

    fn touches_done(&self, span: Span) -> bool {
        self.done.range(..=span.last).next_back().is_some_and(|(_, last)| *last >= span.first)
    }

    /// True if all of `span` is done.
    pub fn holds(&self, span: Span) -> bool {
        self.done.range(..=span.first).next_back().is_some_and(|(_, last)| span.last <= *last)
    }

    /// True if `instance` has another lease than this one.
    pub fn has_other(&self, instance: Instance, lease: u64) -> bool {
        self.leases.values().any(|leased| leased.holder.instance == instance && leased.lease != lease)
    }

    /// The lease with that number.
    pub fn leased(&self, lease: u64) -> Option<&Leased> {
        self.leases.get(&lease)
    }

    fn done_spans(&self) -> Vec<Span> {
        self.done.iter().map(|(first, last)| Span { first: *first, last: *last }).collect()
    }

    /// What a report says of this disk.
    pub fn summary(&self) -> Summary {
        let tested = self.done.iter().map(|(first, last)| last - first + 1).sum();
        let contiguous = self.done.get(&self.whole.first).copied().unwrap_or(self.whole.first - 1);
        (tested, contiguous, self.perfect.iter().copied().collect())
    }

    /// How many candidates are leased for the first time.
    pub fn leased_count(&self) -> u64 {
        self.leases.values().filter(|leased| !leased.recheck).map(|leased| leased.span.count()).sum()
    }

    /// What a manage finds that starts on this disk.
    pub fn restored(&self) -> Restored {
        let due = self.rows.values().filter(|row| row.due).map(Row::due);
        Restored {
            done: self.done_spans(),
            perfect: self.perfect.iter().copied().collect(),
            leases: self.leases.values().cloned().collect(),
            next_lease: self.next_lease,
            due: due.collect(),
            liars: self.liars.iter().map(|(host, taken_back)| (host.clone(), *taken_back)).collect(),
        }
    }
}
