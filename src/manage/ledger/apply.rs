//! A record as statements.

use rusqlite::{Transaction, params};

use crate::common::clock::wall_seconds;
use crate::common::store::damaged;
use crate::common::store::rows::{put, read};
use crate::manage::coverage::Span;
use crate::manage::state::{Holder, Leased, Record};

/// Writes one record.
pub(super) fn apply(turn: &Transaction<'_>, record: &Record) -> rusqlite::Result<()> {
    match record {
        Record::Leased(Leased { lease, span, holder, recheck }) => {
            let compute = compute_id(turn, holder)?;
            put(turn, "lease", &[lease, &span.first, &span.last, &compute, recheck])
        }
        Record::Returned(lease) => end_lease(turn, *lease),
        Record::Accepted { found, holder, proved, recheck, joined } => {
            end_lease(turn, found.lease)?;
            let compute = compute_id(turn, holder)?;
            let nanoseconds = i64::try_from(found.nanoseconds).unwrap_or(i64::MAX);
            let (sum, perfect, now) = (found.sum.to_string(), found.perfect.to_string(), wall_seconds());
            put(turn, "range", &[&found.first, &found.last, &sum, &perfect, &compute, &nanoseconds, &now, proved])?;
            if *recheck {
                put(turn, "due", &[&found.first])?;
            }
            for n in &found.perfect.0 {
                put_perfect(turn, *n)?;
            }
            join_done(turn, *joined)
        }
        Record::Confirmed { lease, first, holder } => {
            end_lease(turn, *lease)?;
            let compute = compute_id(turn, holder)?;
            delete(turn, "due", *first)?;
            put(turn, "agreed", &[first, &compute, &wall_seconds()])
        }
        Record::Doubted { first } => {
            delete(turn, "agreed", *first)?;
            put(turn, "due", &[first])
        }
        Record::Revoked { span, before, after } => {
            for table in ["due", "agreed", "range"] {
                delete(turn, table, span.first)?;
            }
            turn.prepare_cached("DELETE FROM done WHERE first = (SELECT max(first) FROM done WHERE first <= ?)")?
                .execute([span.first])?;
            before.iter().chain(after).try_for_each(|part| join_done(turn, *part))
        }
        Record::Lied { host, taken_back } => {
            let found = read(turn, "liar", "WHERE host = ?", &[host], |row| row.get::<_, i64>(1))?.pop();
            put(turn, "liar", &[host, &found.unwrap_or_else(wall_seconds), taken_back])
        }
    }
}

/// Notes a perfect number; when it was found first stays.
fn put_perfect(turn: &Transaction<'_>, n: u64) -> rusqlite::Result<()> {
    let known = !read(turn, "perfect", "WHERE n = ?", &[&n], |_| Ok(()))?.is_empty();
    if known { Ok(()) } else { put(turn, "perfect", &[&n, &wall_seconds()]) }
}

/// Replaces the done spans inside `joined` by it.
fn join_done(turn: &Transaction<'_>, joined: Span) -> rusqlite::Result<()> {
    turn.prepare_cached("DELETE FROM done WHERE first BETWEEN ? AND ?")?.execute([joined.first, joined.last])?;
    put(turn, "done", &[&joined.first, &joined.last])
}

fn end_lease(turn: &Transaction<'_>, lease: u64) -> rusqlite::Result<()> {
    turn.prepare_cached("DELETE FROM lease WHERE id = ?")?.execute([lease])?;
    Ok(())
}

fn delete(turn: &Transaction<'_>, table: &str, first: u64) -> rusqlite::Result<()> {
    turn.prepare_cached(&format!("DELETE FROM {table} WHERE first = ?"))?.execute([first])?;
    Ok(())
}

/// The row of a compute, made if it is new. One that comes back under another host's name is another: what a host has
/// done must be found by its name.
fn compute_id(turn: &Transaction<'_>, holder: &Holder) -> rusqlite::Result<i64> {
    let instance = holder.instance.to_string();
    let its = "WHERE instance = ? AND host = ?";
    if let Some(id) = read(turn, "compute", its, &[&instance, &holder.host], |row| row.get(0))?.pop() {
        return Ok(id);
    }
    let last: Option<i64> =
        turn.prepare_cached("SELECT max(id) FROM compute")?.query_row(params![], |row| row.get(0))?;
    let id = last.unwrap_or(0).checked_add(1).ok_or_else(|| damaged("the last row of table compute"))?;
    put(turn, "compute", &[&id, &instance, &holder.host, &holder.pid])?;
    Ok(id)
}
