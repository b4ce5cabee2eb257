//! Nothing lost: each fault that a machine or a network can do has a promise, and each promise has its test here.
//!
//! Each has a short form, which the test command runs, and a long one, `make torture`, whose figures stand in
//! `doc/reliability.md`. What is drawn by chance comes from the seed that is printed.

mod clock;
mod damage;
mod disk;
mod draws;
mod fair;
mod kill;
mod network;
mod pids;
mod pipes;
mod power;
mod process;
mod resources;
mod storm;
mod together;
mod victim;
mod world;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::MetadataExt;

pub use clock::fake as fake_clock;
pub use resources::{check_idle, descriptors};

mod sessions;

/// Where the long form writes its figures; if it is set, the long form is what runs.
const LONG: &str = "ALIQUOT_TORTURE";

/// How many cases a test runs: `short` in the test command, `long` in `make torture`.
pub fn cases(short: usize, long: usize) -> usize {
    if is_long() { long } else { short }
}

/// True if the long form runs.
pub fn is_long() -> bool {
    std::env::var_os(LONG).is_some()
}

/// Hits the n-th system call of a program with a fault: a `sample` of the first `among`, or, in the long form, each in
/// turn until `hit` finds that the program comes to its end before.
pub fn each_call<T>(
    random: &mut fastrand::Rng,
    sample: usize,
    among: usize,
    mut hit: impl FnMut(usize) -> Option<T>,
) -> Vec<T> {
    if cases(0, 1) == 1 {
        return (1..).map_while(hit).collect();
    }
    (0..sample).filter_map(|_| hit(random.usize(1..=among))).collect()
}

/// Notes that a fault was tried so often and its promise was kept each time: a row of the table. `seen` says what else
/// was measured.
pub fn kept(fault: &str, promise: &str, cases: usize, seen: &str) {
    let row = format!("| {fault} | {promise} | {cases} | 0 | {seen} |\n");
    print!("{row}");
    let Some(path) = std::env::var_os(LONG) else { return };
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(row.as_bytes())).expect("the figures can be written");
}

/// True if this test may do what only root may: mount, make namespaces. If not, says that it is skipped.
pub fn is_root(what: &str) -> bool {
    // Whoever a process runs as owns its folder in /proc.
    let root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if !root {
        println!("skipped: {what} needs root");
    }
    root
}
