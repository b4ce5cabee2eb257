//! The kernels beside the `sha2` crate and Python's hashlib: hashes a second of one core, of seeds and short messages. All in
//! one run, one after the other in each round; medians of the rounds.
//!
//! usage: cargo bench --bench hashes

use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use aliquot::pow::puzzle::{Seed, hash};
use aliquot::pow::sha::kernel::{Kernel, Part};
use aliquot::pow::sha::template::Template;

const ROUNDS: usize = 15;
/// How long one measurement takes, about.
const SECONDS: f64 = 0.2;
const PYTHON: &str = "
import hashlib, time, itertools
alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
message, count, start = '70NVO', 0, time.perf_counter()
for seed in itertools.product(alphabet, repeat=5):
    if hashlib.sha256((''.join(seed) + message).encode()).hexdigest()[:9] == '000000000': break
    count += 1
    if count == 150000: break
print(count / (time.perf_counter() - start))
";

/// Hashes a second of a kernel, for a message of so many bytes.
fn kernel(kernel: Kernel, length: usize, heads: u32) -> f64 {
    let template = Template::new(&vec![b'x'; length]);
    let start = Instant::now();
    let scan = kernel.scan(&template, Part { first: 0, heads, turn: 0 }, u32::MAX);
    black_box(scan).tried as f64 / start.elapsed().as_secs_f64()
}

/// Hashes a second of the crate, each seed and message hashed anew.
fn crate_sha2(count: u32) -> f64 {
    let start = Instant::now();
    for head in 0..count {
        black_box(hash(Seed { head, last: 0 }.bytes(), b"70NVO"));
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

fn python() -> f64 {
    let output = Command::new("python3").args(["-c", PYTHON]).output().expect("python3 is there");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("it prints a rate")
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn main() {
    let heads =
        |kernel_: Kernel, length| ((kernel(kernel_, length, 3_200) * SECONDS / 62.0) as u32).clamp(96, 1_000_000);
    let lengths = [5, 60, 200, 1_000, 8_000];
    let all: Vec<_> = Kernel::all().into_iter().flat_map(|kernel| lengths.map(|length| (kernel, length))).collect();
    let counts: Vec<_> = all.iter().map(|(kernel, length)| heads(*kernel, *length)).collect();
    let (mut rates, mut peers) = (vec![Vec::new(); all.len()], [const { Vec::new() }; 2]);
    for _ in 0..ROUNDS {
        for (at, (one, length)) in all.iter().enumerate() {
            rates[at].push(kernel(*one, *length, counts[at]));
        }
        peers[0].push(crate_sha2(1_000_000));
        peers[1].push(python());
    }
    let [crate_, python] = peers.map(median);
    println!(
        "| hashes of one core | message | M/s | best round | times sha2 | times hashlib |\n|---|--:|--:|--:|--:|--:|"
    );
    for ((kernel, length), rates) in all.iter().zip(rates) {
        let (best, rate) = (rates.iter().copied().fold(0.0, f64::max), median(rates));
        let beside = |peer: f64| if *length == 5 { format!("{:.1}", rate / peer) } else { String::new() };
        let (rate, best) = (rate / 1e6, best / 1e6);
        println!(
            "| {} | {length} B | {rate:.1} | {best:.1} | {} | {} |",
            kernel.name(),
            beside(crate_),
            beside(python)
        );
    }
    println!(
        "| the sha2 crate | 5 B | {:.2} | | 1 | |\n| Python's hashlib | 5 B | {:.3} | | | 1 |",
        crate_ / 1e6,
        python / 1e6
    );
}
