//! What a compute computes: the timing loop, then ranges, in slices between which it looks at the world.

use crate::common::clock::Stopwatch;
use crate::common::limits::{CANDIDATE_MAX, SLICE_MS};
use crate::common::message::{Found, Numbers, Range, Speed};
use crate::divisors::{Kernel, Method, Search};

use super::timing::Timing;

/// Operations of the first slice, before anything is known of this machine.
const FIRST_SLICE: u64 = 100_000;

/// A search that is measured while it runs: `operations_done` are those that were really executed.
pub struct Work {
    task: Task,
    search: Search,
    watch: Stopwatch,
    slice: u64,
}

/// What a search is for.
enum Task {
    Range(Range),
    Timing(Timing),
}

/// What work has come to.
#[derive(Debug)]
pub enum Outcome {
    /// The range is tested.
    Finished(Found),
    /// The timing loop has ended.
    Timed(Speed),
}

/// Where searches come from: the kernel, and the last one, which hands on what it has prepared.
pub struct Searches {
    kernel: Kernel,
    last: Option<Search>,
}

impl Searches {
    /// None yet.
    #[must_use]
    pub fn new(kernel: Kernel) -> Self {
        Self { kernel, last: None }
    }

    fn begin(&mut self, method: Method, first: u64, last: u64) -> Search {
        match self.last.take().filter(|search| search.method() == method) {
            Some(search) => search.again(first, last),
            None => Search::with_kernel(method, self.kernel, first, last),
        }
    }

    /// Takes back the search of work that is over.
    pub fn keep(&mut self, work: Option<Work>) {
        self.last = work.map(|work| work.search).or(self.last.take());
    }
}

impl Work {
    /// The timing loop: the real kernel, where the next range may begin.
    #[must_use]
    pub fn timing(method: Method, at: u64, searches: &mut Searches) -> Self {
        let at = at.clamp(1, CANDIDATE_MAX);
        Self::new(Task::Timing(Timing::default()), searches.begin(method, at, CANDIDATE_MAX))
    }

    /// A range; `None` if it isn't one.
    #[must_use]
    pub fn range(method: Method, range: Range, searches: &mut Searches) -> Option<Self> {
        let (first, last) = (range.first, range.last);
        let valid = (1..=last).contains(&first) && last <= CANDIDATE_MAX;
        valid.then(|| Self::new(Task::Range(range), searches.begin(method, first, last)))
    }

    fn new(task: Task, search: Search) -> Self {
        Self { task, search, watch: Stopwatch::start(), slice: FIRST_SLICE }
    }

    /// How many candidates are tested.
    #[must_use]
    pub fn tested(&self) -> u64 {
        self.search.tally().tested
    }

    /// Operations that were executed, a second.
    #[must_use]
    pub fn operations_per_s(&self) -> f64 {
        self.search.operations_done() * 1e9 / self.watch.nanoseconds() as f64
    }

    /// Works for about `SLICE_MS`; what came of the work, once it is done.
    pub fn step(&mut self) -> Option<Outcome> {
        let watch = Stopwatch::start();
        self.search.step(self.slice);
        let share = SLICE_MS as f64 * 1e6 / watch.nanoseconds() as f64;
        self.slice = ((self.slice as f64 * share.clamp(0.5, 2.0)) as u64).max(FIRST_SLICE / 100);
        let finished = self.search.finished();
        match &mut self.task {
            Task::Range(_) if finished => self.found().map(Outcome::Finished),
            Task::Range(_) => None,
            Task::Timing(timing) => {
                let (operations, nanoseconds) = (self.search.operations_done(), self.watch.nanoseconds());
                let speed = timing.note(operations, nanoseconds, self.search.tally().tested);
                speed.or_else(|| finished.then(|| Timing::whole(operations, nanoseconds))).map(Outcome::Timed)
            }
        }
    }

    /// What has been found so far in the range; `None` if nothing is tested, or for the timing loop.
    #[must_use]
    pub fn found(&self) -> Option<Found> {
        let Task::Range(range) = &self.task else { return None };
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
