//! The ledger: what a search has come to, in a store, written in one transaction a turn of the loop.
//!
//! `done` holds the partition's done part as joined spans, so that a restart reads a few rows however many ranges were
//! accepted; `range` holds every accepted range with its proof; `lease` the ranges that are out; `perfect` the hits.

mod apply;
mod former;
mod stored;
mod tables;
mod wanted;

pub mod check;

pub use crate::common::store::Written;
pub use wanted::Wanted;

use std::fmt::Display;

use crate::common::error::{Error, Result};
use crate::common::store::rows::put;
use crate::common::store::{Kind, Store};

use super::state::{Deeds, Record, Restored, Settings};
use apply::apply;

/// The version of the tables.
const FORMAT: i32 = 2;
/// Its mark is "aliq".
static KIND: Kind = Kind {
    application_id: 0x616c_6971,
    format: FORMAT,
    tables: tables::TABLES,
    noun: "ledger",
    program: "manage",
    is_secret: false,
};

/// An open ledger, held by this process alone.
pub struct Ledger {
    store: Store,
    next_lease: u64,
}

impl Ledger {
    /// Opens the ledger at `path`, or makes it; `:memory:` keeps nothing.
    ///
    /// # Errors
    /// I/O if it can't be read or written, isn't a ledger, is damaged, or another manage holds it; usage if the search
    /// in it contradicts what is `wanted`.
    pub fn open(path: &str, wanted: Wanted) -> Result<(Self, Settings, Restored)> {
        let mut store = Store::hold_or_create(path, &KIND)?;
        bring_up_to_date(&mut store).map_err(|error| store.explain(&error))?;
        let stored = examine(&store).map_err(|error| store.explain(&error))?;
        let settings = wanted::reconcile(path, stored, wanted)?;
        let restored = stored::search(&store.connection).map_err(|error| store.explain(&error))?;
        begin_writing(&mut store, settings, stored).map_err(|error| store.explain(&error))?;
        if stored.is_none() {
            // From now on the file itself says that there is a search in it, whatever becomes of its log.
            store.checkpoint()?;
        }
        Ok((Self { store, next_lease: restored.next_lease }, settings, restored))
    }

    /// Writes what a turn of the loop has brought, in one transaction.
    ///
    /// # Errors
    /// I/O. Nothing of the turn may then be told to anybody, and this ledger can't be used further: see `Store::write`.
    pub fn commit<'r>(&mut self, records: impl Iterator<Item = &'r Record>) -> Result<Written> {
        let mut records = records.peekable();
        if records.peek().is_none() {
            return Ok(Written::Done);
        }
        let (before, mut next_lease) = (self.next_lease, self.next_lease);
        let written = self.store.write(|turn| {
            for record in records {
                apply(turn, record)?;
                if let Record::Leased(leased) = record {
                    next_lease = next_lease.max(leased.lease + 1);
                }
            }
            if next_lease > before {
                put(turn, "setting", &[&"next_lease", &next_lease])?;
            }
            Ok(())
        })?;
        if matches!(written, Written::Done) {
            self.next_lease = next_lease;
        }
        Ok(written)
    }

    /// Leaves one whole file, without a log beside it, if there is room.
    ///
    /// # Errors
    /// I/O. All that was committed is kept, in the log.
    pub fn close(self) -> Result<()> {
        self.store.close()
    }

    /// What the computes of `host` have done. It reads all accepted ranges.
    ///
    /// # Errors
    /// I/O, also if a row is damaged.
    pub fn deeds_of(&self, host: &str) -> Result<Deeds> {
        stored::deeds(&self.store.connection, host).map_err(|error| self.store.explain(&error))
    }
}

/// Makes the tables if it is new, and turns those of the format before into today's.
fn bring_up_to_date(store: &mut Store) -> rusqlite::Result<()> {
    match store.format()? {
        Some(former::FORMAT_BEFORE) => former::bring_up_to_date(&mut store.connection),
        _ => store.make_tables(),
    }
}

/// Looks for damage in all that a restart reads; gives the search, if there is one already.
fn examine(store: &Store) -> rusqlite::Result<Option<Settings>> {
    store.examine_tables(&tables::SMALL)?;
    stored::settings(&store.connection)
}

/// From here on it is written to.
fn begin_writing(store: &mut Store, settings: Settings, stored: Option<Settings>) -> rusqlite::Result<()> {
    store.enter_modes()?;
    if stored == Some(settings) {
        // So that it opens where there is no room as well.
        return Ok(());
    }
    let change = store.connection.transaction()?;
    put(&change, "setting", &[&"method", &settings.method.name()])?;
    put(&change, "setting", &[&"first", &settings.first])?;
    if let Some(last) = settings.last {
        put(&change, "setting", &[&"last", &last])?;
    }
    change.commit()
}

/// The ledger at `path` isn't as a manage has written it.
pub fn damage(path: &str, fault: impl Display) -> Error {
    KIND.damage(path, fault)
}
