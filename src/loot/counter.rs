//! The counter of a box: the index of the number that is drawn next. This file is all there is to "no number twice".
//!
//! `sync` is the standard library's, or that of a model checker, which compiles this very file (test/race/model.rs).

use std::ops::Range;
use std::sync::PoisonError;

use super::sync::{Mutex, MutexGuard};

/// Why nothing can be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Every number has been drawn.
    Exhausted,
    /// The draw was ended before that.
    Closed,
}

/// Where the next draw begins, guarded by a lock.
pub struct Counter {
    size: u32,
    place: Mutex<Place>,
}

struct Place {
    next: u32,
    closed: bool,
}

impl Counter {
    /// For a list of `size` numbers of which `drawn` are.
    #[must_use]
    pub fn new(size: u32, drawn: u32, closed: bool) -> Self {
        Self { size, place: Mutex::new(Place { next: drawn.min(size), closed }) }
    }

    /// Draws: the indices of the next `wanted` numbers, or of as many as are left, one behind the other. Reading the counter and
    /// advancing it are one step for all threads, as the lock is held from the one to the other.
    ///
    /// # Errors
    /// When nothing can be drawn any more; the counter stays where it is.
    pub fn draw(&self, wanted: u32) -> Result<Range<u32>, Refusal> {
        let mut place = self.lock(); // locked from here …
        if place.closed {
            return Err(Refusal::Closed);
        }
        let first = place.next;
        if first == self.size {
            return Err(Refusal::Exhausted);
        }
        place.next = first + wanted.min(self.size - first);
        Ok(first..place.next)
    } // … to here

    /// From now on nothing is drawn.
    pub fn close(&self) {
        self.lock().closed = true;
    }

    /// How many numbers have been drawn, and whether the draw was ended.
    #[must_use]
    pub fn standing(&self) -> (u32, bool) {
        self.hold(|drawn, closed| (drawn, closed))
    }

    /// The same, for `look`, which has done with it before anything more is drawn.
    pub fn hold<R>(&self, look: impl FnOnce(u32, bool) -> R) -> R {
        let place = self.lock();
        look(place.next, place.closed)
    }

    fn lock(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
