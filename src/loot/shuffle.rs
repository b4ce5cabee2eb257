//! The order of a box's numbers, and its commitment: both follow from a secret seed. Pure.
//!
//! The seed is the key of HMAC-SHA-256 in counter mode (NIST SP 800-108r1, 4.1), whose words drive a Fisher–Yates shuffle
//! (Durstenfeld, CACM 7(7), 1964). The commitment is a hash of the seed under another name: who knows it can't have the order, and
//! who has made it can't change the order.

use std::fmt;
use std::str::FromStr;

use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::common::error::{Error, Result};
use crate::common::exit::Status;

/// Bytes of a seed, and of a commitment.
const BYTES: usize = 32;
/// Words that one block of the key stream has.
const WORDS: usize = BYTES / size_of::<u32>();
/// What stands before all that is hashed for the one purpose,
const COMMITMENT: &[u8] = b"aliquot loot 1 commitment\0";
/// and for the other.
const SHUFFLE: &[u8] = b"aliquot loot 1 shuffle\0";

/// The secret from which a box's order follows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub [u8; BYTES]);

/// What is published before the first draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commitment(pub [u8; BYTES]);

impl Seed {
    /// One that nobody knows: 256 bits of the system's randomness.
    ///
    /// # Errors
    /// When the system has none.
    pub fn fresh() -> Result<Self> {
        let mut bytes = [0; BYTES];
        getrandom::getrandom(&mut bytes).map_err(|error| Error::new(Status::Failed, "randomness", error))?;
        Ok(Self(bytes))
    }

    /// The commitment to the order of a box of `size` numbers: SHA-256 of the purpose, the size (8 bytes, big-endian) and the seed.
    #[must_use]
    pub fn commitment(&self, size: u32) -> Commitment {
        let hash = Sha256::new().chain_update(COMMITMENT).chain_update(u64::from(size).to_be_bytes());
        Commitment(hash.chain_update(self.0).finalize().into())
    }

    /// The numbers 1 … `size` in this seed's order: `size` × 4 bytes, each of the `size`! orders as likely as another.
    #[must_use]
    pub fn list(&self, size: u32) -> Box<[u32]> {
        let mut list: Box<[u32]> = (1..=size).collect();
        let mut words = Words::new(self, size);
        for last in (1..size).rev() {
            list.swap(last as usize, words.below(last + 1) as usize);
        }
        list
    }
}

/// The key stream of a seed: HMAC-SHA-256, keyed by it, of the purpose, the size and a block's number (8 bytes each,
/// big-endian); a block is eight words, big-endian.
struct Words {
    keyed: Hmac<Sha256>,
    next: u64,
    block: [u8; BYTES],
    used: usize,
}

impl Words {
    fn new(seed: &Seed, size: u32) -> Self {
        let mut keyed = <Hmac<Sha256> as KeyInit>::new(&padded(seed).into());
        keyed.update(SHUFFLE);
        keyed.update(&u64::from(size).to_be_bytes());
        Self { keyed, next: 0, block: [0; BYTES], used: WORDS }
    }

    fn word(&mut self) -> u32 {
        if self.used == WORDS {
            self.block = self.keyed.clone().chain_update(self.next.to_be_bytes()).finalize().into_bytes().into();
            (self.next, self.used) = (self.next + 1, 0);
        }
        let (words, _) = self.block.as_chunks::<{ size_of::<u32>() }>();
        self.used += 1;
        u32::from_be_bytes(words[self.used - 1])
    }

    /// A number below `bound`, each as likely as another: words from the last multiple of `bound` on are passed over.
    fn below(&mut self, bound: u32) -> u32 {
        let words = 1_u64 << u32::BITS;
        let multiple = words - words % u64::from(bound);
        loop {
            let word = self.word();
            if u64::from(word) < multiple {
                return word % bound;
            }
        }
    }
}

/// A key shorter than a block of the hash is filled up with zeros (RFC 2104, 2).
fn padded(seed: &Seed) -> [u8; 64] {
    let mut key = [0; 64];
    key[..BYTES].copy_from_slice(&seed.0);
    key
}

fn hexadecimal(bytes: &[u8; BYTES], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn parse(text: &str) -> Option<[u8; BYTES]> {
    let digits = text.as_bytes();
    let mut bytes = [0; BYTES];
    if digits.len() != 2 * BYTES || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    for (byte, two) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(str::from_utf8(two).ok()?, 16).ok()?;
    }
    Some(bytes)
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hexadecimal(&self.0, f)
    }
}

/// A secret isn't shown by accident.
impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(…)")
    }
}

impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hexadecimal(&self.0, f)
    }
}

/// 64 hexadecimal digits.
impl FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        parse(text).map(Self).ok_or_else(|| "a seed has 64 hexadecimal digits".to_owned())
    }
}

/// 64 hexadecimal digits.
impl FromStr for Commitment {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        parse(text).map(Self).ok_or_else(|| "a commitment has 64 hexadecimal digits".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_there_once_and_another_seed_or_size_has_another_order() {
        let seed = Seed::fresh().unwrap();
        for size in [1, 2, 3, 1_000] {
            let mut list = seed.list(size);
            list.sort_unstable();
            assert!(list.iter().copied().eq(1..=size));
        }
        assert_eq!(seed.list(1_000), seed.list(1_000));
        assert_ne!(seed.list(1_000), Seed::fresh().unwrap().list(1_000));
        assert_ne!(seed.list(1_000)[..10], seed.list(1_001)[..10]);
    }

    #[test]
    fn a_commitment_holds_for_one_seed_and_one_size() {
        let mut seed = Seed([7; BYTES]);
        let commitment = seed.commitment(10);
        assert_eq!(commitment, Seed([7; BYTES]).commitment(10));
        assert_ne!(commitment, seed.commitment(11));
        seed.0[31] ^= 1;
        assert_ne!(commitment, seed.commitment(10));
    }

    #[test]
    fn numbers_below_a_bound_are_all_as_likely() {
        // A bound just above 2^31: of 2^32 words nearly half have to be passed over.
        let mut words = Words::new(&Seed([1; BYTES]), 1);
        let bound = (1 << 31) + 1;
        let low = (0..10_000).filter(|_| words.below(bound) < bound / 2).count();
        assert!((4_800..5_200).contains(&low), "{low}: passing over none would give 7,500");
    }

    #[test]
    fn what_is_written_is_read() {
        let seed = Seed::fresh().unwrap();
        assert!(seed.to_string().parse() == Ok(seed));
        let commitment = seed.commitment(5);
        assert_eq!(commitment.to_string().parse(), Ok(commitment));
        for wrong in ["", "00", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &format!("+{}", "0".repeat(63))] {
            assert!(wrong.parse::<Seed>().is_err(), "{wrong:?}");
        }
        assert!(!format!("{seed:?}").contains(&seed.to_string()[..8]));
    }
}
