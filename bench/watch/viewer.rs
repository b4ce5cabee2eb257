//! A page that is open: one that reads `/events` and notes how large they are.

use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::beside::Over;
use super::http::{ask, end_of_head};

/// Between two looks at whether it is to end.
const LOOK: Duration = Duration::from_millis(100);
const CHUNK_BYTES: usize = 64 * 1024;

/// What came, each in bytes as it came.
#[derive(Clone, Default)]
pub struct Seen {
    /// Whole pages.
    pub whole: Vec<usize>,
    /// Parts of it that had changed.
    pub parts: Vec<usize>,
}

/// A page that is open.
#[derive(Default)]
pub struct Viewer(Mutex<Seen>);

impl Viewer {
    /// Takes what has come so far.
    pub fn take(&self) -> Seen {
        std::mem::take(&mut *self.seen())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what comes until it is over.
    pub fn read(&self, from: SocketAddr, over: &Over) -> Result<(), String> {
        let mut stream = ask(from, "/events", &["Accept: text/event-stream", "Accept-Encoding: gzip"])?;
        let failed = |error| format!("GET /events: {error}");
        stream.set_read_timeout(Some(LOOK)).map_err(failed)?;
        let (mut input, mut chunk, mut headed) = (Vec::new(), vec![0; CHUNK_BYTES], false);
        while !over.has_come() {
            match stream.read(&mut chunk) {
                Ok(0) => return Err("GET /events: it has ended".to_owned()),
                Ok(count) => input.extend_from_slice(&chunk[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(failed(error)),
            }
            if !headed && let Some(end) = end_of_head(&input) {
                input.drain(..end);
                headed = true;
            }
            while headed && let Some(event) = cut(&mut input)? {
                self.note(&event);
            }
        }
        Ok(())
    }

    fn note(&self, event: &[u8]) {
        let mut seen = self.seen();
        if event.starts_with(b"event: whole") {
            seen.whole.push(event.len());
        } else if event.starts_with(b"event: parts") {
            seen.parts.push(event.len());
        }
    }
}

/// The first chunk of the chunked coding, if it is there: collect sends each event in one.
fn cut(input: &mut Vec<u8>) -> Result<Option<Vec<u8>>, String> {
    let Some(end) = input.windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
    let length = std::str::from_utf8(&input[..end]).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
    let length = length.ok_or_else(|| format!("GET /events: no length of a chunk: {}", input[..end].escape_ascii()))?;
    if input.len() < end + 2 + length + 2 {
        return Ok(None);
    }
    let event = input[end + 2..end + 2 + length].to_vec();
    input.drain(..end + 2 + length + 2);
    Ok(Some(event))
}
