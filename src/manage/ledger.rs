//! The ledger: a SQLite file in WAL mode, synchronous FULL, written in one transaction a turn of the loop.
//!
//! `done` holds the partition's done part as joined spans, so that a restart reads a few rows however many ranges were
//! accepted; `range` holds every accepted range with its proof; `lease` the ranges that are out; `perfect` the hits.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::common::clock::wall_seconds;
use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::limits::{CANDIDATE_MAX, LEDGER_BUSY_MAX_MS};
use crate::common::message::Instance;
use crate::divisors::Method;

use super::coverage::Span;
use super::recheck::Due;
use super::state::{Holder, Leased, Record, Restored, Settings};

/// What marks a SQLite file as a ledger of this program: "aliq".
const APPLICATION_ID: i32 = 0x616c_6971;
/// The version of the tables below.
const FORMAT: i32 = 1;

const TABLES: &str = "
    CREATE TABLE setting (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
    INSERT INTO setting VALUES ('next_lease', 1);
    CREATE TABLE compute (id INTEGER PRIMARY KEY, instance TEXT UNIQUE NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL);
    CREATE TABLE done (first INTEGER PRIMARY KEY, last INTEGER NOT NULL);
    CREATE TABLE range (
        first INTEGER PRIMARY KEY, last INTEGER NOT NULL, sum TEXT NOT NULL, perfect TEXT NOT NULL,
        compute INTEGER NOT NULL REFERENCES compute, nanoseconds INTEGER NOT NULL, finished INTEGER NOT NULL,
        proved INTEGER NOT NULL, recheck TEXT);
    CREATE INDEX due ON range (first) WHERE recheck = 'due';
    CREATE TABLE lease (
        id INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL,
        compute INTEGER NOT NULL REFERENCES compute, recheck INTEGER NOT NULL);
    CREATE TABLE perfect (n INTEGER PRIMARY KEY, found INTEGER NOT NULL);
";

/// What the command line asks of a search; what it leaves open is the ledger's, or the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// `--method`.
    pub method: Option<Method>,
    /// `--first`.
    pub first: Option<u64>,
    /// `--last`.
    pub last: Option<u64>,
}

/// An open ledger, held by this process alone.
pub struct Ledger {
    path: String,
    connection: Connection,
}

impl Ledger {
    /// Opens the ledger at `path`, or makes it; `:memory:` keeps nothing.
    ///
    /// # Errors
    /// I/O if it can't be read or written, isn't a ledger, is damaged, or another manage holds it; usage if the search
    /// in it contradicts what is `wanted`.
    pub fn open(path: &str, wanted: Wanted) -> Result<(Self, Settings, Restored)> {
        let connection = Connection::open(path).map_err(|error| failure(path, &error))?;
        let mut ledger = Self { path: path.to_owned(), connection };
        let known = ledger.prepare().map_err(|error| ledger.explain(&error))?;
        if !known {
            return Err(Error::new(Status::Io, subject(path), "this file is not a ledger of manage"));
        }
        let stored = ledger.settings().map_err(|error| ledger.explain(&error))?;
        let settings = reconcile(path, stored, wanted)?;
        ledger.store_settings(settings).map_err(|error| ledger.explain(&error))?;
        let restored = ledger.restore().map_err(|error| ledger.explain(&error))?;
        Ok((ledger, settings, restored))
    }

    /// Takes the file for this process, makes the tables if it is new; false if it is somebody else's file.
    fn prepare(&mut self) -> rusqlite::Result<bool> {
        let db = &self.connection;
        // Who holds it holds it for long: a manage that waits hears no signal meanwhile.
        db.busy_timeout(Duration::from_millis(LEDGER_BUSY_MAX_MS))?;
        // Set before anything is read: then no other process gets in for as long as this one lives.
        db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        let id: i32 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let format: i32 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let objects: i64 = db.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
        if objects > 0 && (id, format) != (APPLICATION_ID, FORMAT) {
            return Ok(false);
        }
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "foreign_keys", true)?;
        let make = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Exclusive)?;
        if objects == 0 {
            make.pragma_update(None, "application_id", APPLICATION_ID)?;
            make.pragma_update(None, "user_version", FORMAT)?;
            make.execute_batch(TABLES)?;
        }
        make.commit()?;
        Ok(true)
    }

    fn settings(&self) -> rusqlite::Result<Option<Settings>> {
        let Some(method) = self.setting::<String>("method")? else { return Ok(None) };
        let method = method.parse().map_err(|_| damaged("setting method"))?;
        let first = self.setting("first")?.ok_or_else(|| damaged("setting first"))?;
        Ok(Some(Settings { method, first, last: self.setting("last")? }))
    }

    fn setting<T: rusqlite::types::FromSql>(&self, name: &str) -> rusqlite::Result<Option<T>> {
        self.connection.query_row("SELECT value FROM setting WHERE name = ?", [name], |row| row.get(0)).optional()
    }

    fn store_settings(&mut self, settings: Settings) -> rusqlite::Result<()> {
        let change = self.connection.transaction()?;
        let mut put = change.prepare("INSERT OR REPLACE INTO setting VALUES (?, ?)")?;
        put.execute(params!["method", settings.method.name()])?;
        put.execute(params!["first", settings.first])?;
        if let Some(last) = settings.last {
            put.execute(params!["last", last])?;
        }
        drop(put);
        change.commit()
    }

    fn restore(&self) -> rusqlite::Result<Restored> {
        let db = &self.connection;
        let span = |row: &rusqlite::Row<'_>| Ok(Span { first: row.get(0)?, last: row.get(1)? });
        let done = db
            .prepare("SELECT first, last FROM done ORDER BY first")?
            .query_map([], span)?
            .collect::<rusqlite::Result<_>>()?;
        let perfect = db
            .prepare("SELECT n FROM perfect ORDER BY n")?
            .query_map([], |r| r.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let leases = db
            .prepare("SELECT first, last, instance, host, pid, lease.id, recheck FROM lease JOIN compute ON compute = compute.id")?
            .query_map([], |row| {
                Ok(Leased { span: span(row)?, holder: holder(row, 2)?, lease: row.get(5)?, recheck: row.get(6)? })
            })?
            .collect::<rusqlite::Result<_>>()?;
        let due = db
            .prepare("SELECT first, last, instance, host, pid, sum, perfect FROM range JOIN compute ON compute = compute.id WHERE recheck = 'due'")?
            .query_map([], |row| {
                let sum = row.get::<_, String>(5)?.parse().map_err(|_| damaged("sum"))?;
                Ok(Due { span: span(row)?, holder: holder(row, 2)?, sum, perfect: numbers(&row.get::<_, String>(6)?)? })
            })?
            .collect::<rusqlite::Result<_>>()?;
        let next_lease = self.setting("next_lease")?.unwrap_or(1);
        Ok(Restored { done, perfect, leases, next_lease, due })
    }

    /// Writes what one turn of the loop has brought, in one transaction: once this returns it is on the disk.
    ///
    /// # Errors
    /// I/O. Nothing of the turn may then be told to anybody.
    pub fn commit<'r>(&mut self, records: impl IntoIterator<Item = &'r Record>) -> Result<()> {
        let write = || {
            let turn = self.connection.transaction()?;
            for record in records {
                apply(&turn, record)?;
            }
            turn.commit()
        };
        write().map_err(|error| self.explain(&error))
    }

    fn explain(&self, error: &rusqlite::Error) -> Error {
        if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) {
            let holder = lock_holder(Path::new(&self.path)).map_or(String::new(), |pid| format!(" (pid {pid})"));
            return Error::new(Status::Io, subject(&self.path), format!("another manage holds it{holder}"));
        }
        failure(&self.path, error)
    }
}

fn subject(path: &str) -> String {
    format!("ledger {path}")
}

fn failure(path: &str, error: &rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => {
            Error::new(Status::Io, subject(path), "this file is not a ledger of manage")
        }
        _ => Error::new(Status::Io, subject(path), error),
    }
}

/// A value that no manage has written.
fn damaged(what: &str) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnName(format!("{what} is damaged"))
}

fn holder(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Holder> {
    let instance: String = row.get(at)?;
    let instance = u64::from_str_radix(&instance, 16).map_err(|_| damaged("instance"))?;
    Ok(Holder { instance: Instance(instance), host: row.get(at + 1)?, pid: row.get(at + 2)? })
}

fn numbers(text: &str) -> rusqlite::Result<Vec<u64>> {
    text.split_whitespace().map(|n| n.parse().map_err(|_| damaged("perfect"))).collect()
}

/// The search to run: the ledger's where there is one, else what is wanted, else the defaults.
fn reconcile(path: &str, stored: Option<Settings>, wanted: Wanted) -> Result<Settings> {
    let Some(stored) = stored else {
        let method = wanted.method.unwrap_or(Method::Trial);
        return Ok(Settings { method, first: wanted.first.unwrap_or(1), last: wanted.last });
    };
    let contradiction = |flag: &str, has: String, asked: String| {
        let cause = format!("its search has --{flag} {has}, not {asked}: leave the flag out, or name another ledger");
        Err(Error::new(Status::Usage, subject(path), cause))
    };
    if let Some(method) = wanted.method.filter(|method| *method != stored.method) {
        return contradiction("method", stored.method.to_string(), method.to_string());
    }
    if let Some(first) = wanted.first.filter(|first| *first != stored.first) {
        return contradiction("first", stored.first.to_string(), first.to_string());
    }
    let bound = stored.last.unwrap_or(CANDIDATE_MAX);
    if let Some(last) = wanted.last.filter(|last| *last < bound) {
        let has = stored.last.map_or("none".to_owned(), |last| last.to_string());
        return contradiction("last", has, format!("{last}, which is lower"));
    }
    Ok(Settings { last: if wanted.last.is_some() { wanted.last } else { stored.last }, ..stored })
}

/// Writes one record.
fn apply(turn: &Transaction<'_>, record: &Record) -> rusqlite::Result<()> {
    match record {
        Record::Leased(Leased { lease, span, holder, recheck }) => {
            let compute = compute_id(turn, holder)?;
            turn.prepare_cached("UPDATE setting SET value = ?1 WHERE name = 'next_lease' AND value < ?1")?
                .execute([lease + 1])?;
            turn.prepare_cached("INSERT INTO lease VALUES (?, ?, ?, ?, ?)")?
                .execute(params![lease, span.first, span.last, compute, recheck])?;
        }
        Record::Returned(lease) => end_lease(turn, *lease)?,
        Record::Accepted { found, holder, proved, recheck, joined } => {
            end_lease(turn, found.lease)?;
            let compute = compute_id(turn, holder)?;
            let recheck = recheck.then_some("due");
            turn.prepare_cached("INSERT INTO range VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?.execute(params![
                found.first,
                found.last,
                found.sum.to_string(),
                found.perfect.to_string(),
                compute,
                i64::try_from(found.nanoseconds).unwrap_or(i64::MAX),
                wall_seconds(),
                proved,
                recheck
            ])?;
            for n in &found.perfect.0 {
                turn.execute("INSERT OR IGNORE INTO perfect VALUES (?, ?)", params![n, wall_seconds()])?;
            }
            join_done(turn, *joined)?;
        }
        Record::Confirmed { lease, first } => {
            end_lease(turn, *lease)?;
            turn.execute("UPDATE range SET recheck = 'agreed' WHERE first = ?", [first])?;
        }
        Record::Revoked { lease, span, before, after } => {
            end_lease(turn, *lease)?;
            turn.execute("DELETE FROM range WHERE first = ?", [span.first])?;
            turn.execute("DELETE FROM done WHERE first <= ? AND last >= ?", [span.first, span.last])?;
            for part in before.iter().chain(after) {
                join_done(turn, *part)?;
            }
        }
    }
    Ok(())
}

/// Replaces the done spans inside `joined` by it.
fn join_done(turn: &Transaction<'_>, joined: Span) -> rusqlite::Result<()> {
    turn.prepare_cached("DELETE FROM done WHERE first BETWEEN ? AND ?")?.execute([joined.first, joined.last])?;
    turn.prepare_cached("INSERT INTO done VALUES (?, ?)")?.execute([joined.first, joined.last])?;
    Ok(())
}

fn end_lease(turn: &Transaction<'_>, lease: u64) -> rusqlite::Result<()> {
    turn.prepare_cached("DELETE FROM lease WHERE id = ?")?.execute([lease])?;
    Ok(())
}

/// The row of a compute, made if it is new.
fn compute_id(turn: &Transaction<'_>, holder: &Holder) -> rusqlite::Result<i64> {
    let instance = holder.instance.to_string();
    turn.prepare_cached("INSERT OR IGNORE INTO compute (instance, host, pid) VALUES (?, ?, ?)")?.execute(params![
        instance,
        holder.host,
        holder.pid
    ])?;
    turn.prepare_cached("SELECT id FROM compute WHERE instance = ?")?.query_row([instance], |row| row.get(0))
}

/// The process that holds SQLite's lock on the file at `path`: SQLite locks byte ranges from 2^30 on (its file format's
/// "lock-byte page"), and fcntl(2) tells who has one.
fn lock_holder(path: &Path) -> Option<i32> {
    let file = File::open(path).ok()?;
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0x4000_0000,
        l_len: 512,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_GETLK(&mut lock)).ok()?;
    (lock.l_pid > 0).then_some(lock.l_pid)
}
