//! What a compute has done, as it says it to a collect.

use crate::common::push::metric::Reading;

use super::work::Work;

/// What it has done, and how it stands.
#[derive(Clone, Debug, Default)]
pub struct Deeds {
    /// Results that manage has accepted.
    pub ranges: u64,
    /// Manage is there.
    pub connected: bool,
    /// Numbers tested of ranges that are laid down,
    laid_down: u64,
    /// and of the present one.
    present: u64,
    operations_per_s: f64,
}

impl Deeds {
    /// Looks how far the present work is.
    pub fn look_at(&mut self, work: Option<&Work>) {
        self.present = work.and_then(Work::found).map_or(0, |found| found.tested);
        self.operations_per_s = work.map_or(0.0, Work::operations_per_s);
    }

    /// The present work is over.
    pub fn lay_down(&mut self, work: Option<&Work>) {
        self.look_at(work);
        self.laid_down += std::mem::take(&mut self.present);
        self.operations_per_s = 0.0;
    }

    /// What is pushed.
    #[must_use]
    pub fn readings(&self) -> Vec<Reading> {
        let connected = f64::from(u8::from(self.connected));
        let operations = "Operations of the cost model a second, in the present range";
        vec![
            Reading::counter(
                "compute_tested_numbers_total",
                "numbers",
                "Numbers tested",
                self.laid_down + self.present,
            ),
            Reading::counter("compute_ranges_total", "", "Results that manage has accepted", self.ranges),
            Reading::gauge("compute_connected", "", "1 while manage is there", connected),
            Reading::gauge("compute_operations_per_second", "", operations, self.operations_per_s),
        ]
    }
}
