//! The write-ahead log, looked at before SQLite does.
//!
//! SQLite takes the log up to the first frame whose checksum is wrong for all there is: after a crash that is the last,
//! torn transaction. But transactions are synced one after another, so that a crash leaves one torn at most. Where whole
//! ones follow a broken frame, they were accepted, and would be lost without a word.
//!
//! The format: <https://www.sqlite.org/fileformat2.html#walformat>. Numbers are big-endian.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use super::PAGE_BYTES;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// The last bit says in which order of bytes checksums are taken: 1 is big-endian.
const MAGIC: u32 = 0x377f_0682;

/// Where a broken frame has whole transactions behind it, if anywhere: its number, from 1 on, and their count.
///
/// # Errors
/// When the log can't be read. That there is none is fine.
pub(super) fn damage(log: &Path) -> io::Result<Option<(u64, u64)>> {
    match File::open(log) {
        Ok(file) => scan(&mut BufReader::new(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn scan(log: &mut impl Read) -> io::Result<Option<(u64, u64)>> {
    let mut header = [0; HEADER_BYTES];
    if !fill(log, &mut header)? {
        return Ok(None);
    }
    let mut chain = Chain::of(&header);
    let mut frame = vec![0; FRAME_HEADER_BYTES + PAGE_BYTES];
    let (mut broken, mut commits, mut nth) = (None::<Broken>, 0, 0);
    while fill(log, &mut frame)? {
        nth += 1;
        match &mut broken {
            None => {
                let before = chain.clone();
                if !chain.follows(&frame) {
                    let salt = before.salt.unwrap_or_else(|| salt_of(&frame));
                    let ends = ends_transaction(&frame) && salt_of(&frame) == salt;
                    commits = u64::from(ends);
                    broken = Some(Broken { nth, salt, before, frame: (!ends).then(|| frame.clone()) });
                }
            }
            Some(broken) => {
                // Behind a broken frame, those of the same generation count by their salt alone.
                commits += u64::from(broken.ended_before(&frame));
                commits += u64::from(ends_transaction(&frame) && salt_of(&frame) == broken.salt);
            }
        }
    }
    // The torn transaction's own end is one; a second is that of another.
    Ok(broken.filter(|_| commits > 1).map(|broken| (broken.nth, commits - 1)))
}

/// The first frame that doesn't follow from those before it.
struct Broken {
    nth: u64,
    salt: (u32, u32),
    before: Chain,
    /// Itself, while it doesn't look like the end of a transaction, but may have been one.
    frame: Option<Vec<u8>>,
}

impl Broken {
    /// Asked of the `next` frame behind it, once: true if this one has ended a transaction before it was damaged. It has, if
    /// the next one was made when it was whole, and one bit more in the size that an end has makes it whole, or
    /// only its salt isn't as it was.
    fn ended_before(&mut self, next: &[u8]) -> bool {
        let Some(frame) = self.frame.take() else { return false };
        let sum = (number(&frame, 16), number(&frame, 20));
        if !(Chain { sum, ..self.before.clone() }).follows(next) {
            return false;
        }
        let is_whole = |frame: &[u8]| self.before.clone().sums_to(frame);
        let repaired = |bit: u32| {
            let size = number(&frame, 4) ^ (1 << bit);
            let mut frame = frame.clone();
            frame[4..8].copy_from_slice(&size.to_be_bytes());
            is_whole(&frame)
        };
        if ends_transaction(&frame) { is_whole(&frame) } else { (0..u32::BITS).any(repaired) }
    }
}

/// A frame that ends a transaction has the size of the file behind it, in pages.
fn ends_transaction(frame: &[u8]) -> bool {
    number(frame, 4) != 0
}

/// The running checksum of the frames that are good so far.
#[derive(Clone)]
struct Chain {
    big_endian: bool,
    /// That of the header, if the header is good.
    salt: Option<(u32, u32)>,
    sum: (u32, u32),
}

impl Chain {
    fn of(header: &[u8; HEADER_BYTES]) -> Self {
        let magic = number(header, 0);
        let mut chain = Self { big_endian: magic & 1 == 1, salt: None, sum: (0, 0) };
        chain.add(&header[..24]);
        let good = magic & !1 == MAGIC && chain.sum == (number(header, 24), number(header, 28));
        chain.salt = good.then(|| (number(header, 16), number(header, 20)));
        chain
    }

    /// True if `frame` is the next one.
    fn follows(&mut self, frame: &[u8]) -> bool {
        self.sums_to(frame) && Some(salt_of(frame)) == self.salt
    }

    /// True if the checksum of `frame` follows from those before it; its salt has no part in that.
    fn sums_to(&mut self, frame: &[u8]) -> bool {
        self.add(&frame[..8]);
        self.add(&frame[FRAME_HEADER_BYTES..]);
        self.sum == (number(frame, 16), number(frame, 20))
    }

    /// Fibonacci-weighted sums over pairs of words.
    fn add(&mut self, bytes: &[u8]) {
        let word = |at: &[u8]| {
            let bytes = [at[0], at[1], at[2], at[3]];
            if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
        };
        let (mut s0, mut s1) = self.sum;
        for pair in bytes.chunks_exact(8) {
            s0 = s0.wrapping_add(word(pair)).wrapping_add(s1);
            s1 = s1.wrapping_add(word(&pair[4..])).wrapping_add(s0);
        }
        self.sum = (s0, s1);
    }
}

fn salt_of(frame: &[u8]) -> (u32, u32) {
    (number(frame, 8), number(frame, 12))
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Reads as many bytes as `into` has; false if there aren't so many.
fn fill(from: &mut impl Read, into: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(into) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
