//! The partition of the search: every candidate is done, leased or free, and never two of these. Pure.

mod parts;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

pub use parts::Share;
use parts::{Grid, Parts};

/// A range of candidates, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first candidate.
    pub first: u64,
    /// The last candidate, not below the first.
    pub last: u64,
}

impl Span {
    /// How many candidates it has.
    #[must_use]
    pub fn count(self) -> u64 {
        self.last - self.first + 1
    }
}

/// What a segment of the search is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Nobody's; once the range of the lease with this number, which may still come back.
    Free(Option<u64>),
    /// The range of the lease with this number.
    Leased(u64),
    /// Tested, proved, and in the ledger.
    Done,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    last: u64,
    held: Held,
}

/// Who has which part of a search.
#[derive(Debug)]
pub struct Coverage {
    whole: Span,
    /// By first candidate. Neighbours that are both done are always one segment.
    segments: BTreeMap<u64, Segment>,
    /// The first candidates of the free segments.
    free: BTreeSet<u64>,
    parts: Parts,
    done: u64,
    leased: u64,
    /// The highest candidate that was leased or done since it began.
    reached: Option<u64>,
}

impl Coverage {
    /// A search over `whole` in which the `done` spans are done.
    ///
    /// # Errors
    /// The first span that isn't in ascending order within `whole`: the ledger that it comes from is damaged.
    pub fn new(whole: Span, done: impl IntoIterator<Item = Span>) -> Result<Self, Span> {
        let mut coverage = Self {
            whole,
            segments: BTreeMap::new(),
            free: BTreeSet::new(),
            parts: Parts::default(),
            done: 0,
            leased: 0,
            reached: None,
        };
        let mut next = Some(whole.first);
        for span in done {
            let begin = next.filter(|begin| *begin <= span.first && span.first <= span.last && span.last <= whole.last);
            let begin = begin.ok_or(span)?;
            if begin < span.first {
                coverage.insert(Span { first: begin, last: span.first - 1 }, Held::Free(None));
            }
            coverage.insert_done(span);
            next = span.last.checked_add(1);
        }
        if let Some(begin) = next.filter(|begin| *begin <= whole.last) {
            coverage.insert(Span { first: begin, last: whole.last }, Held::Free(None));
        }
        Ok(coverage)
    }

    /// How many candidates are done.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done
    }

    /// How many candidates are leased.
    #[must_use]
    pub fn leased(&self) -> u64 {
        self.leased
    }

    /// The highest candidate that is done or leased, or was since this partition was made.
    #[must_use]
    pub fn reached(&self) -> Option<u64> {
        self.reached
    }

    /// What is done and leased of each of so many `cells` of equal share, from the first candidate to `last`: not below what was
    /// reached. Fewer candidates are fewer cells.
    #[must_use]
    pub fn shares(&self, last: u64, cells: usize) -> Vec<Share> {
        let grid = Grid::new(Span { first: self.whole.first, last }, cells);
        self.parts.shares(grid, |range| self.beginning_in(range))
    }

    /// True if every candidate is done.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.done == self.whole.count()
    }

    /// The whole search.
    #[must_use]
    pub fn whole(&self) -> Span {
        self.whole
    }

    /// Every candidate up to this one is done; one less than the first of the search if that one isn't.
    #[must_use]
    pub fn contiguous_to(&self) -> u64 {
        match self.segments.get(&self.whole.first) {
            Some(Segment { last, held: Held::Done }) => *last,
            _ => self.whole.first - 1,
        }
    }

    /// The lowest free candidates: the run of free segments that begins with the first.
    #[must_use]
    pub fn next_free(&self) -> Option<Span> {
        let first = *self.free.first()?;
        let run = self.segments.range(first..).take_while(|(_, segment)| matches!(segment.held, Held::Free(_)));
        run.last().map(|(_, segment)| Span { first, last: segment.last })
    }

    /// All free segments, the highest first: where a search is far from its end, that is nearly all of it.
    pub fn free_spans(&self) -> impl Iterator<Item = Span> {
        self.free.iter().rev().filter_map(|first| Some(self.segment(*first)?.0))
    }

    /// Who has the segment that begins at `first`, and how far it goes.
    #[must_use]
    pub fn segment(&self, first: u64) -> Option<(Span, Held)> {
        let segment = self.segments.get(&first)?;
        Some((Span { first, last: segment.last }, segment.held))
    }

    /// True if `candidate` is done.
    #[must_use]
    pub fn is_done(&self, candidate: u64) -> bool {
        let below = self.segments.range(..=candidate).next_back();
        below.is_some_and(|(_, segment)| segment.held == Held::Done && candidate <= segment.last)
    }

    /// Leases `span` under the number `lease`; false, and nothing happens, unless all of it is free.
    pub fn lease(&mut self, span: Span, lease: u64) -> bool {
        let run = self.free_run_around(span);
        let Some(run) = run else { return false };
        for first in self.segments.range(run.first..=run.last).map(|(first, _)| *first).collect::<Vec<_>>() {
            self.remove(first);
        }
        self.insert_free_parts(run, span);
        self.insert(span, Held::Leased(lease));
        true
    }

    /// The free segments that `span` lies in or touches, as one span, if all of it is free.
    fn free_run_around(&self, span: Span) -> Option<Span> {
        let (first, _) = self.segments.range(..=span.first).next_back()?;
        let mut last = None;
        for (_, segment) in self.segments.range(first..=&span.last) {
            if !matches!(segment.held, Held::Free(_)) {
                return None;
            }
            last = Some(segment.last);
        }
        last.filter(|last| *last >= span.last).map(|last| Span { first: *first, last })
    }

    fn insert_free_parts(&mut self, run: Span, taken: Span) {
        if run.first < taken.first {
            self.insert(Span { first: run.first, last: taken.first - 1 }, Held::Free(None));
        }
        if taken.last < run.last {
            self.insert(Span { first: taken.last + 1, last: run.last }, Held::Free(None));
        }
    }

    /// Gives the lease of the segment that begins at `first` back. It may come again while nobody else has it.
    pub fn give_back(&mut self, first: u64) {
        if let Some((span, Held::Leased(lease))) = self.segment(first) {
            self.remove(first);
            self.insert(span, Held::Free(Some(lease)));
        }
    }

    /// The first part of the leased segment that begins at `span.first` is done, the rest is free. Gives the done
    /// segment that it has become part of; `None`, and nothing happens, if there is no such lease.
    pub fn complete(&mut self, span: Span) -> Option<Span> {
        let (whole, Held::Leased(_)) = self.segment(span.first)? else { return None };
        if span.last > whole.last {
            return None;
        }
        self.remove(span.first);
        self.insert_free_parts(whole, span);
        Some(self.insert_done(span))
    }

    /// `span` was done and is free again. Gives what is left of the done segment around it, before and after;
    /// `None`, and nothing happens, unless all of it is done.
    pub fn revoke(&mut self, span: Span) -> Option<(Option<Span>, Option<Span>)> {
        let (first, segment) = self.segments.range(..=span.first).next_back()?;
        let whole = Span { first: *first, last: segment.last };
        if segment.held != Held::Done || span.last > whole.last {
            return None;
        }
        self.remove(whole.first);
        let before = (whole.first < span.first).then(|| Span { first: whole.first, last: span.first - 1 });
        let after = (span.last < whole.last).then(|| Span { first: span.last + 1, last: whole.last });
        before.into_iter().chain(after).for_each(|part| self.insert(part, Held::Done));
        self.insert(span, Held::Free(None));
        Some((before, after))
    }

    /// Inserts a done span, joined with done neighbours; gives the segment that results.
    fn insert_done(&mut self, span: Span) -> Span {
        let mut joined = span;
        if let Some((first, segment)) = self.segments.range(..span.first).next_back()
            && segment.held == Held::Done
            && segment.last + 1 == span.first
        {
            joined.first = *first;
        }
        if let Some((after, Held::Done)) = span.last.checked_add(1).and_then(|next| self.segment(next)) {
            joined.last = after.last;
            self.remove(after.first);
        }
        if joined.first < span.first {
            self.remove(joined.first);
        }
        self.insert(joined, Held::Done);
        joined
    }

    fn insert(&mut self, span: Span, held: Held) {
        match held {
            Held::Free(_) => _ = self.free.insert(span.first),
            Held::Leased(_) => self.leased += span.count(),
            Held::Done => self.done += span.count(),
        }
        if !matches!(held, Held::Free(_)) {
            self.reached = self.reached.max(Some(span.last));
        }
        self.segments.insert(span.first, Segment { last: span.last, held });
        if let Some(part) = self.parts.add(span, held) {
            let segments: Vec<_> = self.beginning_in(part).collect();
            self.parts.divide(&segments);
        }
    }

    fn remove(&mut self, first: u64) {
        let Some(segment) = self.segments.remove(&first) else { return };
        let span = Span { first, last: segment.last };
        match segment.held {
            Held::Free(_) => _ = self.free.remove(&first),
            Held::Leased(_) => self.leased -= span.count(),
            Held::Done => self.done -= span.count(),
        }
        self.parts.remove(span, segment.held);
    }

    /// The segments that begin in this range, in order.
    fn beginning_in(&self, range: Range<u64>) -> impl Iterator<Item = (Span, Held)> {
        let segments = self.segments.range(range);
        segments.map(|(first, segment)| (Span { first: *first, last: segment.last }, segment.held))
    }

    /// The segments in order.
    pub fn segments(&self) -> impl Iterator<Item = (Span, Held)> {
        self.beginning_in(0..u64::MAX)
    }
}

#[cfg(test)]
mod tests;
