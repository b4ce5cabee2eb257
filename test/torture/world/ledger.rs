//! The real ledger against the model of it: what the worlds have written goes into both, and a restart finds the same.

use aliquot::manage::ledger::check::check;
use aliquot::manage::ledger::{Ledger, Wanted, Written};
use aliquot::manage::state::{Restored, Settings};
use tempfile::TempDir;

use super::image::Image;
use super::simulation::World;

/// What a restart finds, in one order.
fn shown(mut restored: Restored) -> String {
    restored.leases.sort_by_key(|leased| leased.lease);
    restored.due.sort_by_key(|due| due.span);
    format!("{restored:#?}")
}

/// Opens the ledger in `directory`.
fn open(directory: &TempDir, settings: Settings) -> (Ledger, Restored) {
    let wanted = Wanted { method: Some(settings.method), first: Some(settings.first), last: settings.last };
    let path = directory.path().join("world.db");
    let (ledger, _, restored) = Ledger::open(path.to_str().expect("a path"), wanted).expect("a ledger opens");
    (ledger, restored)
}

#[test]
fn the_ledger_keeps_what_the_model_keeps() {
    let seed = crate::seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let cases = crate::torture::cases(4, 400);
    let mut restarts = 0;
    for case in 0..cases as u64 {
        let mut world = World::new(seed.wrapping_add(case), None, false);
        world.run().expect("this world keeps its promises");
        let directory = TempDir::with_prefix("aliquot-world-").expect("a directory can be made");
        let mut image = Image::new(world.disk.image.whole());
        let (mut ledger, _) = open(&directory, world.plan.settings);
        for records in &world.disk.written {
            records.iter().try_for_each(|record| image.apply(record)).expect("the model has taken it before");
            let written = ledger.commit(records.iter()).expect("the ledger takes what the model takes");
            assert!(matches!(written, Written::Done), "{written:?}");
            if random.u8(..) < 32 {
                drop(ledger);
                let restored;
                (ledger, restored) = open(&directory, world.plan.settings);
                assert_eq!(shown(restored), shown(image.restored()), "seed {seed}, world {case}");
                restarts += 1;
            }
        }
        drop(ledger);
        let (ledger, restored) = open(&directory, world.plan.settings);
        drop(ledger);
        assert_eq!(shown(restored), shown(image.restored()), "seed {seed}, world {case}, at its end");
        check(directory.path().join("world.db").to_str().expect("a path")).expect("it is sound");
        restarts += 1;
    }
    let seen = format!("{restarts} restarts");
    crate::torture::kept("what simulated worlds write", "the ledger restores what the model restores", cases, &seen);
}
