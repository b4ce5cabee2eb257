//! Trial division: every d in 2 ..= ⌊√n⌋ is tested against every candidate n, none skipped for what another test found.
//!
//! A block of candidates is tested against d after d, so its state between two steps is its sums and the next d.

mod kernel;
mod narrow;
mod wide;

use std::ops::Range;

pub use kernel::Kernel;
pub(super) use narrow::{DENSE_END, SPARSE_START};

use super::Method;
use super::cost::{self, Zone};
use super::sums::Sums;

/// First candidate that the 32-bit kernel can't test.
pub(super) const MIDDLE_START: u64 = 1 << 32;
/// First candidate that floats don't hold well enough to be divided at once.
pub(super) const WIDE_START: u64 = 1 << 51;

/// A block of candidates under trial division.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    kernel: Kernel,
    sums: Sums,
    /// The least divisor not yet tested.
    next: u64,
    /// The largest divisor to test: ⌊√n⌋ of the last candidate.
    root: u64,
    zone: &'static Zone,
}

impl Trial {
    /// Without a block.
    pub(super) fn new(kernel: Kernel) -> Self {
        Self { kernel, sums: Sums::default(), next: 2, root: 1, zone: cost::zone(Method::Trial, 1) }
    }

    /// Takes on the block first ..= last, which lies within one zone.
    pub(super) fn begin(&mut self, first: u64, last: u64) {
        self.sums.begin(first, (last - first + 1) as usize);
        self.next = 2;
        self.root = last.isqrt();
        self.zone = cost::zone(Method::Trial, first);
    }

    /// Whether all divisors of the block are tested.
    pub(super) fn is_done(&self) -> bool {
        self.next > self.root
    }

    /// The block's sums.
    pub(super) fn sums(&self) -> &Sums {
        &self.sums
    }

    /// The operations that the block costs besides those that `work` has counted.
    pub(super) fn block_cost(&self) -> f64 {
        self.zone.trial_block_cost(self.sums.first(), self.sums.length() as u64)
    }

    /// Tests further divisors for about `budget` > 0 operations; how many it really did.
    pub(super) fn work(&mut self, budget: f64) -> f64 {
        if self.is_done() {
            return 0.0;
        }
        let (each, until) = self.zone.divisor_cost(self.next, self.sums.length() as u64);
        let left = until.min(self.root) + 1 - self.next;
        // The kernels from 2^32 on take whole groups.
        let count = (budget / each).ceil().max(1.0) as u64;
        let count = if count < left { count.next_multiple_of(wide::GROUP as u64).min(left) } else { left };
        self.test(self.next..self.next + count);
        self.next += count;
        count as f64 * each
    }

    fn test(&mut self, divisors: Range<u64>) {
        match self.zone.last() {
            ..MIDDLE_START => self.kernel.narrow(&mut self.sums, divisors),
            MIDDLE_START..WIDE_START => self.kernel.middle(&mut self.sums, divisors),
            WIDE_START.. => self.kernel.wide(&mut self.sums, divisors),
        }
    }
}
