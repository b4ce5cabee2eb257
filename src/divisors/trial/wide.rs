//! Trial division of candidates from 2^32 on: groups of consecutive d, tested together with 64-bit floats.
//!
//! All rests on one fact. Let a and d ≥ 1 be integers that a float holds exactly, i = RN(1/d), and t the integer that
//! adding and subtracting 1.5·2^52 rounds a·i to. If |a/d| ≤ 2^50, then
//! - a·i is within |a/d|·2^-53 of a/d, and within little more than |a/d|·2^-52 when the product is rounded, so by less
//!   than 1/3. The sum is between 2^52 and 2^53, where floats are the integers, so t is an integer within 1/2 of a·i
//!   (or of its rounded value), and t = a/d if d divides a. The subtraction is exact.
//! - So a − t·d is an integer of less than d, and |t·d| < |a| + d. Both are exact: the difference because it is far below
//!   2^53; the product either because the multiplication is fused, or because |a| + d ≤ 2^53.
//!
//! So the remainder is 0 if and only if d divides a.

use std::array;
use std::ops::Range;

use crate::divisors::sums::Sums;

/// How many divisors are tested together. A group with a hit is searched for it, so longer isn't faster.
pub(super) const GROUP: usize = 128;
/// The least divisor that [`Split`] can test.
pub(super) const SPLIT_MIN: u64 = 1 << 13;

/// Adding it rounds a float below 2^51 to an integer.
const ROUND: f64 = 1.5 * (1u64 << 52) as f64;

/// A way to compute remainders.
pub(super) trait Arithmetic {
    /// 0.0 if d divides n, else something else. `inverse` is 1/d, rounded.
    fn remainder(n: u64, d: f64, inverse: f64) -> f64;
}

/// For n < 2^51, so n/d ≤ 2^50 from d = 2 on; multiplication and addition fused. Slow where the processor can't.
pub(super) struct Fused;

/// For n < 2^51, so n/d ≤ 2^50 from d = 2 on; multiplication and addition apart.
pub(super) struct Separate;

/// For n ≤ 2^63 and d ≥ 2^13, fused. n = a + b where 2^12 divides a, so that a float holds a, and b < 2^12; a/d ≤ 2^50.
/// The remainder of a is smaller than d, and with b added smaller than 2d: the same fact divides it once more.
pub(super) struct Split;

impl Arithmetic for Fused {
    #[inline(always)]
    fn remainder(n: u64, d: f64, inverse: f64) -> f64 {
        fused_remainder(n as i64 as f64, d, inverse)
    }
}

impl Arithmetic for Separate {
    #[inline(always)]
    fn remainder(n: u64, d: f64, inverse: f64) -> f64 {
        let n = n as i64 as f64;
        let quotient = (n * inverse + ROUND) - ROUND;
        n - quotient * d
    }
}

impl Arithmetic for Split {
    #[inline(always)]
    fn remainder(n: u64, d: f64, inverse: f64) -> f64 {
        let (high, low) = ((n & !0xfff) as f64, (n & 0xfff) as f64);
        fused_remainder(fused_remainder(high, d, inverse) + low, d, inverse)
    }
}

#[inline(always)]
fn fused_remainder(a: f64, d: f64, inverse: f64) -> f64 {
    let quotient = a.mul_add(inverse, ROUND) - ROUND;
    (-quotient).mul_add(d, a)
}

/// Consecutive divisors made ready.
struct Group {
    first: u64,
    divisors: [f64; GROUP],
    inverses: [f64; GROUP],
}

impl Group {
    #[inline(always)]
    fn new(first: u64) -> Self {
        let divisors = array::from_fn(|offset| first as f64 + f64::from(offset as u32));
        Self { first, divisors, inverses: divisors.map(|d| 1.0 / d) }
    }

    /// Whether any of the divisors divides n.
    #[inline(always)]
    fn hits<A: Arithmetic>(&self, n: u64) -> bool {
        let pairs = self.divisors.iter().zip(&self.inverses);
        pairs.fold(0, |hit, (d, inverse)| hit | u64::from(A::remainder(n, *d, *inverse) == 0.0)) != 0
    }

    /// Adds those of the divisors below `end` that divide n to the sum at `index`, each with its cofactor.
    #[inline(always)]
    fn add_hits<A: Arithmetic>(&self, sums: &mut Sums, index: usize, end: u64) {
        let n = sums.first() + index as u64;
        let mut zeros = [false; GROUP];
        for (zero, (d, inverse)) in zeros.iter_mut().zip(self.divisors.iter().zip(&self.inverses)) {
            *zero = A::remainder(n, *d, *inverse) == 0.0;
        }
        for (d, _) in (self.first..end).zip(zeros).filter(|(_, zero)| *zero) {
            add_pair(sums, index, d);
        }
    }
}

/// Adds d, which divides the candidate n at `index`, and n/d, if d is the smaller of the two; once if they are equal.
fn add_pair(sums: &mut Sums, index: usize, d: u64) {
    let cofactor = (sums.first() + index as u64) / d;
    if d < cofactor {
        sums.add(index, d + cofactor);
    } else if d == cofactor {
        sums.add(index, d);
    }
}

/// Tests each of `divisors` against each n of the block; where d ≤ √n divides, adds d + n/d, or d if n = d².
/// Divisors are taken in whole groups; what is beyond the range, or above √n, is tested and not counted.
#[inline(always)]
pub(super) fn pass<A: Arithmetic>(sums: &mut Sums, divisors: Range<u64>) {
    for first in divisors.clone().step_by(GROUP) {
        let group = Group::new(first);
        for index in 0..sums.length() {
            if group.hits::<A>(sums.first() + index as u64) {
                group.add_hits::<A>(sums, index, divisors.end);
            }
        }
    }
}

/// The same by a 64-bit remainder for each pair: what always works, up to 2^63.
#[inline(always)]
pub(super) fn pass_by_remainder(sums: &mut Sums, divisors: Range<u64>) {
    for d in divisors {
        for index in 0..sums.length() {
            if (sums.first() + index as u64).is_multiple_of(d) {
                add_pair(sums, index, d);
            }
        }
    }
}
