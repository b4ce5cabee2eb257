//! The command line of manage.

use clap::Parser;

use crate::common::arguments::Collecting;
use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::keyring::{Wish, wish};
use crate::common::keys::Role;
use crate::common::limits::{CANDIDATE_MAX, CHILDREN_MAX, RANGE_SECONDS_DEFAULT, RANGE_SECONDS_MAX, RANGE_SECONDS_MIN};
use crate::divisors::Method;

use super::ledger::Wanted;

/// Owns a search for perfect numbers: hands out ranges, proves the results, keeps the ledger.
#[derive(Debug, Parser)]
#[command(
    name = "manage",
    version,
    max_term_width = 100,
    after_help = "\
A search on this host alone:    manage --last 40000000 --computes 2
Look at it, also from afar:     report [HOST]
End it:                         report -k, Ctrl-C, or a signal; start manage again to go on
For other hosts as well:        manage --init-keys keys; manage --keys keys --listen 0.0.0.0"
)]
pub struct Options {
    /// Where computes and reports connect; port 0 takes any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8128")]
    pub listen: String,

    /// The file that keeps the search; made if it isn't there, gone on with if it is; ":memory:" keeps nothing
    #[arg(long, value_name = "FILE", default_value = "search.db", value_parser = file)]
    pub ledger: String,

    /// First number to test [default: the ledger's, else 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=CANDIDATE_MAX))]
    pub first: Option<u64>,

    /// Last number to test; may be raised later [default: the ledger's, else none: search until told to end]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=CANDIDATE_MAX))]
    pub last: Option<u64>,

    /// How divisors are found: trial tests every d up to √n, sieve multiplies prime powers into their multiples
    /// [default: the ledger's, else trial]
    #[arg(long, value_name = "trial|sieve", hide_possible_values = true)]
    pub method: Option<Method>,

    /// What a range should take its compute
    #[arg(long, value_name = "SECONDS", default_value_t = RANGE_SECONDS_DEFAULT, value_parser = seconds)]
    pub seconds: f64,

    /// Start this many computes on this host, and start one again that dies
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = computes)]
    pub computes: usize,

    /// Have this share of the finished ranges done again by a second compute, on another host if there is one
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, value_parser = percent)]
    pub recheck: f64,

    /// Verify a ledger that no manage holds, say what is in it, and exit: nothing is changed
    #[arg(long, value_name = "LEDGER", value_parser = file, exclusive = true)]
    pub check: Option<String>,

    /// Speak TLS, and only to holders of keys: a directory that --init-keys has made
    #[arg(long, value_name = "DIR|FILE", value_parser = file, conflicts_with = "insecure")]
    pub keys: Option<String>,

    /// Make keys in this directory, those that are missing, say what each is for, and exit
    #[arg(long, value_name = "DIR", value_parser = file, conflicts_with_all = ["keys", "insecure", "check"])]
    pub init_keys: Option<String>,

    /// With --init-keys: make this key as well, as in worker:node02; may be given again
    #[arg(long, value_name = "ROLE:NAME", requires = "init_keys", value_parser = wish(Role::Manage))]
    pub add_key: Vec<Wish>,

    /// Started by root: go on as this user once the port is taken; with --init-keys: make the keys this user's
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,

    /// Listen beyond loopback although anybody who can connect may then read, feed and end the search
    #[arg(long)]
    pub insecure: bool,

    /// Where its metrics go.
    #[command(flatten)]
    pub collecting: Collecting,

    /// Log more; twice: every message
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

impl Options {
    /// What these options ask of the search itself.
    ///
    /// # Errors
    /// Usage, if first is behind last.
    pub fn wanted(&self) -> Result<Wanted> {
        if let (first, Some(last)) = (self.first.unwrap_or(1), self.last)
            && first > last
        {
            return Err(Error::new(Status::Usage, format!("--last {last}"), format!("lower than --first {first}")));
        }
        Ok(Wanted { method: self.method, first: self.first, last: self.last })
    }
}

fn seconds(text: &str) -> std::result::Result<f64, String> {
    between(text, RANGE_SECONDS_MIN, RANGE_SECONDS_MAX)
}

fn percent(text: &str) -> std::result::Result<f64, String> {
    between(text, 0.0, 100.0)
}

fn computes(text: &str) -> std::result::Result<usize, String> {
    let fault = || format!("not a number from 0 to {CHILDREN_MAX}");
    text.parse().ok().filter(|count| *count <= CHILDREN_MAX).ok_or_else(fault)
}

/// SQLite takes an empty name too, for a file that it removes at the end.
fn file(text: &str) -> std::result::Result<String, String> {
    if text.is_empty() { Err("not the name of a file".to_owned()) } else { Ok(text.to_owned()) }
}

fn between(text: &str, low: f64, high: f64) -> std::result::Result<f64, String> {
    let fault = || format!("not a number from {low} to {high}");
    text.parse().ok().filter(|value| (low..=high).contains(value)).ok_or_else(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_has_a_name() {
        for (ledger, taken) in [("search.db", true), (":memory:", true), ("", false)] {
            assert_eq!(Options::try_parse_from(["manage", "--ledger", ledger]).is_ok(), taken, "{ledger:?}");
        }
    }
}
