//! What the number theory reaches on one core, and how well its cost model predicts.
//!
//! `cargo bench --bench divisors`: for several n, the rate of trial division and of the sieve, each run alternating
//! with a scalar loop of 64-bit remainders, so that a slow moment of the machine hits both; medians and ratios. Then
//! the time of ranges of half a second against what a rate measured for 250 ms promised.

use std::hint::black_box;
use std::time::{Duration, Instant};

use aliquot::divisors::{ClosedForm, Kernel, Method, Search, last_for, operations};

const ROUNDS: usize = 5;
const RUN: Duration = Duration::from_millis(100);
const STEP: u64 = 2_000_000;

fn main() {
    println!("kernel {}, one core, medians of {ROUNDS} runs", Kernel::best().name());
    println!("\ntrial division, pairs/s:");
    for n in [1_000_000, 40_000_000, 1_000_000_000, 4_000_000_000, 1_000_000_000_000, 1 << 50, 1 << 52, 1 << 60] {
        trial_row(n);
    }
    println!("\nsieve, numbers/s:");
    for n in [1_000, 1_000_000, 1_000_000_000, 1_000_000_000_000, 1_000_000_000_000_000] {
        sieve_row(n);
    }
    println!("\nclosed form of a range that ends at n:");
    for n in [1_000_000_000, 1_000_000_000_000, 100_000_000_000_000] {
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
    let (mut scalar, mut kernels) = (Vec::new(), vec![Vec::new(); Kernel::all().len()]);
    for _ in 0..ROUNDS {
        scalar.push(scalar_pairs_per_second(n));
        for (kernel, rates) in Kernel::all().into_iter().zip(&mut kernels) {
            rates.push(trial_pairs_per_second(kernel, n));
        }
    }
    let scalar = median(scalar);
    print!("  n = {n:<20} scalar {scalar:>9.3e}");
    for (kernel, rates) in Kernel::all().into_iter().zip(kernels) {
        let rate = median(rates);
        print!("   {} {rate:>9.3e} ({:>5.1} x)", kernel.name(), rate / scalar);
    }
    println!();
}

fn sieve_row(n: u64) {
    let (mut scalar, mut sieve) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        scalar.push(scalar_pairs_per_second(n) / (n as f64).sqrt());
        sieve.push(numbers_per_second(Search::new(Method::Sieve, n, u64::MAX / 2)));
    }
    let (scalar, sieve) = (median(scalar), median(sieve));
    println!("  n = {n:<20} scalar {scalar:>9.3e}   sieve {sieve:>9.3e} ({:.0} x)", sieve / scalar);
}

fn closed_form_row(n: u64) {
    let times = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        let mut form = ClosedForm::new(n / 2, n);
        form.step(u64::MAX);
        black_box(form.result());
        start.elapsed().as_secs_f64() * 1e3
    });
    println!("  n = {n:<20} {:.3} ms", median(times.collect()));
}

/// The naive way: one remainder after another until `RUN` is over.
fn scalar_pairs_per_second(n: u64) -> f64 {
    let start = Instant::now();
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

/// Pairs with d ≤ √n per second: what the search has done of whole blocks' operations, as a share of their pairs.
fn trial_pairs_per_second(kernel: Kernel, n: u64) -> f64 {
    const NUMBERS: u64 = 1 << 16;
    let start = Instant::now();
    let mut done = 0.0;
    while start.elapsed() < RUN {
        let mut search = Search::with_kernel(Method::Trial, kernel, n, n + NUMBERS - 1);
        while !search.finished() && start.elapsed() < RUN {
            search.step(STEP);
        }
        done += search.operations_done();
    }
    let share = done / operations(Method::Trial, n, n + NUMBERS - 1);
    share * NUMBERS as f64 * (n as f64).sqrt() / start.elapsed().as_secs_f64()
}

/// Numbers tested per second, until `RUN` and at least one segment are over.
fn numbers_per_second(mut search: Search) -> f64 {
    let start = Instant::now();
    while start.elapsed() < RUN || search.tally().tested == 0 {
        search.step(STEP);
    }
    search.tally().tested as f64 / start.elapsed().as_secs_f64()
}

fn prediction_row(method: Method, n: u64) {
    let errors = (0..ROUNDS).map(|_| {
        let rate = timing_loop(method, n);
        let last = last_for(method, n, rate * 0.5, 1 << 63);
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

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
