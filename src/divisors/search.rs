//! A search over one range as a value that its caller drives in steps.

use super::sieve::Sieve;
use super::sums::Sums;
use super::trial::{Kernel, Trial};
use super::{ARGUMENT_MAX, Method, cost};

/// The search for perfect numbers among first ..= last.
///
/// Candidates are taken in blocks (for the sieve: segments); only whole blocks count as tested. Blocks of trial
/// division shrink with √n, from 4096 candidates below 2^34 to 4 near 2^63. So giving up loses some ten milliseconds
/// of work around 2^32, a quarter of a second around 2^50, and five seconds near 2^63, where one candidate takes more
/// than one. A segment of the sieve costs one pass over all d ≤ √n however short it is (three seconds near 2^63), so
/// shorter segments would lose no less.
#[derive(Clone, Debug)]
pub struct Search {
    engine: Engine,
    first: u64,
    last: u64,
    /// The first candidate of the block in work; `last + 1` at the end.
    block: u64,
    /// Operations granted and not yet done; below zero after a step that did a little more.
    budget: f64,
    done: f64,
    sum: u128,
    perfect: Vec<u64>,
}

/// What is exactly known of a search: its result for the candidates first .. first + `tested`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally<'a> {
    /// How many candidates, from the first on, are wholly tested.
    pub tested: u64,
    /// Σ s(n) over these candidates.
    pub sum: u128,
    /// The perfect numbers among these candidates, ascending.
    pub perfect: &'a [u64],
}

#[derive(Clone, Debug)]
enum Engine {
    Trial(Trial),
    Sieve(Sieve),
}

impl Search {
    /// A search of first ..= last that has done nothing yet.
    ///
    /// # Panics
    /// Unless 1 ≤ first ≤ last ≤ 2^63.
    #[must_use]
    pub fn new(method: Method, first: u64, last: u64) -> Self {
        Self::with_kernel(method, Kernel::best(), first, last)
    }

    /// The same with a given kernel for trial division; the sieve has but one.
    ///
    /// # Panics
    /// Unless 1 ≤ first ≤ last ≤ 2^63.
    #[must_use]
    pub fn with_kernel(method: Method, kernel: Kernel, first: u64, last: u64) -> Self {
        assert!(1 <= first && first <= last && last <= ARGUMENT_MAX, "range {first}..={last}");
        let engine = match method {
            Method::Trial => Engine::Trial(Trial::new(kernel)),
            Method::Sieve => Engine::Sieve(Sieve::new()),
        };
        let mut search =
            Self { engine, first, last, block: first, budget: 0.0, done: 0.0, sum: 0, perfect: Vec::new() };
        search.begin_block();
        search
    }

    /// Does about `operations` more (in the unit of [`operations`](super::operations)), then returns. What a step
    /// does too much, at most some microseconds' worth, the next does less.
    pub fn step(&mut self, operations: u64) {
        self.budget += operations as f64;
        while self.budget > 0.0 && !self.finished() {
            let done = self.engine.work(self.budget);
            self.budget -= done;
            self.done += done;
            if self.engine.is_done() {
                self.end_block();
            }
        }
    }

    /// Whether the whole range is tested.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.block > self.last
    }

    /// How many operations have been done so far, those in the unfinished block included: what a rate is taken from.
    #[must_use]
    pub fn operations_done(&self) -> f64 {
        self.done
    }

    /// What is known so far.
    #[must_use]
    pub fn tally(&self) -> Tally<'_> {
        Tally { tested: self.block - self.first, sum: self.sum, perfect: &self.perfect }
    }

    fn begin_block(&mut self) {
        let zone = cost::zone(self.engine.method(), self.block);
        self.engine.begin(self.block, zone.block_last(self.block, self.last));
    }

    fn end_block(&mut self) {
        let sums = self.engine.sums();
        let cost = self.engine.block_cost();
        self.budget -= cost;
        self.done += cost;
        self.sum += sums.total();
        self.perfect.extend(sums.perfect());
        self.block += sums.length() as u64;
        if !self.finished() {
            self.begin_block();
        }
    }
}

impl Engine {
    fn method(&self) -> Method {
        match self {
            Engine::Trial(_) => Method::Trial,
            Engine::Sieve(_) => Method::Sieve,
        }
    }

    fn begin(&mut self, first: u64, last: u64) {
        match self {
            Engine::Trial(trial) => trial.begin(first, last),
            Engine::Sieve(sieve) => sieve.begin(first, last),
        }
    }

    /// Goes on in the block for about `budget` operations; how many it really did.
    fn work(&mut self, budget: f64) -> f64 {
        match self {
            Engine::Trial(trial) => trial.work(budget),
            Engine::Sieve(sieve) => sieve.work(budget),
        }
    }

    fn is_done(&self) -> bool {
        match self {
            Engine::Trial(trial) => trial.is_done(),
            Engine::Sieve(sieve) => sieve.is_done(),
        }
    }

    /// The operations that the block's candidates cost besides those that `work` has counted.
    fn block_cost(&self) -> f64 {
        match self {
            Engine::Trial(trial) => trial.block_cost(),
            Engine::Sieve(sieve) => sieve.block_cost(),
        }
    }

    fn sums(&self) -> &Sums {
        match self {
            Engine::Trial(trial) => trial.sums(),
            Engine::Sieve(sieve) => sieve.sums(),
        }
    }
}
