//! Times that were measured, and what is said of them.

use std::fmt;
use std::time::Duration;

/// Times, in any order.
#[derive(Clone, Debug, Default)]
pub struct Times(pub Vec<Duration>);

impl Times {
    /// The least of them, in milliseconds, that so large a share of them doesn't exceed; NaN if there are none.
    pub fn within(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(at.saturating_sub(1)).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    }
}

/// Three columns: the median, the 99th percentile and the longest, in milliseconds.
impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} | {:.2} | {:.2}", self.within(0.5), self.within(0.99), self.within(1.0))
    }
}
