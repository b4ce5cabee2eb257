//! The command line of report.

use clap::Parser;

/// Shows what a search has found, how far it is, and who works on it.
#[derive(Debug, Parser)]
#[command(
    name = "report",
    version,
    max_term_width = 100,
    after_help = "\
Exit status: 0 shown, 69 manage can't be reached, 76 what answered is no manage of this version,
77 a key is missing, or isn't the right one"
)]
pub struct Options {
    /// Where manage listens: HOST or HOST:PORT, an IPv6 address in brackets
    #[arg(value_name = "ADDR", env = "ALIQUOT_MANAGE", default_value = "127.0.0.1:8128")]
    pub manage: String,

    /// Show this key, and trust its manage alone: viewer.key, operator.key, or their directory
    #[arg(long, value_name = "DIR|FILE", env = "ALIQUOT_KEYS")]
    pub keys: Option<String>,

    /// After the report, end the search: manage and all its computes
    #[arg(short = 'k', long = "kill")]
    pub kill: bool,

    /// Print one JSON object instead of the table
    #[arg(long)]
    pub json: bool,

    /// Show it again every so many seconds, until told to end
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", conflicts_with = "kill",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub watch: Option<u64>,
}
