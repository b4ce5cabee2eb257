//! The command line of pow.

use std::ffi::OsString;
use std::ops::RangeInclusive;

use clap::{Args, Parser, Subcommand};

use crate::common::arguments::{Collecting, Serving, bounded_seconds, within};
use crate::common::limits::{
    IDLE_SECONDS_MAX, LINE_MAX_BYTES, LOAD_CONNECTIONS_MAX, LOAD_SECONDS_MAX, PROCESSES_MAX, QUEUE_MAX, THREADS_MAX,
};
use crate::common::process;

use super::puzzle::Difficulty;
use super::sha::kernel::Kernel;

/// Finds, checks and serves proofs of work: seeds with which a message's SHA-256 begins with zeros.
#[derive(Debug, Parser)]
#[command(name = "pow", version, propagate_version = true, max_term_width = 100)]
pub struct Options {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What pow can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer every line with a proof of work, for many clients at once
    Serve(Serve),
    /// Find the proof of one message on this host
    Solve(Solve),
    /// Check proofs: lines MESSAGE,SEED,HASH
    Verify(Verify),
    /// Load a server with many connections; check and count its replies
    Load(Load),
    /// Show what a server has done
    Status(Status),
}

/// `pow serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Listen here: HOST, HOST:PORT or :PORT; port 0 is any that is free
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:20000")]
    pub listen: String,

    /// Zero digits that a hash has to begin with, 0 to 9
    #[arg(short, long, value_name = "N", default_value = "3")]
    pub difficulty: Difficulty,

    /// The most that a client may ask for by itself, never less than --difficulty
    #[arg(long, value_name = "N", default_value = "9")]
    pub max_difficulty: Difficulty,

    /// Answer with an error what isn't found within so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds)]
    pub timeout: f64,

    /// Longest line in bytes, its end left out
    #[arg(long, value_name = "BYTES", default_value = "8192", value_parser = within(1..=LINE_MAX_BYTES))]
    pub max_line: usize,

    /// Requests that may wait; further ones are answered "error busy"
    #[arg(long, value_name = "N", default_value = "4096", value_parser = within(1..=QUEUE_MAX))]
    pub queue: usize,

    /// Search with these instructions, not with the fastest that this processor has
    #[arg(long, value_name = "portable|avx2|sha-ni")]
    pub kernel: Option<Kernel>,

    /// What other servers have as well.
    #[command(flatten)]
    pub serving: Serving,

    /// Where its metrics go.
    #[command(flatten)]
    pub collecting: Collecting,
}

/// `pow solve`.
#[derive(Debug, Args)]
pub struct Solve {
    /// The message
    pub message: OsString,

    /// Zero digits that its hash has to begin with, 0 to 9
    #[arg(short, long, value_name = "N", default_value = "3")]
    pub difficulty: Difficulty,

    /// Start at a seed drawn by chance, not at aaaaa: another proof each time
    #[arg(long)]
    pub random: bool,

    /// Threads that search [default: one for each core that it may use]
    #[arg(long, value_name = "N", default_value_t = process::cores().min(THREADS_MAX), hide_default_value = true,
          value_parser = within(1..=THREADS_MAX))]
    pub threads: usize,

    /// Search with these instructions, not with the fastest that this processor has
    #[arg(long, value_name = "portable|avx2|sha-ni")]
    pub kernel: Option<Kernel>,
}

/// `pow verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Proofs [default: the lines of standard input]
    #[arg(value_name = "LINE")]
    pub lines: Vec<OsString>,

    /// Zero digits that each hash has to begin with, 0 to 9
    #[arg(short, long, value_name = "N", default_value = "3")]
    pub difficulty: Difficulty,

    /// Print nothing; the exit status says it
    #[arg(short, long)]
    pub quiet: bool,
}

/// `pow load`.
#[derive(Debug, Args)]
pub struct Load {
    /// Where the server listens
    #[arg(value_name = "ADDR", default_value = "127.0.0.1:20000")]
    pub address: String,

    /// Connections, each with one request on its way at a time
    #[arg(short, long, value_name = "N", default_value = "100", value_parser = within(1..=LOAD_CONNECTIONS_MAX))]
    pub connections: usize,

    /// How long; with --difficulties, each of them
    #[arg(short, long, value_name = "S", default_value = "10", value_parser = load_seconds)]
    pub seconds: f64,

    /// Processes that share the connections; "auto": one for each core that this process may use
    #[arg(short, long, value_name = "N|auto", default_value = "auto", value_parser = processes)]
    pub processes: usize,

    /// Ask for this difficulty with each request; without it the server's own holds
    #[arg(short, long, value_name = "N", conflicts_with = "difficulties")]
    pub difficulty: Option<Difficulty>,

    /// Measure difficulties A to B one after the other, with 100 connections and one a core: a table
    #[arg(long, value_name = "A-B", value_parser = difficulties)]
    pub difficulties: Option<RangeInclusive<u8>>,
}

/// `pow status`.
#[derive(Debug, Args)]
pub struct Status {
    /// Where the server listens
    #[arg(value_name = "ADDR", default_value = "127.0.0.1:20000")]
    pub address: String,

    /// Print the JSON object that the server sends
    #[arg(long)]
    pub json: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    bounded_seconds(text, IDLE_SECONDS_MAX)
}

fn load_seconds(text: &str) -> Result<f64, String> {
    bounded_seconds(text, LOAD_SECONDS_MAX)
}

fn processes(text: &str) -> Result<usize, String> {
    let count = if text == "auto" { Some(process::cores().min(PROCESSES_MAX)) } else { text.parse().ok() };
    let fault = || format!("neither \"auto\" nor a number from 1 to {PROCESSES_MAX}");
    count.filter(|count| (1..=PROCESSES_MAX).contains(count)).ok_or_else(fault)
}

fn difficulties(text: &str) -> Result<RangeInclusive<u8>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let bounds =
        first.parse::<Difficulty>().and_then(|first| Ok(first.digits()..=last.parse::<Difficulty>()?.digits()))?;
    if bounds.is_empty() { Err("the first is greater than the last".to_owned()) } else { Ok(bounds) }
}
