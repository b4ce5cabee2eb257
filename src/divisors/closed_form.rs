//! The closed form that proves a search: Σ s(n) over a range in O(√last).
//!
//! Σ_{n ≤ x} σ(n) counts each pair (a, b) with ab ≤ x by a. With r = ⌊√x⌋ and q(k) = ⌊x/k⌋, the pairs with a ≤ r give
//! Σ_{k ≤ r} k·q(k), those with b ≤ r give Σ_{k ≤ r} T(q(k)), T(m) = m(m + 1)/2, and those with both are counted twice:
//! r·T(r). So Σ_{n ≤ x} s(n) = Σ_{k ≤ r} (k·q(k) + T(q(k))) − r·T(r) − T(x) (Dirichlet's hyperbola method).
//!
//! Up to x = 2^63 the largest sum is below Σ σ(n) + r·T(r) + x² < 0.83·x² + x² < 2^127, so 128 bits hold everything.

use super::ARGUMENT_MAX;

/// Σ s(n) over first ..= last as a computation in steps. An operation is about one division.
#[derive(Clone, Debug)]
pub struct ClosedForm {
    upto_last: Prefix,
    before_first: Prefix,
}

impl ClosedForm {
    /// The sum over first ..= last, of which nothing is computed yet.
    ///
    /// # Panics
    /// Unless 1 ≤ first ≤ last ≤ 2^63.
    #[must_use]
    pub fn new(first: u64, last: u64) -> Self {
        assert!(1 <= first && first <= last && last <= ARGUMENT_MAX, "range {first}..={last}");
        Self { upto_last: Prefix::new(last), before_first: Prefix::new(first - 1) }
    }

    /// Does up to `operations` more.
    pub fn step(&mut self, operations: u64) {
        let left = self.before_first.step(operations);
        self.upto_last.step(left);
    }

    /// Σ s(n) over the range, once it is computed.
    #[must_use]
    pub fn result(&self) -> Option<u128> {
        Some(self.upto_last.result()? - self.before_first.result()?)
    }

    /// The operations of the whole computation, done or not.
    #[must_use]
    pub fn cost(&self) -> f64 {
        self.upto_last.root as f64 + self.before_first.root as f64
    }
}

/// Σ s(n) over n ≤ x.
#[derive(Clone, Debug)]
struct Prefix {
    x: u64,
    root: u64,
    /// The next k.
    next: u64,
    sum: u128,
}

impl Prefix {
    fn new(x: u64) -> Self {
        Self { x, root: x.isqrt(), next: 1, sum: 0 }
    }

    /// Adds up to `operations` more values of k; what is left of the operations.
    fn step(&mut self, operations: u64) -> u64 {
        let count = operations.min(self.root + 1 - self.next);
        let x = self.x;
        let terms = (self.next..self.next + count).map(|k| term(k, x / k));
        self.sum = terms.fold(self.sum, u128::wrapping_add);
        self.next += count;
        operations - count
    }

    fn result(&self) -> Option<u128> {
        let both = u128::from(self.root) * triangle(self.root);
        (self.next > self.root).then(|| self.sum - both - triangle(self.x))
    }
}

/// k·q + T(q). The product k·q is at most x, so 64 bits hold it.
#[inline]
fn term(k: u64, q: u64) -> u128 {
    u128::from(k.wrapping_mul(q)).wrapping_add(triangle(q))
}

/// T(m) = m(m + 1)/2 for m < 2^64 − 1.
#[inline]
fn triangle(m: u64) -> u128 {
    u128::from(m).wrapping_mul(u128::from(m.wrapping_add(1))) / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::divisors::aliquot_sum;

    fn at_once(first: u64, last: u64) -> u128 {
        let mut form = ClosedForm::new(first, last);
        form.step(u64::MAX);
        form.result().unwrap()
    }

    #[test]
    fn agrees_with_plain_sums() {
        let mut prefixes = vec![0];
        for n in 1..=300 {
            prefixes.push(prefixes[prefixes.len() - 1] + aliquot_sum(n));
        }
        for first in 1..=300 {
            for last in first..=300 {
                assert_eq!(
                    at_once(first as u64, last as u64),
                    prefixes[last] - prefixes[first - 1],
                    "{first}..={last}"
                );
            }
        }
    }

    #[test]
    fn steps_end_when_the_cost_is_paid() {
        let mut form = ClosedForm::new(1_000_000, 2_000_000);
        let mut paid = 0;
        while form.result().is_none() {
            form.step(100);
            paid += 100;
        }
        assert!((f64::from(paid) - form.cost()).abs() <= 100.0, "{paid} for {}", form.cost());
        assert_eq!(form.result(), Some(at_once(1_000_000, 2_000_000)));
    }

    #[test]
    fn the_largest_argument_fits_in_128_bits() {
        // The sum itself takes minutes; its largest term, and a bound of the sum, don't.
        let x = u128::from(ARGUMENT_MAX);
        assert_eq!(term(1, ARGUMENT_MAX), x + x * (x + 1) / 2);
        assert!((x * x).checked_mul(2).is_some());
    }
}
