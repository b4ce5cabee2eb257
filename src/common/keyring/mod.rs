//! The keys of a server: its own, and whom it knows; `init` makes them.

mod init;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use slog::{Logger, error, info, warn};

use super::error::{Error, Result};
use super::exit::Status;
use super::keys::{self, Authorized, Public, Role};
use super::tls::{self, Context, Session};

pub use init::{Wish, init, wish};

/// The name of the list of those whom a server knows, beside its key.
pub const AUTHORIZED: &str = "authorized";

/// Who is behind a connection, by the key that was proved and the list as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// The holder of this key, which has this role and name. The role is one of the server's own clients.
    Key(Role, String, Public),
    /// Somebody of whom it can't be said now whether his key is authorized: he may try again.
    Unsure,
    /// Somebody whose key isn't authorized here.
    Stranger(Public),
}

/// What a server that was given keys has of them.
#[derive(Debug)]
pub struct Keyring {
    log: Logger,
    server: Role,
    context: Context,
    directory: PathBuf,
    authorized: Authorized,
    /// Why the list couldn't be read the last time, or what was wrong with it: as the log knows it.
    told: String,
}

/// The directory of the keys that `given`, itself or a file in it, stands for.
#[must_use]
pub fn directory(given: &str) -> PathBuf {
    let path = Path::new(given);
    let parent = || path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    if path.is_dir() { path.to_owned() } else { parent() }
}

/// The directories that are read for the list of `given`: where it stands, and where that leads to.
#[must_use]
pub fn places(given: &str) -> Vec<PathBuf> {
    let directory = directory(given);
    let real = std::fs::canonicalize(directory.join(AUTHORIZED)).ok();
    let real = real.and_then(|list| list.parent().map(Path::to_owned));
    [directory].into_iter().chain(real).collect()
}

impl Keyring {
    /// Reads the keys of this `server` that `given`, a directory or the file of its own key, stands for.
    ///
    /// # Errors
    /// Refused: what is wrong with them, and how to mend it.
    pub fn open(given: &str, server: Role, log: &Logger) -> Result<Self> {
        let own = keys::load(given, &[server])?;
        if tls::public(own.secret)? != own.server {
            return Err(Error::new(
                Status::Refused,
                format!("keys {given}"),
                "its secret and public key don't belong together",
            ));
        }
        let directory = directory(given);
        keys::check_directory(&directory)?;
        let authorized = Authorized::open(&directory.join(AUTHORIZED), server)?;
        let context = Context::server(own.secret)?;
        let mut keyring = Self { log: log.clone(), server, context, directory, authorized, told: String::new() };
        keyring.tell(None);
        Ok(keyring)
    }

    /// A session for a connection that was just taken.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn session(&self) -> Result<Session> {
        self.context.session()
    }

    /// Reads the list once more, whether or not it has changed: what was given up since may have barred the way to it.
    ///
    /// # Errors
    /// Refused: what is wrong with it.
    pub fn look(&mut self) -> Result<()> {
        self.authorized = Authorized::open(&self.directory.join(AUTHORIZED), self.server)?;
        Ok(())
    }

    /// Who holds `key`, by the list as it is now.
    pub fn bearer(&mut self, key: Public) -> Bearer {
        if !self.refresh() {
            return Bearer::Unsure;
        }
        match self.authorized.entry(key) {
            Some(entry) if entry.role.server() == self.server => Bearer::Key(entry.role, entry.name.clone(), key),
            Some(_) => Bearer::Stranger(key),
            None if self.authorized.may_be_meant(key) => Bearer::Unsure,
            None => Bearer::Stranger(key),
        }
    }

    /// Once a tick: of the keys in use those that are revoked. A list that can't be read revokes none.
    pub fn revoked(&mut self, in_use: &BTreeMap<Public, Role>) -> Vec<Public> {
        if !self.refresh() {
            return Vec::new();
        }
        self.authorized.tick();
        let is_gone = |key: &Public, role: Role| match self.authorized.entry(*key) {
            Some(entry) => entry.role != role,
            None => !self.authorized.may_be_meant(*key),
        };
        in_use.iter().filter(|(key, role)| is_gone(key, **role)).map(|(key, _)| *key).collect()
    }

    /// Reads the list anew; true if it could be read.
    fn refresh(&mut self) -> bool {
        let failure = keys::check_directory(&self.directory).and_then(|()| self.authorized.refresh()).err();
        let read = failure.is_none();
        self.tell(failure);
        read
    }

    /// Tells the log what is wrong with the list, once.
    fn tell(&mut self, failure: Option<Error>) {
        let failed = failure.is_some();
        let now = failure.map_or_else(|| self.authorized.faults().join("; "), |failure| failure.to_string());
        if now == self.told {
            return;
        }
        match (now.is_empty(), failed) {
            (true, _) => info!(self.log, "keys: all of {AUTHORIZED} is understood again"),
            (false, true) => error!(self.log, "{now}: nobody who isn't here already comes in until that is mended"),
            (false, false) => warn!(self.log, "{now}: until that is mended nobody is thrown out"),
        }
        self.told = now;
    }
}

#[cfg(test)]
mod tests;
