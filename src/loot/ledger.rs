//! The ledger of a box: its secret, and how far it is drawn, in a store.
//!
//! `batch` has a row for each commit: the numbers drawn since the one before, up to where further ones may be told, how many were,
//! and when. The last row is the counter. `named` has the draws that have an id; `box` the secret, the size and whether the draw
//! was closed.

use std::collections::HashMap;

use rusqlite::types::FromSqlError;
use rusqlite::{Connection, Row};

use crate::common::clock::wall_seconds;
use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::limits::SIZE_MAX;
use crate::common::store::rows::{put, read, rows};
use crate::common::store::{Kind, Store, Written, damaged, refusal};
use crate::common::view::grouped;

use super::memory::{Batch, Kept, Named};
use super::request::Id;
use super::shuffle::{Commitment, Seed};

/// Its mark is "loot".
pub static KIND: Kind =
    Kind { application_id: 0x6c6f_6f74, format: 1, tables: TABLES, noun: "ledger", program: "loot", is_secret: true };

const TABLES: &str = "
CREATE TABLE box (one INTEGER PRIMARY KEY CHECK (one = 1), seed BLOB NOT NULL, size INTEGER NOT NULL, closed INTEGER NOT NULL,
    made INTEGER NOT NULL, running INTEGER NOT NULL, crc INTEGER NOT NULL) STRICT;
CREATE TABLE batch (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, reserved INTEGER NOT NULL, told INTEGER NOT NULL,
    at INTEGER NOT NULL, crc INTEGER NOT NULL) STRICT;
CREATE TABLE named (id TEXT PRIMARY KEY, first INTEGER NOT NULL, count INTEGER NOT NULL, wanted INTEGER NOT NULL,
    told INTEGER NOT NULL, crc INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";
/// All of them: a restart reads the whole file.
const NAMES: [&str; 3] = ["box", "batch", "named"];

/// An open ledger, held by this process alone.
pub struct Ledger {
    store: Store,
    seed: Seed,
    size: u32,
    made: i64,
    closed: bool,
    last: Commit,
    /// Where the next commit begins: behind the last; or, after a crash, behind what might have been told.
    next: u32,
}

/// A row of `batch`.
#[derive(Clone, Copy, Debug, Default)]
struct Commit {
    first: u32,
    count: u32,
    /// Indices below this may have been told.
    reserved: u32,
    told: u32,
    at: i64,
}

impl Commit {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let (first, count, reserved) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Self { first, count, reserved, told: row.get(3)?, at: row.get(4)? })
    }

    /// The index behind what it has as drawn.
    fn end(self) -> u32 {
        self.first.saturating_add(self.count)
    }

    fn put(self, db: &Connection) -> rusqlite::Result<()> {
        put(db, "batch", &[&self.first, &self.count, &self.reserved, &self.told, &self.at])
    }
}

/// The row of `box`.
struct Made {
    seed: Seed,
    size: u32,
    closed: bool,
    made: i64,
    /// A server has it, or had it and didn't close it: then there is a log beside it.
    running: bool,
}

impl Made {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let (seed, size) = (Seed(row.get(1)?), row.get(2)?);
        Ok(Self { seed, size, closed: row.get(3)?, made: row.get(4)?, running: row.get(5)? })
    }

    fn put(&self, db: &Connection) -> rusqlite::Result<()> {
        put(db, "box", &[&1, &self.seed.0, &self.size, &self.closed, &self.made, &self.running])
    }
}

impl Ledger {
    /// Opens the ledger at `path`, or makes it for a fresh box of `size` numbers.
    ///
    /// # Errors
    /// I/O if it can't be read or written, isn't a ledger, is damaged, or another loot holds it; usage if the box in it has
    /// another size than is `wanted`.
    pub fn open(path: &str, wanted: Option<u32>, default: u32) -> Result<(Self, Kept)> {
        let mut store = Store::hold_or_create(path, &KIND)?;
        let explain = |store: &Store, error: &rusqlite::Error| store.explain(error);
        store.make_tables().map_err(|error| explain(&store, &error))?;
        let stored = made(&store).map_err(|error| explain(&store, &error))?;
        let made = match stored {
            Some(made) => made,
            None => {
                let (seed, size) = (Seed::fresh()?, wanted.unwrap_or(default));
                Made { seed, size, closed: false, made: wall_seconds(), running: false }
            }
        };
        if let Some(wanted) = wanted.filter(|wanted| *wanted != made.size) {
            let cause =
                format!("its box has {} numbers, not {wanted}: leave --size out, or take another ledger", made.size);
            return Err(Error::new(Status::Usage, KIND.subject(path), cause));
        }
        let commits = Commits::of(&store.connection, made.size).map_err(|error| explain(&store, &error))?;
        let named = named(&store.connection, &commits).map_err(|error| explain(&store, &error))?;
        let last = commits.last;
        store.enter_modes().map_err(|error| explain(&store, &error))?;
        let Made { seed, size, closed, made: at, running } = made;
        let mut ledger = Self { store, seed, size, made: at, closed, last, next: last.reserved };
        if !running {
            ledger.begin()?;
        }
        let kept = Kept { seed, size, drawn: last.reserved, told: last.told, closed, named };
        Ok((ledger, kept))
    }

    /// Writes the box, before anybody hears of it: from now on the file itself says what box it is, and that its log belongs to it.
    fn begin(&mut self) -> Result<()> {
        let made = self.made(self.closed, true);
        match self.store.write(|change| made.put(change))? {
            Written::Done => self.store.checkpoint(),
            Written::NoRoom(error) => Err(error),
        }
    }

    fn made(&self, closed: bool, running: bool) -> Made {
        Made { seed: self.seed, size: self.size, closed, made: self.made, running }
    }

    /// True if it lacks something of `batch` that somebody waits for, or will soon; `idle`: anything at all.
    #[must_use]
    pub fn has_news(&self, batch: &Batch, idle: bool) -> bool {
        let waited = batch.drawn > self.last.reserved || batch.closed != self.closed || !batch.named.is_empty();
        // Half of what it may be ahead by is used up.
        let low = batch.reserved - batch.drawn < 2 * batch.reserved.saturating_sub(self.last.reserved);
        let rest = batch.drawn > self.next || batch.reserved != self.last.reserved || batch.told > self.last.told;
        waited || low || idle && (rest || !batch.heard.is_empty())
    }

    /// Writes what has come since the last time, in one transaction.
    ///
    /// # Errors
    /// I/O. Nothing of it may then be told to anybody, and this ledger can't be used further: see `Store::write`.
    pub fn write(&mut self, batch: &Batch) -> Result<Written> {
        let Batch { drawn, reserved, told, .. } = *batch;
        let commit = if drawn > self.next {
            Commit { first: self.next, count: drawn - self.next, reserved, told, at: wall_seconds() }
        } else {
            Commit { reserved, told, ..self.last }
        };
        let closing = (batch.closed && !self.closed).then(|| self.made(true, true));
        let written = self.store.write(|change| {
            if commit.count > 0 {
                commit.put(change)?;
            }
            for (id, named) in &batch.named {
                put_named(change, id, named)?;
            }
            for id in &batch.heard {
                hear(change, id)?;
            }
            closing.as_ref().map_or(Ok(()), |made| made.put(change))
        })?;
        if matches!(written, Written::Done) {
            (self.last, self.next, self.closed) = (commit, drawn, batch.closed);
        }
        Ok(written)
    }

    /// Leaves one whole file, without a log beside it, if there is room.
    ///
    /// # Errors
    /// I/O. All that was committed is kept, in the log.
    pub fn close(mut self) -> Result<()> {
        let made = self.made(self.closed, false);
        match self.store.write(|change| made.put(change))? {
            Written::Done => self.store.close(),
            // Its log stays with it.
            Written::NoRoom(_) => Ok(()),
        }
    }
}

fn put_named(db: &Connection, id: &Id, named: &Named) -> rusqlite::Result<()> {
    let Named { draw, wanted, told } = named;
    put(db, "named", &[&id.name(), &draw.start, &(draw.end - draw.start), wanted, told])
}

/// A draw with an id was told.
fn hear(db: &Connection, id: &Id) -> rusqlite::Result<()> {
    for (id, named) in read(db, "named", "WHERE id = ?", &[&id.name()], named_of)? {
        put_named(db, &id, &Named { told: true, ..named })?;
    }
    Ok(())
}

fn named_of(row: &Row<'_>) -> rusqlite::Result<(Id, Named)> {
    let name: String = row.get(0)?;
    let id = Id::new(&name).ok_or_else(|| damaged(&format!("the id {name:?}")))?;
    let (first, count): (u32, u32) = (row.get(1)?, row.get(2)?);
    let end = first.checked_add(count).ok_or(FromSqlError::OutOfRange(first.into()))?;
    Ok((id, Named { draw: first..end, wanted: row.get(3)?, told: row.get(4)? }))
}

/// The box, if it was made already.
fn made(store: &Store) -> rusqlite::Result<Option<Made>> {
    store.examine_tables(&NAMES)?;
    let made = read(&store.connection, "box", "", &[], Made::of)?.pop();
    match made {
        // Without it, what was drawn would be drawn again.
        Some(made) if made.running && !store.has_found_log() => {
            Err(damaged("its log is gone, and what was drawn last with it"))
        }
        Some(made) if !(1..=SIZE_MAX).contains(&made.size) => Err(damaged(&format!("a box of {} numbers", made.size))),
        made => Ok(made),
    }
}

/// All commits, each of which begins behind the one before.
#[derive(Debug, Default)]
struct Commits {
    last: Commit,
    count: u64,
    /// Indices that no commit has as drawn: what the ledger was ahead by when a server crashed.
    skipped: u64,
}

impl Commits {
    fn of(db: &Connection, size: u32) -> rusqlite::Result<Self> {
        let mut commits = Self::default();
        let mut statement = db.prepare("SELECT * FROM batch ORDER BY first")?;
        for commit in rows(&mut statement, "batch", &[], Commit::of)? {
            let (commit, before) = (commit?, commits.last);
            let follows = (before.end()..=before.reserved).contains(&commit.first) && commit.told >= before.told;
            let fits = commit.count > 0 && commit.end() <= commit.reserved && commit.told <= commit.reserved;
            if !follows || !fits || commit.reserved > size {
                return Err(damaged(&format!("the commit at {} doesn't follow the one before", commit.first)));
            }
            commits.skipped += u64::from(commit.first - before.end());
            (commits.last, commits.count) = (commit, commits.count + 1);
        }
        commits.skipped += u64::from(commits.last.reserved - commits.last.end());
        Ok(commits)
    }
}

/// The draws that have an id: of numbers that are drawn, and of none twice.
fn named(db: &Connection, commits: &Commits) -> rusqlite::Result<HashMap<Id, Named>> {
    let named: HashMap<_, _> = read(db, "named", "", &[], named_of)?.into_iter().collect();
    let mut draws: Vec<_> = named.iter().collect();
    draws.sort_by_key(|(_, named)| named.draw.start);
    if let Some(pair) = draws.windows(2).find(|pair| pair[0].1.draw.end > pair[1].1.draw.start) {
        return Err(damaged(&format!("the draws {} and {} overlap", pair[0].0.name(), pair[1].0.name())));
    }
    match draws.last().filter(|(_, named)| named.draw.end > commits.last.end()) {
        Some((id, _)) => Err(damaged(&format!("the draw {} is of numbers that aren't drawn", id.name()))),
        None => Ok(named),
    }
}

/// Verifies the ledger at `path`, and says what it holds: every page and row; that the commits make up what is drawn, one behind
/// the other; that draws with an id have no number in common.
///
/// # Errors
/// I/O, naming what is wrong first; also if a server holds it.
pub fn check(path: &str) -> Result<(String, Commitment)> {
    let store = Store::hold(path, &KIND)?;
    let (sound, commitment) = verify(&store).map_err(|error| store.explain(&error))?;
    Ok((format!("ledger {path} is sound\n{sound}"), commitment))
}

/// What a sound ledger holds, and the commitment of its box.
fn verify(store: &Store) -> rusqlite::Result<(String, Commitment)> {
    let made = if store.format()?.is_some() { made(store)? } else { None };
    let Made { seed, size, closed, .. } = made.ok_or_else(|| refusal("there is no box in it yet".to_owned()))?;
    store.examine_pages()?;
    let commits = Commits::of(&store.connection, size)?;
    let named = named(&store.connection, &commits)?;
    let (drawn, told) = (commits.last.reserved, commits.last.told);
    let skipped = match commits.skipped {
        0 => String::new(),
        skipped => format!("; {} were never drawn, as a crash took what the ledger was ahead by", grouped(skipped)),
    };
    let state = if closed { ", closed" } else { "" };
    let sound = format!(
        "BOX      {} numbers, commitment {}\nDRAWN    {}{state}; commits: {}, draws with an id: {}\nUNHEARD  {} at most{skipped}\n",
        grouped(size.into()),
        seed.commitment(size),
        grouped(drawn.into()),
        grouped(commits.count),
        grouped(named.len() as u64),
        grouped((drawn - told).into()),
    );
    Ok((sound, seed.commitment(size)))
}
