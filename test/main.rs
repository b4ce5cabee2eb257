//! All integration tests, in one binary: a file a subject.
#![allow(clippy::unwrap_used, reason = "a test that can't go on shall panic")]

mod support;

mod agent;
mod check;
mod collect;
mod compute;
mod deploy;
mod divisors;
mod endings;
mod hostile;
mod keys;
mod ledger;
mod loot;
mod manage;
mod manual;
mod more_hosts;
mod pow;
mod race;
mod report;
mod sandbox;
mod schema;
mod search;
mod siege;
mod tidy;
mod torture;
mod xml;

/// The seed of whatever a test draws by chance: new each time and printed, or that of `ALIQUOT_SEED`, to see a failure
/// again.
fn seed() -> u64 {
    let seed =
        std::env::var("ALIQUOT_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("ALIQUOT_SEED={seed}");
    seed
}
