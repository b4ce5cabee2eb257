//! `pow status`: asks a server what it has done.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::error::{Error, Result, printable};
use crate::common::exit::Status as Exit;
use crate::common::limits::{LINE_MAX_BYTES, REPORT_MAX_MS};
use crate::common::net;
use crate::common::output;

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
    // Control characters in its words are escaped in JSON, and made harmless in the table.
    let shown = if options.json { format!("{object}\n") } else { metrics::table(&object) };
    output::print(shown.as_bytes())
}

fn ask(address: &str) -> Result<String> {
    let unreachable = |error: io::Error| Error::new(Exit::Unreachable, format!("server at {address}"), error);
    let mut stream = net::dial(address)?;
    stream.write_all(b"\0status\n").map_err(unreachable)?;
    let line = read_line(stream, Duration::from_millis(REPORT_MAX_MS)).map_err(unreachable)?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// What comes up to the end of a line, or of the connection, or of what a line may have; all of it within `patience`.
fn read_line(mut stream: TcpStream, patience: Duration) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + patience;
    let (mut line, mut chunk) = (Vec::new(), [0; 1024]);
    while !line.contains(&b'\n') && line.len() < LINE_MAX_BYTES {
        let late = || io::Error::new(ErrorKind::TimedOut, format!("no answer within {} s", patience.as_secs()));
        let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()).ok_or_else(late)?;
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => line.extend_from_slice(&chunk[..count]),
            Err(error) if net::is_pause(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::thread;

    use super::*;

    #[test]
    fn who_says_a_byte_now_and_then_is_not_listened_to_for_ever() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut theirs, _) = listener.accept().unwrap();
        let slow = thread::spawn(move || {
            while theirs.write_all(b".").is_ok() {
                thread::sleep(Duration::from_millis(5));
            }
        });
        let error = read_line(ours, Duration::from_millis(100)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        slow.join().unwrap();
    }
}
