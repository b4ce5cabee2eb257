//! The memory that all threads share: the list, the counter, and what has become of the draws.
//!
//! A draw is in three steps: the counter has advanced (`counter`), the ledger has it (`durable`), its answer is written (`told`). Only
//! the first needs a lock; the others are marks that move on, and what lies between two of them is on its way. The ledger may be
//! ahead of the counter: then there is nothing to wait for, and a crash takes what it was ahead by.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::common::limits::DRAW_IDS_MAX;

use super::counter::{Counter, Refusal};
use super::request::Id;
use super::shuffle::{Commitment, Seed};

/// Why a draw is refused; the counter is where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Nothing can be drawn any more.
    Over(Refusal),
    /// The id belongs to a draw of so many numbers.
    OtherNumber(u32),
    /// There are too many ids.
    TooManyIds,
    /// The ledger has no room.
    NoRoom,
}

/// A draw that has an id, so that it can be asked for again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The indices.
    pub draw: Range<u32>,
    /// How many were asked for.
    pub wanted: u32,
    /// Its answer was written once.
    pub told: bool,
}

/// What the ledger has of a box.
#[derive(Debug)]
pub struct Kept {
    /// Its secret.
    pub seed: Seed,
    /// Its numbers.
    pub size: u32,
    /// How many are drawn, or were taken by a crash,
    pub drawn: u32,
    /// and of them how many written to those who drew.
    pub told: u32,
    /// The draw was ended.
    pub closed: bool,
    /// Draws that have an id.
    pub named: HashMap<Id, Named>,
}

/// What has come since the ledger was last written.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// All numbers drawn by now,
    pub drawn: u32,
    /// those that may be told before the ledger hears of them,
    pub reserved: u32,
    /// and those told.
    pub told: u32,
    /// The draw was ended.
    pub closed: bool,
    /// New draws with an id,
    pub named: Vec<(Id, Named)>,
    /// and those whose first answer was written since.
    pub heard: Vec<Id>,
}

impl Batch {
    /// Adds what has come later.
    pub fn absorb(&mut self, later: Self) {
        let Self { drawn, reserved, told, closed, named, heard } = later;
        (self.drawn, self.reserved, self.told, self.closed) = (drawn, reserved, told, closed);
        self.named.extend(named);
        self.heard.extend(heard);
    }
}

#[derive(Default)]
struct Ids {
    all: HashMap<Id, Named>,
    /// Not in the ledger yet.
    fresh: Vec<Id>,
    heard: Vec<Id>,
}

/// A box: a list in random order, and how far it is drawn.
pub struct Memory {
    seed: Seed,
    list: Box<[u32]>,
    counter: Counter,
    /// Who holds this may take the counter's lock, never the other way round.
    ids: Mutex<Ids>,
    /// There is a ledger: only what it has may be told.
    is_kept: bool,
    /// How far it may be ahead of the counter.
    ahead: u32,
    /// It has all indices below this as drawn,
    durable: AtomicU32,
    /// and all draws with an id that end here.
    written: AtomicU32,
    shut: AtomicBool,
    told: AtomicU32,
    /// The ledger has no room at the moment.
    stuck: AtomicBool,
}

impl Memory {
    /// A box as it was left. `ahead`: a ledger goes on with it, and may be so far ahead of the counter.
    #[must_use]
    pub fn new(kept: Kept, ahead: Option<u32>) -> Self {
        let Kept { seed, size, drawn, told, closed, named } = kept;
        Self {
            seed,
            list: seed.list(size),
            counter: Counter::new(size, drawn, closed),
            ids: Mutex::new(Ids { all: named, ..Ids::default() }),
            is_kept: ahead.is_some(),
            ahead: ahead.unwrap_or(0),
            durable: AtomicU32::new(drawn),
            written: AtomicU32::new(drawn),
            shut: AtomicBool::new(closed),
            told: AtomicU32::new(told),
            stuck: AtomicBool::new(false),
        }
    }

    /// Draws so many numbers, or as many as are left: their indices in the list.
    ///
    /// # Errors
    /// When it is refused.
    pub fn draw(&self, wanted: u32) -> Result<Range<u32>, Refused> {
        if self.stuck.load(Ordering::Relaxed) {
            return Err(Refused::NoRoom);
        }
        self.counter.draw(wanted).map_err(Refused::Over)
    }

    /// The same, unless this id has drawn already: then what that was.
    ///
    /// # Errors
    /// When it is refused.
    pub fn draw_named(&self, id: &Id, wanted: u32) -> Result<Range<u32>, Refused> {
        let mut ids = self.ids();
        if let Some(named) = ids.all.get(id) {
            if self.stuck.load(Ordering::Relaxed) && !self.may_tell(named.draw.end, true) {
                return Err(Refused::NoRoom);
            }
            let same = named.wanted == wanted;
            return if same { Ok(named.draw.clone()) } else { Err(Refused::OtherNumber(named.wanted)) };
        }
        if ids.all.len() >= DRAW_IDS_MAX {
            return Err(Refused::TooManyIds);
        }
        let draw = self.draw(wanted)?;
        ids.all.insert(id.clone(), Named { draw: draw.clone(), wanted, told: false });
        if self.is_kept {
            ids.fresh.push(id.clone());
        }
        Ok(draw)
    }

    /// The numbers at these indices.
    #[must_use]
    pub fn numbers(&self, indices: Range<u32>) -> &[u32] {
        &self.list[indices.start as usize..indices.end as usize]
    }

    /// Ends the draw.
    pub fn close(&self) {
        self.counter.close();
    }

    /// True if the draw that ends with this index may be told.
    #[must_use]
    pub fn may_tell(&self, end: u32, has_id: bool) -> bool {
        let mark = if has_id { &self.written } else { &self.durable };
        !self.is_kept || end <= mark.load(Ordering::SeqCst)
    }

    /// True if the ledger was ahead of this index, and soon won't be.
    #[must_use]
    pub fn runs_low(&self, end: u32) -> bool {
        let durable = self.durable.load(Ordering::SeqCst);
        self.ahead > 0 && durable < self.size() && end + self.ahead / 2 > durable
    }

    /// True if the draw has ended for good: no number can be drawn, not even after a crash.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_closed() || self.left() == 0
    }

    /// True if it was ended before all was drawn.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        if self.is_kept { self.shut.load(Ordering::SeqCst) } else { self.counter.standing().1 }
    }

    /// Numbers drawn; a crash doesn't lessen it.
    #[must_use]
    pub fn drawn(&self) -> u32 {
        let (drawn, _) = self.counter.standing();
        if self.is_kept { drawn.min(self.durable.load(Ordering::SeqCst)) } else { drawn }
    }

    /// Numbers that have left the counter, in the ledger or not.
    #[must_use]
    pub fn position(&self) -> u32 {
        self.counter.standing().0
    }

    /// Numbers that aren't.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.size() - self.drawn()
    }

    /// Numbers that are drawn, but whose answer was never written as a whole.
    #[must_use]
    pub fn unheard(&self) -> u32 {
        // In this order: the one that grows later is read first.
        let told = self.told.load(Ordering::SeqCst);
        self.drawn().saturating_sub(told)
    }

    /// Numbers in all.
    #[must_use]
    pub fn size(&self) -> u32 {
        u32::try_from(self.list.len()).unwrap_or(u32::MAX)
    }

    /// What was published before the first draw.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        self.seed.commitment(self.size())
    }

    /// The secret, once the draw has ended for good.
    #[must_use]
    pub fn reveal(&self) -> Option<Seed> {
        self.is_over().then_some(self.seed)
    }

    /// Answers with so many numbers are written.
    pub fn tell(&self, count: u32) {
        self.told.fetch_add(count, Ordering::SeqCst);
    }

    /// The answer of the draw with this id is written, perhaps not for the first time.
    pub fn tell_named(&self, id: &Id) {
        let mut ids = self.ids();
        let Some(named) = ids.all.get_mut(id).filter(|named| !named.told) else { return };
        named.told = true;
        self.tell(named.draw.end - named.draw.start);
        if self.is_kept {
            ids.heard.push(id.clone());
        }
    }

    /// What the ledger has to be given: all that has come up to one moment. `exact`: it shall not be ahead of that; from then on
    /// draws wait for it.
    #[must_use]
    pub fn gather(&self, exact: bool) -> Batch {
        let ids = &mut *self.ids();
        let (drawn, reserved, closed) = self.counter.hold(|drawn, closed| {
            if exact || closed {
                // Whoever draws from here on finds that he has to wait; who drew before is below this.
                self.durable.fetch_min(drawn, Ordering::SeqCst);
                return (drawn, drawn, closed);
            }
            (drawn, drawn.saturating_add(self.ahead).min(self.size()), closed)
        });
        // What was told was drawn before, but perhaps after the counter was read.
        let told = self.told.load(Ordering::SeqCst).min(drawn);
        let fresh = std::mem::take(&mut ids.fresh);
        let named = fresh.into_iter().filter_map(|id| ids.all.get(&id).cloned().map(|named| (id, named)));
        Batch { drawn, reserved, told, closed, named: named.collect(), heard: std::mem::take(&mut ids.heard) }
    }

    /// The ledger has this: it may be told.
    pub fn publish(&self, batch: &Batch) {
        self.stuck.store(false, Ordering::Relaxed);
        self.written.store(batch.drawn, Ordering::SeqCst);
        self.durable.store(batch.reserved, Ordering::SeqCst);
        self.shut.store(batch.closed, Ordering::SeqCst);
    }

    /// The ledger has no room: nothing is drawn until it has.
    pub fn refuse(&self) {
        self.stuck.store(true, Ordering::Relaxed);
    }

    fn ids(&self) -> MutexGuard<'_, Ids> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
