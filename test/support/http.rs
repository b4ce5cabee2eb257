//! HTTP by hand: one request, one answer, and the connection is closed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::PATIENCE;

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// What it brings.
    pub body: Vec<u8>,
}

impl Reply {
    /// The value of a header, by its name in lower case; of several the last.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().rev().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }

    /// What it brings, as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("an answer is UTF-8")
    }
}

/// Asks for `path` with these headers, each a line.
pub fn get(to: SocketAddr, path: &str, headers: &[&str]) -> Reply {
    request(to, "GET", path, headers, "")
}

/// Sends a request with a body.
pub fn request(to: SocketAddr, method: &str, path: &str, headers: &[&str], body: &str) -> Reply {
    let mut stream = TcpStream::connect(to).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    let lines: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n{length}{lines}\r\n{body}");
    stream.write_all(head.as_bytes()).expect("it takes a request");
    let (mut answer, mut chunk) = (Vec::new(), [0; 64 * 1024]);
    loop {
        let count = stream.read(&mut chunk).expect("an answer comes");
        answer.extend_from_slice(&chunk[..count]);
        if count == 0 || is_whole(&answer, method == "HEAD") {
            return parse(&answer);
        }
    }
}

/// True if nothing more belongs to an answer: not everybody closes the connection behind it.
fn is_whole(answer: &[u8], head_alone: bool) -> bool {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    head_alone || length.is_some_and(|length| answer.len() >= end + 4 + length)
}

fn parse(answer: &[u8]) -> Reply {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
    let header = |line: &str| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    let headers = lines.filter_map(header).collect();
    let mut reply = Reply { status, headers, body: answer[end + 4..].to_vec() };
    if reply.header("transfer-encoding") == "chunked" {
        reply.body = unchunk(&reply.body);
    }
    reply
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").expect("a chunk has a length");
        let length = std::str::from_utf8(&rest[..end]).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let length = length.expect("a chunk's length is hexadecimal");
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + length]);
        rest = &rest[end + 4 + length..];
    }
}
