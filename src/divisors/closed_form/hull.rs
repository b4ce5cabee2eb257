//! The pairs (a, b) with ab ≤ x in the rows b of a stretch below √x, each counted by a + b, in O(x^(1/3) log x).
//!
//! The points above the hyperbola ab = x are a convex region. So a lattice point left of the convex hull of its lattice
//! points has ab ≤ x, and no other has: the sum below a curve is one left of a polygon, of O(x^(1/3) log x) edges. From
//! a vertex the next edge is the steepest vector that leads to a point above the hyperbola. It is found in the
//! Stern–Brocot tree, by mediants l + r of neighbours of which l leads above and r doesn't: a mediant that leads above
//! is the next l, another is the next r; when nothing beyond it can be above, l is the edge. The l on the way stay on a
//! stack, for later edges are shallower. (The search is folklore; to sum below a hyperbola by unimodular pieces is the
//! idea of R. Sladkey, A successive approximation algorithm for computing the divisor summatory function,
//! arXiv:1206.3369.)
//!
//! Let an edge take the primitive vector v = (p, −q) n times, from (a, b) to (a', b') = (a + P, b − Q). For the points
//! left of it in the rows b' < k ≤ b, and the weight w(a, b) = a + b,
//!
//! ```text
//! 12·Σ w = 6Q(aa' + ab + a'b') + 2PQ(P + Q) + c(a', b') − c(a, b) + Σ_{i<n} (E(v) − 6w(a + ip, b − iq))
//! ```
//!
//! The first two terms are twelve times the integral of w, c(a, b) = 3(b² − a² − 2ab) cancels between edges, and E
//! depends on v alone. It can be followed down the tree: left of the steps l, r are the same points as left of l + r,
//! for the triangle between has no lattice points but its corners, and its integral is half of w at its centroid. So
//! E(l + r) = E(l) + E(r) + 2(w(r) − w(l)). One row gives E(0, −1) = −3, the step (1, −1) then E(1, 0) = 3. (E is a
//! Dedekind sum in disguise.)
//!
//! Sizes, with x ≤ 2^63 and rows b > x^(1/3): at a vertex a ≤ x/b + 1 < 2^43. The shallowest vector but (1, 0) was made
//! as (p, −1) where (p − 1, −1) didn't lead above, so p ≤ a/(b − 1) + 1; others are steeper, of at most 2b rows. So
//! none is longer than 2^45, and a product of two coordinates stays below 2^80. The integrals add up to less than
//! x²/x^(1/3) ≤ 2^105, twelve times that to less than 2^109.

use std::mem;

/// A primitive vector of the tree; neither `right` nor `down` is negative.
#[derive(Clone, Copy, Debug)]
struct Vector {
    right: u64,
    down: u64,
    /// E of the formula above.
    dedekind: i128,
}

/// The roots of the tree.
const HORIZONTAL: Vector = Vector { right: 1, down: 0, dedekind: 3 };
const VERTICAL: Vector = Vector { right: 0, down: 1, dedekind: -3 };

impl Vector {
    fn weight(self) -> i128 {
        i128::from(self.right) - i128::from(self.down)
    }

    /// The vector between this one and its steeper neighbour.
    fn mediant(self, steep: Self) -> Self {
        Self {
            right: self.right + steep.right,
            down: self.down + steep.down,
            dedekind: self.dedekind + steep.dedekind + 2 * (steep.weight() - self.weight()),
        }
    }
}

/// A lattice point above the hyperbola.
#[derive(Clone, Copy, Debug)]
struct Point {
    a: u64,
    b: u64,
}

impl Point {
    /// The first point above ab = x in row ⌊√x⌋: the hull's vertex there.
    fn start(x: u64) -> Self {
        let root = x.isqrt();
        Self { a: x / root.max(1) + 1, b: root }
    }

    /// c of the formula above.
    fn corner(self) -> i128 {
        let (a, b) = (i128::from(self.a), i128::from(self.b));
        3 * (b * b - a * a - 2 * a * b)
    }
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Looks between `shallow` and `steep` for the next edge.
    Descend,
    /// Takes the edge `shallow` for as long as it leads above.
    Walk,
    /// Drops what doesn't lead above any more.
    Ascend,
}

/// The walk along the hull, from row ⌊√x⌋ down. An operation is one lattice point, looked at whether it is above.
#[derive(Clone, Debug)]
pub(super) struct Hull {
    x: u64,
    /// The walk ends in this row or below.
    floor: u64,
    vertex: Point,
    phase: Phase,
    shallow: Vector,
    /// Doesn't lead above. The steeper neighbour of `shallow` in the tree.
    steep: Vector,
    /// What is shallower than `shallow`, each the neighbour of the next. Many in a row end on a line that runs beside
    /// the hyperbola, and none does for more than O(x^(1/4)) points. Measured: fewer than x^(1/4), so 2 MB at 2^63.
    stack: Vec<Vector>,
    /// Twelve times the sum so far, without c.
    twelfths: i128,
}

impl Hull {
    /// A walk below ab = x, for x ≤ 2^63, to row `floor` ≥ x^(1/3).
    pub(super) fn new(x: u64, floor: u64) -> Self {
        let (vertex, stack) = (Point::start(x), Vec::new());
        Self { x, floor, vertex, phase: Phase::Descend, shallow: HORIZONTAL, steep: VERTICAL, stack, twelfths: 0 }
    }

    /// Does up to `operations` more; what is left of them.
    pub(super) fn step(&mut self, operations: u64) -> u64 {
        let mut left = operations;
        while left > 0 && !self.is_done() {
            left = match self.phase {
                Phase::Descend => self.descend(left),
                Phase::Walk => self.walk(left),
                Phase::Ascend => self.ascend(left),
            };
        }
        left
    }

    pub(super) fn is_done(&self) -> bool {
        self.vertex.b <= self.floor
    }

    /// The row that the walk has come to: this one and those below it are not in the sum.
    pub(super) fn row(&self) -> u64 {
        self.vertex.b
    }

    /// Σ (a + b) over the rows from ⌊√x⌋ down to the one above [`Hull::row`].
    pub(super) fn sum(&self) -> u128 {
        let corners = self.vertex.corner() - Point::start(self.x).corner();
        (self.twelfths + corners).unsigned_abs() / 12
    }

    fn descend(&mut self, mut left: u64) -> u64 {
        while left > 0 {
            left -= 1;
            let mediant = self.shallow.mediant(self.steep);
            if self.leads_above(mediant) {
                self.stack.push(mem::replace(&mut self.shallow, mediant));
            } else if self.is_lost(mediant) {
                self.phase = Phase::Walk;
                break;
            } else {
                self.steep = mediant;
            }
        }
        left
    }

    fn walk(&mut self, mut left: u64) -> u64 {
        let from = self.vertex;
        while left > 0 {
            left -= 1;
            if !self.leads_above(self.shallow) {
                self.phase = Phase::Ascend;
                break;
            }
            self.twelfths += self.shallow.dedekind - 6 * i128::from(self.vertex.a + self.vertex.b);
            self.vertex.a += self.shallow.right;
            self.vertex.b -= self.shallow.down;
        }
        self.twelfths += integral(from, self.vertex);
        left
    }

    fn ascend(&mut self, mut left: u64) -> u64 {
        while left > 0 {
            left -= 1;
            if self.leads_above(self.shallow) {
                self.phase = Phase::Descend;
                break;
            }
            self.steep = mem::replace(&mut self.shallow, self.stack.pop().unwrap_or(HORIZONTAL));
        }
        left
    }

    /// Whether the vertex plus v is above the hyperbola.
    fn leads_above(&self, v: Vector) -> bool {
        let Point { a, b } = self.vertex;
        v.down < b && product(a + v.right, b - v.down) > u128::from(self.x)
    }

    /// Whether nothing between `shallow` and a mediant that doesn't lead above does: if ab shrinks from there along
    /// `shallow`. Along `steep` it does in any case.
    fn is_lost(&self, mediant: Vector) -> bool {
        let Point { a, b } = self.vertex;
        let along = self.shallow;
        mediant.down >= b || product(b - mediant.down, along.right) <= product(a + mediant.right, along.down)
    }
}

/// Twelve times the integral of w left of an edge.
fn integral(from: Point, to: Point) -> i128 {
    let (right, down) = (to.a - from.a, from.b - to.b);
    let mean = product(from.a, to.a) + product(from.a, from.b) + product(to.a, to.b);
    let twelfths = u128::from(6 * down) * mean + product(2 * right, down) * u128::from(right + down);
    twelfths.cast_signed()
}

fn product(a: u64, b: u64) -> u128 {
    u128::from(a) * u128::from(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stack_stays_short() {
        let bits = (18..56).chain([63]);
        for x in bits.flat_map(|bits| [1_u64 << bits, (1 << bits) - 1, (1_u64 << (bits / 2)).pow(2) + 1]) {
            let mut hull = Hull::new(x, (x as f64).cbrt() as u64);
            hull.step(u64::MAX);
            // A stack that grows doubles what it may hold.
            let bound = 2.0 * (x as f64).sqrt().sqrt();
            assert!(hull.stack.capacity() as f64 <= bound, "{x}: {} above {bound}", hull.stack.capacity());
        }
    }
}
