//! Power loss: kill -9 never loses what the system has in memory, so the disk's part is replayed. Every write and sync
//! of a search is recorded; a disk that forgets, at any moment, any part of what wasn't synced must leave a ledger
//! with all that anybody was told.

use std::path::Path;

use aliquot::common::clock::Millis;
use aliquot::common::message::Message;
use aliquot::manage::ledger::{Ledger, Wanted};
use aliquot::manage::state::{Identity, Policy, State};
use fastrand::Rng;

use super::{cases, kept};
use crate::support::{Crowd, Heard, Loss, Platter, Scene, Step, trace};

const PACE: u64 = 200_000;

/// The steps of a whole search to `last`.
fn record(last: u64) -> Vec<Step> {
    let (scene, crowd) = (Scene::new(), Crowd::new(3, PACE));
    let tap = format!("strace -o trace {}", trace::OPTIONS);
    let manage = scene.manage_through(&tap, "127.0.0.1:0", &format!("--last {last} --seconds 0.1"));
    crowd.go_to(manage.address);
    assert_eq!(manage.wait_gone(), 0);
    let ledger = scene.ledger();
    assert_eq!(ledger.tested(), last);
    trace::read(&scene.path("trace"), &scene.path(""))
}

/// Notes what somebody was told.
fn hear(heard: &mut Heard, said: &[u8]) {
    let lines = said.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    for message in lines.filter_map(|line| Message::read(line).ok()) {
        match message {
            Message::Range(range) => _ = heard.ranges.insert(range.lease, (range.first, range.last)),
            Message::Accepted(accepted) => heard.accepted.push(accepted.lease),
            _ => {}
        }
    }
}

/// The ledger in `directory` opens, and holds all that was heard of it.
fn check(directory: &Path, heard: &Heard) {
    let path = directory.join("search.db");
    let (ledger, settings, restored) = Ledger::open(&path.to_string_lossy(), Wanted::default()).expect("it opens");
    drop(ledger);
    let told = heard.ranges.keys().last().copied().unwrap_or(0);
    assert!(restored.next_lease > told, "lease {told} may be given again");
    let policy = Policy { seconds: 1.0, recheck_percent: 0.0, recheck_key: 0, workers_max: usize::MAX };
    let identity = Identity { host: String::new(), listen: String::new(), ledger: String::new() };
    State::new(settings, policy, identity, restored, Millis(0)).expect("its parts fit together");
    super::victim::check_told(&crate::support::Ledger::copy_of(&path), heard);
}

/// Loses power once: the case is printed if that breaks a promise.
fn lose(platter: &Platter, at: usize, loss: Loss, seed: u64, heard: &Heard) {
    let directory = tempfile::Builder::new().prefix("aliquot-power-").tempdir().expect("a directory can be made");
    platter.lose_power(loss, &mut Rng::with_seed(seed), directory.path());
    let checked = std::panic::catch_unwind(|| check(directory.path(), heard));
    if let Err(broken) = checked {
        eprintln!("power was lost after step {at}, {loss:?} of what was unsynced, seed {seed}");
        std::panic::resume_unwind(broken);
    }
}

#[test]
fn a_power_loss_takes_nothing_that_was_accepted() {
    let seed = crate::seed();
    let mut random = Rng::with_seed(seed);
    let steps = record(cases(9_000, 25_000) as u64);
    let mut platter = Platter::default();
    let (mut heard, mut states, wanted) = (Heard::default(), 0, cases(80, 10_000));
    for (at, step) in steps.iter().enumerate() {
        platter.take(step);
        if let Step::Said(said) = step {
            hear(&mut heard, said);
        }
        // Spread over all steps.
        let here = wanted * (at + 1) / steps.len() - wanted * at / steps.len();
        for _ in 0..here {
            let loss = random.choice(Loss::KINDS).expect("there are some");
            lose(&platter, at, loss, random.u64(..), &heard);
            states += 1;
        }
    }
    assert!(!heard.accepted.is_empty(), "nothing was accepted in {} steps", steps.len());
    let changes = steps.iter().filter(|step| !matches!(step, Step::Said(_))).count();
    let seen = format!("{changes} writes and syncs, {} results", heard.accepted.len());
    kept("power loss, any part of what wasn't synced", "the ledger opens with all that was accepted", states, &seen);
}
