//! How a benchmark with parts of its own is started.

use std::process::ExitCode;

/// Runs the benchmark `name` with the arguments that were meant for it.
pub fn run(name: &str, benchmark: impl FnOnce(&[&str]) -> Result<(), String>) -> ExitCode {
    // Cargo tells a benchmark that it is one.
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match benchmark(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            eprintln!("{name}: {cause}");
            ExitCode::FAILURE
        }
    }
}
