//! Damage, looked for before anything is read as data.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, Row};

use super::{damaged, refusal, wal};

/// The file, before SQLite sees it: it would delete the log of an empty one.
///
/// # Errors
/// If it is empty or gone while its log isn't.
pub(super) fn file(file: &Path, log: &Path) -> rusqlite::Result<()> {
    let length = |path| fs::metadata(path).map_or(0, |file| file.len());
    if length(file) == 0 && length(log) > 0 {
        return Err(damaged(&format!("it is empty, but not its log {}", log.display())));
    }
    Ok(())
}

/// The write-ahead log.
///
/// # Errors
/// If accepted transactions stand behind a broken frame.
pub(super) fn log(log: &Path) -> rusqlite::Result<()> {
    let shown = log.display();
    match wal::damage(log) {
        Ok(None) => Ok(()),
        Ok(Some((frame, behind))) => {
            Err(damaged(&format!("frame {frame} of {shown} is broken, and {behind} whole transactions come after it")))
        }
        Err(error) => Err(refusal(format!("{shown}: {error}"))),
    }
}

/// The list of the tables, which is what the statements `made` make, and the pages of those in `names`.
///
/// # Errors
/// The first damage that is found.
pub(super) fn tables(db: &Connection, made: &str, names: &[&str]) -> rusqlite::Result<()> {
    let blank = Connection::open_in_memory()?;
    blank.execute_batch(made)?;
    if schema(db)? != schema(&blank)? {
        return Err(damaged("the list of its tables"));
    }
    names.iter().try_for_each(|table| pages(db, Some(table)))
}

/// SQLite's own check of the pages of a table, or of the whole file.
pub(super) fn pages(db: &Connection, table: Option<&str>) -> rusqlite::Result<()> {
    let mut faults: Vec<String> = Vec::new();
    let note = |row: &Row<'_>| {
        faults.push(row.get(0)?);
        Ok(())
    };
    match table {
        Some(table) => db.pragma(None, "integrity_check", table, note)?,
        None => db.pragma_query(None, "integrity_check", note)?,
    }
    match faults.first() {
        Some(fault) if fault != "ok" => Err(damaged(fault.trim_start_matches("*** in database main ***").trim())),
        _ => Ok(()),
    }
}

/// What tables and indices there are, as SQLite keeps it.
fn schema(db: &Connection) -> rusqlite::Result<Vec<(String, String, Option<String>)>> {
    let mut list = db.prepare("SELECT type, name, sql FROM sqlite_master ORDER BY name")?;
    list.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
}
