//! The rate of the whole search over the last minute. Pure.

use std::collections::VecDeque;

use crate::common::clock::Millis;
use crate::common::limits::RATE_WINDOW_MS;

/// How far the search was at some time.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// When.
    pub at: Millis,
    /// Candidates tested, those of unfinished ranges included.
    pub candidates: u64,
    /// What that has cost, in operations of the method's cost model.
    pub operations: f64,
}

/// The samples of the last minute.
#[derive(Debug, Default)]
pub struct Rates(VecDeque<Sample>);

impl Rates {
    /// One more sample.
    pub fn push(&mut self, sample: Sample) {
        self.0.push_back(sample);
        while self.0.front().is_some_and(|oldest| sample.at.since(oldest.at) > RATE_WINDOW_MS) {
            self.0.pop_front();
        }
    }

    /// Candidates and operations a second, from the oldest sample to the newest.
    #[must_use]
    pub fn per_second(&self) -> (f64, f64) {
        let (Some(oldest), Some(newest)) = (self.0.front(), self.0.back()) else { return (0.0, 0.0) };
        let seconds = newest.at.since(oldest.at) as f64 / 1e3;
        if seconds == 0.0 {
            return (0.0, 0.0);
        }
        // A lost compute takes its unfinished part along: then there is less than before.
        let candidates = newest.candidates.saturating_sub(oldest.candidates) as f64;
        (candidates / seconds, (newest.operations - oldest.operations).max(0.0) / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_minute_old_counts_and_nothing_older() {
        let sample = |ms: u64| Sample { at: Millis(ms), candidates: ms, operations: ms as f64 };
        let mut rates = Rates::default();
        rates.push(sample(0));
        rates.push(sample(RATE_WINDOW_MS));
        assert_eq!(rates.per_second(), (1e3, 1e3));
        rates.push(sample(RATE_WINDOW_MS + 1));
        assert_eq!(rates.0.len(), 2);
    }

    #[test]
    fn the_rate_is_that_of_the_last_minute() {
        let mut rates = Rates::default();
        assert_eq!(rates.per_second(), (0.0, 0.0));
        for second in 0..200 {
            let each = if second < 100 { 10 } else { 20 };
            let candidates = second * each;
            rates.push(Sample { at: Millis(second * 1000), candidates, operations: candidates as f64 * 5.0 });
        }
        assert_eq!(rates.per_second(), (20.0, 100.0));
        rates.push(Sample { at: Millis(200_000), candidates: 0, operations: 0.0 });
        assert_eq!(rates.per_second(), (0.0, 0.0));
    }
}
