//! `pow load --difficulties` on all cores, and its plot.

use std::process::{Command, Stdio};

use crate::plot::draw;

use super::server::Server;

const DIFFICULTIES: &str = "0-6";
const SECONDS: &str = "10";
const PLOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/proofs/plot.py");
const DRAWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/proofs.svg");

/// Measures, draws; the table.
pub fn measure() -> Result<String, String> {
    let server = Server::pow(None, &["-d", "0"])?;
    let address = server.address();
    let mut load = Command::new(env!("CARGO_BIN_EXE_pow"));
    load.args(["load", &address, "--difficulties", DIFFICULTIES, "--seconds", SECONDS]);
    let done = load.stderr(Stdio::inherit()).output().map_err(|error| format!("{load:?}: {error}"))?;
    if !done.status.success() {
        return Err(format!("{load:?}: {}", done.status));
    }
    draw(PLOT, &done.stdout, DRAWN)?;
    let table = String::from_utf8_lossy(&done.stdout);
    Ok(format!("All cores for the server and for the load, {SECONDS} s each:\n\n{table}"))
}
