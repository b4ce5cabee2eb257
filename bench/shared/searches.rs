//! Whole searches, how long they take, and how many pairs they have.

use std::hint::black_box;
use std::time::Duration;

use aliquot::divisors::{Kernel, Method, Search};
use nix::time::{ClockId, clock_gettime};

/// Far more than a slice of a compute: only the kernels are measured.
const STEP: u64 = 1 << 32;

/// The processor's time, which others that want the core too don't add to.
pub struct Stopwatch(Duration);

impl Stopwatch {
    pub fn start() -> Self {
        Self(processor_time())
    }

    pub fn elapsed(&self) -> Duration {
        processor_time() - self.0
    }
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a thread has a clock").into()
}

/// How long searching first ..= last takes, from nothing to its end.
pub fn time(method: Method, kernel: Kernel, first: u64, last: u64) -> Duration {
    let start = Stopwatch::start();
    let mut search = Search::with_kernel(method, kernel, black_box(first), black_box(last));
    while !search.finished() {
        search.step(STEP);
    }
    black_box(search.tally());
    start.elapsed()
}

/// The pairs (n, d) with first ≤ n ≤ last and 2 ≤ d ≤ √n.
pub fn pairs(first: u64, last: u64) -> u64 {
    let pairs = pairs_up_to(last) - pairs_up_to(first - 1);
    u64::try_from(pairs).expect("fewer pairs than can be tested in a year")
}

/// Σ (⌊√n⌋ − 1) over 1 ≤ n ≤ `last`: the root is k for 2k + 1 numbers, the last root for those that are left.
fn pairs_up_to(last: u64) -> u128 {
    let (root, last) = (u128::from(last.isqrt()), u128::from(last));
    let whole = root * (root.max(1) - 1) * (4 * root + 1) / 6;
    whole + root * (last + 1 - root * root) - last
}

/// The last number of a range from `n` on that is long enough to say what the method does there. For trial division it is
/// never longer than n/4, so that all of it is near n; the speed of the sieve changes little.
pub fn last_for(method: Method, kernel: Kernel, n: u64) -> u64 {
    let (least, wanted) = least_and_wanted(method, n);
    let most = match method {
        Method::Trial => (n / 4).max(1),
        Method::Sieve => (n / 4).max(least),
    };
    let mut length = least.min(most);
    loop {
        let took = time(method, kernel, n, n + length - 1);
        if took >= wanted.mul_f64(0.7) || length == most {
            return n + length - 1;
        }
        let factor = (wanted.as_secs_f64() / took.as_secs_f64()).clamp(1.5, 16.0);
        length = ((length as f64 * factor).ceil() as u64).min(most);
    }
}

/// How many numbers a range has at least, and how long its search should take: many numbers have to share what is done
/// once for each d, by both methods.
pub fn least_and_wanted(method: Method, n: u64) -> (u64, Duration) {
    let (least, milliseconds) = match (method, n) {
        (Method::Trial, ..0x2_0000_0000_0000) => (1, 100),
        // Blocks are this long there, and making divisors ready for one takes as long as for a short one.
        (Method::Trial, ..0x8_0000_0000_0000) => (512, 500),
        (Method::Trial, ..0x100_0000_0000_0000) => (256, 500),
        (Method::Trial, _) => (16, 700),
        (Method::Sieve, ..1_000_000_000_000) => (1 << 24, 100),
        (Method::Sieve, ..1_000_000_000_000_000) => (1 << 22, 500),
        (Method::Sieve, _) => (1 << 22, 800),
    };
    (least, Duration::from_millis(milliseconds))
}
