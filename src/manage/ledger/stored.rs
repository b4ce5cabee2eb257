//! What a ledger holds, read back.

use std::collections::BTreeMap;

use rusqlite::types::FromSql;
use rusqlite::{Connection, Row};

use crate::common::message::Instance;
use crate::common::store::damaged;
use crate::common::store::rows::read;
use crate::manage::coverage::Span;
use crate::manage::recheck::Due;
use crate::manage::state::{Deeds, Holder, Leased, Restored, Settings};

/// What is searched; `None` in a ledger that is new.
pub(super) fn settings(db: &Connection) -> rusqlite::Result<Option<Settings>> {
    // Each row with its checksum: one whose name has changed would else pass for one that isn't there.
    read(db, "setting", "", &[], |_| Ok(()))?;
    let Some(method) = setting::<String>(db, "method")? else { return Ok(None) };
    let method = method.parse().map_err(|_| damaged("setting method"))?;
    let first = setting(db, "first")?.ok_or_else(|| damaged("setting first"))?;
    Ok(Some(Settings { method, first, last: setting(db, "last")? }))
}

fn setting<T: FromSql>(db: &Connection, name: &str) -> rusqlite::Result<Option<T>> {
    Ok(read(db, "setting", "WHERE name = ?", &[&name], |row| row.get(1))?.pop())
}

/// How far the search is.
pub(super) fn search(db: &Connection) -> rusqlite::Result<Restored> {
    let computes = computes(db)?;
    let leases = read(db, "lease", "ORDER BY id", &[], |row| {
        Ok(Leased {
            lease: row.get(0)?,
            span: span(row, 1)?,
            holder: holder_of(&computes, row.get(3)?)?,
            recheck: row.get(4)?,
        })
    })?;
    let firsts: Vec<u64> = read(db, "due", "ORDER BY first", &[], |row| row.get(0))?;
    Ok(Restored {
        done: read(db, "done", "ORDER BY first", &[], |row| span(row, 0))?,
        perfect: read(db, "perfect", "ORDER BY n", &[], |row| row.get(0))?,
        leases,
        next_lease: setting(db, "next_lease")?.unwrap_or(1),
        due: firsts.into_iter().map(|first| due(db, &computes, first)).collect::<rusqlite::Result<_>>()?,
        liars: read(db, "liar", "ORDER BY host", &[], |row| Ok((row.get(0)?, row.get(2)?)))?,
    })
}

pub(super) fn computes(db: &Connection) -> rusqlite::Result<BTreeMap<i64, Holder>> {
    let computes = read(db, "compute", "", &[], |row| Ok((row.get(0)?, holder(row)?)))?;
    Ok(computes.into_iter().collect())
}

/// What the computes of `host` have done.
pub(super) fn deeds(db: &Connection, host: &str) -> rusqlite::Result<Deeds> {
    let its = "WHERE compute IN (SELECT id FROM compute WHERE host = ?) ORDER BY first";
    let confirmed: Vec<u64> = read(db, "agreed", its, &[&host], |row| row.get(0))?;
    let computes = computes(db)?;
    Ok(Deeds {
        done: read(db, "range", its, &[&host], |row| span(row, 0))?,
        confirmed: confirmed.into_iter().map(|first| due(db, &computes, first)).collect::<rusqlite::Result<_>>()?,
    })
}

/// The accepted range that begins at `first`, for a second compute.
pub(super) fn due(db: &Connection, computes: &BTreeMap<i64, Holder>, first: u64) -> rusqlite::Result<Due> {
    let range = read(db, "range", "WHERE first = ?", &[&first], Accepted::of)?.pop();
    let range = range.ok_or_else(|| damaged(&format!("row {first} of table range")))?;
    let holder = holder_of(computes, range.compute)?;
    Ok(Due { span: range.span, sum: range.sum, perfect: range.perfect, holder })
}

pub(super) fn holder_of(computes: &BTreeMap<i64, Holder>, id: i64) -> rusqlite::Result<Holder> {
    computes.get(&id).cloned().ok_or_else(|| damaged(&format!("row {id} of table compute")))
}

/// An accepted range.
pub(super) struct Accepted {
    pub(super) span: Span,
    pub(super) sum: u128,
    pub(super) perfect: Vec<u64>,
    pub(super) compute: i64,
    /// Its sum was compared with the closed form.
    pub(super) proved: bool,
}

impl Accepted {
    /// Reads a row of `range`.
    pub(super) fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let sum = row.get::<_, String>(2)?.parse().map_err(|_| damaged("a sum"))?;
        let perfect = row.get::<_, String>(3)?;
        let perfect = perfect.split_whitespace().map(|n| n.parse().map_err(|_| damaged("a perfect number")));
        let perfect = perfect.collect::<rusqlite::Result<_>>()?;
        Ok(Self { span: span(row, 0)?, sum, perfect, compute: row.get(4)?, proved: row.get(7)? })
    }
}

fn span(row: &Row<'_>, at: usize) -> rusqlite::Result<Span> {
    let span = Span { first: row.get(at)?, last: row.get(at + 1)? };
    if span.first <= span.last { Ok(span) } else { Err(damaged(&format!("the range {} to {}", span.first, span.last))) }
}

fn holder(row: &Row<'_>) -> rusqlite::Result<Holder> {
    let instance: String = row.get(1)?;
    let instance = u64::from_str_radix(&instance, 16).map_err(|_| damaged("an instance"))?;
    Ok(Holder { instance: Instance(instance), host: row.get(2)?, pid: row.get(3)? })
}
