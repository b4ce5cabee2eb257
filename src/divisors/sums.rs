//! The divisor sums of consecutive candidates while they grow.

use super::findings::Findings;

/// s(n) for n in first .. first + length, as far as its divisors have been found.
///
/// A sum is kept modulo 2^64, because the kernels are fastest with that. Near 2^63 an abundant number's sum passes
/// 2^64, a few times at most; each such carry is noted, so nothing is lost.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    first: u64,
    low: Vec<u64>,
    carries: Vec<usize>,
}

impl Sums {
    /// Begins anew with the divisor 1 counted: s(n) starts at 1, and at 0 for n = 1. Memory is used again.
    pub(super) fn begin(&mut self, first: u64, length: usize) {
        self.first = first;
        self.low.clear();
        self.low.resize(length, 1);
        self.carries.clear();
        if first == 1 {
            self.low[0] = 0;
        }
    }

    /// The first candidate.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The last candidate.
    pub(super) fn last(&self) -> u64 {
        self.first + (self.low.len() as u64 - 1)
    }

    /// How many candidates there are.
    pub(super) fn length(&self) -> usize {
        self.low.len()
    }

    /// Adds a divisor, or the sum of a pair of divisors, to the candidate at `index`.
    #[inline]
    pub(super) fn add(&mut self, index: usize, divisors: u64) {
        let (sum, carry) = self.low[index].overflowing_add(divisors);
        self.low[index] = sum;
        if carry {
            self.carries.push(index);
        }
    }

    /// The sums modulo 2^64, for kernels whose candidates are so small that no sum carries (n < 2^60).
    pub(super) fn low(&mut self) -> &mut [u64] {
        &mut self.low
    }

    /// Notes the result, once all divisors have been added.
    pub(super) fn note(&self, findings: &mut Findings) {
        findings.note(self.low.len() as u64, self.total());
        findings.perfect.extend(self.perfect());
    }

    /// Σ s(n) over all candidates.
    pub(super) fn total(&self) -> u128 {
        let low: u128 = self.low.iter().copied().map(u128::from).sum();
        low + ((self.carries.len() as u128) << 64)
    }

    /// The candidates with s(n) = n, ascending.
    fn perfect(&self) -> impl Iterator<Item = u64> + '_ {
        let candidates = (self.first..).zip(&self.low).enumerate();
        candidates.filter(|(index, (n, sum))| n == *sum && !self.carries.contains(index)).map(|(_, (n, _))| n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_carry_is_kept_and_hides_no_wrong_hit() {
        let n = 1 << 63;
        let mut sums = Sums::default();
        sums.begin(n, 2);
        sums.add(0, n);
        sums.add(0, n);
        sums.add(0, n - 1);
        assert_eq!(sums.total(), 3 * u128::from(n) + 1);
        assert_eq!(sums.perfect().count(), 0, "2^64 + 2^63 is not 2^63");
        sums.begin(n, 2);
        sums.add(0, n - 1);
        assert_eq!(sums.perfect().collect::<Vec<_>>(), [n], "begun anew");
    }
}
