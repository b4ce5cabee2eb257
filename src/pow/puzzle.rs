//! What is asked and what proves it: messages, seeds, difficulties, and the line that shows them. Pure.

use std::fmt;

use sha2::{Digest, Sha256};

/// The characters of a seed, in the order in which they are tried.
pub const ALPHABET: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
/// Characters of a seed.
pub const SEED_BYTES: usize = 5;
/// How many beginnings of four characters there are: 62^4.
pub const HEADS: u32 = 62 * 62 * 62 * 62;
/// How many seeds there are: 62^5.
pub const SEEDS: u64 = HEADS as u64 * ALPHABET.len() as u64;
/// A SHA-256 digest.
pub type Hash = [u8; 32];
/// Digits of one.
const HASH_DIGITS: usize = 2 * size_of::<Hash>();
/// What a proof adds to its message: a comma, the seed, a comma, the digits.
pub const PROOF_EXTRA_BYTES: usize = 2 + SEED_BYTES + HASH_DIGITS;

/// A seed: a head of four characters, and a last one, which changes fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seed {
    /// Which head, below `HEADS`.
    pub head: u32,
    /// Which last character, below 62.
    pub last: usize,
}

impl Seed {
    /// Its characters.
    #[must_use]
    pub fn bytes(self) -> [u8; SEED_BYTES] {
        let [a, b, c, d] = head_word(self.head).to_be_bytes();
        [a, b, c, d, ALPHABET[self.last % ALPHABET.len()]]
    }
}

/// The characters of a head, the first of them uppermost, as SHA-256 reads them.
#[must_use]
pub fn head_word(head: u32) -> u32 {
    let character = |place: u32| u32::from(ALPHABET[(head / place % 62) as usize]);
    character(62 * 62 * 62) << 24 | character(62 * 62) << 16 | character(62) << 8 | character(1)
}

/// How many zero digits a proof begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difficulty(u8);

impl Difficulty {
    /// The greatest: of 62^5 seeds one in 75 searches has such a one.
    pub const MAX: u8 = 9;
    /// What every seed meets.
    pub const NONE: Self = Self(0);
    /// How many there are.
    pub const COUNT: usize = Self::MAX as usize + 1;

    /// `None` beyond [`Self::MAX`].
    #[must_use]
    pub fn new(digits: u8) -> Option<Self> {
        (digits <= Self::MAX).then_some(Self(digits))
    }

    /// Its number.
    #[must_use]
    pub fn digits(self) -> u8 {
        self.0
    }

    /// The bits of the first word of a digest that have to be zero: all of what eight digits ask.
    #[must_use]
    pub fn mask(self) -> u32 {
        !u32::MAX.checked_shr(4 * u32::from(self.0)).unwrap_or(0)
    }

    /// Hashes that it takes on average, where seeds don't run out: 16^difficulty.
    #[must_use]
    pub fn expected(self) -> f64 {
        16_f64.powi(i32::from(self.0))
    }

    /// True if `hash` begins with so many zero digits.
    #[must_use]
    pub fn is_met_by(self, hash: &Hash) -> bool {
        let digits = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        digits.take(usize::from(self.0)).all(|digit| digit == 0)
    }
}

impl fmt::Display for Difficulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for Difficulty {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.parse().ok().and_then(Self::new);
        digits.ok_or_else(|| format!("not a difficulty from 0 to {}", Self::MAX))
    }
}

/// SHA-256 of a seed and a message behind it. Not by the kernels that search: what they find is checked by this.
#[must_use]
pub fn hash(seed: [u8; SEED_BYTES], message: &[u8]) -> Hash {
    Sha256::new().chain_update(seed).chain_update(message).finalize().into()
}

/// The digits of a hash, small letters.
fn digits(hash: &Hash) -> [u8; HASH_DIGITS] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [0; HASH_DIGITS];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(hash) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    digits
}

/// Appends the line `message,SSSSS,HEX LF`.
pub fn write_proof(message: &[u8], seed: [u8; SEED_BYTES], hash: &Hash, line: &mut Vec<u8>) {
    line.extend_from_slice(message);
    line.push(b',');
    line.extend_from_slice(&seed);
    line.push(b',');
    line.extend_from_slice(&digits(hash));
    line.push(b'\n');
}

/// What is wrong with a line that should be a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There are no two commas in it.
    Form,
    /// What stands between the last two commas is no seed.
    Seed,
    /// What stands behind the last comma isn't 64 digits.
    Digits,
    /// It is a proof for another message.
    Message,
    /// The digits aren't the hash of seed and message.
    Hash,
    /// The hash begins with so many zero digits only.
    Easy(u8),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("not of the form MESSAGE,SEED,HASH"),
            Self::Seed => write!(f, "the seed is not {SEED_BYTES} letters or digits"),
            Self::Digits => write!(f, "the hash is not {HASH_DIGITS} hexadecimal digits, small ones"),
            Self::Message => f.write_str("for another message"),
            Self::Hash => f.write_str("the hash is not that of seed and message"),
            Self::Easy(digits) => write!(f, "the hash begins with {digits} zero digits only"),
        }
    }
}

/// The parts of a line that should prove something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof<'a> {
    /// What it is for.
    pub message: &'a [u8],
    /// The seed that was found.
    pub seed: [u8; SEED_BYTES],
    /// What it says the hash is.
    pub digits: [u8; HASH_DIGITS],
}

/// Takes a line, without its LF, apart from the right, as a message may hold commas.
///
/// # Errors
/// What is wrong with its form.
pub fn parts(line: &[u8]) -> Result<Proof<'_>, Fault> {
    let mut parts = line.rsplitn(3, |byte| *byte == b',');
    let (Some(digits), Some(seed), Some(message)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Fault::Form);
    };
    let seed = <[u8; SEED_BYTES]>::try_from(seed).ok().filter(|seed| seed.iter().all(u8::is_ascii_alphanumeric));
    let hexadecimal =
        |digits: &[u8; HASH_DIGITS]| digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let digits = <[u8; HASH_DIGITS]>::try_from(digits).ok().filter(hexadecimal);
    Ok(Proof { message, seed: seed.ok_or(Fault::Seed)?, digits: digits.ok_or(Fault::Digits)? })
}

/// Checks that a line, without its LF, proves its message, which is `message` where that is known.
///
/// # Errors
/// What is wrong with it.
pub fn verify(line: &[u8], message: Option<&[u8]>, difficulty: Difficulty) -> Result<(), Fault> {
    let proof = parts(line)?;
    if message.is_some_and(|message| message != proof.message) {
        return Err(Fault::Message);
    }
    let hash = hash(proof.seed, proof.message);
    if proof.digits != digits(&hash) {
        return Err(Fault::Hash);
    }
    if !difficulty.is_met_by(&hash) {
        let zeros = proof.digits.iter().take_while(|digit| **digit == b'0').count();
        return Err(Fault::Easy(zeros as u8));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &[u8] = b"70NVO,agjHq,00000d81";

    fn golden() -> Vec<u8> {
        let mut line = Vec::new();
        write_proof(b"70NVO", *b"agjHq", &hash(*b"agjHq", b"70NVO"), &mut line);
        assert!(line.starts_with(GOLDEN), "{}", String::from_utf8_lossy(&line));
        line.pop();
        line
    }

    #[test]
    fn seeds_are_numbered_with_the_last_character_fastest() {
        assert_eq!(Seed { head: 0, last: 0 }.bytes(), *b"aaaaa");
        assert_eq!(Seed { head: 0, last: 61 }.bytes(), *b"aaaa9");
        assert_eq!(Seed { head: 1, last: 0 }.bytes(), *b"aaaba");
        assert_eq!(Seed { head: HEADS - 1, last: 61 }.bytes(), *b"99999");
    }

    #[test]
    fn a_mask_asks_for_what_the_difficulty_asks_of_the_first_word() {
        let masks = [0, 0xf000_0000, 0xff00_0000, 0xfff0_0000, 0xffff_0000, 0xffff_f000, 0xffff_ff00, 0xffff_fff0];
        for (digits, mask) in (0..).zip(masks.into_iter().chain([u32::MAX, u32::MAX])) {
            assert_eq!(Difficulty::new(digits).unwrap().mask(), mask);
        }
        assert_eq!(Difficulty::new(10), None);
        let mut hash = [0; 32];
        hash[4] = 0x0f;
        assert!(Difficulty(9).is_met_by(&hash));
        hash[4] = 0x10;
        assert!(Difficulty(8).is_met_by(&hash) && !Difficulty(9).is_met_by(&hash));
    }

    #[test]
    fn a_proof_is_read_from_the_right() {
        let mut line = Vec::new();
        let message = b"a,aaaaa,b,,\xff\0";
        write_proof(message, *b"Zz019", &hash(*b"Zz019", message), &mut line);
        line.pop();
        assert_eq!(parts(&line).map(|proof| (proof.message, proof.seed)), Ok((&message[..], *b"Zz019")));
        assert_eq!(verify(&line, Some(message), Difficulty(0)), Ok(()));
        assert_eq!(verify(&line, Some(b"a"), Difficulty(0)), Err(Fault::Message));
    }

    #[test]
    fn a_wrong_proof_is_told_by_what_is_wrong() {
        let line = golden();
        assert_eq!(verify(&line, None, Difficulty(5)), Ok(()));
        assert_eq!(verify(&line, None, Difficulty(6)), Err(Fault::Easy(5)));
        let changed = |at: usize, to: u8| {
            let mut line = line.clone();
            line[at] = to;
            verify(&line, None, Difficulty(5))
        };
        assert_eq!(changed(0, b'8'), Err(Fault::Hash));
        assert_eq!(changed(6, b'b'), Err(Fault::Hash));
        assert_eq!(changed(6, b'-'), Err(Fault::Seed));
        assert_eq!(changed(7, b','), Err(Fault::Seed));
        assert_eq!(changed(5, b';'), Err(Fault::Form));
        assert_eq!(changed(11, b';'), Err(Fault::Form));
        assert_eq!(changed(line.len() - 1, b'A'), Err(Fault::Digits));
        assert_eq!(verify(&line[..line.len() - 1], None, Difficulty(5)), Err(Fault::Digits));
        assert_eq!(verify(&[&line[..], b"0"].concat(), None, Difficulty(5)), Err(Fault::Digits));
        assert_eq!(verify(b"", None, Difficulty(0)), Err(Fault::Form));
    }
}
