//! SHA-256 of as many seeds at once as a vector has lanes, in plain arithmetic that a compiler turns into vectors.

use std::array::from_fn;

use crate::pow::puzzle::{ALPHABET, HEADS, Seed, head_word};

use super::kernel::{Hit, Part, Scan};
use super::template::{H, K, Template, small_sigma_0, small_sigma_1};

/// One word of each lane.
type Words<const LANES: usize> = [u32; LANES];

/// The words a to h and the schedule of every lane, in rings: nothing moves, the places turn.
struct Hashes<const LANES: usize> {
    /// Before round t, a stands at 7 t modulo 8, b behind it.
    state: [Words<LANES>; 8],
    /// W_t stands at t modulo 16.
    schedule: [Words<LANES>; 16],
}

impl<const LANES: usize> Hashes<LANES> {
    /// Replaces W_{t-16} by W_t.
    #[inline(always)]
    fn extend(&mut self, t: usize) {
        let [w15, w7, w2] = [15, 7, 2].map(|back| self.schedule[(t - back) % 16]);
        let own = &mut self.schedule[t % 16];
        for lane in 0..LANES {
            let (early, late) = (small_sigma_0(w15[lane]), small_sigma_1(w2[lane]));
            own[lane] = own[lane].wrapping_add(early).wrapping_add(w7[lane]).wrapping_add(late);
        }
    }

    /// Round t with its word and constant, `wk` of each lane.
    #[inline(always)]
    fn round(&mut self, t: usize, wk: &Words<LANES>) {
        let [a, b, c, d, e, f, g, h] = from_fn(|nth| self.state[(7 * t + nth) % 8]);
        let (mut new_a, mut new_e) = (h, d);
        for lane in 0..LANES {
            let (a, b, c) = (a[lane], b[lane], c[lane]);
            let (e, f, g) = (e[lane], f[lane], g[lane]);
            let sums = (rotations(a, [2, 13, 22]), rotations(e, [6, 11, 25]));
            let choice = g ^ (e & (f ^ g));
            let majority = (a & b) ^ (c & (a ^ b));
            let t1 = h[lane].wrapping_add(sums.1).wrapping_add(choice).wrapping_add(wk[lane]);
            new_e[lane] = d[lane].wrapping_add(t1);
            new_a[lane] = t1.wrapping_add(sums.0).wrapping_add(majority);
        }
        self.state[(7 * t + 7) % 8] = new_a;
        self.state[(7 * t + 3) % 8] = new_e;
    }

    /// Adds the state that a block began with.
    #[inline(always)]
    fn add(&mut self, before: &[Words<LANES>; 8]) {
        for (own, before) in self.state.iter_mut().zip(before) {
            for lane in 0..LANES {
                own[lane] = own[lane].wrapping_add(before[lane]);
            }
        }
    }
}

#[inline(always)]
fn rotations(x: u32, by: [u32; 3]) -> u32 {
    x.rotate_right(by[0]) ^ x.rotate_right(by[1]) ^ x.rotate_right(by[2])
}

/// The first word of each lane's hash.
#[inline(always)]
fn first_words<const LANES: usize>(template: &Template, heads: &Words<LANES>, last: u32) -> Words<LANES> {
    let initial = H.map(|word| [word; LANES]);
    let mut hashes = Hashes { state: initial, schedule: template.first.map(|word| [word; LANES]) };
    hashes.schedule[0] = *heads;
    hashes.schedule[1] = [template.first[1] | last; LANES];
    for (t, k) in K.into_iter().enumerate() {
        if t >= 16 {
            hashes.extend(t);
        }
        let wk = hashes.schedule[t % 16].map(|word| word.wrapping_add(k));
        hashes.round(t, &wk);
    }
    hashes.add(&initial);
    for schedule in &template.further {
        let before = hashes.state;
        for (t, wk) in schedule.iter().enumerate() {
            hashes.round(t, &[*wk; LANES]);
        }
        hashes.add(&before);
    }
    hashes.state[0]
}

/// Tries a part of the seeds, `LANES` heads at a time.
#[inline(always)]
pub(super) fn scan<const LANES: usize>(template: &Template, part: Part, mask: u32) -> Scan {
    let mut scan = Scan::default();
    for group in (0..part.heads).step_by(LANES) {
        let head = |lane: usize| (part.first + group + lane as u32) % HEADS;
        let heads = from_fn(|lane| head_word(head(lane)));
        for step in 0..ALPHABET.len() {
            let last = (part.turn + step) % ALPHABET.len();
            let words = first_words::<LANES>(template, &heads, Template::last_character(last));
            scan.tried += LANES as u64;
            if let Some(lane) = words.iter().position(|word| word & mask == 0) {
                let seed = Seed { head: head(lane), last };
                scan.hit = Some(Hit { seed, passed: group, width: LANES as u32 });
                return scan;
            }
        }
    }
    scan
}
