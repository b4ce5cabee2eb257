//! What command lines of several programs have in common, for `clap`: parsers that say what is allowed, and the options of servers.

use std::ops::RangeInclusive;

use clap::Args;

use super::limits::{AGENT_NAME_MAX_BYTES, IDLE_SECONDS_MAX, QUEUE_MAX, THREADS_MAX};
use super::net::{self, AGENTS_PORT};
use super::{error, log, process};

/// The options of a server of many threads that have nothing to do with what it serves.
#[derive(Debug, Args)]
pub struct Serving {
    /// Threads that serve [default: one for each core that it may use]
    #[arg(long, value_name = "N", default_value_t = process::cores().min(THREADS_MAX), hide_default_value = true,
          value_parser = within(1..=THREADS_MAX))]
    pub threads: usize,

    /// Close a connection that says nothing for so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = idle)]
    pub idle: f64,

    /// Connections at once [default: what descriptors allow, 16384 at most]
    #[arg(long, value_name = "N", value_parser = within(1..=QUEUE_MAX))]
    pub connections: Option<usize>,

    /// Of them from one address, or one network of IPv6
    #[arg(long, value_name = "N", default_value = "2048", value_parser = within(1..=QUEUE_MAX))]
    pub per_address: usize,

    /// Started by root: serve as this user
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,

    /// Log warnings and errors only
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Log every connection; twice: every error as well
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

impl Serving {
    /// The level of the log.
    #[must_use]
    pub fn level(&self) -> slog::Level {
        if self.quiet { slog::Level::Warning } else { log::level(self.verbose) }
    }

    /// How long a connection may be idle, in milliseconds.
    #[must_use]
    pub fn idle_ms(&self) -> u64 {
        (self.idle * 1e3) as u64
    }
}

fn idle(text: &str) -> Result<f64, String> {
    bounded_seconds(text, IDLE_SECONDS_MAX)
}

/// A parser of numbers within bounds.
pub fn within(bounds: RangeInclusive<usize>) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync + 'static {
    move |text| {
        let fault = || format!("not a number from {} to {}", bounds.start(), bounds.end());
        text.parse().ok().filter(|number| bounds.contains(number)).ok_or_else(fault)
    }
}

/// The options of a program that pushes its metrics.
#[derive(Clone, Debug, Default, Args)]
pub struct Collecting {
    /// Push metrics to the collect that listens here: HOST, HOST:PORT or :PORT
    #[arg(long, value_name = "ADDR")]
    pub collect: Option<String>,

    /// Push them under this name [default: this host's, a slash, and the program's]
    #[arg(long, value_name = "NAME", requires = "collect", value_parser = agent_name)]
    pub collect_name: Option<String>,

    /// Show this key, and push to its collect alone: agent.key, or its directory
    #[arg(long, value_name = "FILE", requires = "collect")]
    pub collect_keys: Option<String>,
}

impl Collecting {
    /// The name under which `program` pushes.
    #[must_use]
    pub fn name(&self, program: &str) -> String {
        self.collect_name.clone().unwrap_or_else(|| format!("{}/{program}", process::host_name()))
    }

    /// Where collect listens, as `HOST:PORT`, if metrics are to be pushed.
    ///
    /// # Errors
    /// Usage, if it is no address.
    pub fn address(&self) -> error::Result<Option<String>> {
        self.collect.as_deref().map(|address| net::with_port(address, AGENTS_PORT)).transpose()
    }
}

/// The name of an agent.
///
/// # Errors
/// What it has to be.
pub fn agent_name(text: &str) -> Result<String, String> {
    let fits = (1..=AGENT_NAME_MAX_BYTES).contains(&text.len());
    fits.then(|| text.to_owned()).ok_or_else(|| format!("not 1 to {AGENT_NAME_MAX_BYTES} bytes"))
}

/// A number of seconds, a tenth of one at least.
///
/// # Errors
/// What it has to be.
pub fn bounded_seconds(text: &str, max: u32) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=f64::from(max)).contains(seconds));
    seconds.ok_or_else(|| format!("not a number of seconds from 0.1 to {max}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        let parse = within(1..=3);
        assert_eq!(["1", "3"].map(&parse), [Ok(1), Ok(3)]);
        for wrong in ["0", "4", "", "-1", "x"] {
            assert_eq!(parse(wrong), Err("not a number from 1 to 3".to_owned()), "{wrong:?}");
        }
        assert_eq!([bounded_seconds("0.1", 5), bounded_seconds("5", 5)], [Ok(0.1), Ok(5.0)]);
        for wrong in ["0.09", "5.1", "NaN", "inf", "", "x"] {
            let fault = "not a number of seconds from 0.1 to 5".to_owned();
            assert_eq!(bounded_seconds(wrong, 5), Err(fault), "{wrong:?}");
        }
    }
}
