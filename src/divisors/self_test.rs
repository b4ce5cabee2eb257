//! A kernel proves itself: on random blocks of every size of candidate, against plain arithmetic. Some milliseconds.

use fastrand::Rng;

use super::kernel::Kernel;
use super::search::Search;
use super::sums::Sums;
use super::trial::fractions::GROUP;
use super::trial::{CARRY_START, DENSE_END};
use super::{Method, aliquot_sum};

/// Blocks of each size that trial division is tried on.
const BLOCKS: usize = 3;
/// Candidates of a block.
const BLOCK: u64 = 200;

impl Kernel {
    /// Compares what the kernel computes with plain arithmetic.
    ///
    /// # Errors
    /// What it got wrong, for a person.
    pub fn self_test(self, random: &mut Rng) -> Result<(), String> {
        for bits in 13..=63 {
            for _ in 0..BLOCKS {
                self.test_trial(bits, random)?;
            }
        }
        // Plain arithmetic takes √n steps for a number.
        for (bits, length) in [(12, 500), (20, 100), (30, 10), (36, 2)] {
            self.test_sieve(random.u64(1 << (bits - 1)..1 << bits), length)?;
        }
        Ok(())
    }

    /// One group of divisors, and all that are dense, against a block with a multiple of one of the group.
    fn test_trial(self, bits: u32, random: &mut Rng) -> Result<(), String> {
        let n = random.u64(1 << (bits - 1)..1 << bits);
        let d = random.u64(DENSE_END..=n.isqrt());
        let group = d - d % GROUP as u64;
        let first = n - n % d - random.u64(0..BLOCK.min(d));
        let mut sums = Sums::default();
        sums.begin(first, BLOCK as usize);
        self.sparse(&mut sums, group..group + GROUP as u64);
        compare("trial division", first, sums.total(), group..group + GROUP as u64)?;
        if n < CARRY_START / 2 {
            sums.begin(first, BLOCK as usize);
            self.dense(&mut sums, 2..DENSE_END);
            compare("trial division", first, sums.total(), 2..DENSE_END)?;
        }
        Ok(())
    }

    fn test_sieve(self, first: u64, length: u64) -> Result<(), String> {
        let last = first + length - 1;
        let mut search = Search::with_kernel(Method::Sieve, self, first, last);
        while !search.finished() {
            search.step(u64::MAX >> 16);
        }
        let (sum, right) = (search.tally().sum, (first..=last).map(aliquot_sum).sum::<u128>());
        let fault = || format!("sieve: the sum over {first} to {last} is {right}, not {sum}");
        if sum == right { Ok(()) } else { Err(fault()) }
    }
}

/// Compares a sum over the block from `first` on with 1, and d and n/d for each of `divisors` d ≤ √n that divides n.
fn compare(what: &str, first: u64, sum: u128, divisors: std::ops::Range<u64>) -> Result<(), String> {
    let pair = |n: u64, d: u64| u128::from(d) + if n == d * d { 0 } else { u128::from(n / d) };
    let hits = |n: u64| divisors.clone().filter(move |d| d * d <= n && n.is_multiple_of(*d));
    let right: u128 = (first..first + BLOCK).map(|n| 1 + hits(n).map(|d| pair(n, d)).sum::<u128>()).sum();
    let fault = || format!("{what} by {divisors:?}: the sum over {BLOCK} numbers from {first} is {right}, not {sum}");
    if sum == right { Ok(()) } else { Err(fault()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_passes() {
        for kernel in Kernel::all() {
            for seed in 0..20 {
                assert_eq!(kernel.self_test(&mut Rng::with_seed(seed)), Ok(()), "{}", kernel.name());
            }
        }
    }

    #[test]
    fn a_wrong_sum_is_told() {
        assert_eq!(compare("x", 1_000, BLOCK.into(), 2..2), Ok(()), "no divisors, no sum");
        let fault = compare("x", 1_000, BLOCK.into(), 7..8).unwrap_err();
        assert_eq!(fault, "x by 7..8: the sum over 200 numbers from 1000 is 4956, not 200");
    }
}
