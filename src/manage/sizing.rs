//! How long a range is: so that it takes its compute the seconds asked for. Pure.

use crate::common::limits::{OPERATIONS_PER_S_MAX, RECALL_FIRSTS_MIN, RECALL_SECONDS_MIN, TAIL_SECONDS_MIN};
use crate::divisors::{Method, last_for, operations};

use super::coverage::Span;

/// How much of the newest measurement goes into a pace: three ranges after a change nine tenths of it are in.
const NEWEST: f64 = 0.7;
/// A single measurement changes a pace by no more than this factor, however wrong it is.
const CHANGE_MAX: f64 = 8.0;

/// How fast a compute is, in operations of the method's cost model a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace(f64);

impl Pace {
    /// What a timing loop of `operations` in `nanoseconds` shows; `None` if it shows nothing.
    #[must_use]
    pub fn timed(operations: u64, nanoseconds: u64) -> Option<Self> {
        let pace = operations as f64 / nanoseconds as f64 * 1e9;
        (operations > 0 && nanoseconds > 0).then_some(Self(pace.clamp(1.0, OPERATIONS_PER_S_MAX)))
    }

    /// The pace after a range of `done` operations took `nanoseconds`.
    #[must_use]
    pub fn corrected(self, done: f64, nanoseconds: u64) -> Self {
        let newest = (done / nanoseconds.max(1) as f64 * 1e9).clamp(self.0 / CHANGE_MAX, self.0 * CHANGE_MAX);
        Self((NEWEST * newest + (1.0 - NEWEST) * self.0).clamp(1.0, OPERATIONS_PER_S_MAX))
    }

    /// The pace where a range has come no further than `done` operations in `ms`: at most this one.
    #[must_use]
    pub fn observed(self, done: f64, ms: u64) -> Self {
        Self((done / ms.max(1) as f64 * 1e3).clamp(1.0, self.0))
    }

    /// Operations a second.
    #[must_use]
    pub fn operations_per_s(self) -> f64 {
        self.0
    }
}

/// What sizing has to know of the search.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How divisors are found.
    pub method: Method,
    /// What a range should take.
    pub seconds: f64,
}

impl Plan {
    /// The range for a compute of `pace` out of the free candidates `free`, where all computes together have
    /// `total` operations a second, and `left` are all free spans.
    ///
    /// Near the end of a bounded search a range is half of one compute's share of what is left (guided
    /// self-scheduling), so that all computes end at about the same time, also if one becomes half as fast meanwhile.
    ///
    /// However short the time, a range is worth twice its first candidate. Where that one candidate costs a pass over
    /// all d ≤ √n, as many as share the pass come along nearly for nothing; alone, each would cost it again.
    #[must_use]
    pub fn range(&self, free: Span, pace: Pace, total: f64, left: impl Iterator<Item = Span>) -> Span {
        let total = total.max(pace.0);
        let share = self.cost_up_to(2.0 * self.seconds * total, left) / total / 2.0;
        let seconds = self.seconds.min(share.max(TAIL_SECONDS_MIN.min(self.seconds)));
        let budget = (pace.0 * seconds).max(2.0 * operations(self.method, free.first, free.first));
        Span { first: free.first, last: last_for(self.method, free.first, budget, free.last) }
    }

    /// What the holder of a lease needs for its `rest`, in seconds, if that is worth a recall.
    #[must_use]
    pub fn worth_recalling(&self, rest: Span, pace: Pace) -> Option<f64> {
        let cost = operations(self.method, rest.first, rest.last);
        let seconds = cost / pace.0;
        let worth = cost > RECALL_FIRSTS_MIN * operations(self.method, rest.first, rest.first);
        (worth && seconds > RECALL_SECONDS_MIN).then_some(seconds)
    }

    /// What `spans` cost; no further than `enough`, as there may be many.
    fn cost_up_to(&self, enough: f64, spans: impl Iterator<Item = Span>) -> f64 {
        let mut cost = 0.0;
        for span in spans {
            cost += operations(self.method, span.first, span.last);
            if cost >= enough {
                break;
            }
        }
        cost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan { method: Method::Trial, seconds: 15.0 };

    #[test]
    fn a_pace_follows_what_is_measured_but_no_outlier() {
        let near = |Pace(pace): Pace, wanted: f64| assert!((pace / wanted - 1.0).abs() < 1e-9, "{pace}, not {wanted}");
        let pace = Pace(1e9);
        near(pace.corrected(4e9, 2_000_000_000), 0.7 * 2e9 + 0.3 * 1e9);
        near(pace.corrected(1.0, 2_000_000_000), 0.7 * 1e9 / CHANGE_MAX + 0.3 * 1e9);
        near(pace.corrected(1e15, 2_000_000_000), 0.7 * 1e9 * CHANGE_MAX + 0.3 * 1e9);
        near(pace.observed(5e8, 2_000), 2.5e8);
        near(pace.observed(5e9, 2_000), 1e9);
    }

    #[test]
    fn a_range_takes_the_seconds_asked_for() {
        let pace = Pace::timed(1_000_000_000, 1_000_000_000).unwrap();
        for first in [1, 1_000_000, 1_000_000_000, 1_000_000_000_000] {
            let free = Span { first, last: u64::MAX / 2 };
            let range = PLAN.range(free, pace, pace.0, std::iter::once(free));
            let seconds = operations(Method::Trial, range.first, range.last) / pace.0;
            assert!((14.5..=15.0).contains(&seconds), "{seconds} s from {first}");
        }
    }

    #[test]
    fn ranges_get_shorter_towards_the_end_but_never_end() {
        let pace = Pace::timed(1_000_000_000, 1_000_000_000).unwrap();
        let last = 40_000_000;
        let mut free = Span { first: 1, last };
        let mut ranges = 0;
        while free.first <= last {
            let range = PLAN.range(free, pace, 2.0 * pace.0, std::iter::once(free));
            assert!(range.first == free.first && (range.first..=last).contains(&range.last));
            free.first = range.last + 1;
            ranges += 1;
            assert!(ranges < 10_000);
        }
        assert!(ranges > 10, "{ranges} ranges");
    }

    #[test]
    fn what_was_given_back_is_divided_like_what_is_left() {
        let pace = Pace::timed(1_000_000_000, 1_000_000_000).unwrap();
        let given_back = Span { first: 1, last: 2_000_000 };
        let left = |spans: &[Span]| PLAN.range(given_back, pace, 4.0 * pace.0, spans.iter().copied()).last;
        assert!(left(&[given_back]) < 1_000_000, "an eighth of what it costs");
        assert_eq!(left(&[Span { first: 10_000_000_000, last: 20_000_000_000 }, given_back]), 2_000_000);
    }

    #[test]
    fn dividing_a_search_costs_at_most_as_much_again() {
        for (method, bits) in Method::ALL.into_iter().flat_map(|method| [32, 50, 51, 62].map(|bits| (method, bits))) {
            let whole = Span { first: 1 << bits, last: (1 << bits) + 3_000 };
            let plan = Plan { method, seconds: 0.5 };
            let pace = Pace::timed(100_000_000, 1_000_000_000).unwrap();
            let (mut free, mut cost) = (whole, 0.0);
            while free.first <= whole.last {
                let range = plan.range(free, pace, 2.0 * pace.0, std::iter::once(free));
                cost += operations(method, range.first, range.last);
                free.first = range.last + 1;
            }
            let ratio = cost / operations(method, whole.first, whole.last);
            assert!(ratio < 2.0, "{method} 2^{bits}: {ratio}");
        }
    }

    #[test]
    fn a_pace_follows_what_ranges_really_take() {
        let mut pace = Pace::timed(1_000, 1).unwrap();
        for _ in 0..3 {
            pace = pace.corrected(500.0, 1);
        }
        assert!((pace.0 / 5e11 - 1.0).abs() < 0.15, "{pace:?}");
        assert!(pace.corrected(1e30, 1).0 <= pace.0 * CHANGE_MAX, "one measurement must not change it by much");
        assert_eq!(Pace::timed(0, 1), None);
        assert_eq!(Pace::timed(1, 0), None);
    }
}
