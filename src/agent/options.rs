//! The command line of agent.

use clap::Parser;

use crate::common::arguments::{agent_name, bounded_seconds};
use crate::common::limits::{DELIVERY_SECONDS_MAX, INTERVAL_SECONDS_MAX};
use crate::common::log;

/// Samples this host, or takes what another program prints, and pushes it to a collect.
#[derive(Debug, Parser)]
#[command(
    name = "agent",
    version,
    max_term_width = 100,
    after_help = "\
This host:          agent node01
Another program:    while sleep 10; do echo \"backup_size_bytes $(stat -c %s backup.tar)\"; done |
                        agent --stdin --name nightly node01
What is to be seen after its end is a counter, a histogram or a summary: gauges go when the agent does."
)]
pub struct Options {
    /// Where collect listens: HOST, HOST:PORT or :PORT, an IPv6 address in brackets
    #[arg(value_name = "ADDR", env = "ALIQUOT_COLLECT", default_value = "127.0.0.1:5050")]
    pub collect: String,

    /// Push under this name, which no other agent has [default: this host's, with --stdin too]
    #[arg(long, value_name = "NAME", value_parser = agent_name)]
    pub name: Option<String>,

    /// Sample this host every so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = interval, conflicts_with = "stdin")]
    pub interval: f64,

    /// Push what standard input says, lines NAME VALUE, instead of sampling this host
    #[arg(long)]
    pub stdin: bool,

    /// At the end of standard input, try for so many seconds to deliver what it said
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = timeout, requires = "stdin")]
    pub timeout: f64,

    /// Show this key, and push to its collect alone: agent.key, or its directory
    #[arg(long, value_name = "DIR|FILE", env = "ALIQUOT_KEYS")]
    pub keys: Option<String>,

    /// Log warnings and errors only
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Log more
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

impl Options {
    /// The level of the log.
    #[must_use]
    pub fn level(&self) -> slog::Level {
        if self.quiet { slog::Level::Warning } else { log::level(self.verbose) }
    }
}

fn interval(text: &str) -> Result<f64, String> {
    bounded_seconds(text, INTERVAL_SECONDS_MAX)
}

fn timeout(text: &str) -> Result<f64, String> {
    bounded_seconds(text, DELIVERY_SECONDS_MAX)
}
