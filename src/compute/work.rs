//! What a compute computes: the timing loop, then ranges, in slices between which it looks at the world.

use crate::common::clock::Stopwatch;
use crate::common::limits::{CANDIDATE_MAX, SLICE_MS, TIMING_LOOP_MS};
use crate::common::message::{Found, Numbers, Range, Speed};
use crate::divisors::{Kernel, Method, Search};

/// Operations of the first slice, before anything is known of this machine.
const FIRST_SLICE: u64 = 100_000;

/// A search that is measured while it runs.
pub struct Work {
    /// The range it is for; of the timing loop, none.
    range: Option<Range>,
    search: Search,
    watch: Stopwatch,
    slice: u64,
}

impl Work {
    /// The timing loop: the real kernel, where the next range may begin.
    #[must_use]
    pub fn timing(method: Method, kernel: Kernel, at: u64) -> Self {
        let at = at.clamp(1, CANDIDATE_MAX);
        Self::new(None, Search::with_kernel(method, kernel, at, CANDIDATE_MAX))
    }

    /// A range; `None` if it isn't one.
    #[must_use]
    pub fn range(method: Method, kernel: Kernel, range: Range) -> Option<Self> {
        let valid = (1..=range.last).contains(&range.first) && range.last <= CANDIDATE_MAX;
        valid.then(|| Self::new(Some(range.clone()), Search::with_kernel(method, kernel, range.first, range.last)))
    }

    fn new(range: Option<Range>, search: Search) -> Self {
        Self { range, search, watch: Stopwatch::start(), slice: FIRST_SLICE }
    }

    /// How many candidates are tested.
    #[must_use]
    pub fn tested(&self) -> u64 {
        self.search.tally().tested
    }

    /// Works for about `SLICE_MS`; true once there is nothing left to do.
    pub fn step(&mut self) -> bool {
        let watch = Stopwatch::start();
        self.search.step(self.slice);
        let share = SLICE_MS as f64 * 1e6 / watch.nanoseconds() as f64;
        self.slice = ((self.slice as f64 * share.clamp(0.5, 2.0)) as u64).max(FIRST_SLICE / 100);
        match self.range {
            Some(_) => self.search.finished(),
            None => self.search.finished() || self.watch.nanoseconds() >= TIMING_LOOP_MS * 1_000_000,
        }
    }

    /// What the timing loop has measured: operations that were really executed, and how long they took.
    #[must_use]
    pub fn speed(&self) -> Speed {
        let operations = (self.search.operations_done() as u64).max(1);
        Speed { operations, nanoseconds: self.watch.nanoseconds() }
    }

    /// What has been found so far in the range; `None` if nothing is tested, or for the timing loop.
    #[must_use]
    pub fn found(&self) -> Option<Found> {
        let range = self.range.as_ref()?;
        let tally = self.search.tally();
        (tally.tested > 0).then(|| Found {
            lease: range.lease,
            first: range.first,
            last: range.first + (tally.tested - 1),
            tested: tally.tested,
            sum: tally.sum,
            nanoseconds: self.watch.nanoseconds(),
            perfect: Numbers(tally.perfect.to_vec()),
        })
    }
}
