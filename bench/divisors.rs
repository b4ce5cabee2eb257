//! What the number theory gains over a plain loop, what the closed form takes, how well the cost model predicts.
//!
//! `cargo bench --bench divisors`: for several n, the rate of trial division and of the sieve, each run alternating
//! with a scalar loop of 64-bit remainders, so that a slow moment of the machine hits both; medians and ratios. Then
//! the time of ranges of half a second against what a rate measured for 250 ms promised. What the kernels reach by
//! themselves, in cycles too: `cargo bench --bench kernels`.

mod shared {
    pub mod figures;
    pub mod searches;
}

use std::hint::black_box;
use std::time::{Duration, Instant};

use aliquot::divisors::{self, ClosedForm, Kernel, Method, Search, operations};
use shared::figures::{median, scientific};
use shared::searches::{Stopwatch, last_for, pairs, time};

const ROUNDS: usize = 3;
const RUN: Duration = Duration::from_millis(100);
const STEP: u64 = 2_000_000;

fn main() {
    println!("kernel {}, one core, medians of {ROUNDS} runs", Kernel::best().name());
    println!("\ntrial division, pairs/s:");
    for n in [1_000_000, 40_000_000, 1_000_000_000, 4_000_000_000, 1_000_000_000_000, 1 << 50, 1 << 52, 1 << 60] {
        trial_row(n);
    }
    println!("\nsieve, numbers/s:");
    for n in [1_000_000, 1_000_000_000, 100_000_000_000, 1_000_000_000_000, 1_000_000_000_000_000] {
        sieve_row(n);
    }
    println!("\nclosed form of a range that ends at n:");
    for n in [1_000_000_000_000, 1_000_000_000_000_000, 1_000_000_000_000_000_000, (1 << 63) - 1] {
        closed_form_row(n);
    }
    println!("\ncost model: a range of 0.5 s by a rate of 250 ms, and the time that it took:");
    for method in Method::ALL {
        for n in [1, 1_000, 100_000, 1_000_000, 40_000_000, 1 << 30, (1 << 32) - 1_000, 1 << 36, 1 << 44, 1 << 52] {
            prediction_row(method, n);
        }
    }
}

fn trial_row(n: u64) {
    // The portable kernel would take minutes beyond 2^51.
    let kernels = if n < 1 << 51 { Kernel::all() } else { vec![Kernel::best()] };
    row(n, Method::Trial, &kernels, |last| pairs(n, last) as f64, scalar_pairs_per_second);
}

fn sieve_row(n: u64) {
    let scalar = |n| scalar_pairs_per_second(n) / (n as f64).sqrt();
    row(n, Method::Sieve, &[Kernel::best()], |last| (last - n + 1) as f64, scalar);
}

/// The kernels in turn with the scalar loop. Ranges have so many `items`.
fn row(n: u64, method: Method, kernels: &[Kernel], items: impl Fn(u64) -> f64, scalar: fn(u64) -> f64) {
    let lasts: Vec<_> = kernels.iter().map(|kernel| last_for(method, *kernel, n)).collect();
    let (mut scalars, mut rates) = (Vec::new(), vec![Vec::new(); kernels.len()]);
    for _ in 0..ROUNDS {
        scalars.push(scalar(n));
        for ((kernel, last), rates) in kernels.iter().zip(&lasts).zip(&mut rates) {
            rates.push(searches_per_second(method, *kernel, n, *last) * items(*last));
        }
    }
    let scalar = median(scalars);
    print!("  n = {n:<20} scalar {}", scientific(scalar));
    for (kernel, rates) in kernels.iter().zip(rates) {
        let rate = median(rates);
        print!("   {} {} ({:.1} x)", kernel.name(), scientific(rate), rate / scalar);
    }
    println!();
}

fn closed_form_row(n: u64) {
    let times = (0..ROUNDS).map(|_| {
        let start = Stopwatch::start();
        let mut form = ClosedForm::new(n / 2, n);
        form.step(u64::MAX);
        black_box(form.result());
        start.elapsed().as_secs_f64() * 1e3
    });
    println!("  n = {n:<20} {:.3} ms", median(times.collect()));
}

/// The naive way: one remainder after another until `RUN` is over.
fn scalar_pairs_per_second(n: u64) -> f64 {
    let start = Stopwatch::start();
    let (mut pairs, mut hits) = (0, 0);
    for candidate in n.. {
        for d in 2..=candidate.isqrt() {
            hits += u64::from(black_box(candidate).is_multiple_of(d));
            pairs += 1;
            if pairs % 100_000 == 0 && start.elapsed() > RUN {
                black_box(hits);
                return pairs as f64 / start.elapsed().as_secs_f64();
            }
        }
    }
    unreachable!("candidates don't run out in {RUN:?}")
}

/// Searches per second, of a whole range until `RUN` is over.
fn searches_per_second(method: Method, kernel: Kernel, first: u64, last: u64) -> f64 {
    let (mut runs, mut took) = (0.0, Duration::ZERO);
    while took < RUN {
        took += time(method, kernel, first, last);
        runs += 1.0;
    }
    runs / took.as_secs_f64()
}

fn prediction_row(method: Method, n: u64) {
    let errors = (0..ROUNDS).map(|_| {
        let rate = timing_loop(method, n);
        let last = divisors::last_for(method, n, rate * 0.5, 1 << 63);
        let predicted = operations(method, n, last) / rate;
        let mut search = Search::new(method, n, last);
        let start = Instant::now();
        while !search.finished() {
            search.step((rate * 0.005) as u64);
        }
        100.0 * (start.elapsed().as_secs_f64() / predicted - 1.0)
    });
    println!("  {method:<5} n = {n:<20} took {:>+6.1} %", median(errors.collect()));
}

/// Operations per second at n, measured for 250 ms.
fn timing_loop(method: Method, n: u64) -> f64 {
    let mut search = Search::new(method, n, 1 << 63);
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(250) {
        search.step(STEP);
    }
    search.operations_done() / start.elapsed().as_secs_f64()
}
