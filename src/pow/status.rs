//! `pow status`: asks a server what it has done.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::common::error::{Error, Result, printable};
use crate::common::exit::Status as Exit;
use crate::common::limits::{CONNECT_MAX_MS, LINE_MAX_BYTES, REPORT_MAX_MS};
use crate::common::net;

use super::metrics;
use super::options::Status;

/// Asks and prints.
///
/// # Errors
/// When nobody can be reached, or it is no server of this kind.
pub fn run(options: &Status) -> Result<()> {
    let address = net::with_port(&options.address, super::PORT)?;
    let line = ask(&address)?;
    if line.starts_with("error ") {
        return Err(Error::new(Exit::Failed, address, printable(line.trim_end())));
    }
    let object: Option<Value> =
        serde_json::from_str(&line).ok().filter(|object: &Value| object["schema"] == metrics::SCHEMA);
    let foreign = || Error::new(Exit::Protocol, &address, "what answered is no pow server of this version");
    let object = object.ok_or_else(foreign)?;
    let shown = if options.json { format!("{object}\n") } else { metrics::table(&object) };
    // Control characters in its words are escaped in JSON, and made harmless in the table.
    super::print(shown.as_bytes())
}

fn ask(address: &str) -> Result<String> {
    let unreachable = |error: std::io::Error| Error::new(Exit::Unreachable, address, error);
    let patience = Duration::from_millis(REPORT_MAX_MS);
    let connect = |at| TcpStream::connect_timeout(&at, Duration::from_millis(CONNECT_MAX_MS));
    let mut attempts = net::resolve(address)?.into_iter().map(connect);
    let mut attempt = attempts.next().unwrap_or_else(|| Err(std::io::ErrorKind::NotFound.into()));
    for next in attempts {
        attempt = attempt.or(next);
    }
    let mut stream = attempt.map_err(unreachable)?;
    stream.set_read_timeout(Some(patience)).and_then(|()| stream.write_all(b"\0status\n")).map_err(unreachable)?;
    let mut line = Vec::new();
    BufReader::new(stream).take(LINE_MAX_BYTES as u64).read_until(b'\n', &mut line).map_err(unreachable)?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}
