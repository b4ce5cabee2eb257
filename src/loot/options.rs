//! The command line of loot.

use clap::{Args, Parser, Subcommand};

use crate::common::arguments::{Collecting, Serving, bounded_seconds};
use crate::common::limits::{AHEAD_MAX, DRAW_SECONDS_MAX, SIZE_MAX};

use super::request::Id;
use super::shuffle::Commitment;

/// Numbers of a box, unless told otherwise.
pub const SIZE_DEFAULT: u32 = 100_000;

/// Draws numbers from a box that many share: none twice, none lost, in an order that can be proved.
#[derive(Debug, Parser)]
#[command(name = "loot", version, propagate_version = true, max_term_width = 100)]
pub struct Options {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What loot can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Keep a box of numbers from which many clients draw
    Serve(Serve),
    /// Draw numbers, or talk to a server by hand
    Draw(Draw),
    /// End the draw of a box of this host, so that its order is revealed
    Close(Close),
    /// Check recorded draws against what the server has revealed; or check a ledger
    Verify(Verify),
}

/// `loot serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Listen here: HOST, HOST:PORT or :PORT; port 0 is any that is free
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8899")]
    pub listen: String,

    /// Numbers of a new box, 1 to 100,000,000 [default: 100,000, or what the ledger has]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(SIZE_MAX)))]
    pub size: Option<u32>,

    /// Keep what is drawn in this file; ":memory:" keeps nothing
    #[arg(long, value_name = "FILE", default_value = "loot.db")]
    pub ledger: String,

    /// Let the ledger be so many numbers ahead: draws needn't wait for it, a crash may take those numbers
    #[arg(long, value_name = "N", default_value = "0", value_parser = clap::value_parser!(u32).range(0..=i64::from(AHEAD_MAX)))]
    pub ahead: u32,

    /// What other servers have as well.
    #[command(flatten)]
    pub serving: Serving,

    /// Where its metrics go.
    #[command(flatten)]
    pub collecting: Collecting,
}

/// `loot draw`.
#[derive(Debug, Args)]
pub struct Draw {
    /// Where the server listens
    #[arg(value_name = "ADDR")]
    pub address: String,

    /// How many numbers; without it, lines from standard input are sent and answers printed
    #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(SIZE_MAX)))]
    pub number: Option<u32>,

    /// Append a record to this file, for loot verify; with N, instead of printing the numbers
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<String>,

    /// Draw under this id: if it has drawn before, the same numbers [default: one by chance]
    #[arg(long, value_name = "ID", value_parser = id, requires = "number")]
    pub id: Option<Id>,

    /// Try again for so many seconds where the connection is lost
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds, requires = "number")]
    pub timeout: f64,
}

/// `loot close`.
#[derive(Debug, Args)]
pub struct Close {
    /// Where the server listens
    #[arg(value_name = "ADDR", default_value = "127.0.0.1:8899")]
    pub address: String,
}

/// `loot verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Records, of which one has the server's "reveal"; or ledgers. "-" is standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<String>,

    /// The commitment, where the records don't have it
    #[arg(long, value_name = "HASH")]
    pub commitment: Option<Commitment>,
}

fn seconds(text: &str) -> Result<f64, String> {
    bounded_seconds(text, DRAW_SECONDS_MAX)
}

fn id(text: &str) -> Result<Id, String> {
    Id::new(text).ok_or_else(|| "an id has 1 to 64 of A-Z a-z 0-9 . _ -".to_owned())
}
