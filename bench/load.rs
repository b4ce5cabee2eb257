//! How manage bears many computes, and a ledger of ten million ranges: what bench/under-load runs.
//!
//! `cargo bench --bench load -- computes COUNT SECONDS [FIRST [keys]]` starts manage, with a ledger in a file, and COUNT computes in
//! this one process: each has a data and a control connection, says `alive` on both as often as it has to, and every 15 s
//! hands in a result and asks for the next range; with `keys` it has one and speaks TLS. Nothing is computed but the sums, by their closed form. What happens
//! from the second round on, for SECONDS, is measured. `-- ledger COUNT FILE` writes a ledger of COUNT accepted ranges, unless
//! FILE is one already, and times a restart on it and a report. Each prints a line of JSON. manage has the first core
//! that this process may use, and this process the last.

#[path = "shared/arguments.rs"]
mod arguments;
#[path = "shared/usage.rs"]
mod usage;
mod load {
    pub mod compute;
    pub mod crowd;
    pub mod ledger;
    pub mod master;
}

use std::path::Path;
use std::process::ExitCode;

/// No perfect number is near: the next is 8589869056.
const FIRST: &str = "1000000000";
const USAGE: &str = "load computes COUNT SECONDS [FIRST [keys]], or load ledger COUNT FILE; see bench/load.rs";

fn main() -> ExitCode {
    arguments::run("load", |arguments| run(arguments).map(|line| println!("{line}")))
}

fn run(arguments: &[&str]) -> Result<String, String> {
    match *arguments {
        // Nothing to do is what `cargo bench` asks for.
        [] => Ok(format!("usage: {USAGE}")),
        ["computes", count, seconds] => crowd(count, seconds, FIRST, false),
        ["computes", count, seconds, first] => crowd(count, seconds, first, false),
        ["computes", count, seconds, first, "keys"] => crowd(count, seconds, first, true),
        ["ledger", count, file] => number(count).and_then(|count| load::ledger::measure(count, Path::new(file))),
        _ => Err(format!("usage: {USAGE}")),
    }
}

fn crowd(count: &str, seconds: &str, first: &str, secure: bool) -> Result<String, String> {
    load::crowd::measure(number(count)?, number(seconds)?, number(first)?, secure)
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}
