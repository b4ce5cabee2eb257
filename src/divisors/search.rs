//! A search over one range as a value that its caller drives in steps.

use super::findings::Findings;
use super::kernel::Kernel;
use super::sieve::Sieve;
use super::trial::Trial;
use super::{ARGUMENT_MAX, Method, cost};

/// The search for perfect numbers among first ..= last.
///
/// Candidates are taken in blocks (for the sieve: stretches of segments); only whole blocks or segments count as tested.
/// Blocks of trial division shrink with √n, from 4096 candidates below 2^38 to 64 near 2^63. So giving up loses some ten
/// milliseconds of work below 2^38, half a second around 2^51, and some five seconds near 2^63. A stretch of the sieve
/// begins with one pass over all primes up to √n, which takes half a second near 2^63; what is done of it is lost.
#[derive(Clone, Debug)]
pub struct Search {
    engine: Engine,
    first: u64,
    last: u64,
    /// The first candidate that no block has been begun for.
    next: u64,
    /// Operations granted and not yet done; below zero after a step that did a little more.
    budget: f64,
    done: f64,
    findings: Findings,
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
    Sieve(Box<Sieve>),
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

    /// The same with a given kernel.
    ///
    /// # Panics
    /// Unless 1 ≤ first ≤ last ≤ 2^63.
    #[must_use]
    pub fn with_kernel(method: Method, kernel: Kernel, first: u64, last: u64) -> Self {
        assert!(1 <= first && first <= last && last <= ARGUMENT_MAX, "range {first}..={last}");
        let engine = match method {
            Method::Trial => Engine::Trial(Trial::new(kernel)),
            Method::Sieve => Engine::Sieve(Box::new(Sieve::new(kernel))),
        };
        Self { engine, first, last, next: first, budget: 0.0, done: 0.0, findings: Findings::default() }
    }

    /// A search of another range, first ..= last, that has done nothing yet. It goes on with what this one has found out
    /// about no candidate: for the sieve the primes, which take seconds to find near 2^63.
    ///
    /// # Panics
    /// Unless 1 ≤ first ≤ last ≤ 2^63.
    #[must_use]
    pub fn again(self, first: u64, last: u64) -> Self {
        assert!(1 <= first && first <= last && last <= ARGUMENT_MAX, "range {first}..={last}");
        let mut engine = self.engine;
        engine.stop();
        Self { engine, first, last, next: first, budget: 0.0, done: 0.0, findings: Findings::default() }
    }

    /// Does about `operations` more (in the unit of [`operations`](super::operations)), then returns. What a step
    /// does too much, at most a few hundred microseconds' worth, the next does less.
    pub fn step(&mut self, operations: u64) {
        self.budget += operations as f64;
        while self.budget > 0.0 && !self.finished() {
            if self.engine.is_done() {
                self.begin_block();
            }
            let done = self.engine.work(self.budget, &mut self.findings);
            self.budget -= done;
            self.done += done;
        }
    }

    /// How divisors are found.
    #[must_use]
    pub fn method(&self) -> Method {
        self.engine.method()
    }

    /// Whether the whole range is tested.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.findings.tested > self.last - self.first
    }

    /// How many operations have been done so far, those in the unfinished block included: what a rate is taken from.
    #[must_use]
    pub fn operations_done(&self) -> f64 {
        self.done
    }

    /// What is known so far.
    #[must_use]
    pub fn tally(&self) -> Tally<'_> {
        let Findings { tested, sum, perfect } = &self.findings;
        Tally { tested: *tested, sum: *sum, perfect }
    }

    fn begin_block(&mut self) {
        let last = cost::zone(self.engine.method(), self.next).block_last(self.next, self.last);
        self.engine.begin(self.next, last);
        self.next = last + 1;
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

    fn stop(&mut self) {
        match self {
            Engine::Trial(trial) => trial.stop(),
            Engine::Sieve(sieve) => sieve.stop(),
        }
    }

    fn is_done(&self) -> bool {
        match self {
            Engine::Trial(trial) => trial.is_done(),
            Engine::Sieve(sieve) => sieve.is_done(),
        }
    }

    /// Goes on in the block for about `budget` operations, and notes what it finds; how many it really did.
    fn work(&mut self, budget: f64, findings: &mut Findings) -> f64 {
        match self {
            Engine::Trial(trial) => trial.work(budget, findings),
            Engine::Sieve(sieve) => sieve.work(budget, findings),
        }
    }
}
