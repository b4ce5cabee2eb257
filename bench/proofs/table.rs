//! `pow load --difficulties` on all cores, and its plot.

use std::io::Write;
use std::process::{Command, Stdio};

use super::server::Server;

const DIFFICULTIES: &str = "0-6";
const SECONDS: &str = "10";
const PLOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/proofs/plot.py");
const DRAWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/proofs.svg");

/// Measures, draws; the table.
pub fn measure() -> Result<String, String> {
    let server = Server::pow(None, &["-d", "0"])?;
    let address = server.address().to_string();
    let mut load = Command::new(env!("CARGO_BIN_EXE_pow"));
    load.args(["load", &address, "--difficulties", DIFFICULTIES, "--seconds", SECONDS]);
    let done = load.stderr(Stdio::inherit()).output().map_err(|error| format!("{load:?}: {error}"))?;
    if !done.status.success() {
        return Err(format!("{load:?}: {}", done.status));
    }
    draw(&done.stdout)?;
    let table = String::from_utf8_lossy(&done.stdout);
    Ok(format!("All cores for the server and for the load, {SECONDS} s each:\n\n{table}"))
}

fn draw(table: &[u8]) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("{PLOT}: {error}");
    let mut plot = Command::new("python3").args([PLOT, DRAWN]).stdin(Stdio::piped()).spawn().map_err(fail)?;
    if let Some(mut input) = plot.stdin.take() {
        input.write_all(table).map_err(fail)?;
    }
    let done = plot.wait().map_err(fail)?;
    if done.success() { Ok(()) } else { Err(format!("{PLOT}: {done}")) }
}
