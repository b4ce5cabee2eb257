//! What is found of a candidate while it is sieved: the product of its prime powers found so far, and σ of that.
//!
//! σ(n) is the sum of all divisors of n, s(n) + n. It is multiplicative: σ(ab) = σ(a)·σ(b) if a and b have no common
//! divisor; and σ(p^k) = 1 + p + … + p^k. So with the product P of all prime powers of n for p ≤ √n, n/P is 1 or a prime,
//! and σ(n) = σ(P)·σ(n/P).

use std::array;

/// A part of a candidate, 1 in the beginning.
pub(in crate::divisors) trait Part: Copy {
    /// The part `product`, whose σ is `sigma`.
    fn new(product: u32, sigma: u32) -> Self;

    /// One prime more: it divides the candidate, and isn't in the part yet.
    fn strike(&mut self, prime: u32);

    /// One more factor p: p^k divides the candidate, k − 1 ≥ 1 of them are in the part. `below` is σ(p^(k−1)), `above`
    /// is σ(p^k).
    fn raise(&mut self, prime: u32, below: u64, above: u64);

    /// Σ σ(n) over consecutive candidates from `first` on, which have these parts; appends those with σ(n) = 2n.
    ///
    /// All primes up to `root` are in the parts, as often as they divide, but for one that may divide the candidate twice
    /// and be in its part once.
    fn close(parts: &[Self], first: u64, root: u64, perfect: &mut Vec<u64>) -> u128;
}

/// First candidate that needs [`Wide`].
pub(in crate::divisors) const WIDE_START: u64 = 1 << 50;

/// For candidates below 2^50: product and σ in floats, which hold integers up to 2^53. σ(n) stays below 6.9·n there, as
/// Π p/(p − 1) does over the primes up to 41, and more of them multiply to more than 2^50.
#[derive(Clone, Copy, Debug)]
pub(in crate::divisors) struct Narrow([f64; 2]);

/// For all candidates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wide {
    product: u64,
    sigma: u128,
}

impl Part for Narrow {
    #[inline(always)]
    fn new(product: u32, sigma: u32) -> Self {
        Self([f64::from(product), f64::from(sigma)])
    }

    #[inline(always)]
    fn strike(&mut self, prime: u32) {
        let prime = f64::from(prime);
        self.0 = [self.0[0] * prime, self.0[1] * (prime + 1.0)];
    }

    #[inline(always)]
    fn raise(&mut self, prime: u32, below: u64, above: u64) {
        // `below` divides σ, so the division is exact.
        self.0 = [self.0[0] * f64::from(prime), self.0[1] / below as f64 * above as f64];
    }

    #[inline(always)]
    fn close(parts: &[Self], first: u64, root: u64, perfect: &mut Vec<u64>) -> u128 {
        let mut total = Total::default();
        let mut n = first as f64;
        let (chunks, rest) = parts.as_chunks();
        for chunk in chunks {
            let sigmas = close_chunk(chunk, n, root as f64)
                .unwrap_or_else(|| array::from_fn(|lane| chunk[lane].close_one(n + lane as f64, root as f64, perfect)));
            total.add(sigmas);
            n += LANES as f64;
        }
        let rest = rest.iter().zip(n as u64..).map(|(part, n)| part.close_one(n as f64, root as f64, perfect) as u128);
        total.sum() + rest.sum::<u128>()
    }
}

impl Narrow {
    /// n/P and σ(P)·σ(n/P), where n/P is 1 or a prime.
    #[inline(always)]
    fn sigma(self, n: f64) -> (f64, f64) {
        let [product, sigma] = self.0;
        let cofactor = n / product;
        (cofactor, sigma * if cofactor == 1.0 { 1.0 } else { cofactor + 1.0 })
    }

    /// σ(n); appends n if it is perfect.
    fn close_one(self, n: f64, root: f64, perfect: &mut Vec<u64>) -> f64 {
        let (cofactor, mut sigma) = self.sigma(n);
        if 1.0 < cofactor && cofactor <= root {
            // A prime of the part once more.
            sigma = self.0[1] / (cofactor + 1.0) * (1.0 + cofactor + cofactor * cofactor);
        }
        if sigma == 2.0 * n {
            perfect.push(n as u64);
        }
        sigma
    }
}

/// Candidates that are closed together: two vectors of AVX2.
const LANES: usize = 8;

/// σ of each, if none is perfect and no prime of a part divides once more: nearly always.
#[inline(always)]
fn close_chunk(parts: &[Narrow; LANES], first: f64, root: f64) -> Option<[f64; LANES]> {
    let n: [f64; LANES] = array::from_fn(|lane| first + lane as f64);
    let closed: [_; LANES] = array::from_fn(|lane| parts[lane].sigma(n[lane]));
    let special =
        |(n, (cofactor, sigma)): (&f64, &(f64, f64))| (*cofactor > 1.0) & (*cofactor <= root) | (*sigma == 2.0 * n);
    let any = n.iter().zip(&closed).map(special).fold(false, |any, special| any | special);
    (!any).then(|| closed.map(|(_, sigma)| sigma))
}

/// A sum of integers below 2^53, in multiples of 2^26 and what is left of them.
#[derive(Default)]
struct Total {
    high: [f64; LANES],
    low: [f64; LANES],
}

impl Total {
    #[inline(always)]
    fn add(&mut self, values: [f64; LANES]) {
        /// Adding it rounds a float below 2^51 to an integer.
        const ROUND: f64 = 1.5 * (1u64 << 52) as f64;
        for ((high, low), value) in self.high.iter_mut().zip(&mut self.low).zip(values) {
            let units = value * (1.0 / UNIT) + ROUND - ROUND;
            *high += units;
            *low += value - units * UNIT;
        }
    }

    /// The sum of what was added, at most 2^25 times.
    fn sum(&self) -> u128 {
        let integer = |lanes: [f64; LANES]| lanes.iter().map(|lane| *lane as i128).sum::<i128>();
        (integer(self.high) * UNIT as i128 + integer(self.low)) as u128
    }
}

const UNIT: f64 = (1u64 << 26) as f64;

impl Part for Wide {
    fn new(product: u32, sigma: u32) -> Self {
        Self { product: product.into(), sigma: sigma.into() }
    }

    #[inline(always)]
    fn strike(&mut self, prime: u32) {
        self.product *= u64::from(prime);
        self.sigma *= u128::from(prime) + 1;
    }

    #[inline(always)]
    fn raise(&mut self, prime: u32, below: u64, above: u64) {
        self.product *= u64::from(prime);
        self.sigma = self.sigma / u128::from(below) * u128::from(above);
    }

    fn close(parts: &[Self], first: u64, root: u64, perfect: &mut Vec<u64>) -> u128 {
        let mut total = 0;
        for (part, n) in parts.iter().zip(first..) {
            let cofactor = n / part.product;
            let prime = u128::from(cofactor);
            let sigma = match cofactor {
                1 => part.sigma,
                _ if cofactor <= root => part.sigma / (prime + 1) * (1 + prime + prime * prime),
                _ => part.sigma * (prime + 1),
            };
            if sigma == 2 * u128::from(n) {
                perfect.push(n);
            }
            total += sigma;
        }
        total
    }
}
