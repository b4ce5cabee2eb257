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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::divisors::ARGUMENT_MAX;
    use proptest::prelude::*;

    /// What `divisors` add to each of `length` candidates, by one remainder after another.
    fn by_remainder(first: u64, length: u64, divisors: Range<u64>) -> Vec<u128> {
        let pair = |n: u64, d: u64| u128::from(d) + if n == d * d { 0 } else { u128::from(n / d) };
        let hits = |n: u64| divisors.clone().filter(move |d| d * d <= n && n.is_multiple_of(*d));
        (first..first + length).map(|n| u128::from(n > 1) + hits(n).map(|d| pair(n, d)).sum::<u128>()).collect()
    }

    /// The same by the kernel for the block, told as far as a total and a sum each modulo 2^64 do.
    fn check(first: u64, length: u64, divisors: Range<u64>) -> Result<(), TestCaseError> {
        let want = by_remainder(first, length, divisors.clone());
        for kernel in Kernel::all() {
            let mut trial = Trial::new(kernel);
            trial.begin(first, first + length - 1);
            trial.test(divisors.clone());
            let place = || format!("{} {first} + {length}, {divisors:?}", kernel.name());
            prop_assert_eq!(trial.sums.total(), want.iter().sum::<u128>(), "{}", place());
            let low: Vec<_> = want.iter().map(|sum| *sum as u64).collect();
            prop_assert_eq!(trial.sums.low(), low, "{}", place());
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

        /// Blocks around a multiple of a tested divisor, of every size of candidate and of divisor.
        #[test]
        fn kernels_agree_with_remainders(
            bits in 3..=63u32, below in any::<u64>(), root in any::<u64>(), shift in 0..32u32, length in 1..70u64
        ) {
            let n = (1 << bits) - below % (1 << (bits - 1));
            let d = 2 + ((root % n.isqrt()) >> shift).min(n.isqrt().saturating_sub(2));
            let first = (n - n % d).saturating_sub(length / 2).max(4);
            let last = (first + length - 1).min(cost::zone(Method::Trial, first).last()).min(ARGUMENT_MAX);
            prop_assume!(d <= last.isqrt());
            let start = d.saturating_sub(below % 300).max(2);
            check(first, last - first + 1, start..(d + root % 300).min(last.isqrt()) + 1)?;
        }
    }

    #[test]
    fn the_largest_quotients_and_divisors() -> Result<(), TestCaseError> {
        for end in [MIDDLE_START, WIDE_START, 1 << 53, ARGUMENT_MAX] {
            let root = (end - 1).isqrt();
            for divisors in [2..1_000, 8_000..9_000, root - 500..root + 1] {
                check(end - 40, 40, divisors)?;
            }
            check(root * root - 20, 21, root - 10..root + 1)?;
        }
        check(ARGUMENT_MAX, 1, 2..20_000)
    }

    #[test]
    fn an_abundant_number_s_sum_carries() -> Result<(), TestCaseError> {
        // 2^6·3^4·5^2·7^2·11·13·17·19·23·29·31·37·41, the largest highly composite number below 2^63.
        let n = 9_200_527_969_062_830_400;
        assert!(by_remainder(n, 1, 2..100_000)[0] > 1 << 64);
        check(n, 1, 2..100_000)
    }
}
