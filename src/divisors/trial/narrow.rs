//! Trial division of candidates below 2^32: one multiplication modulo 2^32 tests a pair and yields the quotient.
//!
//! Let d = 2^k·o with o odd, and n < 2^32. Multiplying by the inverse of o modulo 2^32 permutes the residues; it
//! sends the multiples of o, and only them, to their quotients 0 ..= ⌊(2^32 − 1)/o⌋. Rotating right by k then divides
//! by 2^k when the low k bits are 0, and yields at least 2^(32−k) otherwise. So with q = rotate(n·o⁻¹, k), d divides n
//! exactly if q ≤ ⌊(2^32 − 1)/d⌋, and then q = n/d. (T. Granlund, P. Montgomery: Division by Invariant Integers using
//! Multiplication, 1994, section 9.)

use std::ops::Range;

use crate::divisors::sums::Sums;

/// Below it, d divides so many n that every sum is touched.
pub(in crate::divisors) const DENSE_END: u64 = 64;
/// From it on, a run of candidates may be this long and still hold at most one multiple of d.
pub(in crate::divisors) const SPARSE_START: u64 = 512;

/// A divisor made ready.
#[derive(Clone, Copy)]
struct Divisor {
    d: u32,
    /// The inverse of d's odd part modulo 2^32.
    inverse: u32,
    /// How often 2 divides d.
    twos: u32,
    /// The largest quotient: ⌊(2^32 − 1)/d⌋.
    quotient_max: u32,
}

impl Divisor {
    #[inline(always)]
    fn new(d: u32) -> Self {
        let twos = d.trailing_zeros();
        Self { d, inverse: inverse(d >> twos), twos, quotient_max: u32::MAX / d }
    }

    /// n/d if d divides n, else a number above `quotient_max`. For odd d `EVEN` may be false, which is faster.
    #[inline(always)]
    fn quotient<const EVEN: bool>(self, n: u32) -> u32 {
        let quotient = n.wrapping_mul(self.inverse);
        if EVEN { quotient.rotate_right(self.twos) } else { quotient }
    }
}

/// The inverse of an odd number modulo 2^32 by Newton's iteration: 3·odd xor 2 is right in 5 bits, then 10, 20, 40.
#[inline(always)]
fn inverse(odd: u32) -> u32 {
    let mut inverse = odd.wrapping_mul(3) ^ 2;
    for _ in 0..3 {
        inverse = inverse.wrapping_mul(2u32.wrapping_sub(odd.wrapping_mul(inverse)));
    }
    inverse
}

/// Tests each of `divisors` against each n of the block with n ≥ d²; where it divides, adds d + n/d, or d if n = d².
/// All candidates are below 2^32, and d ≥ 2 is at most the square root of the last one.
#[inline(always)]
pub(super) fn pass(sums: &mut Sums, divisors: Range<u64>) {
    let first = sums.first() as u32;
    for d in divisors.start as u32..divisors.end as u32 {
        let start = first.max(d.wrapping_mul(d));
        let sums = &mut sums.low()[start.wrapping_sub(first) as usize..];
        if d.is_multiple_of(2) {
            test::<true>(sums, start, Divisor::new(d));
        } else {
            test::<false>(sums, start, Divisor::new(d));
        }
        if d.wrapping_mul(d) == start {
            sums[0] = sums[0].wrapping_sub(u64::from(d));
        }
    }
}

/// Tests one divisor against the candidates from `start` on, in runs so long that the test vectorises.
#[inline(always)]
fn test<const EVEN: bool>(sums: &mut [u64], start: u32, divisor: Divisor) {
    if u64::from(divisor.d) < DENSE_END {
        test_dense::<EVEN>(sums, start, divisor);
    } else if u64::from(divisor.d) < SPARSE_START {
        test_runs::<{ DENSE_END as usize }, EVEN>(sums, start, divisor);
    } else {
        test_runs::<{ SPARSE_START as usize }, EVEN>(sums, start, divisor);
    }
}

/// Adds to every sum: d + n/d or nothing.
#[inline(always)]
fn test_dense<const EVEN: bool>(sums: &mut [u64], start: u32, divisor: Divisor) {
    for (n, sum) in (0..sums.len() as u32).map(|i| start.wrapping_add(i)).zip(sums) {
        let quotient = divisor.quotient::<EVEN>(n);
        let pair = if quotient <= divisor.quotient_max { divisor.d.wrapping_add(quotient) } else { 0 };
        *sum = sum.wrapping_add(u64::from(pair));
    }
}

/// Tests runs of at most `RUN` ≤ d candidates. At most one of a run is a multiple; its quotient is the least.
#[inline(always)]
fn test_runs<const RUN: usize, const EVEN: bool>(sums: &mut [u64], start: u32, divisor: Divisor) {
    let mut n = start;
    for run in sums.chunks_mut(RUN) {
        // A length that the compiler knows makes the usual case a straight line of vector instructions.
        let quotient = if run.len() == RUN {
            least_quotient::<EVEN>(n, RUN as u32, divisor)
        } else {
            least_quotient::<EVEN>(n, run.len() as u32, divisor)
        };
        // No branch: hits come too often, and too irregularly, to be predicted.
        let hit = u32::from(quotient <= divisor.quotient_max).wrapping_neg();
        let index = quotient.wrapping_mul(divisor.d).wrapping_sub(n) & hit;
        let pair = divisor.d.wrapping_add(quotient) & hit;
        run[index as usize] = run[index as usize].wrapping_add(u64::from(pair));
        n = n.wrapping_add(run.len() as u32);
    }
}

#[inline(always)]
fn least_quotient<const EVEN: bool>(start: u32, length: u32, divisor: Divisor) -> u32 {
    let candidates = (0..length).map(|i| start.wrapping_add(i));
    candidates.fold(u32::MAX, |least, n| least.min(divisor.quotient::<EVEN>(n)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotient_is_within_its_limit_exactly_if_d_divides() {
        for d in (2..2_000).chain(65_000..65_536) {
            let divisor = Divisor::new(d);
            for n in (1..3_000).chain(u32::MAX - 70_000..=u32::MAX).step_by(7) {
                let quotient = divisor.quotient::<true>(n);
                assert_eq!(quotient <= divisor.quotient_max, n % d == 0, "{n} / {d}");
                assert!(n % d != 0 || quotient == n / d, "{n} / {d}");
                assert!(d % 2 == 0 || quotient == divisor.quotient::<false>(n), "{n} / {d}");
            }
        }
    }
}
