//! What the threads of a server share: the memory, the bell of the ledger's thread, and each other's mail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::common::hall::staff::Staff;

use super::bell::Bell;
use super::memory::{Batch, Memory};

/// A thread that waits for nothing of the ledger.
const NOTHING: u32 = u32::MAX;

/// All threads of a server.
pub struct Crew {
    /// The list and the counter.
    pub memory: Memory,
    /// The threads that have connections; they need no mail of their own.
    pub staff: Staff<Never>,
    /// Wakes the ledger's thread.
    pub bell: Bell,
    /// How long a connection may be idle.
    pub idle_ms: u64,
    /// For each thread how far the ledger has to be before it has something to tell.
    awaits: Vec<AtomicU32>,
    ended: AtomicBool,
}

/// Mail that nobody sends.
pub enum Never {}

impl Crew {
    /// Of so many threads.
    #[must_use]
    pub fn new(memory: Memory, staff: Staff<Never>, idle_ms: u64) -> Arc<Self> {
        let awaits = (0..staff.threads()).map(|_| AtomicU32::new(NOTHING)).collect();
        Arc::new(Self { memory, staff, bell: Bell::default(), idle_ms, awaits, ended: AtomicBool::new(false) })
    }

    /// A thread is about to wait until the ledger is so far, or for no more than its connections.
    pub fn await_ledger(&self, thread: usize, end: Option<u32>) {
        self.awaits[thread].store(end.unwrap_or(NOTHING), Ordering::SeqCst);
    }

    /// The ledger has this: those are woken that wait for it.
    pub fn publish(&self, batch: &Batch) {
        self.memory.publish(batch);
        let waits = |thread: &usize| self.awaits[*thread].load(Ordering::SeqCst) <= batch.reserved;
        (0..self.awaits.len()).filter(waits).for_each(|thread| self.staff.rouse(thread));
    }

    /// No more draws will come: the ledger's thread ends.
    pub fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.bell.ring();
    }

    /// True after `end`.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }
}
