//! One way to test one range, timed: what bench/peers and bench/instructions run.
//!
//! `cargo bench --bench rates -- METHOD KERNEL FIRST LAST [SECONDS]` prints a line of JSON. It tests FIRST to LAST once,
//! and again until SECONDS are over. METHOD is `trial` or `sieve`, with a kernel or `best`; or, with `-` for the kernel,
//! `root` (one remainder for every d ≤ √n), `half` (for every d ≤ n/2) or `closed` (the sum alone, which proves those of
//! others). `cargo bench --bench rates -- kernels` names the kernels, the best last.

use std::hint::black_box;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Instant;

use aliquot::divisors::{ARGUMENT_MAX, ClosedForm, Kernel, Method, Search};

/// Far more than a slice of a compute: nothing but the method is measured.
const STEP: u64 = 1 << 32;
const USAGE: &str = "rates METHOD KERNEL FIRST LAST [SECONDS], or rates kernels; see bench/rates.rs";

/// A way to find Σ s(n) over first ..= last, and the perfect numbers in it.
type Way = Box<dyn Fn(u64, u64) -> (u128, Vec<u64>)>;

/// What the command line asks for.
struct Task {
    way: Way,
    first: u64,
    last: u64,
    seconds: f64,
}

fn main() -> ExitCode {
    // Cargo tells a benchmark that it is one.
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        // Nothing to do is what `cargo bench` asks for.
        [] => println!("usage: {USAGE}"),
        ["kernels"] => Kernel::all().into_iter().for_each(|kernel| println!("{}", kernel.name())),
        _ => match task(&arguments) {
            Some(task) => measure(&task),
            None => {
                eprintln!("usage: {USAGE}");
                return ExitCode::from(2);
            }
        },
    }
    ExitCode::SUCCESS
}

fn task(arguments: &[&str]) -> Option<Task> {
    let (name, kernel, first, last, seconds) = match *arguments {
        [name, kernel, first, last] => (name, kernel, first, last, "0"),
        [name, kernel, first, last, seconds] => (name, kernel, first, last, seconds),
        _ => return None,
    };
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    let valid = 1 <= first && first <= last && last <= ARGUMENT_MAX;
    valid.then_some(Task { way: way(name, kernel)?, first, last, seconds: seconds.parse().ok()? })
}

fn way(name: &str, kernel: &str) -> Option<Way> {
    match (name, kernel) {
        ("root", "-") => Some(Box::new(root)),
        ("half", "-") => Some(Box::new(half)),
        ("closed", "-") => Some(Box::new(closed)),
        _ => {
            let method = Method::from_str(name).ok()?;
            let best = Some(Kernel::best()).filter(|_| kernel == "best");
            let kernel = best.or_else(|| Kernel::all().into_iter().find(|own| own.name() == kernel))?;
            Some(Box::new(move |first, last| search(method, kernel, first, last)))
        }
    }
}

fn measure(task: &Task) {
    let begin = Instant::now();
    let mut runs = 0;
    let (sum, perfect) = loop {
        let found = (task.way)(black_box(task.first), black_box(task.last));
        runs += 1;
        if begin.elapsed().as_secs_f64() >= task.seconds {
            break found;
        }
    };
    let seconds = begin.elapsed().as_secs_f64();
    let numbers = task.last - task.first + 1;
    println!(r#"{{"numbers":{numbers},"runs":{runs},"seconds":{seconds},"sum":{sum},"perfect":{perfect:?}}}"#);
}

fn search(method: Method, kernel: Kernel, first: u64, last: u64) -> (u128, Vec<u64>) {
    let mut search = Search::with_kernel(method, kernel, first, last);
    while !search.finished() {
        search.step(STEP);
    }
    let tally = search.tally();
    (tally.sum, tally.perfect.to_vec())
}

fn closed(first: u64, last: u64) -> (u128, Vec<u64>) {
    let mut form = ClosedForm::new(first, last);
    while form.result().is_none() {
        form.step(STEP);
    }
    (form.result().unwrap_or_default(), Vec::new())
}

/// The definition: the sum of every d ≤ n/2 that divides n.
fn half(first: u64, last: u64) -> (u128, Vec<u64>) {
    plain(first, last, |n| (1..=n / 2).filter(|d| n.is_multiple_of(*d)).map(u128::from).sum())
}

/// The loop that everybody writes next: each d ≤ √n that divides n, together with n/d.
fn root(first: u64, last: u64) -> (u128, Vec<u64>) {
    plain(first, last, |n| {
        let mut sum = u128::from(n > 1);
        for d in 2..=n.isqrt() {
            if n.is_multiple_of(d) {
                sum += u128::from(if d * d == n { d } else { d + n / d });
            }
        }
        sum
    })
}

fn plain(first: u64, last: u64, aliquot_sum: impl Fn(u64) -> u128) -> (u128, Vec<u64>) {
    let (mut total, mut perfect) = (0, Vec::new());
    for n in first..=last {
        let sum = aliquot_sum(n);
        total += sum;
        if sum == u128::from(n) {
            perfect.push(n);
        }
    }
    (total, perfect)
}
