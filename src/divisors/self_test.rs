//! A kernel proves itself: on random blocks of every size of candidate, against plain arithmetic and the closed form. Some
//! ten milliseconds.

use fastrand::Rng;

use super::Method;
use super::closed_form::ClosedForm;
use super::kernel::Kernel;
use super::search::Search;
use super::sums::Sums;
use super::trial::fractions::{GROUP, SPLIT_MIN, SPLIT_START};
use super::trial::{CARRY_START, DENSE_END, SPARSE_START};

/// Blocks of each size that trial division is tried on.
const BLOCKS: usize = 3;
/// Candidates of a block.
const BLOCK: u64 = 200;
/// Candidates of a range that is sieved: several segments.
const SIEVED: u64 = 40_000;
/// Perfect numbers that have to be found.
const PERFECT: [u64; 2] = [33_550_336, 137_438_691_328];
/// The square of the first prime above 2^13, which the sieve finds in a way of its own.
const SQUARE: u64 = 8_209 * 8_209;

impl Kernel {
    /// Compares what the kernel computes with what is right.
    ///
    /// # Errors
    /// What it got wrong, for a person.
    pub fn self_test(self, random: &mut Rng) -> Result<(), String> {
        for bits in 13..=63 {
            for _ in 0..BLOCKS {
                let n = random.u64(1 << (bits - 1)..1 << bits);
                // Of every size, small ones as well.
                let d = (n.isqrt() >> random.u32(0..bits / 2)).max(DENSE_END);
                self.test_trial(n, d, random)?;
            }
        }
        for (n, d) in
            [(1 << 63, SPLIT_MIN), (SPLIT_START, DENSE_END), (1 << 40, SPARSE_START - 1), (1 << 40, SPARSE_START)]
        {
            self.test_trial(n - BLOCK, d, random)?;
        }
        self.test_search(Method::Trial, PERFECT[0] - 20, 40)?;
        let random_places = [20, 30, 44].map(|bits| random.u64(1 << (bits - 1)..1 << bits));
        for place in random_places.into_iter().chain(PERFECT).chain([SQUARE]) {
            self.test_search(Method::Sieve, place - random.u64(0..SIEVED), SIEVED)?;
        }
        Ok(())
    }

    /// The group of d, and all divisors that are dense, against a block near n with a multiple of d.
    fn test_trial(self, n: u64, d: u64, random: &mut Rng) -> Result<(), String> {
        let group = d - d % GROUP as u64;
        let first = n - n % d - random.u64(0..BLOCK.min(d));
        let mut sums = Sums::default();
        sums.begin(first, BLOCK as usize);
        self.sparse(&mut sums, group..group + GROUP as u64);
        compare(first, sums.total(), group..group + GROUP as u64)?;
        if sums.last() < CARRY_START {
            sums.begin(first, BLOCK as usize);
            self.dense(&mut sums, 2..DENSE_END);
            compare(first, sums.total(), 2..DENSE_END)?;
        }
        Ok(())
    }

    fn test_search(self, method: Method, first: u64, length: u64) -> Result<(), String> {
        let last = first + length - 1;
        let mut search = Search::with_kernel(method, self, first, last);
        while !search.finished() {
            search.step(u64::MAX >> 16);
        }
        let mut form = ClosedForm::new(first, last);
        form.step(u64::MAX);
        let tally = search.tally();
        if form.result() != Some(tally.sum) {
            return Err(format!("{method}: the sum over {first} to {last} is not {}", tally.sum));
        }
        match PERFECT.iter().find(|n| (first..=last).contains(n) && !tally.perfect.contains(n)) {
            Some(missed) => Err(format!("{method}: it doesn't find that {missed} is perfect")),
            None => Ok(()),
        }
    }
}

/// Compares a sum over the block from `first` on with 1, and d and n/d for each of `divisors` d ≤ √n that divides n.
fn compare(first: u64, sum: u128, divisors: std::ops::Range<u64>) -> Result<(), String> {
    let pair = |n: u64, d: u64| u128::from(d) + if n == d * d { 0 } else { u128::from(n / d) };
    let hits = |n: u64| divisors.clone().filter(move |d| d * d <= n && n.is_multiple_of(*d));
    let right: u128 = (first..first + BLOCK).map(|n| 1 + hits(n).map(|d| pair(n, d)).sum::<u128>()).sum();
    let fault = || format!("trial by {divisors:?}: the sum over {BLOCK} numbers from {first} is {right}, not {sum}");
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
        assert_eq!(compare(1_000, BLOCK.into(), 2..2), Ok(()), "no divisors, no sum");
        let fault = compare(1_000, BLOCK.into(), 7..8).unwrap_err();
        assert_eq!(fault, "trial by 7..8: the sum over 200 numbers from 1000 is 4956, not 200");
    }
}
