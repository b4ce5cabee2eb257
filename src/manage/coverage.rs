//! The partition of the search: every candidate is done, leased or free, and never two of these. Pure.

use std::collections::{BTreeMap, BTreeSet};

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
    done: u64,
    leased: u64,
}

impl Coverage {
    /// A search over `whole` in which the `done` spans are done.
    ///
    /// # Errors
    /// The first span that isn't in ascending order within `whole`: the ledger that it comes from is damaged.
    pub fn new(whole: Span, done: impl IntoIterator<Item = Span>) -> Result<Self, Span> {
        let mut coverage = Self { whole, segments: BTreeMap::new(), free: BTreeSet::new(), done: 0, leased: 0 };
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
        self.segments.insert(span.first, Segment { last: span.last, held });
    }

    fn remove(&mut self, first: u64) {
        let Some(segment) = self.segments.remove(&first) else { return };
        let count = segment.last - first + 1;
        match segment.held {
            Held::Free(_) => _ = self.free.remove(&first),
            Held::Leased(_) => self.leased -= count,
            Held::Done => self.done -= count,
        }
    }

    /// The segments in order: for tests, and for whoever wants to draw them.
    pub fn segments(&self) -> impl Iterator<Item = (Span, Held)> {
        self.segments.iter().map(|(first, segment)| (Span { first: *first, last: segment.last }, segment.held))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WHOLE: Span = Span { first: 1, last: 60 };

    /// The same bookkeeping, a candidate at a time.
    fn held_of(coverage: &Coverage) -> Vec<Held> {
        let mut next = WHOLE.first;
        let mut held = Vec::new();
        for (span, state) in coverage.segments() {
            assert_eq!(span.first, next, "a gap or an overlap");
            next = span.last + 1;
            held.extend((span.first..=span.last).map(|_| state));
        }
        assert_eq!(next, WHOLE.last + 1, "the end is missing");
        held
    }

    fn check(coverage: &Coverage, model: &[char]) {
        let held = held_of(coverage);
        for (held, model) in held.iter().zip(model) {
            let same = matches!((held, model), (Held::Free(_), 'f') | (Held::Leased(_), 'l') | (Held::Done, 'd'));
            assert!(same, "{held:?} is not {model:?}");
        }
        let count = |what| model.iter().filter(|state| **state == what).count() as u64;
        assert_eq!((coverage.done(), coverage.leased()), (count('d'), count('l')));
        assert_eq!(coverage.contiguous_to(), model.iter().take_while(|state| **state == 'd').count() as u64);
        assert_eq!(coverage.is_complete(), count('d') == WHOLE.count());
        let first_free = model.iter().position(|state| *state == 'f').map(|at| at as u64 + 1);
        assert_eq!(coverage.next_free().map(|span| span.first), first_free);
        let done: Vec<_> = coverage.segments().filter(|(_, held)| *held == Held::Done).collect();
        assert!(done.windows(2).all(|pair| pair[0].0.last + 1 < pair[1].0.first), "done neighbours must be one");
    }

    fn set(model: &mut [char], span: Span, state: char) {
        model[span.first as usize - 1..span.last as usize].fill(state);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_partition_is_always_exact(steps in prop::collection::vec((0..4, 1u64..=60, 0u64..12), 1..200)) {
            let mut coverage = Coverage::new(WHOLE, []).unwrap();
            let mut model = vec!['f'; 60];
            for (number, (what, first, length)) in steps.into_iter().enumerate() {
                let span = Span { first, last: (first + length).min(60) };
                let all = |state| model[first as usize - 1..span.last as usize].iter().all(|held| *held == state);
                let leased = coverage.segment(first).filter(|(_, held)| matches!(held, Held::Leased(_)));
                match what {
                    0 => {
                        let expected = all('f');
                        prop_assert_eq!(coverage.lease(span, number as u64), expected);
                        if expected { set(&mut model, span, 'l') }
                    }
                    1 => {
                        coverage.give_back(first);
                        if let Some((span, _)) = leased { set(&mut model, span, 'f') }
                    }
                    2 => {
                        let fits = leased.filter(|(whole, _)| span.last <= whole.last);
                        prop_assert_eq!(coverage.complete(span).is_some(), fits.is_some());
                        if let Some((whole, _)) = fits { set(&mut model, whole, 'f'); set(&mut model, span, 'd') }
                    }
                    _ => {
                        let expected = all('d');
                        prop_assert_eq!(coverage.revoke(span).is_some(), expected);
                        if expected { set(&mut model, span, 'f') }
                    }
                }
                check(&coverage, &model);
            }
        }
    }

    #[test]
    fn a_restored_search_has_the_same_gaps() {
        let done = [Span { first: 1, last: 9 }, Span { first: 20, last: 29 }, Span { first: 30, last: 60 }];
        let coverage = Coverage::new(WHOLE, done).unwrap();
        assert_eq!((coverage.done(), coverage.contiguous_to()), (50, 9));
        assert_eq!(coverage.next_free(), Some(Span { first: 10, last: 19 }));
    }

    #[test]
    fn a_damaged_list_is_refused() {
        for bad in [[(1, 9), (9, 12)], [(5, 4), (20, 21)], [(1, 2), (50, 61)], [(0, 3), (4, 5)]] {
            let spans = bad.map(|(first, last)| Span { first, last });
            assert!(Coverage::new(WHOLE, spans).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_lease_that_was_given_back_is_remembered_until_another_takes_it() {
        let mut coverage = Coverage::new(WHOLE, []).unwrap();
        let span = Span { first: 1, last: 10 };
        assert!(coverage.lease(span, 7));
        coverage.give_back(1);
        assert_eq!(coverage.segment(1), Some((span, Held::Free(Some(7)))));
        assert!(coverage.lease(Span { first: 1, last: 20 }, 8));
        assert_eq!(coverage.segment(1), Some((Span { first: 1, last: 20 }, Held::Leased(8))));
    }

    #[test]
    fn the_last_candidate_of_all_is_no_special_case() {
        let last = crate::common::limits::CANDIDATE_MAX;
        let mut coverage = Coverage::new(Span { first: last - 1, last }, []).unwrap();
        assert!(coverage.lease(Span { first: last, last }, 1));
        assert_eq!(coverage.complete(Span { first: last, last }), Some(Span { first: last, last }));
        assert!(coverage.lease(Span { first: last - 1, last: last - 1 }, 2));
        assert!(coverage.complete(Span { first: last - 1, last: last - 1 }).is_some());
        assert!(coverage.is_complete());
    }
}
