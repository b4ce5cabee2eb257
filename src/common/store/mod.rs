//! A SQLite file that one process holds and writes with care: WAL, synchronous FULL, every row with a checksum.
//!
//! What is written is on the disk, or there was no room for it, or this process ends: a sync that has failed is never
//! tried again, because the system may have dropped what it couldn't write. What is read was written so. What the tables
//! mean is the role's: it has a `Kind`, and calls what it keeps in a `Store` its ledger.

mod examine;
mod fault;
mod wal;

pub mod rows;

pub use fault::{damaged, refusal};

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use super::error::{Error, Result};
use super::exit::Status;
use super::limits::{LEDGER_BUSY_MAX_MS, WAL_MAX_BYTES};

/// How every SQLite file begins: <https://www.sqlite.org/fileformat2.html>, 1.3.
const MAGIC: [u8; 16] = *b"SQLite format 3\0";
/// The size of a page of the file, SQLite's own default.
const PAGE_BYTES: usize = 4096;
/// More than the statements of a ledger: each is prepared once.
const STATEMENTS_MAX: usize = 32;

/// Whose ledger a file is, and what is in it.
#[derive(Debug)]
pub struct Kind {
    /// What marks a SQLite file as a ledger of this kind.
    pub application_id: i32,
    /// The version of the tables.
    pub format: i32,
    /// The statements that make the tables. The last column of each is the checksum that `rows` keeps.
    pub tables: &'static str,
    /// What its program calls it.
    pub noun: &'static str,
    /// The program that has ledgers of this kind: another of it may hold one, and its manual says what to do about damage.
    pub program: &'static str,
    /// What is in it is nobody else's to read.
    pub is_secret: bool,
}

/// What became of a transaction.
#[derive(Debug)]
pub enum Written {
    /// It is on the disk.
    Done,
    /// There is no room for it. Nothing of it is written; try again when there may be.
    NoRoom(Error),
}

/// True if the file at `path` looks like a store, of whatever kind.
#[must_use]
pub fn is_store(path: &str) -> bool {
    let mut begin = [0; MAGIC.len()];
    // What is read of a pipe is gone.
    if !fs::metadata(path).is_ok_and(|file| file.is_file()) {
        return false;
    }
    File::open(path).and_then(|mut file| file.read_exact(&mut begin)).is_ok() && begin == MAGIC
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

/// An open file, held by this process alone.
pub struct Store {
    kind: &'static Kind,
    path: String,
    /// Its write-ahead log: SQLite keeps it beside the file that a symbolic link leads to.
    log: PathBuf,
    /// That was there when it was opened, and nothing was written since.
    log_is_found: Cell<bool>,
    /// To read it, and to write what is no single transaction of `write`.
    pub connection: Connection,
}

impl Store {
    /// Takes the file at `path` for this process, if its log is sound. Nothing is written to it, not even when it is closed
    /// again, before `enter_modes` or `make_tables`.
    ///
    /// # Errors
    /// I/O if it isn't there, can't be read or written, is damaged, or another process holds it.
    pub fn hold(path: &str, kind: &'static Kind) -> Result<Self> {
        Self::open(path, kind, OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    /// The same, but if there is no file it becomes an empty one; `:memory:` keeps nothing.
    ///
    /// # Errors
    /// Those of `hold`, but that it isn't there.
    pub fn hold_or_create(path: &str, kind: &'static Kind) -> Result<Self> {
        Self::open(path, kind, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
    }

    fn open(path: &str, kind: &'static Kind, flags: OpenFlags) -> Result<Self> {
        // SQLite has one sentence for whatever the system refuses.
        match File::options().read(true).write(true).open(path) {
            Err(error) if error.kind() != ErrorKind::NotFound || !flags.contains(OpenFlags::SQLITE_OPEN_CREATE) => {
                return Err(Error::new(Status::Io, kind.subject(path), error));
            }
            Err(_) if kind.is_secret => {
                // SQLite gives the log the rights of the file.
                let made = File::options().write(true).create_new(true).mode(0o600).open(path);
                made.map_err(|error| Error::new(Status::Io, kind.subject(path), error))?;
            }
            _ => {}
        }
        let file = fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path));
        if fs::metadata(&file).is_ok_and(|file| file.len() > 0) && !is_store(path) {
            // SQLite would take a file of one byte for an empty one.
            return Err(Error::new(Status::Io, kind.subject(path), kind.no_ledger()));
        }
        let log = log_of(&file);
        let log_is_found = Cell::new(log.exists());
        examine::file(&file, &log).map_err(|error| kind.failure(path, &error))?;
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX);
        let connection = connection.map_err(|error| kind.failure(path, &error))?;
        let store = Self { kind, path: path.to_owned(), log, log_is_found, connection };
        store.lock().and_then(|()| examine::log(&store.log)).map_err(|error| store.explain(&error))?;
        Ok(store)
    }

    fn lock(&self) -> rusqlite::Result<()> {
        let db = &self.connection;
        // Who holds it holds it for long: a program that waits hears no signal meanwhile.
        db.busy_timeout(Duration::from_millis(LEDGER_BUSY_MAX_MS))?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        // Set before anything is read: then no other process gets in for as long as this one lives.
        db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        db.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))
    }

    /// True if there was a log beside it when it was opened, if only an empty one; until it is written to.
    #[must_use]
    pub fn has_found_log(&self) -> bool {
        self.log_is_found.get()
    }

    /// Its path, as it was given.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its format; `None` if nothing was ever written to it.
    ///
    /// # Errors
    /// If it is something else than a ledger of its kind.
    pub fn format(&self) -> rusqlite::Result<Option<i32>> {
        let db = &self.connection;
        let id: i32 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let format: i32 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let objects: i64 = db.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
        match (id, format, objects) {
            (0, 0, 0) => Ok(None),
            (id, format, _) if id == self.kind.application_id => Ok(Some(format)),
            _ => Err(refusal(self.kind.no_ledger())),
        }
    }

    /// Makes the tables if it is new; takes no other format than that of its kind.
    ///
    /// # Errors
    /// If it has another format, isn't a ledger of its kind, or can't be written.
    pub fn make_tables(&mut self) -> rusqlite::Result<()> {
        let Kind { format, program, .. } = *self.kind;
        match self.format()? {
            None => self.make(),
            Some(has) if has == format => Ok(()),
            Some(other) => Err(refusal(format!("its format is {other}, this {program} has {format}"))),
        }
    }

    fn make(&mut self) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "page_size", PAGE_BYTES as i64)?;
        self.enter_modes()?;
        let make = self.connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
        make.pragma_update(None, "application_id", self.kind.application_id)?;
        make.pragma_update(None, "user_version", self.kind.format)?;
        make.execute_batch(self.kind.tables)?;
        make.commit()
    }

    /// Looks for damage in the list of the tables, and in the pages of those in `names`: all that are read whole.
    ///
    /// # Errors
    /// The first damage that is found.
    pub fn examine_tables(&self, names: &[&str]) -> rusqlite::Result<()> {
        examine::tables(&self.connection, self.kind.tables, names)
    }

    /// Looks for damage in all pages of the file. It reads all of them.
    ///
    /// # Errors
    /// The first damage that is found.
    pub fn examine_pages(&self) -> rusqlite::Result<()> {
        examine::pages(&self.connection, None)
    }

    /// From here on it may be written to.
    ///
    /// # Errors
    /// If it can't be brought into WAL mode.
    pub fn enter_modes(&self) -> rusqlite::Result<()> {
        let db = &self.connection;
        self.log_is_found.set(false);
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

    fn enter_wal_mode(&self) -> rusqlite::Result<()> {
        let mut change = self.connection.prepare("PRAGMA journal_mode = WAL")?;
        // To the last step: the mode is a row before the file is written, and what fails then shows only behind it.
        let modes = change.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
        if modes.iter().any(|mode| mode == "wal" || mode == "memory") {
            return Ok(());
        }
        Err(refusal(format!("it can't be brought into WAL mode: its mode is {}", modes.join(" "))))
    }

    /// Writes what `change` does, in one transaction: whole or not at all.
    ///
    /// # Errors
    /// I/O. Nothing that rests on it may then be told to anybody, and this ledger can't be used further: what the system has
    /// failed to write it may have dropped, and would call written at the next try.
    pub fn write(&mut self, change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>) -> Result<Written> {
        match self.transact(change) {
            Ok(()) => {}
            Err(error) if fault::is_full(&error) => return Ok(Written::NoRoom(self.explain(&error))),
            Err(error) => return Err(self.explain(&error)),
        }
        if fs::metadata(&self.log).is_ok_and(|log| log.len() >= WAL_MAX_BYTES) {
            self.checkpoint()?;
        }
        Ok(Written::Done)
    }

    fn transact(&mut self, change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        change(&transaction)?;
        transaction.commit()
    }

    /// Copies the write-ahead log into the file. Where there is no room for that it gets longer.
    ///
    /// # Errors
    /// I/O. All that was committed is kept, in the log.
    pub fn checkpoint(&self) -> Result<()> {
        match self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
            Err(error) if !fault::is_full(&error) => Err(self.explain(&error)),
            _ => Ok(()),
        }
    }

    /// Leaves one whole file, without a log beside it, if there is room.
    ///
    /// # Errors
    /// I/O. All that was committed is kept, in the log.
    pub fn close(self) -> Result<()> {
        self.checkpoint()
    }

    /// What SQLite says, as a person reads it.
    #[must_use]
    pub fn explain(&self, error: &rusqlite::Error) -> Error {
        if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) {
            return self.kind.busy(&self.path);
        }
        self.kind.failure(&self.path, error)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SQLite would copy the log at its end, and pass over what fails. Only a log without anything in it goes, which this has made.
        if !self.log_is_found.get() && fs::metadata(&self.log).is_ok_and(|log| log.len() == 0) {
            let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
        }
    }
}

#[cfg(test)]
mod tests;
