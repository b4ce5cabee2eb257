//! How manage bears many computes, and a ledger of ten million ranges: what bench/under-load runs.
//!
//! `cargo bench --bench load -- computes COUNT SECONDS` starts manage, with a ledger in a file, and COUNT computes in
//! this one process: each has a data and a control connection, says `alive` on both every HEARTBEAT_MS, and every 15 s
//! hands in a result and asks for the next range. Nothing is computed but the sums, by their closed form. What happens
//! from the second round on, for SECONDS, is measured. `-- ledger COUNT FILE` writes a ledger of COUNT accepted ranges, unless
//! FILE is one already, and times a restart on it and a report. Each prints a line of JSON. manage has the first core
//! that this process may use, and this process the last.

mod load {
    pub mod compute;
    pub mod crowd;
    pub mod ledger;
    pub mod master;
}

use std::path::Path;
use std::process::ExitCode;

/// All instants of the crowd come from it.
const SEED: u64 = 4711;
const USAGE: &str = "load computes COUNT SECONDS, or load ledger COUNT FILE; see bench/load.rs";

fn main() -> ExitCode {
    // Cargo tells a benchmark that it is one.
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        // Nothing to do is what `cargo bench` asks for.
        [] => Ok(format!("usage: {USAGE}")),
        ["computes", count, seconds] => numbers(count, seconds).and_then(|(n, s)| load::crowd::measure(n, s, SEED)),
        ["ledger", count, file] => numbers(count, "0").and_then(|(n, _)| load::ledger::measure(n, Path::new(file))),
        _ => Err(format!("usage: {USAGE}")),
    };
    match done {
        Ok(line) => println!("{line}"),
        Err(cause) => {
            eprintln!("load: {cause}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn numbers(one: &str, other: &str) -> Result<(u64, u64), String> {
    let number = |text: &str| text.parse().map_err(|_| format!("{text} is not a number"));
    Ok((number(one)?, number(other)?))
}
