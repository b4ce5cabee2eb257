//! The closed form that proves a search: Σ s(n) over a range in O(last^(1/3) log last).
//!
//! Σ_{n ≤ x} σ(n) counts each pair (a, b) with ab ≤ x by a. Let r = ⌊√x⌋ and T(m) = m(m + 1)/2. A pair with b > r has
//! a ≤ r; taken as its mirror image, it counts b in a row up to r. So there the pairs count a + b, and those with a ≤ r,
//! which are no images, are counted twice: r·T(r) too much (Dirichlet's hyperbola method).
//!
//! ```text
//! Σ_{n ≤ x} s(n) = Σ_{b ≤ r} Σ_{a ≤ x/b} (a + b) − r·T(r) − T(x)
//! ```
//!
//! Row b comes to bq + T(q), q = ⌊x/b⌋. The rows up to some x^(1/3) are divided one by one; [`Hull`] takes those above,
//! where the hyperbola bends so little that many lie below one straight line.
//!
//! Up to x = 2^63 the largest sum is below Σ σ(n) + r·T(r) + x² < 0.83·x² + x² < 2^127, so 128 bits hold everything.

mod hull;
#[cfg(test)]
mod tests;

use hull::Hull;

use super::ARGUMENT_MAX;

/// Σ s(n) over first ..= last as a computation in steps. An operation is a lattice point looked at, or a row divided.
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

    /// The operations of the whole computation, done or not: an estimate, rather too high than too low.
    #[must_use]
    pub fn cost(&self) -> f64 {
        cost(self.upto_last.x) + cost(self.before_first.x)
    }
}

/// Rows up to so many x^(1/3) are divided. A row costs the hull the more points the lower it is; with 4 to 16 the sum
/// takes about as long.
const DIVIDED_ROWS: f64 = 8.0;

fn last_divided_row(x: u64) -> u64 {
    (DIVIDED_ROWS * (x as f64).cbrt()) as u64
}

/// The operations of a prefix: the rows that are divided, and the hull's points, a fit to what was counted up to 2^63.
fn cost(x: u64) -> f64 {
    let points = (x as f64).cbrt() * (1.27 * (x as f64).ln() - 16.4).max(1.0);
    (last_divided_row(x) as f64 + points).min(x.isqrt() as f64)
}

/// Σ s(n) over n ≤ x.
#[derive(Clone, Debug)]
struct Prefix {
    x: u64,
    /// The rows above `last_divided_row`.
    hull: Hull,
    /// The next row to divide.
    next: u64,
    /// Of the rows divided.
    sum: u128,
}

impl Prefix {
    fn new(x: u64) -> Self {
        Self { x, hull: Hull::new(x, last_divided_row(x)), next: 1, sum: 0 }
    }

    /// Does up to `operations` more; what is left of them.
    fn step(&mut self, operations: u64) -> u64 {
        let left = self.hull.step(operations);
        if self.hull.is_done() { self.divide(left) } else { left }
    }

    /// Divides up to `operations` more rows; what is left of the operations.
    fn divide(&mut self, operations: u64) -> u64 {
        let count = operations.min(self.hull.row() + 1 - self.next);
        let x = self.x;
        let rows = (self.next..self.next + count).map(|b| row(b, x / b));
        self.sum = rows.fold(self.sum, u128::wrapping_add);
        self.next += count;
        operations - count
    }

    fn result(&self) -> Option<u128> {
        let root = self.x.isqrt();
        let twice = u128::from(root) * triangle(root);
        let done = self.hull.is_done() && self.next > self.hull.row();
        done.then(|| self.sum + self.hull.sum() - twice - triangle(self.x))
    }
}

/// bq + T(q): the pairs of row b. The product is at most x, so 64 bits hold it.
#[inline]
fn row(b: u64, q: u64) -> u128 {
    u128::from(b.wrapping_mul(q)).wrapping_add(triangle(q))
}

/// T(m) = m(m + 1)/2 for m < 2^64 − 1.
#[inline]
fn triangle(m: u64) -> u128 {
    u128::from(m).wrapping_mul(u128::from(m.wrapping_add(1))) / 2
}
