//! What a connection asks, of loot or of redis, and how the reply is read.

use aliquot::pow::load::exchange::{Exchange, Verdict};

/// More than any number takes in a reply: redis says `$8`, the number, and ends two lines.
const NUMBER_MAX_BYTES: usize = 24;
/// More than what stands before the numbers of a reply.
const HEAD_MAX_BYTES: usize = 64;
/// The longest number of a box.
const DIGITS_MAX: usize = 9;

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Loot,
    /// In RESP, as redis's clients say it: `LPOP box` as a line of its own is read by another, slower part of redis.
    Redis,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// Requests that are sent at once; what follows waits for all of their replies.
    pub at_once: usize,
    /// Numbers that each wants.
    pub count: usize,
}

impl Ask {
    /// One number, and then the next.
    pub const ONE: Self = Self { at_once: 1, count: 1 };

    /// Numbers of a whole reply.
    pub fn numbers(self) -> usize {
        self.at_once * self.count
    }

    fn request(self, peer: Peer) -> Vec<u8> {
        let one = match (peer, self.count) {
            (Peer::Loot, count) => format!("draw {count}\n"),
            (Peer::Redis, 1) => "*2\r\n$4\r\nLPOP\r\n$3\r\nbox\r\n".to_owned(),
            (Peer::Redis, count) => {
                let count = count.to_string();
                format!("*3\r\n$4\r\nLPOP\r\n$3\r\nbox\r\n${}\r\n{count}\r\n", count.len())
            }
        };
        one.repeat(self.at_once).into_bytes()
    }
}

/// One connection, which draws from a box of `size` numbers.
pub struct Draws {
    peer: Peer,
    ask: Ask,
    size: u32,
    request: Vec<u8>,
    /// Replies that have come to what was sent at once, and their bytes.
    heard: usize,
    read: usize,
}

impl Draws {
    pub fn new(peer: Peer, ask: Ask, size: u32) -> Self {
        Self { peer, ask, size, request: ask.request(peer), heard: 0, read: 0 }
    }

    /// The first reply of those in `input`.
    fn first(&self, input: &[u8]) -> Option<(usize, Verdict)> {
        match (self.peer, self.ask.count) {
            (Peer::Loot, 1) => number_line(input, self.size),
            (Peer::Loot, count) => lines(input, b"", count, self.size),
            (Peer::Redis, 1) => bulk(input, self.size),
            // Each number has a line before it that says how long it is.
            (Peer::Redis, count) => lines(input, format!("*{count}\r\n").as_bytes(), 2 * count, self.size),
        }
    }
}

impl Exchange for Draws {
    fn request(&mut self, out: &mut Vec<u8>) {
        (self.heard, self.read) = (0, 0);
        out.extend_from_slice(&self.request);
    }

    fn reply(&mut self, input: &[u8]) -> Option<(usize, Verdict)> {
        while self.heard < self.ask.at_once {
            let (length, verdict) = self.first(&input[self.read..])?;
            self.heard += 1;
            self.read += length;
            if verdict != Verdict::Right {
                return Some((self.read, verdict));
            }
        }
        Some((self.read, Verdict::Right))
    }

    fn reply_max_bytes(&self) -> usize {
        HEAD_MAX_BYTES + self.ask.numbers() * NUMBER_MAX_BYTES
    }
}

/// A line, which is a number.
fn number_line(input: &[u8], size: u32) -> Option<(usize, Verdict)> {
    let end = line_end(input)?;
    Some((end, judge(&input[..end], size)))
}

/// `$8`, and in the next line a number of eight digits.
fn bulk(input: &[u8], size: u32) -> Option<(usize, Verdict)> {
    let head = line_end(input)?;
    if input.starts_with(b"$-1") || input.starts_with(b"-") {
        return Some((head, Verdict::Refused));
    }
    let end = head + line_end(&input[head..])?;
    let number = input[head..end].trim_ascii_end();
    let is_head = input[..head].trim_ascii_end() == format!("${}", number.len()).as_bytes();
    Some((end, if is_head { judge(number, size) } else { Verdict::Wrong }))
}

/// `head`, and so many lines. The ends are counted, and the last line looked at: to read every number would cost more than to
/// serve it.
fn lines(input: &[u8], head: &[u8], count: usize, size: u32) -> Option<(usize, Verdict)> {
    let first = line_end(input)?;
    let refused = [b"error ".as_slice(), b"-", b"*-1"].iter().any(|word| input.starts_with(word));
    if refused || !input.starts_with(head) {
        return Some((first, if refused { Verdict::Refused } else { Verdict::Wrong }));
    }
    let body = &input[head.len()..];
    if body.iter().filter(|byte| **byte == b'\n').count() < count {
        return None;
    }
    let last = body.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    Some((input.len(), judge(last, size)))
}

fn line_end(input: &[u8]) -> Option<usize> {
    Some(input.iter().position(|byte| *byte == b'\n')? + 1)
}

fn judge(line: &[u8], size: u32) -> Verdict {
    let digits = line.trim_ascii_end();
    if digits.starts_with(b"error ") {
        return Verdict::Refused;
    }
    let is_number =
        (1..=DIGITS_MAX).contains(&digits.len()) && digits[0] != b'0' && digits.iter().all(u8::is_ascii_digit);
    let value = || digits.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
    if is_number && (1..=size).contains(&value()) { Verdict::Right } else { Verdict::Wrong }
}
