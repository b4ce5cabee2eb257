//! Ledgers of the format before this one: the same tables, but without checksums, and what became of a range's recheck
//! in a column of its own.

use rusqlite::types::{ToSql, Value};
use rusqlite::{Connection, Row, Transaction, TransactionBehavior};

use super::FORMAT;
use super::tables::TABLES;
use crate::common::store::damaged;
use crate::common::store::rows::put;

/// The format that is brought up to date.
pub(super) const FORMAT_BEFORE: i32 = 1;

/// Its tables, children before their parents.
const FORMER: [&str; 6] = ["lease", "range", "compute", "done", "perfect", "setting"];

/// Brings a ledger of the format before up to date, in one transaction: whole or not at all.
pub(super) fn bring_up_to_date(db: &mut Connection) -> rusqlite::Result<()> {
    let sound: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if sound != "ok" {
        return Err(damaged(&sound));
    }
    // Tables are filled before those that they refer to.
    db.pragma_update(None, "foreign_keys", false)?;
    let change = db.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    change.execute_batch("DROP INDEX due")?;
    for table in FORMER {
        change.execute_batch(&format!("ALTER TABLE {table} RENAME TO former_{table}"))?;
    }
    change.execute_batch(TABLES)?;
    for table in FORMER {
        copy(&change, table)?;
    }
    for table in FORMER {
        change.execute_batch(&format!("DROP TABLE former_{table}"))?;
    }
    change.pragma_update(None, "user_version", FORMAT)?;
    change.commit()
}

fn copy(change: &Transaction<'_>, table: &str) -> rusqlite::Result<()> {
    let mut rows = change.prepare(&format!("SELECT * FROM former_{table}"))?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let mut values = values(row)?;
        if table == "range" {
            copy_recheck(change, values.pop(), &values)?;
        }
        let values: Vec<&dyn ToSql> = values.iter().map(|value| value as &dyn ToSql).collect();
        put(change, table, &values)?;
    }
    Ok(())
}

/// Who confirmed a range wasn't noted: whoever had done it stands for him, and when that was for the time.
fn copy_recheck(change: &Transaction<'_>, recheck: Option<Value>, range: &[Value]) -> rusqlite::Result<()> {
    let (first, compute, finished) = (&range[0], &range[4], &range[6]);
    match recheck {
        Some(Value::Text(what)) if what == "due" => put(change, "due", &[first]),
        Some(Value::Text(what)) if what == "agreed" => put(change, "agreed", &[first, compute, finished]),
        _ => Ok(()),
    }
}

fn values(row: &Row<'_>) -> rusqlite::Result<Vec<Value>> {
    (0..row.as_ref().column_count()).map(|column| row.get(column)).collect()
}
