//! What came of a load: counts, and how long replies took. Each process hands its own in as lines of text, and they are
//! added up. Pure.

use std::fmt::Write;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::common::error::{Error, Result, printable};
use crate::common::exit::Status;
use crate::common::limits::{LOAD_SAMPLE_MAX_BYTES, LOAD_SECONDS_MAX};

/// Digits of a latency that are kept.
const LATENCY_DIGITS: u8 = 3;
/// The shortest latency that has a place of its own, in nanoseconds.
const LATENCY_LEAST: u64 = 100;

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A reply that was right.
    Reply,
    /// A connection that was reset, or ended by the server.
    Reset,
    /// A reply that said no.
    Refused,
    /// A reply that wasn't right.
    Wrong,
    /// A connection that could not be opened.
    Unopened,
}

impl What {
    const COUNT: usize = Self::Unopened as usize + 1;
}

/// Counts and latencies.
#[derive(Clone, Debug)]
pub struct Tally {
    counts: [u64; What::COUNT],
    /// Of the replies that were right, in nanoseconds.
    latency: Histogram<u64>,
    /// The first reply that was not right, to be shown.
    sample: Option<String>,
}

impl Tally {
    /// Nothing yet.
    ///
    /// # Errors
    /// None that could come: the bounds of the histogram are constants.
    pub fn new() -> Result<Self> {
        let latency =
            Histogram::new_with_bounds(LATENCY_LEAST, u64::from(LOAD_SECONDS_MAX) * 1_000_000_000, LATENCY_DIGITS)
                .map_err(|error| Error::new(Status::Failed, "latencies", error))?;
        Ok(Self { counts: [0; What::COUNT], latency, sample: None })
    }

    /// One more.
    pub fn count(&mut self, what: What) {
        self.counts[what as usize] += 1;
    }

    /// A right reply, which took so long.
    pub fn reply(&mut self, took: Duration) {
        self.count(What::Reply);
        self.latency.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// A reply that was not right; the first is kept, as far as it fits a line.
    pub fn fault(&mut self, what: What, reply: &[u8]) {
        self.count(what);
        self.sample.get_or_insert_with(|| shown(reply));
    }

    /// How many there were.
    #[must_use]
    pub fn of(&self, what: What) -> u64 {
        self.counts[what as usize]
    }

    /// The latency that this share of the replies didn't exceed, in seconds; 0 if there was no reply.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        self.latency.value_at_quantile(share) as f64 / 1e9
    }

    /// The longest latency, in seconds.
    #[must_use]
    pub fn longest(&self) -> f64 {
        self.latency.max() as f64 / 1e9
    }

    /// The first reply that was not right.
    #[must_use]
    pub fn sample(&self) -> Option<&str> {
        self.sample.as_deref()
    }

    /// Appends it as lines that `add_line` understands.
    pub fn write(&self, lines: &mut String) {
        let counts: Vec<_> = self.counts.iter().map(u64::to_string).collect();
        let _ = writeln!(lines, "counts {}", counts.join(" "));
        for step in self.latency.iter_recorded() {
            let _ = writeln!(lines, "took {} {}", step.value_iterated_to(), step.count_at_value());
        }
        if let Some(sample) = &self.sample {
            let _ = writeln!(lines, "sample {sample}");
        }
    }

    /// Adds one line of another's; `None` if it is none.
    pub fn add_line(&mut self, line: &str) -> Option<()> {
        let (word, rest) = line.split_once(' ')?;
        match word {
            "counts" => self.add_counts(rest),
            "took" => {
                let (value, count) = rest.split_once(' ')?;
                self.latency.saturating_record_n(value.parse().ok()?, count.parse().ok()?);
                Some(())
            }
            "sample" => {
                self.sample.get_or_insert_with(|| printable(rest));
                Some(())
            }
            _ => None,
        }
    }

    fn add_counts(&mut self, text: &str) -> Option<()> {
        let counts: Vec<u64> = text.split(' ').map(|count| count.parse().ok()).collect::<Option<_>>()?;
        for (own, other) in self.counts.iter_mut().zip(<[u64; What::COUNT]>::try_from(counts).ok()?) {
            *own += other;
        }
        Some(())
    }
}

/// A reply as a part of one line, as much of it as fits.
#[must_use]
pub fn shown(reply: &[u8]) -> String {
    reply[..reply.len().min(LOAD_SAMPLE_MAX_BYTES)].trim_ascii_end().escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn tally(replies: u32, ms: u32) -> Tally {
        let mut tally = Tally::new().unwrap();
        (0..replies).for_each(|_| tally.reply(MILLISECOND * ms));
        tally
    }

    fn add(sum: &mut Tally, other: &Tally) {
        let mut lines = String::new();
        other.write(&mut lines);
        lines.lines().for_each(|line| sum.add_line(line).unwrap());
    }

    #[test]
    fn what_is_handed_in_is_added_up() {
        let (mut one, mut other) = (tally(90, 1), tally(10, 40));
        other.count(What::Reset);
        other.fault(What::Refused, b"error busy\n");
        other.fault(What::Wrong, b"\x1b[2J\n");
        one.count(What::Unopened);
        let mut sum = Tally::new().unwrap();
        add(&mut sum, &one);
        add(&mut sum, &other);
        let all = [What::Reply, What::Reset, What::Refused, What::Wrong, What::Unopened];
        assert_eq!(all.map(|what| sum.of(what)), [100, 1, 1, 1, 1]);
        assert_eq!(sum.sample(), Some("error busy"));
        let near = |seconds: f64, want: f64| assert!((seconds / want - 1.0).abs() < 2e-3, "{seconds} {want}");
        near(sum.quantile(0.5), 1e-3);
        near(sum.quantile(0.9), 1e-3);
        near(sum.quantile(0.91), 40e-3);
        near(sum.longest(), 40e-3);
    }

    #[test]
    fn a_sample_is_a_line_of_bounded_length() {
        let mut tally = Tally::new().unwrap();
        tally.fault(What::Wrong, &[b'\n'; 100_000]);
        let sample = tally.sample().unwrap();
        assert!(!sample.contains('\n') && sample.len() <= 4 * LOAD_SAMPLE_MAX_BYTES, "{sample}");
    }

    #[test]
    fn what_is_no_line_of_a_tally_is_refused() {
        for line in
            ["", "counts", "counts 1 2 3 4", "counts 1 2 3 4 5 6", "counts 1 2 3 4 x", "took 1", "took 1 -1", "end x"]
        {
            assert_eq!(Tally::new().unwrap().add_line(line), None, "{line:?}");
        }
    }

    #[test]
    fn no_reply_has_no_latency() {
        let tally = Tally::new().unwrap();
        assert_eq!([tally.quantile(0.5), tally.longest()], [0.0, 0.0]);
    }
}
