//! The segmented sieve: every prime power is multiplied into its multiples; what it doesn't divide is never looked at.
//!
//! Candidates are sieved in segments, whose parts (see `part`) stay in the second-level cache. A wheel gives each
//! candidate its powers of 2, 3, 5 and 7 to begin with, `multiples` the others.

mod multiples;
mod part;
mod primes;

use super::Method;
use super::cost::{self, Zone};
use super::findings::Findings;
use super::kernel::Kernel;
pub(super) use multiples::{Multiples, bucket_hits};
pub(super) use part::WIDE_START;
use part::{Narrow, Part, Wide};
use primes::{Cursor, Primes};

/// The wheel has the powers of 2, 3, 5 and 7 that divide 2^4·3^2·5·7, its length.
const WHEEL: u32 = 5040;
const WHEEL_PRIMES: [(u32, u32); 4] = [(2, 4), (3, 2), (5, 1), (7, 1)];
/// Primes up to this one, and up to ∛n, are looked for as often as they divide; of larger ones `part` finds the second.
const POWERS_MIN: u64 = 1 << 13;
/// Primes that are gone through between two looks at the budget: the smallest ones hit a stretch 256 times each.
const TURN: usize = 128;

/// A stretch of candidates under the sieve.
#[derive(Clone, Debug)]
pub(super) struct Sieve {
    kernel: Kernel,
    primes: Primes,
    zone: &'static Zone,
    /// The first and the last candidate.
    first: u64,
    last: u64,
    phase: Phase,
    multiples: Multiples,
    narrow: NarrowSegment,
    wide: Segment<Wide>,
}

/// How far a stretch is.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// All primes up to √last have to be known.
    Primes,
    /// Those after the cursor have to find their multiples.
    Multiples(Cursor),
    /// The powers of the primes after the cursor have to.
    Powers(Cursor),
    /// The segments from this one on have to be sieved.
    Segments(usize),
    Done,
}

impl Sieve {
    /// Without a stretch.
    pub(super) fn new(kernel: Kernel) -> Self {
        Self {
            kernel,
            primes: Primes::new(),
            zone: cost::zone(Method::Sieve, 1),
            first: 1,
            last: 1,
            phase: Phase::Done,
            multiples: Multiples::default(),
            narrow: Segment::default(),
            wide: Segment::default(),
        }
    }

    /// Drops the stretch; primes and memory stay for the next.
    pub(super) fn stop(&mut self) {
        self.phase = Phase::Done;
    }

    /// Takes on the stretch first ..= last, which lies within one zone.
    pub(super) fn begin(&mut self, first: u64, last: u64) {
        (self.first, self.last) = (first, last);
        self.zone = cost::zone(Method::Sieve, first);
        self.phase = Phase::Primes;
        self.multiples.begin(first, last);
    }

    /// Whether all segments are sieved.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Done)
    }

    /// Goes on for about `budget` > 0 operations, and notes what it finds in each segment; how many it really did.
    pub(super) fn work(&mut self, budget: f64, findings: &mut Findings) -> f64 {
        let mut done = 0.0;
        while done < budget && !self.is_done() {
            done += self.turn(findings);
        }
        done
    }

    fn turn(&mut self, findings: &mut Findings) -> f64 {
        let root = self.last.isqrt();
        match self.phase {
            Phase::Primes if self.primes.reached() < root => cost::prime_search_cost(self.primes.grow(root)),
            Phase::Primes => {
                self.multiples.add_powers(2, WHEEL_PRIMES[0].1 + 1);
                self.phase = Phase::Multiples(Cursor::AFTER_7);
                0.0
            }
            Phase::Multiples(mut cursor) => {
                let (mut count, mut hits) = (0, 0);
                for prime in self.primes.after(&mut cursor, root).take(TURN) {
                    hits += self.multiples.add_prime(prime);
                    count += 1;
                }
                self.phase = if count < TURN { Phase::Powers(Cursor::START) } else { Phase::Multiples(cursor) };
                self.zone.scatter_cost(count as u64, hits)
            }
            Phase::Powers(mut cursor) => {
                let end = root.min(POWERS_MIN.max((self.last as f64).cbrt().ceil() as u64));
                let (mut count, mut hits) = (0, 0);
                for prime in self.primes.after(&mut cursor, end).take(TURN) {
                    let wheel = WHEEL_PRIMES.iter().find(|(small, _)| u64::from(*small) == prime);
                    hits += self.multiples.add_powers(prime, wheel.map_or(2, |(_, exponent)| exponent + 1));
                    count += 1;
                }
                self.phase = if count < TURN { Phase::Segments(0) } else { Phase::Powers(cursor) };
                self.zone.scatter_cost(count as u64, hits)
            }
            Phase::Segments(index) => {
                let (first, last) = self.multiples.segment(index);
                if self.zone.last() < WIDE_START {
                    self.kernel.sieve(&mut self.narrow, &mut self.multiples, index, root, findings);
                } else {
                    self.wide.sieve(&mut self.multiples, index, root, findings);
                }
                self.phase =
                    if index + 1 < self.multiples.segments() { Phase::Segments(index + 1) } else { Phase::Done };
                self.zone.segment_cost(last - first + 1)
            }
            Phase::Done => 0.0,
        }
    }
}

/// A segment of candidates below `WIDE_START`.
pub(super) type NarrowSegment = Segment<Narrow>;

/// The parts of a segment's candidates.
#[derive(Clone, Debug)]
pub(super) struct Segment<P> {
    /// The parts that the wheel gives 0, 1, … `WHEEL` − 1.
    wheel: Vec<P>,
    parts: Vec<P>,
}

impl<P> Default for Segment<P> {
    fn default() -> Self {
        Self { wheel: Vec::new(), parts: Vec::new() }
    }
}

impl<P: Part> Segment<P> {
    /// Sieves a segment, and notes what it finds.
    #[inline(always)]
    pub(super) fn sieve(&mut self, multiples: &mut Multiples, index: usize, root: u64, findings: &mut Findings) {
        let (first, last) = multiples.segment(index);
        self.turn_wheel(first, (last - first + 1) as usize);
        multiples.strike(index, &mut self.parts);
        let sigmas = P::close(&self.parts, first, root, &mut findings.perfect);
        let candidates = (u128::from(first) + u128::from(last)) * u128::from(last - first + 1) / 2;
        findings.note(last - first + 1, sigmas - candidates);
    }

    /// Begins with what the wheel gives.
    fn turn_wheel(&mut self, first: u64, length: usize) {
        if self.wheel.is_empty() {
            self.wheel = (0..WHEEL).map(wheel_part).collect();
        }
        self.parts.clear();
        let mut wheel = &self.wheel[(first % u64::from(WHEEL)) as usize..];
        while self.parts.len() < length {
            wheel = &wheel[..wheel.len().min(length - self.parts.len())];
            self.parts.extend_from_slice(wheel);
            wheel = &self.wheel;
        }
    }
}

/// The part of n that divides the wheel's length, for n modulo that.
fn wheel_part<P: Part>(n: u32) -> P {
    let (mut product, mut sigma) = (1, 1);
    for (prime, exponent) in WHEEL_PRIMES {
        let exponent = (0..=exponent).rev().find(|k| n.is_multiple_of(prime.pow(*k))).unwrap_or(0);
        product *= prime.pow(exponent);
        sigma *= (0..=exponent).map(|k| prime.pow(k)).sum::<u32>();
    }
    P::new(product, sigma)
}
