//! HTTP by hand: one request, one answer, and the connection is closed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How much is read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// An answer, status 200.
pub struct Answer {
    /// From the request, before it connects, to the first byte,
    pub first: Duration,
    /// and to the last.
    pub whole: Duration,
    bytes: Vec<u8>,
    body: usize,
}

impl Answer {
    /// All bytes that came, the head's too.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The head, in lower case.
    pub fn head(&self) -> String {
        String::from_utf8_lossy(&self.bytes[..self.body]).to_lowercase()
    }

    /// What it brings, if that is plain text.
    pub fn text(&self) -> Result<String, String> {
        let body = self.bytes[self.body..].to_vec();
        String::from_utf8(body).map_err(|_| "an answer isn't UTF-8".to_owned())
    }
}

/// Connects, and asks for `path` with these headers, each a line.
pub fn ask(to: SocketAddr, path: &str, headers: &[&str]) -> Result<TcpStream, String> {
    let ask = || {
        let mut stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        let lines: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {to}\r\n{lines}\r\n").as_bytes())?;
        Ok::<_, std::io::Error>(stream)
    };
    ask().map_err(|error| format!("GET {path}: {error}"))
}

/// The answer to `GET path`.
pub fn get(to: SocketAddr, path: &str, headers: &[&str]) -> Result<Answer, String> {
    let begin = Instant::now();
    let mut stream = ask(to, path, &[&["Connection: close"], headers].concat())?;
    let (mut bytes, mut chunk, mut first) = (Vec::new(), vec![0; CHUNK_BYTES], None);
    loop {
        let count = stream.read(&mut chunk).map_err(|error| format!("GET {path}: {error}"))?;
        first.get_or_insert_with(|| begin.elapsed());
        if count == 0 {
            break;
        }
        bytes.extend_from_slice(&chunk[..count]);
    }
    let whole = begin.elapsed();
    let body = end_of_head(&bytes).ok_or_else(|| format!("GET {path}: no answer"))?;
    if !bytes.starts_with(b"HTTP/1.1 200 ") {
        return Err(format!("GET {path}: {}", bytes[..body].escape_ascii()));
    }
    Ok(Answer { first: first.unwrap_or(whole), whole, bytes, body })
}

/// Where the head of an answer ends, if it is there.
pub fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}
