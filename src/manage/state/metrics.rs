//! What is pushed to a collect of a search.

use super::State;
use crate::common::clock::Millis;
use crate::common::limits::{OVERDUE_FACTOR_MAX, OVERDUE_MIN_MS};
use crate::common::message::Stage;
use crate::common::push::metric::Reading;

impl State {
    /// How the search stands.
    #[must_use]
    pub fn readings(&self) -> Vec<Reading> {
        let status = self.status();
        let gauge = |name, unit, help, now: u64| Reading::gauge(name, unit, help, now as f64);
        let progress = status.whole().map(|whole| status.tested as f64 / whole as f64);
        let mut readings = vec![
            gauge("search_tested_numbers", "numbers", "Numbers that are tested", status.tested),
            gauge("search_numbers_per_second", "", "Numbers tested a second, over the last minute", status.rate_per_s),
            gauge("search_perfect_numbers", "numbers", "Perfect numbers found", status.perfect.0.len() as u64),
            gauge("search_contiguous_to", "", "Every number up to this one is tested", status.contiguous_to),
            gauge("search_leased_numbers", "numbers", "Numbers that computes work on", status.leased),
            gauge(
                "search_unchecked_numbers",
                "numbers",
                "Tested numbers that wait for a second compute",
                status.unchecked,
            ),
            Reading::gauge("search_progress_ratio", "ratio", "Share of a bounded search that is tested", progress),
            Reading::gauge(
                "search_eta_seconds",
                "seconds",
                "How long a bounded search takes to its end, at the rate of the last minute",
                status.eta_s.map(|eta| eta as f64),
            ),
        ];
        readings.extend(self.stages().map(|(stage, count)| {
            gauge("search_computes", "", "Computes, by what they do", count).with("state", stage.name())
        }));
        readings.extend([
            gauge("search_overdue_ranges", "", "Ranges that take far longer than they should", self.overdue() as u64),
            gauge("search_strikes", "", "Wrong results", self.roster.strikes_of_all()),
            gauge("search_distrusted_hosts", "hosts", "Hosts that have lied", self.roster.liars().count() as u64),
            gauge("search_ledger_failing", "", "1 while the ledger can't be written", self.stalled.is_some().into()),
            gauge("search_ending", "", "1 while the search ends", status.ending.into()),
        ]);
        readings
    }

    /// How many computes do what.
    fn stages(&self) -> impl Iterator<Item = (Stage, u64)> {
        let mut counts = vec![0; Stage::ALL.len()];
        for (_, compute) in self.roster.iter() {
            let stage = self.roster.stage(compute);
            Stage::ALL.iter().position(|one| *one == stage).into_iter().for_each(|at| counts[at] += 1);
        }
        Stage::ALL.iter().copied().zip(counts)
    }

    /// How many leases are held for so long that they could be taken back for it.
    fn overdue(&self) -> usize {
        let ms = (self.policy.seconds * OVERDUE_FACTOR_MAX * 1e3) as u64;
        let longest = ms.max(OVERDUE_MIN_MS);
        self.now.0.checked_sub(longest).map_or(0, |since| self.leases.older_than(Millis(since)))
    }
}
