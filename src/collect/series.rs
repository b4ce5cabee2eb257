//! The value of one series, by its type. A counter never falls, whatever its agent says; what is shown of it is what was kept.

use std::collections::VecDeque;

use sketches_ddsketch::{Config, DDSketch};

use crate::common::clock::Millis;
use crate::common::limits::{QUANTILE_ERROR_MAX, RECENT_MS, RECENT_PART_MS, SKETCH_BINS_MAX, WINDOW_PARTS_MAX};

use super::speech::Amount;

/// A sum that goes on where its source begins anew.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Total {
    /// What came before the source's present life,
    pub base: f64,
    /// and what it has said last.
    pub last: f64,
    /// The sum of both as it stands in the store: this is shown.
    pub kept: f64,
}

impl Total {
    /// The sum.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.base + self.last
    }

    /// The source says `total`; `anew`: it has begun at nothing since.
    fn set(&mut self, total: f64, anew: bool) {
        if anew {
            self.base += self.last;
        }
        self.last = total;
    }
}

/// What a summary has seen within its window.
#[derive(Clone)]
pub struct Window {
    /// Length of a part, in milliseconds.
    part_ms: u64,
    /// The parts that have something in them, each by its number since the beginning of time; the latest is the last.
    parts: VecDeque<(u64, DDSketch)>,
}

impl std::fmt::Debug for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a window of {} parts", self.parts.len())
    }
}

fn sketch() -> DDSketch {
    DDSketch::new(Config::new(QUANTILE_ERROR_MAX, SKETCH_BINS_MAX, 1e-9))
}

impl Window {
    fn new(window_ms: u64) -> Self {
        Self { part_ms: (window_ms / WINDOW_PARTS_MAX as u64).max(1), parts: VecDeque::new() }
    }

    fn observe(&mut self, values: &[f64], now: Millis) {
        self.forget(now);
        let number = now.0 / self.part_ms;
        if self.parts.back().is_none_or(|(last, _)| *last < number) {
            self.parts.push_back((number, sketch()));
        }
        if let Some((_, part)) = self.parts.back_mut() {
            values.iter().for_each(|value| part.add(*value));
        }
    }

    /// Drops what is no longer within the window.
    pub fn forget(&mut self, now: Millis) {
        let number = now.0 / self.part_ms;
        self.parts.retain(|(at, _)| number - at.min(&number) < WINDOW_PARTS_MAX as u64);
    }

    /// The value below which this share of what was seen lies, within `QUANTILE_ERROR_MAX`; NaN if nothing was.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        let mut all = sketch();
        for (_, part) in &self.parts {
            // They are all made alike.
            let _ = all.merge(part);
        }
        all.quantile(share).ok().flatten().unwrap_or(f64::NAN)
    }
}

/// What a histogram's sums were now and then within the last minute.
#[derive(Clone, Debug, Default)]
pub struct Recent(VecDeque<(Millis, Vec<f64>)>);

impl Recent {
    fn note(&mut self, totals: &[Total], now: Millis) {
        if self.0.back().is_none_or(|(at, _)| now.since(*at) >= RECENT_PART_MS) {
            self.0.push_back((now, totals.iter().map(Total::sum).collect()));
        }
        while self.0.len() > 1 && self.0.front().is_some_and(|(at, _)| now.since(*at) > RECENT_MS) {
            self.0.pop_front();
        }
    }

    /// The value below which this share of what came lately lies, of buckets with these bounds: within a bucket all values are
    /// taken as spread evenly, as `histogram_quantile` of Prometheus does. NaN if nothing came.
    #[must_use]
    pub fn quantile(&self, totals: &[Total], bounds: &[f64], share: f64) -> f64 {
        let Some((_, before)) = self.0.front() else { return f64::NAN };
        let gained: Vec<f64> = totals.iter().zip(before).map(|(total, before)| total.sum() - before).collect();
        let counts = &gained[..bounds.len().min(gained.len())];
        let above = gained.get(bounds.len()).copied().unwrap_or(0.0);
        let wanted = (counts.iter().sum::<f64>() + above) * share;
        if wanted <= 0.0 {
            return f64::NAN;
        }
        let (mut below, mut from) = (0.0, 0.0);
        for (bound, count) in bounds.iter().zip(counts) {
            if below + count >= wanted {
                return from + (bound - from) * (wanted - below) / count;
            }
            (below, from) = (below + count, *bound);
        }
        from
    }
}

/// The value of a series.
#[derive(Clone, Debug)]
pub enum Value {
    /// The latest that was said.
    Gauge(f64),
    /// A sum.
    Counter(Total),
    /// Counts, one a bucket and one for what is above all of them, not cumulated; and the sum. What they were lately.
    Histogram(Vec<Total>, Recent),
    /// Count and sum of all that was ever seen, and what was seen lately.
    Summary([Total; 2], Window),
}

impl Value {
    /// A summary that has seen nothing yet.
    #[must_use]
    pub fn summary(window_ms: u64) -> Self {
        Self::Summary(Default::default(), Window::new(window_ms))
    }

    /// The totals in it that are kept.
    #[must_use]
    pub fn totals(&self) -> &[Total] {
        match self {
            Self::Gauge(_) => &[],
            Self::Counter(total) => std::slice::from_ref(total),
            Self::Histogram(totals, _) => totals,
            Self::Summary(totals, _) => totals,
        }
    }

    /// The same, to set them.
    pub fn totals_mut(&mut self) -> &mut [Total] {
        match self {
            Self::Gauge(_) => &mut [],
            Self::Counter(total) => std::slice::from_mut(total),
            Self::Histogram(totals, _) => totals,
            Self::Summary(totals, _) => totals,
        }
    }

    /// The source says `amount`, which is one of this type; `anew`: its totals began at nothing since it said some last.
    pub fn say(&mut self, amount: &Amount, anew: bool, now: Millis) {
        match (self, amount) {
            (Self::Gauge(value), Amount::Number(number)) => *value = *number,
            (value @ Self::Counter(_), Amount::Number(number)) => value.set_totals(&[*number], anew, now),
            (value @ Self::Histogram(..), Amount::Histogram(totals)) => value.set_totals(totals, anew, now),
            (value, Amount::Observed(values)) => value.observe(values, now),
            _ => {}
        }
    }

    /// What a chart shows of it, if it is one number.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Gauge(value) => Some(*value),
            Self::Counter(total) => Some(total.sum()),
            Self::Histogram(..) | Self::Summary(..) => None,
        }
    }

    /// The source's totals; `anew`: they began at nothing since it said some last. A count that is lower than it was says so too.
    fn set_totals(&mut self, totals: &[f64], anew: bool, now: Millis) {
        let own = self.totals_mut();
        // The last of a histogram is its sum, which may fall.
        let counts = if own.len() > 1 { own.len() - 1 } else { own.len() };
        let fell = own[..counts].iter().zip(totals).any(|(own, total)| *total < own.last);
        for (own, total) in own.iter_mut().zip(totals) {
            own.set(*total, anew || fell);
        }
        if let Self::Histogram(totals, recent) = self {
            recent.note(totals, now);
        }
    }

    /// More was seen of a summary.
    fn observe(&mut self, values: &[f64], now: Millis) {
        if let Self::Summary([count, sum], window) = self {
            count.base += values.len() as f64;
            sum.base += values.iter().sum::<f64>();
            window.observe(values, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(value: &Value) -> Vec<f64> {
        value.totals().iter().map(Total::sum).collect()
    }

    #[test]
    fn a_counter_never_falls() {
        let mut counter = Value::Counter(Total::default());
        let mut highest = 0.0;
        for (total, anew, want) in [
            (3.0, false, 3.0),
            (3.0, false, 3.0),
            (5.0, false, 5.0),
            (1.0, true, 6.0),
            (0.0, false, 6.0),
            (2.0, false, 8.0),
            (7.0, true, 15.0),
        ] {
            counter.set_totals(&[total], anew, Millis(0));
            assert_eq!(sums(&counter), [want]);
            assert!(want >= highest);
            highest = want;
        }
    }

    #[test]
    fn a_histogram_begins_anew_as_a_whole() {
        let mut histogram = Value::Histogram(vec![Total::default(); 3], Recent::default());
        histogram.set_totals(&[4.0, 1.0, 2.5], false, Millis(0));
        histogram.set_totals(&[5.0, 0.0, 3.0], false, Millis(0));
        assert_eq!(sums(&histogram), [9.0, 1.0, 5.5], "one count fell, so all have begun anew");
        histogram.set_totals(&[5.0, 1.0, 2.0], false, Millis(0));
        assert_eq!(sums(&histogram), [9.0, 2.0, 4.5], "a sum may fall by what is below nothing");
    }

    #[test]
    fn quantiles_of_a_histogram_are_of_the_last_minute() {
        let mut histogram = Value::Histogram(vec![Total::default(); 4], Recent::default());
        let quantile = |histogram: &Value, share| match histogram {
            Value::Histogram(totals, recent) => recent.quantile(totals, &[1.0, 2.0], share),
            _ => panic!("another type"),
        };
        assert!(quantile(&histogram, 0.5).is_nan());
        histogram.set_totals(&[1_000.0, 0.0, 0.0, 500.0], false, Millis(0));
        assert!(quantile(&histogram, 0.5).is_nan(), "when that came nobody knows");
        histogram.set_totals(&[1_000.0, 10.0, 0.0, 515.0], false, Millis(5_000));
        assert_eq!([0.5, 1.0].map(|share| quantile(&histogram, share)), [1.5, 2.0]);
        for at in (10..=70).step_by(10) {
            histogram.set_totals(&[1_000.0, 10.0, 4.0, 600.0], false, Millis(at * 1_000));
        }
        assert!(quantile(&histogram, 0.5).is_nan(), "all of it is longer ago");
    }

    #[test]
    fn a_window_moves_on() {
        let mut window = Window::new(1_000);
        assert!(window.quantile(0.5).is_nan());
        window.observe(&(1..=99).map(f64::from).collect::<Vec<_>>(), Millis(5_000));
        for (share, want) in [(0.5, 50.0), (0.9, 90.0), (0.99, 98.0)] {
            let got = window.quantile(share);
            assert!((got - want).abs() <= QUANTILE_ERROR_MAX * want, "{share}: {got}");
        }
        window.observe(&[-7.0], Millis(5_950));
        window.forget(Millis(5_999));
        assert!(window.quantile(0.5) > 40.0);
        window.forget(Millis(6_000));
        assert!((window.quantile(0.5) + 7.0).abs() < 0.1, "what was seen first is out of the window");
        window.forget(Millis(6_900));
        assert!(window.quantile(0.5).is_nan());
    }
}
