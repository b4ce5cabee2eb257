//! The ledger: a SQLite file in WAL mode, synchronous FULL, written in one transaction a turn of the loop.
//!
//! `done` holds the partition's done part as joined spans, so that a restart reads a few rows however many ranges were
//! accepted; `range` holds every accepted range with its proof; `lease` the ranges that are out; `perfect` the hits.
//! What is written is on the disk, or there was no room for it, or this process ends: a sync that has failed is never
//! tried again, because the system may have dropped what it couldn't write. What is read was written so.

mod apply;
mod examine;
mod former;
mod rows;
mod stored;
mod wal;
mod wanted;

pub mod check;

pub use wanted::Wanted;

use std::fmt::Display;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, ffi};

use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::limits::{LEDGER_BUSY_MAX_MS, WAL_MAX_BYTES};

use super::state::{Deeds, Record, Restored, Settings};
use apply::apply;
use rows::{damaged, put};

/// What marks a SQLite file as a ledger of this program: "aliq".
const APPLICATION_ID: i32 = 0x616c_6971;
/// The version of the tables.
const FORMAT: i32 = 2;
/// The size of a page of the file, SQLite's own default.
const PAGE_BYTES: usize = 4096;
/// More than the statements of `apply`: each is prepared once.
const STATEMENTS_MAX: usize = 32;
const NO_LEDGER: &str = "this file is not a ledger of manage";

/// What became of a turn's records.
#[derive(Debug)]
pub enum Written {
    /// They are on the disk.
    Done,
    /// There is no room for them. Nothing of them is written; try again when there may be.
    NoRoom(Error),
}

/// What an open ledger writes, itself and its log, and the directory that the log is removed from; nothing for one in memory.
#[must_use]
pub fn places(path: &str) -> (Vec<PathBuf>, Option<PathBuf>) {
    let Ok(file) = fs::canonicalize(path) else { return (Vec::new(), None) };
    let directory = file.parent().map(Path::to_owned);
    let log = log_of(&file);
    (vec![file, log], directory)
}

/// The write-ahead log of the ledger in `file`.
fn log_of(file: &Path) -> PathBuf {
    let mut log = file.to_owned().into_os_string();
    log.push("-wal");
    log.into()
}

/// An open ledger, held by this process alone.
pub struct Ledger {
    path: String,
    /// Its write-ahead log: SQLite keeps it beside the file that a symbolic link leads to.
    log: PathBuf,
    connection: Connection,
    next_lease: u64,
}

impl Ledger {
    /// Opens the ledger at `path`, or makes it; `:memory:` keeps nothing.
    ///
    /// # Errors
    /// I/O if it can't be read or written, isn't a ledger, is damaged, or another manage holds it; usage if the search
    /// in it contradicts what is `wanted`.
    pub fn open(path: &str, wanted: Wanted) -> Result<(Self, Settings, Restored)> {
        let create = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut ledger = Self::hold(path, create)?;
        ledger.bring_up_to_date().map_err(|error| ledger.explain(&error))?;
        let stored = ledger.examine().map_err(|error| ledger.explain(&error))?;
        let settings = wanted::reconcile(path, stored, wanted)?;
        let restored = stored::search(&ledger.connection).map_err(|error| ledger.explain(&error))?;
        ledger.next_lease = restored.next_lease;
        ledger.begin_writing(settings, stored).map_err(|error| ledger.explain(&error))?;
        if stored.is_none() {
            // From now on the file itself says that there is a search in it, whatever becomes of its log.
            ledger.checkpoint()?;
        }
        Ok((ledger, settings, restored))
    }

    /// Takes the file for this process, if its log is sound. Nothing is written to it, not even when it is closed again.
    fn hold(path: &str, flags: OpenFlags) -> Result<Self> {
        // SQLite has one sentence for whatever the system refuses.
        match File::options().read(true).write(true).open(path) {
            Err(error) if error.kind() != ErrorKind::NotFound || !flags.contains(OpenFlags::SQLITE_OPEN_CREATE) => {
                return Err(Error::new(Status::Io, subject(path), error));
            }
            _ => {}
        }
        let file = fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path));
        let log = log_of(&file);
        examine::file(&file, &log).map_err(|error| failure(path, &error))?;
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX);
        let connection = connection.map_err(|error| failure(path, &error))?;
        let ledger = Self { path: path.to_owned(), log, connection, next_lease: 1 };
        ledger.lock().and_then(|()| examine::log(&ledger.log)).map_err(|error| ledger.explain(&error))?;
        Ok(ledger)
    }

    fn lock(&self) -> rusqlite::Result<()> {
        let db = &self.connection;
        // Who holds it holds it for long: a manage that waits hears no signal meanwhile.
        db.busy_timeout(Duration::from_millis(LEDGER_BUSY_MAX_MS))?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        // Set before anything is read: then no other process gets in for as long as this one lives.
        db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        db.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))
    }

    /// Makes the tables if it is new, and turns those of the format before into today's.
    fn bring_up_to_date(&mut self) -> rusqlite::Result<()> {
        match self.format()? {
            None => self.make(),
            Some(former::FORMAT_BEFORE) => former::bring_up_to_date(&mut self.connection),
            Some(FORMAT) => Ok(()),
            Some(other) => Err(refusal(format!("its format is {other}, this manage has {FORMAT}"))),
        }
    }

    /// Its format; `None` if nothing was ever written to it.
    ///
    /// # Errors
    /// If it is something else than a ledger.
    fn format(&self) -> rusqlite::Result<Option<i32>> {
        let db = &self.connection;
        let id: i32 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let format: i32 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let objects: i64 = db.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
        match (id, format, objects) {
            (0, 0, 0) => Ok(None),
            (APPLICATION_ID, format, _) => Ok(Some(format)),
            _ => Err(refusal(NO_LEDGER.to_owned())),
        }
    }

    /// Makes the tables.
    fn make(&mut self) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "page_size", PAGE_BYTES as i64)?;
        self.enter_modes()?;
        let make = self.connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
        make.pragma_update(None, "application_id", APPLICATION_ID)?;
        make.pragma_update(None, "user_version", FORMAT)?;
        make.execute_batch(rows::TABLES)?;
        make.commit()
    }

    fn enter_modes(&self) -> rusqlite::Result<()> {
        let db = &self.connection;
        self.enter_wal_mode()?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "foreign_keys", true)?;
        // SQLite would do it by itself, and say nothing of a sync that fails: see `checkpoint`.
        db.pragma_update(None, "wal_autocheckpoint", 0)?;
        // Beside its file and log the ledger writes nothing, wherever the system would have its scratch files.
        db.pragma_update(None, "temp_store", "MEMORY")?;
        db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        Ok(())
    }

    /// Brings the file into WAL mode.
    fn enter_wal_mode(&self) -> rusqlite::Result<()> {
        let mut change = self.connection.prepare("PRAGMA journal_mode = WAL")?;
        // To the last step: the mode is a row before the file is written, and what fails then shows only behind it.
        let modes = change.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
        if modes.iter().any(|mode| mode == "wal" || mode == "memory") {
            return Ok(());
        }
        Err(refusal(format!("it can't be brought into WAL mode: its mode is {}", modes.join(" "))))
    }

    /// Looks for damage in all that a restart reads; gives the search, if there is one already.
    fn examine(&self) -> rusqlite::Result<Option<Settings>> {
        examine::tables(&self.connection, &rows::SMALL)?;
        stored::settings(&self.connection)
    }

    /// From here on it is written to.
    fn begin_writing(&mut self, settings: Settings, stored: Option<Settings>) -> rusqlite::Result<()> {
        self.enter_modes()?;
        if stored == Some(settings) {
            // So that it opens where there is no room as well.
            return Ok(());
        }
        let change = self.connection.transaction()?;
        put(&change, "setting", &[&"method", &settings.method.name()])?;
        put(&change, "setting", &[&"first", &settings.first])?;
        if let Some(last) = settings.last {
            put(&change, "setting", &[&"last", &last])?;
        }
        change.commit()
    }

    /// Writes what a turn of the loop has brought, in one transaction.
    ///
    /// # Errors
    /// I/O. Nothing of the turn may then be told to anybody, and this ledger can't be used further: what the system has
    /// failed to write it may have dropped, and would call written at the next try.
    pub fn commit<'r>(&mut self, records: impl Iterator<Item = &'r Record>) -> Result<Written> {
        let mut records = records.peekable();
        if records.peek().is_none() {
            return Ok(Written::Done);
        }
        let mut next_lease = self.next_lease;
        let write = || {
            let turn = self.connection.transaction()?;
            for record in records {
                apply(&turn, record)?;
                if let Record::Leased(leased) = record {
                    next_lease = next_lease.max(leased.lease + 1);
                }
            }
            if next_lease > self.next_lease {
                put(&turn, "setting", &[&"next_lease", &next_lease])?;
            }
            turn.commit()
        };
        match write() {
            Ok(()) => self.next_lease = next_lease,
            Err(error) if is_full(&error) => return Ok(Written::NoRoom(self.explain(&error))),
            Err(error) => return Err(self.explain(&error)),
        }
        if fs::metadata(&self.log).is_ok_and(|log| log.len() >= WAL_MAX_BYTES) {
            self.checkpoint()?;
        }
        Ok(Written::Done)
    }

    /// Leaves one whole file, without a log beside it, if there is room.
    ///
    /// # Errors
    /// I/O. All that was committed is kept, in the log.
    pub fn close(self) -> Result<()> {
        self.checkpoint()
    }

    /// Copies the write-ahead log into the file. Where there is no room for that it gets longer.
    fn checkpoint(&self) -> Result<()> {
        match self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
            Err(error) if !is_full(&error) => Err(self.explain(&error)),
            _ => Ok(()),
        }
    }

    /// What the computes of `host` have done. It reads all accepted ranges.
    ///
    /// # Errors
    /// I/O, also if a row is damaged.
    pub fn deeds_of(&self, host: &str) -> Result<Deeds> {
        stored::deeds(&self.connection, host).map_err(|error| self.explain(&error))
    }

    fn explain(&self, error: &rusqlite::Error) -> Error {
        if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) {
            let holder = lock_holder(Path::new(&self.path)).map_or(String::new(), |pid| format!(" (pid {pid})"));
            return Error::new(
                Status::Io,
                subject(&self.path),
                format!("another manage holds it{holder}, and has to end first"),
            );
        }
        failure(&self.path, error)
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        // SQLite would copy the log at its end, and pass over what fails. Only a log without anything in it goes.
        if fs::metadata(&self.log).is_ok_and(|log| log.len() == 0) {
            let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
        }
    }
}

/// True if there is no room on the disk.
fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

fn subject(path: &str) -> String {
    format!("ledger {path}")
}

/// The ledger at `path` isn't as a manage has written it.
pub fn damage(path: &str, fault: impl Display) -> Error {
    Error::new(Status::Io, subject(path), format!("it is damaged: {fault}: see DAMAGE in manage(1)"))
}

fn failure(path: &str, error: &rusqlite::Error) -> Error {
    let cause = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => NO_LEDGER.to_owned(),
        Some(ErrorCode::DatabaseCorrupt) => return damage(path, error),
        Some(ErrorCode::DiskFull) => "there is no room left on its disk".to_owned(),
        _ => error.to_string(),
    };
    Error::new(Status::Io, subject(path), cause)
}

/// Why a file isn't taken, in words of its own.
fn refusal(why: String) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_ERROR), Some(why))
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
