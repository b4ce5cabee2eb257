//! A simulated world: the decisions of manage and of computes, run against a simulated clock, network and disk, in one
//! thread, from one seed. Whatever the seed lets go wrong, some things hold after every step, and once the faults are
//! over the search ends.
//!
//! A seed that fails is printed; `ALIQUOT_SEED=n` replays it, and prints what happened.

mod compute;
mod computing;
mod disk;
mod events;
mod faults;
mod image;
mod ledger;
mod manage;
mod network;
mod plan;
mod promises;
mod simulation;
mod truth;
mod writing;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use simulation::{Counts, World};

/// How the simulation's own glue is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    /// It says what it has decided before that is on the disk.
    SendsFirst,
    /// A restart finds no leases.
    ForgetsLeases,
    /// A restart begins to number leases anew.
    ForgetsNumbers,
    /// A result counts although its lease is lost.
    CountsLate,
    /// It says what waits for room on the disk.
    SaysWhatWaits,
    /// The disk forgets at a crash what it had said it has.
    NeverSyncs,
    /// Time doesn't pass.
    NeverTicks,
    /// A restart finds no range that a second compute has to do again.
    ForgetsChecks,
}

/// The lines of a trace that are printed.
const TRACE_LINES: usize = 400;
/// Whatever is broken on purpose is caught within so many seeds.
const CAUGHT_WITHIN: u64 = 1_000;
const THREADS: u64 = 2;
/// What is kept, in the words of the table.
const PROMISE: &str =
    "coverage exact, nothing counted twice, nothing accepted forgotten, every hit reported, the run ends";

/// Runs the world of one seed.
fn run(seed: u64, broken: Option<Broken>) -> Result<Counts, String> {
    let world = || World::new(seed, broken, false).run();
    catch_unwind(AssertUnwindSafe(world)).unwrap_or_else(|_| Err("it panics".to_owned()))
}

/// Runs it again, and prints what happens.
fn replay(seed: u64) {
    let mut world = World::new(seed, None, true);
    println!("{:?}", world.plan);
    let _ = catch_unwind(AssertUnwindSafe(|| world.run()));
    let trace = world.trace();
    trace[trace.len().saturating_sub(TRACE_LINES)..].iter().for_each(|line| println!("{line}"));
}

/// Runs so many worlds from `seed` on, on two threads; gives what happened in all of them, or the first that fails.
fn run_all(seed: u64, cases: u64, broken: Option<Broken>) -> Result<Counts, (u64, String)> {
    let failed = AtomicU64::new(u64::MAX);
    let every = |nth: u64| {
        let mut counts = Counts::default();
        for case in (nth..cases).step_by(THREADS as usize) {
            if case > failed.load(Ordering::Relaxed) {
                break;
            }
            match run(seed.wrapping_add(case), broken) {
                Ok(more) => counts.add(&more),
                Err(_) => _ = failed.fetch_min(case, Ordering::Relaxed),
            }
        }
        counts
    };
    let counts = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|nth| scope.spawn(move || every(nth))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a panic is caught")).fold(
            Counts::default(),
            |mut all, it| {
                all.add(&it);
                all
            },
        )
    });
    match failed.into_inner() {
        u64::MAX => Ok(counts),
        case => Err((case, run(seed.wrapping_add(case), broken).expect_err("a seed decides everything"))),
    }
}

#[test]
fn nothing_is_lost_whatever_the_seed_lets_go_wrong() {
    let seed = crate::seed();
    let cases = super::cases(1_000, 100_000);
    let counts = run_all(seed, cases as u64, None).unwrap_or_else(|(case, violation)| {
        let seed = seed.wrapping_add(case);
        replay(seed);
        panic!("ALIQUOT_SEED={seed}: {violation}");
    });
    println!("{counts:?}");
    super::kept("a simulated world", PROMISE, cases, &counts.seen());
}

/// Breaks one rule: that has to be noticed.
fn is_caught(broken: Broken) {
    let (case, violation) = run_all(crate::seed(), CAUGHT_WITHIN, Some(broken)).expect_err("nobody noticed");
    println!("{broken:?} is caught by seed {}: {violation}", case + 1);
}

#[test]
fn what_is_said_before_it_is_written_is_caught() {
    is_caught(Broken::SendsFirst);
}

#[test]
fn what_is_said_although_the_disk_is_full_is_caught() {
    is_caught(Broken::SaysWhatWaits);
}

#[test]
fn leases_forgotten_at_a_restart_are_caught() {
    is_caught(Broken::ForgetsLeases);
}

#[test]
fn lease_numbers_used_again_are_caught() {
    is_caught(Broken::ForgetsNumbers);
}

#[test]
fn a_late_result_that_counts_is_caught() {
    is_caught(Broken::CountsLate);
}

#[test]
fn a_disk_that_forgets_is_caught() {
    is_caught(Broken::NeverSyncs);
}

#[test]
fn a_time_that_stands_still_is_caught() {
    is_caught(Broken::NeverTicks);
}

#[test]
fn checks_forgotten_at_a_restart_are_caught() {
    is_caught(Broken::ForgetsChecks);
}
