//! `manage --check`: a sound ledger is called sound, and what is wrong in another is named.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

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
    missing.log.line("ledger missing.db: No such file or directory");
    assert!(!scene.path("missing.db").exists());
}

/// A ledger of three turns after the first, all in its log: nothing was copied into the file since.
fn young(directory: &Path) -> PathBuf {
    let path = directory.join("search.db");
    let wanted = Wanted { first: Some(WHOLE.first), last: Some(WHOLE.last), ..Wanted::default() };
    let (mut ledger, ..) = Ledger::open(&path.to_string_lossy(), wanted).unwrap();
    for first in [1, 201, 401] {
        ledger.commit([accepted(first, first + 99, |_| {})].iter()).unwrap();
    }
    path
}

fn log_of(path: &Path) -> PathBuf {
    path.with_extension("db-wal")
}

/// Why neither a start nor a check takes the ledger at `path`, which they leave as it is.
fn refusal(path: &Path) -> Result<String, String> {
    let files = || [path, &log_of(path)].map(|file| fs::read(file).ok().filter(|bytes| !bytes.is_empty()));
    let (before, name) = (files(), path.to_string_lossy());
    let checked = check(&name).map(|sound| sound.to_string()).err().ok_or("--check calls it sound")?;
    let opened = Ledger::open(&name, Wanted::default()).err().ok_or("a start takes it")?;
    assert_eq!(files(), before, "{checked}");
    if checked.to_string() == opened.to_string() {
        Ok(opened.to_string())
    } else {
        Err(format!("{checked}, but {opened}"))
    }
}

#[test]
fn a_log_without_its_file_is_no_new_ledger() {
    let directory = tempfile::tempdir().unwrap();
    let path = young(directory.path());
    File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    let why = refusal(&path).unwrap();
    assert!(why.contains("it is empty, but not its log"), "{why}");
    fs::remove_file(&path).unwrap();
    let log = fs::read(log_of(&path)).unwrap();
    Ledger::open(&path.to_string_lossy(), Wanted::default()).err().expect("a start takes it");
    assert_eq!(fs::read(log_of(&path)).unwrap(), log);
    assert!(!path.exists());
}

#[test]
fn a_log_behind_a_link_is_looked_at() {
    let directory = tempfile::tempdir().unwrap();
    let path = young(directory.path());
    let link = directory.path().join("link.db");
    symlink(&path, &link).unwrap();
    let mut log = fs::read(log_of(&path)).unwrap();
    log[32 + 24] ^= 1;
    fs::write(log_of(&path), log).unwrap();
    let why = refusal(&link).unwrap();
    assert!(why.contains("frame 1 of ") && why.contains("is broken"), "{why}");
}

#[test]
fn no_bit_of_a_frame_that_ends_a_turn_hides_what_comes_after_it() {
    const FRAME: usize = 24 + 4096;
    let directory = tempfile::tempdir().unwrap();
    let path = young(directory.path());
    let whole = fs::read(log_of(&path)).unwrap();
    let ends = (32..whole.len()).step_by(FRAME).filter(|at| whole[at + 4..at + 8] != [0; 4]);
    let ends: Vec<usize> = ends.collect();
    let header_and_last_but_one = (0..32).chain(ends[ends.len() - 2]..ends[ends.len() - 2] + 24);
    for (byte, bit) in header_and_last_but_one.flat_map(|byte| (0..8).map(move |bit| (byte, bit))) {
        let mut log = whole.clone();
        log[byte] ^= 1 << bit;
        fs::write(log_of(&path), log).unwrap();
        refusal(&path).unwrap_or_else(|why| panic!("byte {byte}, bit {bit}: {why}"));
    }
}

#[test]
fn a_setting_by_another_name_is_no_missing_setting() {
    let directory = tempfile::tempdir().unwrap();
    let path = young(directory.path());
    fs::remove_file(log_of(&path)).unwrap();
    let whole = fs::read(&path).unwrap();
    for name in ["method", "first", "last"] {
        let mut file = whole.clone();
        // The rows, which come behind what says how the tables are made.
        let at = file.windows(name.len()).rposition(|bytes| bytes == name.as_bytes()).unwrap();
        file[at + name.len() - 1] ^= 1;
        fs::write(&path, file).unwrap();
        let why = refusal(&path).unwrap();
        assert!(why.contains("of table setting"), "{name}: {why}");
    }
}

#[test]
fn a_sum_that_is_still_to_be_checked_is_no_damage() {
    let unproved = |record| match record {
        Record::Accepted { found, holder, joined, .. } => {
            Record::Accepted { found, holder, joined, proved: false, recheck: true }
        }
        other => other,
    };
    let text = verdict(&[accepted(1, 400, |_| {}), unproved(accepted(501, 600, |found| found.sum += 1))]).unwrap();
    assert!(text.contains("500 of 1,000") && text.contains("over 1 … 400\n"), "{text}");
    assert!(text.contains("but for 1 ranges, which wait for a second compute"), "{text}");
}

#[test]
fn what_a_host_has_done_is_found_by_its_name() {
    let by = |host: &str, record| match record {
        Record::Accepted { found, joined, proved, recheck, .. } => {
            let holder = Holder { host: host.to_owned(), ..holder() };
            Record::Accepted { found, holder, joined, proved, recheck }
        }
        other => other,
    };
    let directory = tempfile::tempdir().unwrap();
    let (mut ledger, ..) = Ledger::open(&young(directory.path()).to_string_lossy(), Wanted::default()).unwrap();
    ledger.commit([by("b", accepted(601, 700, |_| {}))].iter()).unwrap();
    let done = |host| ledger.deeds_of(host).unwrap().done;
    assert_eq!(done("b"), [Span { first: 601, last: 700 }], "the same compute under another name");
    assert_eq!(done("a").len(), 3);
}
