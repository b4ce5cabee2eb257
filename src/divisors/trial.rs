//! Trial division: every d in 2 ..= ⌊√n⌋ is tested against every candidate n, none skipped for what another test found.
//!
//! A block of candidates is tested against d after d, so its state between two steps is its sums and the next d.

pub(super) mod dense;
pub(super) mod fractions;

use super::Method;
use super::cost::{self, Zone};
use super::findings::Findings;
use super::kernel::Kernel;
use super::sums::Sums;
use fractions::GROUP;

/// Below it, d divides so many n that every sum is touched.
pub(super) const DENSE_END: u64 = 64;
/// From it on, a run of candidates may be this long and still hold at most one multiple of d.
pub(super) const SPARSE_START: u64 = 512;
/// First candidate whose sum may pass 2^64.
pub(super) const CARRY_START: u64 = 1 << 60;

/// A block of candidates under trial division.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    kernel: Kernel,
    sums: Sums,
    /// The least divisor not yet tested, while there is one; 0 without a block.
    next: u64,
    /// The largest divisor to test: ⌊√n⌋ of the last candidate.
    root: u64,
    zone: &'static Zone,
}

impl Trial {
    /// Without a block.
    pub(super) fn new(kernel: Kernel) -> Self {
        Self { kernel, sums: Sums::default(), next: 0, root: 1, zone: cost::zone(Method::Trial, 1) }
    }

    /// Drops the block.
    pub(super) fn stop(&mut self) {
        self.next = 0;
    }

    /// Takes on the block first ..= last, which lies within one zone.
    pub(super) fn begin(&mut self, first: u64, last: u64) {
        self.sums.begin(first, (last - first + 1) as usize);
        self.next = 2;
        self.root = last.isqrt();
        self.zone = cost::zone(Method::Trial, first);
    }

    /// Whether the block is tested, or there is none.
    pub(super) fn is_done(&self) -> bool {
        self.next == 0
    }

    /// Tests further divisors for about `budget` > 0 operations, and notes what it finds in the block at its end; how many
    /// operations it really did.
    pub(super) fn work(&mut self, budget: f64, findings: &mut Findings) -> f64 {
        let mut done = 0.0;
        if self.next < DENSE_END {
            done = self.test_dense();
        } else if self.next <= self.root {
            done = self.test_sparse(budget);
        }
        if self.next > self.root {
            self.next = 0;
            self.sums.note(findings);
            done += self.zone.block_cost(self.sums.first(), self.sums.length() as u64);
        }
        done
    }

    fn test_dense(&mut self) -> f64 {
        let divisors = self.next..DENSE_END.min(self.root + 1);
        let cost = self.zone.dense_cost(divisors.end - divisors.start, self.sums.length() as u64);
        if self.zone.last() < CARRY_START {
            self.kernel.dense(&mut self.sums, divisors);
        } else {
            dense::pass_by_remainder(&mut self.sums, divisors);
        }
        self.next = DENSE_END;
        cost
    }

    fn test_sparse(&mut self, budget: f64) -> f64 {
        let (each, until) = self.zone.divisor_cost(self.next, self.sums.length() as u64);
        // Whole groups, so that the next begins where `fractions::pass` wants it.
        let count = ((budget / each).ceil().max(1.0) as u64).next_multiple_of(GROUP as u64);
        let end = self.next.saturating_add(count).min(until.min(self.root) + 1);
        self.kernel.sparse(&mut self.sums, self.next..end);
        let count = end - self.next;
        self.next = end;
        count as f64 * each
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::divisors::ARGUMENT_MAX;
    use proptest::prelude::*;

    /// What `divisors` add to each of `length` candidates, by one remainder after another.
    fn by_remainder(first: u64, length: u64, divisors: Range<u64>) -> Vec<u128> {
        let pair = |n: u64, d: u64| u128::from(d) + if n == d * d { 0 } else { u128::from(n / d) };
        let hits = |n: u64| divisors.clone().filter(move |d| d * d <= n && n.is_multiple_of(*d));
        (first..first + length).map(|n| u128::from(n > 1) + hits(n).map(|d| pair(n, d)).sum::<u128>()).collect()
    }

    /// The same by every kernel, told as far as a total and each sum modulo 2^64 do. `divisors` are whole groups.
    fn check(first: u64, length: u64, divisors: Range<u64>) -> Result<(), TestCaseError> {
        let want = by_remainder(first, length, divisors.clone());
        for kernel in Kernel::all() {
            let mut sums = Sums::default();
            sums.begin(first, length as usize);
            if divisors.end <= DENSE_END {
                kernel.dense(&mut sums, divisors.clone());
            } else {
                kernel.sparse(&mut sums, divisors.clone());
            }
            let place = || format!("{} {first} + {length}, {divisors:?}", kernel.name());
            prop_assert_eq!(sums.total(), want.iter().sum::<u128>(), "{}", place());
            let low: Vec<_> = want.iter().map(|sum| *sum as u64).collect();
            prop_assert_eq!(sums.low(), low, "{}", place());
        }
        Ok(())
    }

    /// The groups that `count` divisors from d on lie in.
    fn groups(d: u64, count: u64) -> Range<u64> {
        let group = GROUP as u64;
        (d - d % group).max(DENSE_END)..(d + count).next_multiple_of(group).max(DENSE_END + group)
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
            let last = (first + length - 1).min(ARGUMENT_MAX);
            check(first, last - first + 1, groups(d, root % 300))?;
            if d < DENSE_END && last < CARRY_START {
                check(first, last - first + 1, d..DENSE_END.min(last.isqrt() + 1).max(d))?;
            }
        }

        /// Long blocks, where the fractions have been rounded most often, and each hit of a divisor counts.
        #[test]
        fn long_blocks(bits in 13..=36u32, below in any::<u64>(), root in any::<u64>(), shift in 0..18u32) {
            let first = (1 << bits) - below % (1 << (bits - 1));
            let d = DENSE_END + ((root % first.isqrt()) >> shift);
            check(first, 4_096, groups(d, 32))?;
        }
    }

    #[test]
    fn the_largest_quotients_and_divisors() -> Result<(), TestCaseError> {
        for end in [1 << 32, fractions::SPLIT_START, 1 << 53, ARGUMENT_MAX] {
            let root = (end - 1).isqrt();
            for divisors in [groups(64, 1_000), groups(fractions::SPLIT_MIN - 500, 1_000), groups(root - 500, 500)] {
                check(end - 40, 40, divisors)?;
            }
            check(root * root - 20, 21, groups(root - 10, 10))?;
        }
        check(ARGUMENT_MAX, 1, groups(64, 20_000))
    }

    /// A divisor of 2^32 has exact fractions, the neighbours of one the largest rounding errors.
    #[test]
    fn around_powers_of_two() -> Result<(), TestCaseError> {
        for bits in 6..=31 {
            let d = 1 << bits;
            check(d * d - d / 2 - 20, (d + 40).min(4_096), groups(d - 5, 10))?;
        }
        Ok(())
    }

    #[test]
    fn an_abundant_number_s_sum_carries() {
        // 2^6·3^4·5^2·7^2·11·13·17·19·23·29·31·37·41, the largest highly composite number below 2^63.
        let n = 9_200_527_969_062_830_400;
        assert!(by_remainder(n, 1, 2..1 << 16)[0] > 1 << 64);
        let mut trial = Trial::new(Kernel::best());
        trial.begin(n, n);
        while trial.next < 1 << 16 {
            trial.work(1e6, &mut Findings::default());
        }
        assert_eq!(trial.sums.total(), by_remainder(n, 1, 2..trial.next)[0]);
    }
}
