//! `manage --check`: a sound ledger is called sound, and what is wrong in another is named.

use aliquot::common::message::{Found, Instance, Numbers};
use aliquot::divisors::ClosedForm;
use aliquot::manage::coverage::Span;
use aliquot::manage::ledger::check::check;
use aliquot::manage::ledger::{Ledger, Wanted};
use aliquot::manage::state::{Holder, Leased, Record};

use crate::support::Scene;

const WHOLE: Span = Span { first: 1, last: 1_000 };

fn holder() -> Holder {
    Holder { instance: Instance(1), host: "a".to_owned(), pid: 1 }
}

fn accepted(first: u64, last: u64, spoil: impl FnOnce(&mut Found)) -> Record {
    let mut sum = ClosedForm::new(first, last);
    while sum.result().is_none() {
        sum.step(1_000);
    }
    let perfect = [6, 28, 496].into_iter().filter(|n| (first..=last).contains(n)).collect();
    let (tested, sum) = (last - first + 1, sum.result().unwrap());
    let mut found = Found { lease: 1, first, last, tested, sum, nanoseconds: 1, perfect: Numbers(perfect) };
    let joined = Span { first, last };
    spoil(&mut found);
    Record::Accepted { found, holder: holder(), proved: true, recheck: false, joined }
}

fn leased(first: u64, last: u64) -> Record {
    Record::Leased(Leased { lease: 1, span: Span { first, last }, holder: holder(), recheck: false })
}

/// What `check` says of a ledger with these records.
fn verdict(records: &[Record]) -> Result<String, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("search.db");
    let path = path.to_str().unwrap();
    let wanted = Wanted { first: Some(WHOLE.first), last: Some(WHOLE.last), ..Wanted::default() };
    let (mut ledger, ..) = Ledger::open(path, wanted).unwrap();
    ledger.commit(records.iter()).unwrap();
    drop(ledger);
    check(path).map(|sound| sound.to_string()).map_err(|error| error.to_string())
}

#[test]
fn a_sound_ledger_is_called_sound() {
    let text = verdict(&[accepted(1, 400, |_| {}), accepted(501, 600, |_| {}), leased(401, 450)]).unwrap();
    for part in
        ["500 of 1,000 (50.0 %), each in one of 2", "over 1 … 400, 501 … 600", "6  28, tested again", "1 leases"]
    {
        assert!(text.contains(part), "{part:?} in {text}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let wrong: [(&str, Vec<Record>); 7] = [
        ("the sum of the range 402 to 500", vec![accepted(1, 400, |_| {}), accepted(402, 500, |f| f.sum += 1)]),
        ("7 is not perfect", vec![accepted(1, 400, |f| f.perfect = Numbers(vec![6, 7, 28]))]),
        ("has 6 as a perfect number", vec![accepted(7, 400, |f| f.perfect = Numbers(vec![6]))]),
        ("the ranges and the spans done differ", vec![accepted(1, 400, |f| f.last = 300)]),
        ("overlaps the one before", vec![accepted(1, 400, |_| {}), accepted(400, 500, |_| {})]),
        ("lease 1 of 300 to 450", vec![accepted(1, 400, |_| {}), leased(300, 450)]),
        ("990 to 1001", vec![accepted(990, 1_001, |_| {})]),
    ];
    for (part, records) in wrong {
        let fault = verdict(&records).unwrap_err();
        assert!(fault.contains("it is damaged: ") && fault.contains(part), "{part:?} in {fault}");
    }
}

#[test]
fn the_program_says_so_and_changes_nothing() {
    let scene = Scene::new();
    let manage = scene.manage("--last 300000 --computes 1");
    assert_eq!(manage.wait_gone(), 0);
    let before = std::fs::read(scene.path("search.db")).unwrap();
    let sound = scene.start("manage", "--check search.db");
    assert_eq!(sound.wait(), 0);
    assert!(sound.stdout.all().starts_with("ledger search.db is sound: trial, 1 to 300,000\n"), "{}", sound.evidence());
    assert_eq!(std::fs::read(scene.path("search.db")).unwrap(), before);
    assert!(!scene.path("search.db-wal").exists());

    let mut damaged = before.clone();
    let at = damaged.windows(13).rposition(|bytes| bytes == b"6 28 496 8128").unwrap();
    damaged[at] = b'7';
    std::fs::write(scene.path("damaged.db"), &damaged).unwrap();
    let check = scene.start("manage", "--check damaged.db");
    assert_eq!(check.wait(), 74);
    check.log.line("ledger damaged.db: it is damaged: row 1 of table range");
    assert_eq!(std::fs::read(scene.path("damaged.db")).unwrap(), damaged);
}

#[test]
fn a_ledger_that_a_manage_holds_is_not_checked() {
    let scene = Scene::new();
    let manage = scene.manage("--last 300000");
    let check = scene.start("manage", "--check search.db");
    assert_eq!(check.wait(), 74);
    check.log.line(&format!("another manage holds it (pid {})", manage.pid()));
    let missing = scene.start("manage", "--check missing.db");
    assert_eq!(missing.wait(), 74);
    assert!(!scene.path("missing.db").exists());
}
