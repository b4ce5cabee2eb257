//! What a search has found.

/// The result for consecutive candidates, of which more and more are tested.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    /// How many candidates are wholly tested.
    pub tested: u64,
    /// Σ s(n) over them.
    pub sum: u128,
    /// The perfect numbers among them, ascending.
    pub perfect: Vec<u64>,
}

impl Findings {
    /// Notes that the next candidates are tested, and that their aliquot sums add up to `sum`.
    pub fn note(&mut self, tested: u64, sum: u128) {
        self.tested += tested;
        self.sum += sum;
    }
}
