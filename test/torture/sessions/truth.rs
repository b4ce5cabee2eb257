//! The aliquot sums of the first numbers, by adding each divisor to its multiples.

/// Numbers that this knows.
pub const KNOWN: u64 = 100_000;

/// What is true of the numbers up to [`KNOWN`].
pub struct Truth(Vec<u64>);

impl Truth {
    /// Adds them all up.
    pub fn new() -> Self {
        let mut aliquot = vec![0; KNOWN as usize + 1];
        for divisor in 1..=KNOWN {
            for multiple in (2 * divisor..=KNOWN).step_by(divisor as usize) {
                aliquot[multiple as usize] += divisor;
            }
        }
        Self(aliquot)
    }

    /// Σ s(n) over a range.
    pub fn sum(&self, first: u64, last: u64) -> u128 {
        (first..=last.min(KNOWN)).map(|n| u128::from(self.0[n as usize])).sum()
    }

    /// Whether a number is the sum of its proper divisors.
    pub fn is_perfect(&self, n: u64) -> bool {
        self.0.get(n as usize).is_some_and(|sum| *sum == n && n > 0)
    }

    /// The perfect numbers of a range.
    pub fn perfect(&self, first: u64, last: u64) -> Vec<u64> {
        (first..=last.min(KNOWN)).filter(|n| self.is_perfect(*n)).collect()
    }
}
