//! The command line of compute.

use clap::Parser;

use crate::common::arguments::Collecting;
use crate::common::keys;
use crate::common::limits::{CHILDREN_MAX, HOST_MAX_BYTES};
use crate::common::process;
use crate::divisors::Kernel;

use super::kernel;

/// Tests the ranges that manage hands out, until it is told to end.
#[derive(Debug, Parser)]
#[command(
    name = "compute",
    version,
    max_term_width = 100,
    after_help = "\
One for each core of this host:    compute --count auto node01
End one:                           Ctrl-C, or a signal: what is tested is handed in first
End all of a search:               report -k"
)]
pub struct Options {
    /// Where manage listens: HOST or HOST:PORT, an IPv6 address in brackets
    #[arg(value_name = "ADDR", env = "ALIQUOT_MANAGE", default_value = "127.0.0.1:8128")]
    pub manage: String,

    /// Show this key, and trust its manage alone: worker.key, or its directory
    #[arg(long, value_name = "DIR|FILE", env = "ALIQUOT_KEYS")]
    pub keys: Option<String>,

    /// Run this many processes, each a compute of its own; "auto": one for each core that this process may use
    #[arg(long, value_name = "N|auto", default_value = "1", value_parser = count)]
    pub count: usize,

    /// Lower the priority by this much, as nice(1) does
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(i32).range(0..=19))]
    pub nice: i32,

    /// Started by root: compute as this user
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,

    /// What manage calls this host [default: its own name]
    #[arg(long, value_name = "NAME", value_parser = host)]
    pub host: Option<String>,

    /// Compute with these instructions, not with the fastest that this processor has: portable or avx2
    #[arg(long, value_name = "NAME", value_parser = kernel::parse)]
    pub kernel: Option<Kernel>,

    /// End cleanly when standard input ends, as manage wants it of the computes that it starts
    #[arg(long)]
    pub until_eof: bool,

    /// Where its metrics go.
    #[command(flatten)]
    pub collecting: Collecting,

    /// Log warnings and errors only
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Log more; twice: every message
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

impl Options {
    /// The level of the log.
    #[must_use]
    pub fn level(&self) -> slog::Level {
        if self.quiet { slog::Level::Warning } else { crate::common::log::level(self.verbose) }
    }

    /// How it pushes: the name of its host is the one that it goes by.
    #[must_use]
    pub fn collecting(&self) -> Collecting {
        let name = || Some(format!("{}/compute", self.host.as_ref()?));
        Collecting { collect_name: self.collecting.collect_name.clone().or_else(name), ..self.collecting.clone() }
    }

    /// The arguments of one compute of several: the `nth` of them, from 1 on.
    #[must_use]
    pub fn of_one(&self, nth: usize) -> Vec<String> {
        let mut arguments = vec![self.manage.clone(), "--until-eof".to_owned(), "--nice=0".to_owned()];
        arguments.extend(keys::named(self.keys.as_deref()).map(|keys| format!("--keys={keys}")));
        arguments.extend(self.host.iter().map(|host| format!("--host={host}")));
        arguments.extend(self.kernel.map(|kernel| format!("--kernel={}", kernel.name())));
        if let Some(collect) = &self.collecting.collect {
            let name = self.collecting().name("compute");
            arguments.extend([format!("--collect={collect}"), format!("--collect-name={name}/{nth}")]);
            arguments.extend(self.collecting.collect_keys.iter().map(|keys| format!("--collect-keys={keys}")));
        }
        arguments.extend(self.quiet.then(|| "--quiet".to_owned()));
        arguments.extend((0..self.verbose).map(|_| "-v".to_owned()));
        arguments
    }
}

fn count(text: &str) -> Result<usize, String> {
    let count = if text == "auto" { Some(process::cores()) } else { text.parse().ok() };
    let fault = || format!("neither \"auto\" nor a number from 1 to {CHILDREN_MAX}");
    count.filter(|count| (1..=CHILDREN_MAX).contains(count)).ok_or_else(fault)
}

fn host(text: &str) -> Result<String, String> {
    let fault = || format!("not 1 to {HOST_MAX_BYTES} printable bytes");
    let fits = (1..=HOST_MAX_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned()).ok_or_else(fault)
}
