//! Trial division by small divisors, which divide so many n that every sum is touched.
//!
//! Let d = 2^k·o with o odd. Multiplying by the inverse of o modulo 2^64 permutes the residues; it sends the multiples of
//! o, and only them, to their quotients 0 ..= ⌊(2^64 − 1)/o⌋. Rotating right by k then divides by 2^k when the low k bits
//! are 0, and yields at least 2^(64−k) otherwise. So with q = rotate(n·o⁻¹, k), d divides n exactly if
//! q ≤ ⌊(2^64 − 1)/d⌋, and then q = n/d. (T. Granlund, P. Montgomery: Division by Invariant Integers using Multiplication,
//! 1994, section 9.)

use std::array;
use std::ops::Range;

use crate::divisors::sums::Sums;

/// Candidates that are tested together: one vector of AVX2. Of more the compiler makes no vectors.
const LANES: usize = 4;

/// A divisor made ready.
#[derive(Clone, Copy)]
struct Divisor {
    d: u64,
    /// The inverse of d's odd part modulo 2^64.
    inverse: u64,
    /// How often 2 divides d.
    twos: u32,
    /// The largest quotient: ⌊(2^64 − 1)/d⌋.
    quotient_max: u64,
}

impl Divisor {
    fn new(d: u64) -> Self {
        let twos = d.trailing_zeros();
        Self { d, inverse: inverse(d >> twos), twos, quotient_max: u64::MAX / d }
    }

    /// d + n/d if d divides n, else 0. `product` is n times the inverse. For odd d `EVEN` may be false, which is faster.
    #[inline(always)]
    fn pair<const EVEN: bool>(self, product: u64) -> u64 {
        let quotient = if EVEN { product.rotate_right(self.twos) } else { product };
        if quotient <= self.quotient_max { self.d.wrapping_add(quotient) } else { 0 }
    }
}

/// The inverse of an odd number modulo 2^64 by Newton's iteration: 3·odd xor 2 is right in 5 bits, then 10, 20, 40, 80.
fn inverse(odd: u64) -> u64 {
    let mut inverse = odd.wrapping_mul(3) ^ 2;
    for _ in 0..4 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(inverse)));
    }
    inverse
}

/// Tests each of `divisors` against each n of the block with n ≥ d²; where it divides, adds d + n/d, or d if n = d².
/// The candidates are so small that no sum carries.
#[inline(always)]
pub(in crate::divisors) fn pass(sums: &mut Sums, divisors: Range<u64>) {
    let first = sums.first();
    for d in divisors {
        let start = first.max(d * d);
        let Some(sums) = sums.low().get_mut((start - first) as usize..) else { break };
        if d.is_multiple_of(2) {
            test::<true>(sums, start, Divisor::new(d));
        } else {
            test::<false>(sums, start, Divisor::new(d));
        }
        if let Some(sum) = sums.first_mut().filter(|_| start == d * d) {
            *sum = sum.wrapping_sub(d);
        }
    }
}

/// Tests one divisor against the candidates from `start` on.
#[inline(always)]
fn test<const EVEN: bool>(sums: &mut [u64], start: u64, divisor: Divisor) {
    let mut products: [_; LANES] = array::from_fn(|lane| (start + lane as u64).wrapping_mul(divisor.inverse));
    let (whole, rest) = sums.as_chunks_mut::<LANES>();
    let step = divisor.inverse.wrapping_mul(LANES as u64);
    for sums in whole {
        let pairs = products.map(|product| divisor.pair::<EVEN>(product));
        *sums = array::from_fn(|lane| sums[lane].wrapping_add(pairs[lane]));
        products = products.map(|product| product.wrapping_add(step));
    }
    for (sum, product) in rest.iter_mut().zip(products) {
        *sum = sum.wrapping_add(divisor.pair::<EVEN>(product));
    }
}

/// The same by a remainder for each pair, for candidates of any size.
#[inline(always)]
pub(in crate::divisors) fn pass_by_remainder(sums: &mut Sums, divisors: Range<u64>) {
    for d in divisors {
        for index in 0..sums.length() {
            let n = sums.first() + index as u64;
            if n.is_multiple_of(d) {
                sums.add(index, d + n / d);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_there_exactly_if_d_divides() {
        for d in 2..300 {
            let divisor = Divisor::new(d);
            for n in (1..3_000).chain((1 << 63) - 3_000..=1 << 63) {
                let want = if n % d == 0 { d + n / d } else { 0 };
                let product = n.wrapping_mul(divisor.inverse);
                assert_eq!(divisor.pair::<true>(product), want, "{n} / {d}");
                assert!(d % 2 == 0 || divisor.pair::<false>(product) == want, "{n} / {d}");
            }
        }
    }
}
