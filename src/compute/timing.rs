//! How long a timing loop has to run: until two stretches of it that follow each other agree. Pure.

use crate::common::limits::{TIMING_LOOP_MAX_MS, TIMING_STRETCH_MS};
use crate::common::message::Speed;

/// Two stretches agree if their rates differ by no more than this part of the faster one.
const AGREEMENT: f64 = 0.03;

/// A point of a timing loop.
#[derive(Clone, Copy, Debug, Default)]
struct Point {
    operations: f64,
    nanoseconds: u64,
}

impl Point {
    fn since(self, earlier: Self) -> Self {
        let operations = self.operations - earlier.operations;
        Self { operations, nanoseconds: self.nanoseconds - earlier.nanoseconds }
    }

    fn rate(self) -> f64 {
        self.operations / self.nanoseconds.max(1) as f64
    }

    /// At least 1 of either: a speed of nothing is none.
    fn speed(self) -> Speed {
        Speed { operations: (self.operations as u64).max(1), nanoseconds: self.nanoseconds.max(1) }
    }
}

/// A timing loop so far: where its latest two stretches begin, and how many candidates it had tested there.
#[derive(Debug, Default)]
pub struct Timing {
    earlier: Option<Point>,
    latest: Point,
    tested: u64,
}

impl Timing {
    /// The loop has done so many operations in so many nanoseconds, and tested so many candidates to the end; gives the
    /// speed once that is known. It is that of two stretches that agree: what came before was a processor that warms
    /// up. If none do, something else runs on this core, and the whole loop is as good as its longest part.
    ///
    /// A stretch has at least one whole block of candidates: small divisors and large ones differ in speed.
    pub fn note(&mut self, operations: f64, nanoseconds: u64, tested: u64) -> Option<Speed> {
        let now = Point { operations, nanoseconds };
        let stretch = now.since(self.latest);
        if stretch.nanoseconds >= TIMING_STRETCH_MS * 1_000_000 && tested > self.tested {
            if let Some(earlier) = self.earlier.filter(|earlier| agree(self.latest.since(*earlier), stretch)) {
                return Some(now.since(earlier).speed());
            }
            (self.earlier, self.latest, self.tested) = (Some(self.latest), now, tested);
        }
        (nanoseconds >= TIMING_LOOP_MAX_MS * 1_000_000).then(|| now.speed())
    }

    /// The speed of the whole loop: where no candidates are left to go on with.
    #[must_use]
    pub fn whole(operations: f64, nanoseconds: u64) -> Speed {
        Point { operations, nanoseconds }.speed()
    }
}

fn agree(one: Point, other: Point) -> bool {
    let (one, other) = (one.rate(), other.rate());
    (one - other).abs() <= AGREEMENT * one.max(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLICE: u64 = 5_000_000;

    /// Runs a loop of `rate` operations a nanosecond at each time, in slices, with blocks of `block_ms`; gives its speed
    /// and how long it took.
    fn run(block_ms: u64, rate: impl Fn(u64) -> f64) -> (f64, u64) {
        let (mut timing, mut operations) = (Timing::default(), 0.0);
        for slice in 1.. {
            let nanoseconds = slice * SLICE;
            operations += rate(nanoseconds) * SLICE as f64;
            if let Some(speed) = timing.note(operations, nanoseconds, nanoseconds / 1_000_000 / block_ms) {
                return (speed.operations as f64 / speed.nanoseconds as f64, nanoseconds / 1_000_000);
            }
        }
        unreachable!("it ends")
    }

    #[test]
    fn a_steady_rate_is_seen_at_once() {
        assert_eq!(run(1, |_| 8.0), (8.0, 2 * TIMING_STRETCH_MS));
    }

    #[test]
    fn a_part_of_a_block_says_nothing() {
        let by_halves = |block_ms: u64| {
            move |nanoseconds: u64| if nanoseconds / 1_000_000 % block_ms < block_ms / 2 { 2.0 } else { 6.0 }
        };
        let (rate, ms) = run(80, by_halves(80));
        assert!((3.8..4.2).contains(&rate) && ms == 160, "{rate} after {ms} ms");
        let (_, ms) = run(1_000, by_halves(1_000));
        assert_eq!(ms, TIMING_LOOP_MAX_MS, "it ends all the same");
    }

    #[test]
    fn a_start_that_is_slow_does_not_count() {
        let (rate, ms) = run(1, |nanoseconds| if nanoseconds <= 40_000_000 { 1.0 } else { 8.0 });
        assert!(rate == 8.0 && ms <= 5 * TIMING_STRETCH_MS, "{rate} after {ms} ms");
    }

    #[test]
    fn a_rate_that_never_settles_is_that_of_the_whole_loop() {
        let (rate, ms) = run(1, |nanoseconds| if nanoseconds / 35_000_000 % 2 == 0 { 2.0 } else { 6.0 });
        assert!((3.5..4.5).contains(&rate) && ms == TIMING_LOOP_MAX_MS, "{rate} after {ms} ms");
    }
}
