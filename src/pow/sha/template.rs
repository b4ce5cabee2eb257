//! What all hashes of one message have in common. Constants and names as in FIPS 180-4.

use crate::pow::puzzle::{ALPHABET, SEED_BYTES};

/// The round constants K.
pub(super) const K: [u32; 64] = [
    0x428a_2f98,
    0x7137_4491,
    0xb5c0_fbcf,
    0xe9b5_dba5,
    0x3956_c25b,
    0x59f1_11f1,
    0x923f_82a4,
    0xab1c_5ed5,
    0xd807_aa98,
    0x1283_5b01,
    0x2431_85be,
    0x550c_7dc3,
    0x72be_5d74,
    0x80de_b1fe,
    0x9bdc_06a7,
    0xc19b_f174,
    0xe49b_69c1,
    0xefbe_4786,
    0x0fc1_9dc6,
    0x240c_a1cc,
    0x2de9_2c6f,
    0x4a74_84aa,
    0x5cb0_a9dc,
    0x76f9_88da,
    0x983e_5152,
    0xa831_c66d,
    0xb003_27c8,
    0xbf59_7fc7,
    0xc6e0_0bf3,
    0xd5a7_9147,
    0x06ca_6351,
    0x1429_2967,
    0x27b7_0a85,
    0x2e1b_2138,
    0x4d2c_6dfc,
    0x5338_0d13,
    0x650a_7354,
    0x766a_0abb,
    0x81c2_c92e,
    0x9272_2c85,
    0xa2bf_e8a1,
    0xa81a_664b,
    0xc24b_8b70,
    0xc76c_51a3,
    0xd192_e819,
    0xd699_0624,
    0xf40e_3585,
    0x106a_a070,
    0x19a4_c116,
    0x1e37_6c08,
    0x2748_774c,
    0x34b0_bcb5,
    0x391c_0cb3,
    0x4ed8_aa4a,
    0x5b9c_ca4f,
    0x682e_6ff3,
    0x748f_82ee,
    0x78a5_636f,
    0x84c8_7814,
    0x8cc7_0208,
    0x90be_fffa,
    0xa450_6ceb,
    0xbef9_a3f7,
    0xc671_78f2,
];

/// The initial hash value H(0).
pub(super) const H: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// σ0.
#[inline(always)]
pub(super) fn small_sigma_0(x: u32) -> u32 {
    x.rotate_right(7) ^ x.rotate_right(18) ^ (x >> 3)
}

/// σ1.
#[inline(always)]
pub(super) fn small_sigma_1(x: u32) -> u32 {
    x.rotate_right(17) ^ x.rotate_right(19) ^ (x >> 10)
}

/// A message, padded, its seed still missing.
#[derive(Debug)]
pub struct Template {
    /// The first block. Of it a seed fills word 0, its head, and the uppermost byte of word 1, its last character.
    pub(super) first: [u32; 16],
    /// Of each further block the whole schedule, round constants added: W_t + K_t.
    pub(super) further: Vec<[u32; 64]>,
}

impl Template {
    /// Of `message`.
    #[must_use]
    pub fn new(message: &[u8]) -> Self {
        let further = (1..Self::blocks_of(message)).map(|nth| schedule(block(message, nth))).collect();
        Self { first: block(message, 0), further }
    }

    /// Blocks that a hash of `message` takes, its seed, one byte and the length of both added.
    #[must_use]
    pub fn blocks_of(message: &[u8]) -> usize {
        (SEED_BYTES + message.len() + 1 + 8).div_ceil(64)
    }

    /// Blocks that a hash takes.
    #[must_use]
    pub fn blocks(&self) -> usize {
        1 + self.further.len()
    }

    /// What a last character brings into word 1 of the first block.
    pub(super) fn last_character(last: usize) -> u32 {
        u32::from(ALPHABET[last % ALPHABET.len()]) << 24
    }
}

/// A block of a message, padded: a one behind it, then zeros, the length in bits at the very end.
fn block(message: &[u8], nth: usize) -> [u32; 16] {
    let mut bytes = [0; 64];
    let begin = (64 * nth).saturating_sub(SEED_BYTES).min(message.len());
    let end = (64 * (nth + 1) - SEED_BYTES).min(message.len());
    let offset = if nth == 0 { SEED_BYTES } else { 0 };
    bytes[offset..offset + (end - begin)].copy_from_slice(&message[begin..end]);
    let length = SEED_BYTES + message.len();
    if length / 64 == nth {
        bytes[length % 64] = 0x80;
    }
    if nth + 1 == Template::blocks_of(message) {
        bytes[56..].copy_from_slice(&(8 * length as u64).to_be_bytes());
    }
    let (words, _) = bytes.as_chunks::<4>();
    std::array::from_fn(|at| u32::from_be_bytes(words[at]))
}

/// The message schedule of a block, round constants added.
fn schedule(block: [u32; 16]) -> [u32; 64] {
    let mut words = [0_u32; 64];
    words[..16].copy_from_slice(&block);
    for t in 16..64 {
        let sum = small_sigma_1(words[t - 2]).wrapping_add(small_sigma_0(words[t - 15]));
        words[t] = sum.wrapping_add(words[t - 7]).wrapping_add(words[t - 16]);
    }
    std::array::from_fn(|t| words[t].wrapping_add(K[t]))
}
