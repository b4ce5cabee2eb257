//! Trial division by divisors from `DENSE_END` on: the fraction of n/d for each n and d, 32 divisors at a time.
//!
//! d divides n if and only if the fraction of n/d is 0. It is kept as a whole number of units of 2^-32, modulo 1, so
//! from one n to the next it grows by 1/d: a pair (n, d) costs one addition and one minimum. The first fraction and each
//! step are rounded up by more than 0 and less than 2 units, so after i steps a fraction is too large by less than 2i + 2
//! units. Therefore
//! - if d divides n, then it is less than 2i + 2: no divisor is missed;
//! - if not, the exact fraction is at least 2^32/d units, nearly always more than that.
//!
//! Of a run of candidates, of which d divides at most one, the least fraction is kept. If that is so small, one division
//! finds which of them it was, if any, and the quotient.

use std::array;
use std::ops::Range;

use super::{DENSE_END, SPARSE_START};
use crate::divisors::sums::Sums;

/// How many divisors are tested together: four vectors of AVX2, which keep its four ports busy.
pub(in crate::divisors) const GROUP: usize = 32;
/// The least divisor that [`Split`] can prepare.
pub(in crate::divisors) const SPLIT_MIN: u64 = 1 << 13;
/// First candidate that floats don't hold well enough to be divided at once.
pub(in crate::divisors) const SPLIT_START: u64 = 1 << 51;

/// Adding it rounds a float of less than 2^51 to an integer, and leaves that in the low bits, modulo 2^32.
const ROUND: f64 = 1.5 * (1u64 << 52) as f64;
/// Units of the fractions.
const UNITS: f64 = (1u64 << 32) as f64;

/// A way to prepare divisors.
pub(in crate::divisors) trait Division {
    /// For each d of the group that begins with `first`: the fractions of n/d and of 1/d in units of 2^-32, each too
    /// large by more than 0 and less than 2, modulo 2^32.
    fn fractions(n: u64, first: u64) -> ([u32; GROUP], [u32; GROUP]);
}

/// For all n and d, by divisions of integers.
pub(in crate::divisors) struct Exact;

/// For n < 2^51, so that n/d ≤ 2^50 from d = 2 on; by floats, multiplication and addition fused.
///
/// Let a and d be integers that a float holds exactly, i = RN(1/d), and t the integer that adding and subtracting
/// 1.5·2^52 rounds a·i to. If |a/d| ≤ 2^50, then a·i is within 1/3 of a/d, the sum is between 2^52 and 2^53, where floats
/// are the integers, and t is within 1 of a/d. So a − t·d is an integer of at most d, which one fused operation
/// computes exactly; its fraction of d is right to 2^-52 of itself, and rounds to within 0.51 units.
pub(in crate::divisors) struct Fused;

/// For n ≤ 2^63 and d ≥ 2^13, fused. n = a + b where 2^12 divides a, so that a float holds a, and b < 2^12; a/d ≤ 2^50.
/// The remainder of a is at most d, with b added at most 2d: the same argument divides it once more.
pub(in crate::divisors) struct Split;

impl Division for Exact {
    #[inline(always)]
    fn fractions(n: u64, first: u64) -> ([u32; GROUP], [u32; GROUP]) {
        let units = |numerator: u64, d: u64| ((numerator << 32) / d + 1) as u32;
        let divisors: [u64; GROUP] = array::from_fn(|lane| first + lane as u64);
        (divisors.map(|d| units(n % d, d)), divisors.map(|d| units(1, d)))
    }
}

impl Division for Fused {
    #[inline(always)]
    fn fractions(n: u64, first: u64) -> ([u32; GROUP], [u32; GROUP]) {
        by_floats(first, |d, inverse| remainder(n as f64, d, inverse))
    }
}

impl Division for Split {
    #[inline(always)]
    fn fractions(n: u64, first: u64) -> ([u32; GROUP], [u32; GROUP]) {
        let (high, low) = ((n & !0xfff) as f64, (n & 0xfff) as f64);
        by_floats(first, |d, inverse| remainder(remainder(high, d, inverse) + low, d, inverse))
    }
}

/// The fractions from the remainder of n divided by d, which is computed from d and 1/d. In steps over whole arrays, from
/// which the compiler makes vector instructions.
#[inline(always)]
fn by_floats(first: u64, remainder: impl Fn(f64, f64) -> f64) -> ([u32; GROUP], [u32; GROUP]) {
    let divisors: [f64; GROUP] = array::from_fn(|lane| first as f64 + lane as f64);
    let inverses = divisors.map(|d| 1.0 / d);
    let mut fractions = [0; GROUP];
    for (fraction, (d, inverse)) in fractions.iter_mut().zip(divisors.iter().zip(&inverses)) {
        *fraction = units(remainder(*d, *inverse) * inverse);
    }
    (fractions, inverses.map(units))
}

/// a modulo d, of either sign.
#[inline(always)]
fn remainder(a: f64, d: f64, inverse: f64) -> f64 {
    let quotient = a.mul_add(inverse, ROUND) - ROUND;
    (-quotient).mul_add(d, a)
}

/// A number between −1 and 1 in units, modulo 1, rounded to the nearest and then one more.
#[inline(always)]
fn units(fraction: f64) -> u32 {
    (fraction.mul_add(UNITS, ROUND).to_bits() as u32).wrapping_add(1)
}

/// Consecutive divisors, with the fractions of n/d for the n that was tested last.
struct Group {
    fractions: [u32; GROUP],
    steps: [u32; GROUP],
}

impl Group {
    /// The divisors from `first` on, with nothing tested after `n`.
    #[inline(always)]
    fn new<D: Division>(first: u64, n: u64) -> Self {
        let (fractions, steps) = D::fractions(n, first);
        Self { fractions, steps }
    }

    /// Tests every divisor against the next `count` candidates: the least fraction that each has met.
    #[inline(always)]
    fn least(&mut self, count: usize) -> [u32; GROUP] {
        let mut least = [u32::MAX; GROUP];
        // Copies, which stay in registers.
        let (mut fractions, steps) = (self.fractions, self.steps);
        for _ in 0..count {
            for lane in 0..GROUP {
                fractions[lane] = fractions[lane].wrapping_add(steps[lane]);
                least[lane] = least[lane].min(fractions[lane]);
            }
        }
        self.fractions = fractions;
        least
    }
}

/// Tests each of `divisors`, which begin at `DENSE_END` or a whole number of groups above it, against each n of the
/// block; where d ≤ √n divides, adds d + n/d, or d if n = d². They are taken in whole groups: what is above √n, is tested
/// and not counted.
#[inline(always)]
pub(in crate::divisors) fn pass<D: Division>(sums: &mut Sums, divisors: Range<u64>) {
    // 2 + 2 for each step, see above.
    let bound = 2 * sums.length() as u32 + 2;
    for first in divisors.step_by(GROUP) {
        let mut group = Group::new::<D>(first, sums.first() - 1);
        // So short that at most one candidate of a run is a multiple of d.
        let run = if first < SPARSE_START { DENSE_END } else { SPARSE_START } as usize;
        for start in (0..sums.length()).step_by(run) {
            let count = run.min(sums.length() - start);
            let least = group.least(count);
            let mut hits =
                least.iter().enumerate().fold(0, |hits, (lane, least)| hits | u32::from(*least <= bound) << lane);
            while hits != 0 {
                add_multiple(sums, start..start + count, first + u64::from(hits.trailing_zeros()));
                hits &= hits - 1;
            }
        }
    }
}

/// The same by a remainder for each pair: for so few candidates that preparing a divisor takes longer.
pub(in crate::divisors) fn pass_by_remainder(sums: &mut Sums, divisors: Range<u64>) {
    for d in divisors {
        for index in 0..sums.length() {
            add_multiple(sums, index..index + 1, d);
        }
    }
}

/// If d divides a candidate n with n ≥ d² in the run: adds d and n/d to its sum, once if they are equal.
#[inline(always)]
fn add_multiple(sums: &mut Sums, run: Range<usize>, d: u64) {
    let n = sums.first() + run.start as u64;
    let cofactor = n.div_ceil(d);
    let index = run.start + (cofactor * d - n) as usize;
    if index < run.end && d <= cofactor {
        sums.add(index, if d < cofactor { d + cofactor } else { d });
    }
}
