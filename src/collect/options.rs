//! The command line of collect.

use clap::Parser;

use crate::common::arguments::bounded_seconds;
use crate::common::keyring::{Wish, wish};
use crate::common::keys::Role;
use crate::common::limits::EXPIRE_SECONDS_MAX;
use crate::common::log;

/// Takes metrics from agents on many hosts, for Prometheus and a live page.
#[derive(Debug, Parser)]
#[command(name = "collect", version, max_term_width = 100)]
pub struct Options {
    /// Listen here for agents: HOST, HOST:PORT or :PORT; port 0 is any that is free
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5050")]
    pub agents: String,

    /// Listen here for Prometheus and browsers, who may read but not write
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000")]
    pub http: String,

    /// Show the search of the manage that listens here
    #[arg(long, value_name = "ADDR")]
    pub manage: Option<String>,

    /// The viewer's key that this manage wants, or the directory that it is in
    #[arg(long, value_name = "DIR|FILE", requires = "manage")]
    pub manage_keys: Option<String>,

    /// Keep counters in this file; ":memory:" keeps nothing
    #[arg(long, value_name = "FILE", default_value = "collect.db", value_parser = file)]
    pub store: String,

    /// Forget series of which nothing was said for so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "3600", value_parser = seconds)]
    pub expire: f64,

    /// Quantiles of summaries look back so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = seconds)]
    pub window: f64,

    /// Take agents by these keys alone: a directory made by --init-keys, or collect.key in it
    #[arg(long, value_name = "DIR|FILE", value_parser = file, conflicts_with = "insecure")]
    pub keys: Option<String>,

    /// Make the keys of a collect and its agents in this directory, and leave; what is there stays
    #[arg(long, value_name = "DIR", value_parser = file, conflicts_with_all = ["keys", "insecure"])]
    pub init_keys: Option<String>,

    /// With --init-keys: make a key of this name as well, agent:NAME
    #[arg(long, value_name = "ROLE:NAME", value_parser = wish(Role::Collect), requires = "init_keys")]
    pub add_key: Vec<Wish>,

    /// Take agents beyond loopback without keys: whoever can connect may push
    #[arg(long)]
    pub insecure: bool,

    /// Started by root: serve as this user
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,

    /// Log warnings and errors only
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Log what is refused; twice: every frame
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

fn seconds(text: &str) -> Result<f64, String> {
    bounded_seconds(text, EXPIRE_SECONDS_MAX)
}

/// SQLite takes an empty name too, for a file that it removes at the end.
fn file(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("not the name of a file".to_owned()) } else { Ok(text.to_owned()) }
}
