//! How the table of a benchmark becomes a picture.

use std::io::Write;
use std::process::{Command, Stdio};

/// Has the Python program at `plot` draw `table` as the SVG `drawn`.
pub fn draw(plot: &str, table: &[u8], drawn: &str) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("{plot}: {error}");
    let mut python = Command::new("python3").args([plot, drawn]).stdin(Stdio::piped()).spawn().map_err(fail)?;
    if let Some(mut input) = python.stdin.take() {
        input.write_all(table).map_err(fail)?;
    }
    let done = python.wait().map_err(fail)?;
    if done.success() { Ok(()) } else { Err(format!("{plot}: {done}")) }
}
