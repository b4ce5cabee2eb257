//! What can be wrong with a ledger, for whoever reads it: SQLite's errors in words of our own, and ours as SQLite's.
//!
//! Inside a store everything fails with SQLite's error, so that `?` is enough; `Store::explain` is the way out.

use std::fmt::Display;
use std::fs::File;
use std::path::Path;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rusqlite::{ErrorCode, ffi};

use super::Kind;
use crate::common::error::Error;
use crate::common::exit::Status;

/// `what` isn't as it was written.
#[must_use]
pub fn damaged(what: &str) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(what.to_owned()))
}

/// Why a file isn't taken, in words of its own.
#[must_use]
pub fn refusal(why: String) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_ERROR), Some(why))
}

/// True if there is no room on the disk.
pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

impl Kind {
    /// What an error about the one at `path` is about.
    #[must_use]
    pub fn subject(&self, path: &str) -> String {
        format!("{} {path}", self.noun)
    }

    /// The ledger at `path` isn't as its program has written it.
    pub fn damage(&self, path: &str, fault: impl Display) -> Error {
        Error::new(Status::Io, self.subject(path), format!("it is damaged: {fault}: see DAMAGE in {}(1)", self.program))
    }

    pub(super) fn no_ledger(&self) -> String {
        format!("this file is not a {} of {}", self.noun, self.program)
    }

    /// Another process holds the ledger at `path`.
    pub(super) fn busy(&self, path: &str) -> Error {
        let holder = lock_holder(Path::new(path)).map_or(String::new(), |pid| format!(" (pid {pid})"));
        let cause = format!("another {} holds it{holder}, and has to end first", self.program);
        Error::new(Status::Io, self.subject(path), cause)
    }

    /// The ledger at `path` can't be read or written, or isn't one.
    pub(super) fn failure(&self, path: &str, error: &rusqlite::Error) -> Error {
        let cause = match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => self.no_ledger(),
            Some(ErrorCode::DatabaseCorrupt) => return self.damage(path, error),
            Some(ErrorCode::DiskFull) => "there is no room left on its disk".to_owned(),
            _ => error.to_string(),
        };
        Error::new(Status::Io, self.subject(path), cause)
    }
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
