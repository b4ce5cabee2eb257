//! Standard output: what a program was asked for. Logs go elsewhere.

use std::io::{self, Write};

use super::error::{Error, Result};
use super::exit::Status;

/// Writes to standard output.
///
/// # Errors
/// As write(2): `BrokenPipe` if nobody reads it any more.
pub fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush())
}

/// Writes to standard output; that nobody reads it any more is no failure.
///
/// # Errors
/// I/O, if it can't be written for another reason.
pub fn print(bytes: &[u8]) -> Result<()> {
    match write(bytes) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new(Status::Io, "standard output", error))
        }
        _ => Ok(()),
    }
}
