//! The clock of the core, from how long a chain of known length takes.
//!
//! The time stamp counter runs at a rate of its own, and the core's changes with its load. So cycles are taken from a
//! chain of additions and rotations, each of which waits for the one before and takes one cycle on every x86-64 and
//! AArch64 core of the last fifteen years. The addend is unknown to the compiler, and a rotation of a sum is no sum, so
//! nothing can be folded.

use std::hint::black_box;
use std::time::Instant;

const ROUNDS: u64 = 4_000;
const LINKS: u64 = 16;
const CYCLES: u64 = ROUNDS * LINKS * 2;
/// Short chains, the quickest counts: one that was interrupted says nothing.
const CHAINS: usize = 25;

/// Core cycles per second, now. Takes a millisecond.
pub fn hertz() -> f64 {
    let rates = (0..CHAINS).map(|_| {
        let start = Instant::now();
        black_box(chain(black_box(1), black_box(0x9e37_79b9_7f4a_7c15)));
        CYCLES as f64 / start.elapsed().as_secs_f64()
    });
    rates.fold(0.0, f64::max)
}

#[inline(never)]
fn chain(mut value: u64, addend: u64) -> u64 {
    for _ in 0..ROUNDS {
        for _ in 0..LINKS {
            value = value.wrapping_add(addend).rotate_left(7);
        }
    }
    value
}
