//! A ledger that isn't manage's: it is kept as carefully, and the two are never taken for each other.

use super::rows::{put, read};
use super::*;

const TALLY: Kind = Kind {
    noun: "ledger",
    application_id: 0x7461_6c6c,
    format: 3,
    tables: "CREATE TABLE tally (name TEXT PRIMARY KEY, count INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;",
    program: "tally",
    is_secret: false,
};
const OTHER: Kind = Kind { application_id: 1, program: "other", ..TALLY };
const LATER: Kind = Kind { format: 4, ..TALLY };

fn open(path: &str, kind: &'static Kind) -> Result<Store> {
    let mut store = Store::hold_or_create(path, kind)?;
    let ready = store.make_tables().and_then(|()| store.examine_tables(&["tally"])).and_then(|()| store.enter_modes());
    ready.map_err(|error| store.explain(&error))?;
    Ok(store)
}

fn counts(store: &Store) -> Vec<(String, u64)> {
    read(&store.connection, "tally", "ORDER BY name", &[], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

/// A ledger with one row, closed.
fn tally() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tally.db").to_str().unwrap().to_owned();
    let mut store = open(&path, &TALLY).unwrap();
    let written = store.write(|change| put(change, "tally", &[&"wolf", &9_u64])).unwrap();
    assert!(matches!(written, Written::Done), "{written:?}");
    store.close().unwrap();
    (directory, path)
}

fn fault(path: &str, kind: &'static Kind) -> String {
    open(path, kind).err().unwrap().to_string()
}

#[test]
fn what_is_written_is_there_the_next_time_in_one_file() {
    let (directory, path) = tally();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "a log is left");
    assert_eq!(counts(&open(&path, &TALLY).unwrap()), [("wolf".to_owned(), 9)]);
}

#[test]
fn a_change_that_fails_leaves_nothing() {
    let mut store = open(":memory:", &TALLY).unwrap();
    let failed = store.write(|change| {
        put(change, "tally", &[&"wolf", &9_u64])?;
        Err(damaged("a wolf"))
    });
    assert_eq!(failed.unwrap_err().to_string(), "ledger :memory:: it is damaged: a wolf: see DAMAGE in tally(1)");
    assert_eq!(counts(&store), []);
}

#[test]
fn a_ledger_of_another_program_or_format_is_refused() {
    let (_directory, path) = tally();
    assert_eq!(fault(&path, &OTHER), format!("ledger {path}: this file is not a ledger of other"));
    assert_eq!(fault(&path, &LATER), format!("ledger {path}: its format is 3, this tally has 4"));
    assert_eq!(counts(&open(&path, &TALLY).unwrap()), [("wolf".to_owned(), 9)], "it was written to");
}
