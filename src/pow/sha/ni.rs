//! SHA-256 by the instructions that x86 processors have for it, in several streams: two rounds take four cycles from end to
//! end, but another two can begin in each.
//!
//! A stream is a head, and all streams go through the last characters together. What doesn't change with these is computed
//! once: words 2 to 15, the state after rounds 0 and 1 but for one sum, half of the first twelve words of the schedule.
//!
//! No wider instructions: where the compiler may use AVX it mixes 256-bit moves with these, which costs hundreds of cycles.
#![allow(unsafe_code)]

use std::arch::asm;
use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi32, _mm_sha256msg1_epu32,
    _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi32, _mm_slli_si128,
};
use std::array::from_fn;

use crate::pow::puzzle::{ALPHABET, HEADS, Seed, head_word};

use super::kernel::{Hit, Part, Scan};
use super::template::{H, K, Template, small_sigma_0};

/// Four words, the first lowest.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn words(w: [u32; 4]) -> __m128i {
    let [a, b, c, d] = w.map(u32::cast_signed);
    _mm_set_epi32(d, c, b, a)
}

/// The four words at `4 * nth`.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn quad(all: &[u32], nth: usize) -> __m128i {
    words(from_fn(|i| all[4 * nth + i]))
}

/// The upper two words of `wk`, for the second pair of its four rounds.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn upper(wk: __m128i) -> __m128i {
    _mm_shuffle_epi32(wk, 0b1110)
}

/// The states of all streams, as the instructions want them: words a, b, e, f and words c, d, g, h.
#[derive(Clone, Copy)]
struct States<const STREAMS: usize> {
    abef: [__m128i; STREAMS],
    cdgh: [__m128i; STREAMS],
}

impl<const STREAMS: usize> States<STREAMS> {
    /// Two rounds of each stream. What was a, b, e, f is c, d, g, h after them.
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn two_rounds(&mut self, wk: __m128i) {
        for (abef, cdgh) in self.abef.iter_mut().zip(&mut self.cdgh) {
            let next = _mm_sha256rnds2_epu32(*cdgh, *abef, wk);
            *cdgh = std::mem::replace(abef, next);
        }
    }

    /// Four rounds of each stream, which all have the same words.
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn rounds(&mut self, wk: __m128i) {
        self.keep_pace();
        self.two_rounds(wk);
        self.two_rounds(upper(wk));
    }

    /// Nothing that comes later in one stream is computed before what came earlier in the others: left to itself the compiler
    /// may put one stream behind the other, which needs fewer registers and nearly twice the time.
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn keep_pace(&mut self) {
        for stream in 1..STREAMS {
            let (mut one, mut other) = (self.abef[stream - 1], self.abef[stream]);
            // SAFETY: it contains no instruction.
            unsafe {
                asm!("/* {0} {1} */", inout(xmm_reg) one, inout(xmm_reg) other, options(pure, nomem, nostack, preserves_flags));
            }
            (self.abef[stream - 1], self.abef[stream]) = (one, other);
        }
    }

    /// Four rounds of each stream, with its own words and the constants `k`.
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn own_rounds(&mut self, own: &[__m128i; STREAMS], k: __m128i) {
        self.keep_pace();
        for (stream, own) in own.iter().enumerate() {
            let wk = _mm_add_epi32(*own, k);
            let (abef, cdgh) = (self.abef[stream], self.cdgh[stream]);
            self.cdgh[stream] = _mm_sha256rnds2_epu32(cdgh, abef, wk);
            self.abef[stream] = _mm_sha256rnds2_epu32(abef, self.cdgh[stream], upper(wk));
        }
    }

    /// Sixteen rounds of each stream with the next four quads of its schedule, which it gives. Written out: a loop would keep
    /// them in memory.
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn four_more(&mut self, quads: Quads<STREAMS>, k: &[__m128i]) -> Quads<STREAMS> {
        let quads = next(quads);
        self.own_rounds(&quads[3], k[0]);
        let quads = next(quads);
        self.own_rounds(&quads[3], k[1]);
        let quads = next(quads);
        self.own_rounds(&quads[3], k[2]);
        let quads = next(quads);
        self.own_rounds(&quads[3], k[3]);
        quads
    }

    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn add(&mut self, other: &Self) {
        for stream in 0..STREAMS {
            self.abef[stream] = _mm_add_epi32(self.abef[stream], other.abef[stream]);
            self.cdgh[stream] = _mm_add_epi32(self.cdgh[stream], other.cdgh[stream]);
        }
    }
}

/// Four quads of the schedule of each stream, the oldest first.
type Quads<const STREAMS: usize> = [[__m128i; STREAMS]; 4];

/// Leaves the oldest quad out and appends the next one: W_{t-16} + σ0(W_{t-15}), then W_{t-7}, then σ1(W_{t-2}).
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn next<const STREAMS: usize>([w16, w12, w8, w4]: Quads<STREAMS>) -> Quads<STREAMS> {
    let next = from_fn(|stream| {
        let early = _mm_sha256msg1_epu32(w16[stream], w12[stream]);
        let sums = _mm_add_epi32(early, _mm_alignr_epi8(w4[stream], w8[stream], 4));
        _mm_sha256msg2_epu32(sums, w4[stream])
    });
    [w12, w8, w4, next]
}

/// What is the same for all seeds of a message.
struct Fixed {
    /// The initial state.
    abef: __m128i,
    cdgh: __m128i,
    /// Words 2 and 3 with their constants,
    wk2: __m128i,
    /// and words 4 to 15.
    wk: [__m128i; 3],
    k: [__m128i; 16],
    w12: __m128i,
    /// What σ1 is added to for words 16 to 19, the seed's part missing,
    w16: __m128i,
    /// for words 20 to 23, word 16 missing,
    w20: __m128i,
    /// and for words 24 to 27, words 17 to 20 missing.
    w24: __m128i,
}

impl Fixed {
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn new(w: &[u32; 16]) -> Self {
        let k = from_fn(|nth| quad(&K, nth));
        let (w4, w8, w12) = (quad(w, 1), quad(w, 2), quad(w, 3));
        let early = |t: usize| w[t].wrapping_add(small_sigma_0(w[t + 1])).wrapping_add(w[t + 9]);
        Self {
            abef: words([H[5], H[4], H[1], H[0]]),
            cdgh: words([H[7], H[6], H[3], H[2]]),
            wk2: words([w[2].wrapping_add(K[2]), w[3].wrapping_add(K[3]), 0, 0]),
            wk: [_mm_add_epi32(w4, k[1]), _mm_add_epi32(w8, k[2]), _mm_add_epi32(w12, k[3])],
            k,
            w12,
            w16: words([w[9], early(1), early(2), early(3)]),
            w20: _mm_add_epi32(_mm_sha256msg1_epu32(w4, w8), words([w[13], w[14], w[15], 0])),
            w24: _mm_sha256msg1_epu32(w8, w12),
        }
    }
}

/// What is the same for all last characters of some heads.
struct Heads<const STREAMS: usize> {
    /// Words a, b, e, f after rounds 0 and 1, the last character missing: it only adds to a and e.
    abef: [__m128i; STREAMS],
    /// See [`Fixed::w16`].
    w16: [__m128i; STREAMS],
}

impl<const STREAMS: usize> Heads<STREAMS> {
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn new(fixed: &Fixed, w1: u32, heads: [u32; STREAMS]) -> Self {
        let wk = |head: u32| words([head.wrapping_add(K[0]), w1.wrapping_add(K[1]), 0, 0]);
        Self {
            abef: heads.map(|head| _mm_sha256rnds2_epu32(fixed.cdgh, fixed.abef, wk(head))),
            w16: heads.map(|head| _mm_add_epi32(fixed.w16, words([head, 0, 0, 0]))),
        }
    }

    /// The states after the first block's rounds, its initial state not added yet, with the last character `last`.
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn first_block(&self, fixed: &Fixed, w1: u32, last: u32) -> States<STREAMS> {
        let added = words([0, last, 0, last]);
        let mut states = States { abef: self.abef.map(|abef| _mm_add_epi32(abef, added)), cdgh: [fixed.abef; STREAMS] };
        states.two_rounds(fixed.wk2);
        states.rounds(fixed.wk[0]);
        states.rounds(fixed.wk[1]);
        states.rounds(fixed.wk[2]);
        let added = words([small_sigma_0(w1 | last), last, 0, 0]);
        let w16 = self.w16.map(|sums| _mm_sha256msg2_epu32(_mm_add_epi32(sums, added), fixed.w12));
        states.own_rounds(&w16, fixed.k[4]);
        let w20 = w16.map(|w16| {
            let sums = _mm_add_epi32(fixed.w20, _mm_slli_si128(w16, 12));
            _mm_sha256msg2_epu32(sums, w16)
        });
        states.own_rounds(&w20, fixed.k[5]);
        let w24 = from_fn(|stream| {
            let sums = _mm_add_epi32(fixed.w24, _mm_alignr_epi8(w20[stream], w16[stream], 4));
            _mm_sha256msg2_epu32(sums, w20[stream])
        });
        states.own_rounds(&w24, fixed.k[6]);
        let quads = states.four_more([[fixed.w12; STREAMS], w16, w20, w24], &fixed.k[7..11]);
        let quads = states.four_more(quads, &fixed.k[11..15]);
        states.own_rounds(&next(quads)[3], fixed.k[15]);
        states
    }
}

/// The first word of each stream's hash. Further blocks change only in the state that they begin with.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn first_words<const STREAMS: usize>(states: States<STREAMS>, fixed: &Fixed, further: &[[u32; 64]]) -> [u32; STREAMS] {
    let initial = States { abef: [fixed.abef; STREAMS], cdgh: [fixed.cdgh; STREAMS] };
    let mut states = states;
    states.add(&initial);
    for schedule in further {
        let before = states;
        for nth in 0..16 {
            states.rounds(quad(schedule, nth));
        }
        states.add(&before);
    }
    states.abef.map(|abef| _mm_extract_epi32(abef, 3).cast_unsigned())
}

/// Tries a part of the seeds, `STREAMS` heads at a time.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
pub(super) fn scan<const STREAMS: usize>(template: &Template, part: Part, mask: u32) -> Scan {
    let (fixed, w1) = (Fixed::new(&template.first), template.first[1]);
    let mut scan = Scan::default();
    for group in (0..part.heads).step_by(STREAMS) {
        let head = |stream: usize| (part.first + group + stream as u32) % HEADS;
        let heads = Heads::<STREAMS>::new(&fixed, w1, from_fn(|stream| head_word(head(stream))));
        for step in 0..ALPHABET.len() {
            let last = (part.turn + step) % ALPHABET.len();
            let states = heads.first_block(&fixed, w1, Template::last_character(last));
            let words = first_words(states, &fixed, &template.further);
            scan.tried += STREAMS as u64;
            // Looked at together: stream by stream, the compiler would finish one after the other.
            let least = words.iter().fold(u32::MAX, |least, word| least.min(word & mask));
            if let Some(stream) = words.iter().position(|word| least == 0 && word & mask == 0) {
                let seed = Seed { head: head(stream), last };
                scan.hit = Some(Hit { seed, passed: group, width: STREAMS as u32 });
                return scan;
            }
        }
    }
    scan
}
