//! The partition once more, in parts of neighbouring segments with the sums of each: so a strip of it is drawn without a look at
//! every segment. Pure.
//!
//! A strip of c cells takes a step for each part, and one for each segment of those parts alone that a border between two cells
//! goes through. Of ten million segments 240 cells take 1.5 ms, a thousand 4 ms; a look at all takes 600 ms.

use std::ops::Range;

use super::{Held, Span};
use crate::common::limits::PART_SEGMENTS_MAX;

/// The sums of some neighbouring segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Part {
    /// They are those that begin here or behind it, and before the next part begins.
    begin: u64,
    segments: usize,
    done: u64,
    leased: u64,
    /// None of them that is done or leased ends behind this candidate.
    reach: u64,
}

impl Part {
    fn of(segments: &[(Span, Held)]) -> Self {
        let begin = segments.first().map_or(0, |(span, _)| span.first);
        let mut part = Self { begin, ..Self::default() };
        segments.iter().for_each(|(span, held)| part.add(*span, *held));
        part
    }

    fn add(&mut self, span: Span, held: Held) {
        self.segments += 1;
        match held {
            Held::Free(_) => return,
            Held::Leased(_) => self.leased += span.count(),
            Held::Done => self.done += span.count(),
        }
        self.reach = self.reach.max(span.last);
    }

    fn remove(&mut self, span: Span, held: Held) {
        self.segments -= 1;
        match held {
            Held::Free(_) => {}
            Held::Leased(_) => self.leased -= span.count(),
            Held::Done => self.done -= span.count(),
        }
    }
}

/// The parts in their order, which nearly always are few; side by side, because a strip takes a look at each.
#[derive(Debug, Default)]
pub(super) struct Parts(Vec<Part>);

impl Parts {
    /// How many parts begin at `candidate` or before it: a segment that begins there belongs to the last of them.
    fn count_to(&self, candidate: u64) -> usize {
        match self.0.last() {
            // A search that is restored comes in order.
            Some(part) if part.begin <= candidate => self.0.len(),
            _ => self.0.partition_point(|part| part.begin <= candidate),
        }
    }

    /// Where the segments of a part begin.
    fn range(&self, at: usize) -> Range<u64> {
        self.0[at].begin..self.0.get(at + 1).map_or(u64::MAX, |next| next.begin)
    }

    /// A segment more. Gives where the segments of its part begin if they are too many by now: `divide` it.
    pub(super) fn add(&mut self, span: Span, held: Held) -> Option<Range<u64>> {
        let Some(at) = self.count_to(span.first).checked_sub(1) else {
            self.0.insert(0, Part::of(&[(span, held)]));
            return None;
        };
        self.0[at].add(span, held);
        (self.0[at].segments > PART_SEGMENTS_MAX).then(|| self.range(at))
    }

    /// A segment less.
    pub(super) fn remove(&mut self, span: Span, held: Held) {
        let Some(at) = self.count_to(span.first).checked_sub(1) else { return };
        self.0[at].remove(span, held);
        if self.0[at].segments == 0 {
            self.0.remove(at);
        }
    }

    /// Makes two parts of the one that has these segments.
    pub(super) fn divide(&mut self, segments: &[(Span, Held)]) {
        let Some(at) = segments.first().and_then(|(span, _)| self.count_to(span.first).checked_sub(1)) else { return };
        let (lower, upper) = segments.split_at(segments.len() / 2);
        self.0[at] = Part::of(lower);
        self.0.insert(at + 1, Part::of(upper));
    }

    /// What of each cell of the grid is done and leased. `segments` gives those that begin in a range.
    pub(super) fn shares<I>(&self, mut grid: Grid, segments: impl Fn(Range<u64>) -> I) -> Vec<Share>
    where
        I: Iterator<Item = (Span, Held)>,
    {
        let empty = |cell| Share { of: grid.begin(cell + 1) - grid.begin(cell), done: 0, leased: 0 };
        let mut shares: Vec<Share> = (0..grid.cells).map(empty).collect();
        for (at, part) in self.0.iter().enumerate().filter(|(_, part)| part.done + part.leased > 0) {
            let share = &mut shares[grid.look(part.begin)];
            if grid.within.contains(&part.reach) {
                share.done += part.done;
                share.leased += part.leased;
                continue;
            }
            for (span, held) in segments(self.range(at)) {
                grid.add(&mut shares, span, held);
            }
        }
        shares
    }
}

/// Candidates in cells of equal share: their sizes differ by one at most. It knows the cell that was looked for last: as a rule
/// the next look is for the same one, and costs no division.
#[derive(Debug)]
pub(super) struct Grid {
    span: Span,
    cells: usize,
    cell: usize,
    /// The candidates of that cell.
    within: Range<u64>,
}

impl Grid {
    /// So many cells, but no more than there are candidates.
    pub(super) fn new(span: Span, cells: usize) -> Self {
        let cells = cells.min(usize::try_from(span.count()).unwrap_or(usize::MAX));
        Self { span, cells, cell: 0, within: 0..0 }
    }

    /// The first candidate of a cell; behind the last cell, what would be the next one's.
    fn begin(&self, cell: usize) -> u64 {
        self.span.first + (cell as u128 * u128::from(self.span.count()) / self.cells as u128) as u64
    }

    /// The cell that a candidate is in.
    fn look(&mut self, candidate: u64) -> usize {
        if !self.within.contains(&candidate) {
            let nth = u128::from(candidate - self.span.first) + 1;
            self.cell = ((nth * self.cells as u128 - 1) / u128::from(self.span.count())) as usize;
            self.within = self.begin(self.cell)..self.begin(self.cell + 1);
        }
        self.cell
    }

    /// Adds a segment to the shares of its cells.
    fn add(&mut self, shares: &mut [Share], span: Span, held: Held) {
        if matches!(held, Held::Free(_)) {
            return;
        }
        let mut first = span.first;
        while first <= span.last {
            let share = &mut shares[self.look(first)];
            let end = self.within.end.min(span.last + 1);
            *(if held == Held::Done { &mut share.done } else { &mut share.leased }) += end - first;
            first = end;
        }
    }
}

/// What of a cell is done, and leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// How many candidates it has.
    pub of: u64,
    /// How many of them are done.
    pub done: u64,
    /// How many are leased.
    pub leased: u64,
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::super::Coverage;
    use super::*;

    const LAST: u64 = 20_000;

    /// Every other candidate is done: more segments than one part has.
    fn holes() -> Coverage {
        let done = (1..=LAST / 2).map(|half| Span { first: 2 * half, last: 2 * half });
        Coverage::new(Span { first: 1, last: LAST }, done).unwrap()
    }

    /// The shares, a candidate at a time.
    fn counted(coverage: &Coverage, last: u64, cells: u64) -> Vec<Share> {
        let cells = cells.min(last);
        let mut shares = vec![Share { of: 0, done: 0, leased: 0 }; cells as usize];
        for (span, held) in coverage.segments() {
            for candidate in span.first..=span.last.min(last) {
                // The cells begin at 1 + ⌊i · last / cells⌋.
                let share = shares.iter_mut().enumerate().rev();
                let (_, share) = share.into_iter().find(|(i, _)| *i as u64 * last / cells < candidate).unwrap();
                share.of += 1;
                share.done += u64::from(held == Held::Done);
                share.leased += u64::from(matches!(held, Held::Leased(_)));
            }
        }
        shares
    }

    /// The parts have the sums of their segments, and not too many of these.
    fn check(coverage: &Coverage) {
        let parts = &coverage.parts;
        let mut count = 0;
        for (at, part) in parts.0.iter().enumerate() {
            let segments: Vec<_> = coverage.beginning_in(parts.range(at)).collect();
            let sums = Part::of(&segments);
            assert!(part.reach >= sums.reach && (1..=PART_SEGMENTS_MAX).contains(&part.segments), "{part:?}");
            assert_eq!(*part, Part { begin: part.begin, reach: part.reach, ..sums });
            count += segments.len();
        }
        assert_eq!(count, coverage.segments().count());
    }

    #[test]
    fn a_strip_is_what_is_counted_one_by_one() {
        let seed = fastrand::u64(..);
        let mut rng = Rng::with_seed(seed);
        let mut coverage = holes();
        assert!(coverage.parts.0.len() as u64 > LAST / PART_SEGMENTS_MAX as u64);
        for turn in 0..40 {
            for step in 0..500 {
                let first = rng.u64(1..=LAST);
                let span = Span { first, last: (first + rng.u64(0..3)).min(LAST) };
                match rng.u8(..4) {
                    0 => _ = coverage.lease(Span { first, last: first }, turn * 1_000 + step),
                    1 => coverage.give_back(first),
                    2 => _ = coverage.complete(Span { first, last: first }),
                    _ => _ = coverage.revoke(span),
                }
            }
            check(&coverage);
            let cells = [1, 2, 7, 240, 1_000, rng.usize(1..=1_000)][turn as usize % 6];
            let (last, shares) = (LAST, coverage.shares(LAST, cells));
            assert_eq!(shares, counted(&coverage, last, cells as u64), "seed {seed}, turn {turn}, {cells} cells");
        }
    }

    #[test]
    fn what_was_in_many_parts_may_become_one() {
        let mut coverage = holes();
        for candidate in (1..LAST).step_by(2) {
            assert!(coverage.lease(Span { first: candidate, last: candidate }, candidate));
            assert!(coverage.complete(Span { first: candidate, last: candidate }).is_some());
        }
        check(&coverage);
        assert!(coverage.is_complete() && coverage.parts.0.len() == 1);
        assert_eq!(
            coverage.shares(LAST, 3).iter().map(|share| (share.of, share.done)).collect::<Vec<_>>(),
            [(6_666, 6_666), (6_667, 6_667), (6_667, 6_667)]
        );
    }

    #[test]
    fn there_are_no_more_cells_than_candidates() {
        let last = crate::common::limits::CANDIDATE_MAX;
        let coverage = Coverage::new(Span { first: last - 2, last }, [Span { first: last, last }]).unwrap();
        let shares: Vec<_> = coverage.shares(last, 1_000).iter().map(|share| (share.of, share.done)).collect();
        assert_eq!(shares, [(1, 0), (1, 0), (1, 1)]);
        // All candidates that there are, in cells of 2^63 / 1,000.
        let coverage = Coverage::new(Span { first: 1, last }, [Span { first: 1, last: last - 1 }]).unwrap();
        let shares = coverage.shares(last, 1_000);
        assert_eq!(shares.iter().map(|share| share.of).sum::<u64>(), last);
        assert_eq!(shares.iter().filter(|share| share.done < share.of).count(), 1);
    }
}
