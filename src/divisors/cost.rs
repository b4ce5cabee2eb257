//! What a range costs: a model in closed form, in operations.
//!
//! An operation is the time of one pair (n, d) in the fastest trial kernel, or of about one cycle of the sieve. The
//! two are not the same time; a rate in operations per second belongs to a method. [`Search`](super::Search) counts
//! what it does in the same unit, so a rate that it reaches on a short piece tells how long a range will take.
//!
//! The weights come from timing the AVX2 kernels over parts of their work (AMD Zen 3); `bench/divisors.rs` shows how
//! well they predict. A rate is measured near the candidates that it is used for, so on other processors, and with the
//! portable kernel, a wrong weight shows in ranges that reach into another zone.

use super::sieve::{WIDE_START, bucket_hits};
use super::trial::{DENSE_END, SPARSE_START};
use super::{ARGUMENT_MAX, Method};

/// Candidates that are searched in the same way at the same price.
#[derive(Debug)]
pub(super) struct Zone {
    /// The last candidate of the zone; the first follows the zone before.
    last: u64,
    /// The longest block (trial) or stretch (sieve), in candidates.
    block: u64,
    /// Operations that each pair (n, d) with d ≤ √n costs.
    pair: f64,
    /// Operations that each pair (n, d) with d ≤ √n costs where d divides n; for the sieve, each entry of a bucket.
    hit: f64,
    /// Operations that each candidate costs besides.
    number: f64,
    /// Operations that each d ≤ √n costs in each block or stretch, besides.
    divisor: f64,
    /// Operations that each prime up to √n costs in each stretch.
    prime: f64,
}

/// Pairs that are tested in shorter runs.
const RUN_PAIR: f64 = 1.2;
/// What a division costs that finds a multiple.
const HIT: f64 = 350.0;
/// The divisors below 64, on average 1/2 + … + 1/63 of a candidate, are found without one, but `hits` counts them.
const NO_HITS: f64 = HIT * -3.74;
/// What a candidate costs besides: its sum is set, tested by all d below 64, added up and compared.
const NUMBER: f64 = 600.0;
/// What the pairs below `SPARSE_START` cost each candidate more.
const RUN_MORE: f64 = SPARSE_START as f64 * (RUN_PAIR - 1.0);

const fn trial(last: u64, block: u64, number: f64) -> Zone {
    Zone { last, block, pair: 1.0, hit: HIT, number: number + NO_HITS, divisor: 50.0, prime: 0.0 }
}

/// What it costs to find the primes up to √n at the beginning of a search, for each number up to there.
const PRIME_SEARCH: f64 = 5.0;

const fn sieve(last: u64, block: u64, number: f64, hit: f64) -> Zone {
    Zone { last, block, pair: 0.0, hit, number, divisor: 0.0, prime: 11.0 }
}

/// Blocks shrink so that giving one up loses little; in short ones, making divisors ready costs too much.
static TRIAL: [Zone; 9] = [
    Zone {
        last: DENSE_END * DENSE_END - 1,
        block: 4096,
        pair: 4.4,
        hit: 0.0,
        number: 27.0,
        divisor: 100.0,
        prime: 0.0,
    },
    Zone { pair: RUN_PAIR, ..trial(SPARSE_START * SPARSE_START - 1, 4096, NUMBER) },
    trial((1 << 38) - 1, 4096, NUMBER + RUN_MORE),
    trial((1 << 42) - 1, 2048, NUMBER + RUN_MORE),
    trial((1 << 46) - 1, 1024, NUMBER + RUN_MORE),
    trial((1 << 51) - 1, 512, NUMBER + RUN_MORE),
    trial((1 << 56) - 1, 256, NUMBER + RUN_MORE),
    trial((1 << 60) - 1, 128, NUMBER + RUN_MORE),
    trial(ARGUMENT_MAX, 64, 20_000.0),
];

/// Longer stretches save passes over the primes, which are dearer the larger the candidates are, but need more memory.
static SIEVE: [Zone; 9] = [
    sieve((1 << 24) - 1, 1 << 20, 11.0, 12.0),
    sieve((1 << 28) - 1, 1 << 20, 12.0, 12.0),
    sieve((1 << 34) - 1, 1 << 20, 13.0, 12.0),
    sieve((1 << 38) - 1, 1 << 21, 15.5, 12.0),
    sieve((1 << 42) - 1, 1 << 21, 16.5, 12.0),
    sieve((1 << 46) - 1, 1 << 22, 18.5, 20.0),
    sieve(WIDE_START - 1, 1 << 22, 19.5, 28.0),
    sieve((1 << 54) - 1, 1 << 22, 55.0, 40.0),
    sieve(ARGUMENT_MAX, 1 << 22, 60.0, 60.0),
];

/// The operations of finding all primes among so many numbers.
pub(super) fn prime_search_cost(numbers: u64) -> f64 {
    PRIME_SEARCH * numbers as f64
}

/// The operations that searching first ..= last costs; more for a larger `last` and for a smaller `first`.
///
/// Takes constant time. Additive but for what each range's last, shorter block costs; monotone but for rounding.
///
/// # Panics
/// Unless 1 ≤ first ≤ last ≤ 2^63.
#[must_use]
pub fn operations(method: Method, first: u64, last: u64) -> f64 {
    assert!(1 <= first && first <= last && last <= ARGUMENT_MAX, "range {first}..={last}");
    let mut start = first;
    let mut cost = 0.0;
    for zone in zones(method).iter().filter(|zone| zone.last >= first) {
        let end = zone.last.min(last);
        cost += zone.operations(start, end);
        if end == last {
            break;
        }
        start = end + 1;
    }
    match method {
        Method::Trial => cost,
        Method::Sieve => cost + PRIME_SEARCH * (last as f64).sqrt(),
    }
}

/// The largest last ≤ `last_max` for which first ..= last costs at most `budget` operations, but at least `first`.
///
/// # Panics
/// Unless 1 ≤ first ≤ last_max ≤ 2^63.
#[must_use]
pub fn last_for(method: Method, first: u64, budget: f64, last_max: u64) -> u64 {
    assert!(1 <= first && first <= last_max && last_max <= ARGUMENT_MAX, "range {first}..={last_max}");
    let (mut fits, mut most) = (first, last_max);
    while fits < most {
        let middle = most - (most - fits) / 2;
        if operations(method, first, middle) <= budget {
            fits = middle;
        } else {
            most = middle - 1;
        }
    }
    fits
}

/// The zone of a candidate n ≤ 2^63.
pub(super) fn zone(method: Method, n: u64) -> &'static Zone {
    let zones = zones(method);
    &zones[zones.partition_point(|zone| zone.last < n)]
}

fn zones(method: Method) -> &'static [Zone] {
    match method {
        Method::Trial => &TRIAL,
        Method::Sieve => &SIEVE,
    }
}

impl Zone {
    /// The last candidate of the block that begins with `first`, in a range that ends with `last`.
    pub(super) fn block_last(&self, first: u64, last: u64) -> u64 {
        last.min(self.last).min(first.saturating_add(self.block - 1))
    }

    /// What arithmetic a zone needs depends on its last candidate alone.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// The operations that the candidates of a block cost besides those for each divisor.
    pub(super) fn block_cost(&self, first: u64, length: u64) -> f64 {
        self.number * length as f64 + self.hit * hits(first, first + length - 1)
    }

    /// The operations that sieving a segment costs.
    pub(super) fn segment_cost(&self, length: u64) -> f64 {
        self.number * length as f64
    }

    /// The operations of going through primes that make so many entries of buckets.
    pub(super) fn scatter_cost(&self, primes: u64, hits: u64) -> f64 {
        self.prime * primes as f64 + self.hit * hits as f64
    }

    /// The operations for so many divisors below `DENSE_END` in a trial block of `length` candidates. Where they are but a
    /// part of the divisors, every candidate is tested by all of them, and they count as the candidate's.
    pub(super) fn dense_cost(&self, divisors: u64, length: u64) -> f64 {
        let alone = self.last < DENSE_END * DENSE_END;
        if alone { divisors as f64 * (self.pair * length as f64 + self.divisor) } else { 0.0 }
    }

    /// The operations for each divisor from `d` on in a trial block of `length` candidates, and the last divisor for
    /// which that holds.
    pub(super) fn divisor_cost(&self, d: u64, length: u64) -> (f64, u64) {
        let (pair, until) = match d {
            ..SPARSE_START => (RUN_PAIR, SPARSE_START - 1),
            SPARSE_START.. => (1.0, u64::MAX),
        };
        (pair * length as f64 + self.divisor, until)
    }

    /// The operations for first ..= last within the zone.
    fn operations(&self, first: u64, last: u64) -> f64 {
        let length = (last - first + 1) as f64;
        let roots = root_integral(first, last);
        let blocks = length / self.block as f64;
        // Whole blocks cost as many passes over d as the integral says; the last, shorter one costs a whole pass too.
        let passes = roots / self.block as f64 + (blocks.ceil() - blocks) * (first as f64).sqrt();
        // The number of primes up to r is about r/(ln r − 1) (Legendre, Gauss).
        let root = (self.last as f64).sqrt();
        let primes = self.prime / (root.ln() - 1.0);
        let hits = if self.prime > 0.0 { bucket_hits(root) * length } else { hits(first, last) };
        self.pair * roots + self.hit * hits + self.number * length + (self.divisor + primes) * passes
    }
}

/// ∫ √x dx from a = first − 1/2 to b = last + 1/2: 2/3·(b^(3/2) − a^(3/2)), without the cancellation.
fn root_integral(first: u64, last: u64) -> f64 {
    let (a, b) = (first as f64 - 0.5, last as f64 + 0.5);
    let length = (last - first + 1) as f64;
    2.0 / 3.0 * length * (a + (a * b).sqrt() + b) / (a.sqrt() + b.sqrt())
}

/// How many pairs (n, d) with first ≤ n ≤ last and 2 ≤ d ≤ √n have d dividing n, on average: the mean number of
/// divisors near n is ln n + 2γ (Dirichlet), half of them are at most √n, and 1 is not tested.
fn hits(first: u64, last: u64) -> f64 {
    const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;
    let (a, b) = (first as f64, last as f64 + 1.0);
    let length = (last - first + 1) as f64;
    let logarithms = length * (b.ln() - 1.0) + a * (length / a).ln_1p();
    (0.5 * logarithms + (EULER_GAMMA - 1.0) * length).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::divisors::Search;

    /// Candidates on both sides of every zone's end, and some between.
    fn places(method: Method) -> Vec<u64> {
        let ends = zones(method).iter().map(|zone| zone.last);
        let near = |n: u64| (0..9).map(move |i| (n - 4 + i).min(ARGUMENT_MAX));
        let between = (3..63).map(|bit| 3 << (bit - 2));
        let mut places: Vec<_> = (1..200).chain(ends.chain(between).flat_map(near)).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    #[test]
    fn a_longer_range_costs_more() {
        let at_most = |less: f64, more: f64| less <= more * (1.0 + 1e-12);
        for method in Method::ALL {
            for pair in places(method).windows(2) {
                let [n, above] = pair else { unreachable!("windows of 2") };
                let (shorter, longer) = (operations(method, 1, *n), operations(method, 1, *above));
                assert!(at_most(shorter, longer), "{method} 1..={n} {shorter}, 1..={above} {longer}");
                let last = above.saturating_add(10_000).min(ARGUMENT_MAX);
                let (longer, shorter) = (operations(method, *n, last), operations(method, *above, last));
                assert!(at_most(shorter, longer), "{method} {n}..={last} {longer}, {above}..={last} {shorter}");
            }
        }
    }

    #[test]
    fn parts_cost_as_much_as_the_whole() {
        for method in Method::ALL {
            for bits in 18..62 {
                let (first, middle, last) = (1 << bits, 5 << (bits - 2), 7 << (bits - 2));
                let parts = operations(method, first, middle) + operations(method, middle + 1, last);
                let whole = operations(method, first, last);
                assert!((parts / whole - 1.0).abs() < 0.1, "{method} 2^{bits}: {parts} {whole}");
            }
        }
    }

    #[test]
    fn last_for_is_the_inverse() {
        for method in Method::ALL {
            for first in places(method) {
                for budget in [0.0, 1e3, 1e7, 1e11] {
                    let last = last_for(method, first, budget, ARGUMENT_MAX);
                    assert!(last == first || operations(method, first, last) <= budget, "{method} {first} {budget}");
                    let more = last.saturating_add(1).min(ARGUMENT_MAX);
                    assert!(more == last || operations(method, first, more) > budget, "{method} {first} {budget}");
                }
            }
        }
        assert_eq!(last_for(Method::Trial, 10, 1e9, 12), 12, "no further than allowed");
    }

    #[test]
    fn a_search_does_what_the_model_says() {
        for (method, bits, length) in [
            (Method::Trial, 0, 100_000),
            (Method::Trial, 17, 300_000),
            (Method::Trial, 31, 9_000),
            (Method::Trial, 36, 3_000),
            (Method::Trial, 42, 150),
            (Method::Sieve, 0, 1_000_000),
            (Method::Sieve, 25, 1_000_000),
            (Method::Sieve, 40, 100_000),
        ] {
            let (first, last) = (1 << bits, (1 << bits) + length);
            let mut search = Search::new(method, first, last);
            while !search.finished() {
                search.step(1 << 22);
            }
            let ratio = search.operations_done() / operations(method, first, last);
            assert!((0.93..1.07).contains(&ratio), "{method} 2^{bits}: {ratio}");
        }
    }
}
