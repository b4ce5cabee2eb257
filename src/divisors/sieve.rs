//! The segmented sieve: every d is added to its multiples; what d doesn't divide is never looked at.
//!
//! A segment is walked through d after d, so its state between two steps is its sums and the next d. Segments are so
//! short that their sums stay in the second-level cache.

use super::Method;
use super::cost::{self, Zone};
use super::sums::Sums;

/// A segment of candidates under the sieve.
#[derive(Clone, Debug)]
pub(super) struct Sieve {
    sums: Sums,
    /// The least d not yet added to its multiples.
    next: u64,
    /// The largest d to add: ⌊√n⌋ of the last candidate.
    root: u64,
    zone: &'static Zone,
}

impl Sieve {
    /// Without a segment.
    pub(super) fn new() -> Self {
        Self { sums: Sums::default(), next: 2, root: 1, zone: cost::zone(Method::Sieve, 1) }
    }

    /// Takes on the segment first ..= last, which lies within one zone.
    pub(super) fn begin(&mut self, first: u64, last: u64) {
        self.sums.begin(first, (last - first + 1) as usize);
        self.next = 2;
        self.root = last.isqrt();
        self.zone = cost::zone(Method::Sieve, first);
    }

    /// Whether every d has been added.
    pub(super) fn is_done(&self) -> bool {
        self.next > self.root
    }

    /// The segment's sums.
    pub(super) fn sums(&self) -> &Sums {
        &self.sums
    }

    /// The operations that the segment costs besides those that `work` has counted.
    pub(super) fn block_cost(&self) -> f64 {
        self.zone.segment_cost(self.sums.length() as u64)
    }

    /// Adds further divisors to their multiples for about `budget` operations; how many it really did.
    pub(super) fn work(&mut self, budget: f64) -> f64 {
        let mut done = 0.0;
        while done < budget && !self.is_done() {
            let hits = add_to_multiples(&mut self.sums, self.next);
            done += self.zone.strike_cost(hits);
            self.next += 1;
        }
        done
    }
}

/// Adds d + n/d to the sum of every multiple n ≥ d² of d, but d alone for n = d²; how many multiples there were.
#[inline]
fn add_to_multiples(sums: &mut Sums, d: u64) -> u64 {
    let first = sums.first();
    let (mut quotient, square) = (first.div_ceil(d), d * d);
    if square >= first {
        sums.add((square - first) as usize, d);
        quotient = d + 1;
    }
    sums.add_strided((quotient * d - first) as usize, d as usize, d + quotient)
}
