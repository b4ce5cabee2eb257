//! The last ten minutes of a series, as the page draws them: a point for each five seconds.

use std::collections::VecDeque;

use crate::common::clock::Millis;
use crate::common::limits::{HISTORY_PART_MS, HISTORY_PARTS_MAX};

/// The points of a series; those at which nothing was said have none.
#[derive(Clone, Debug)]
pub struct History {
    /// A counter: its points are what it has gained each second. Else they are means.
    counts: bool,
    /// The points, the latest last; NaN where there is none.
    points: VecDeque<f32>,
    /// The part of time that is being measured, and what has come in it.
    part: u64,
    sum: f64,
    said: u32,
    /// What was said last.
    last: Option<f64>,
}

impl History {
    /// Of a counter, or of a gauge, that begins now.
    #[must_use]
    pub fn new(counts: bool, now: Millis) -> Self {
        let part = now.0 / HISTORY_PART_MS;
        Self { counts, points: VecDeque::new(), part, sum: 0.0, said: 0, last: None }
    }

    /// Something was said of the series.
    pub fn say(&mut self, value: f64, now: Millis) {
        self.move_on(now);
        self.said += 1;
        // What a counter had before this began was gained at an unknown time.
        let before = self.last.replace(value).unwrap_or(value);
        self.sum += if self.counts { value - before } else { value };
    }

    /// Time has passed.
    pub fn move_on(&mut self, now: Millis) {
        let part = now.0 / HISTORY_PART_MS;
        let passed = part.saturating_sub(self.part);
        for nth in 0..passed.min(HISTORY_PARTS_MAX as u64 + 1) {
            let point = if nth == 0 { self.point() } else { f32::NAN };
            self.points.push_back(point);
        }
        let over = self.points.len().saturating_sub(HISTORY_PARTS_MAX);
        self.points.drain(..over);
        if passed > 0 {
            (self.part, self.sum, self.said) = (part, 0.0, 0);
        }
    }

    /// What has come in the present part.
    fn point(&self) -> f32 {
        let of = if self.counts { HISTORY_PART_MS as f64 / 1e3 } else { f64::from(self.said) };
        if self.said == 0 { f32::NAN } else { (self.sum / of) as f32 }
    }

    /// The points of the parts that are over, the latest last; their count says how long it is since the first.
    #[must_use]
    pub fn points(&self) -> Vec<f32> {
        self.points.iter().copied().collect()
    }

    /// What a counter has gained lately each second; what was said last of a gauge.
    #[must_use]
    pub fn latest(&self) -> f64 {
        let point = if self.counts { self.points.back().map(|point| f64::from(*point)) } else { self.last };
        point.unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(history: &History) -> Vec<String> {
        history.points().iter().map(f32::to_string).collect()
    }

    #[test]
    fn a_gauge_has_means_and_gaps() {
        let mut history = History::new(false, Millis(0));
        for (at, value) in [(0, 1.0), (4_999, 2.0), (5_000, 4.0), (15_000, 8.0)] {
            history.say(value, Millis(at));
        }
        assert_eq!(shown(&history), ["1.5", "4", "NaN"]);
        assert_eq!(history.latest(), 8.0);
        history.move_on(Millis(20_000));
        assert_eq!(shown(&history), ["1.5", "4", "NaN", "8"]);
    }

    #[test]
    fn a_counter_has_rates() {
        let mut history = History::new(true, Millis(0));
        for (at, value) in [(0, 100.0), (1_000, 105.0), (6_000, 125.0)] {
            history.say(value, Millis(at));
        }
        history.move_on(Millis(10_000));
        assert_eq!(shown(&history), ["1", "4"]);
    }

    #[test]
    fn ten_minutes_are_kept() {
        let mut history = History::new(false, Millis(0));
        history.say(1.0, Millis(0));
        for part in 1..=HISTORY_PARTS_MAX as u64 {
            history.say(part as f64, Millis(part * HISTORY_PART_MS));
        }
        assert_eq!((history.points().len(), history.points()[0]), (HISTORY_PARTS_MAX, 1.0));
        history.move_on(Millis(u64::MAX));
        assert!(history.points().len() == HISTORY_PARTS_MAX && history.points().iter().all(|point| point.is_nan()));
    }
}
