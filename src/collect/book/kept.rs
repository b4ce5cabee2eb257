//! What of the book is kept: written in batches, and read again at the next start.

use std::sync::Arc;

use crate::collect::shelf::{Changes, Row};
use crate::common::clock::Millis;

use super::{Agent, Book};

/// An agent as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: Arc<str>,
    /// Its program.
    pub program: String,
    /// It said that it goes.
    pub ended: bool,
    /// Its process,
    pub instance: u64,
    /// and how far its pushes are taken.
    pub taken: u64,
    /// When it has said something last, in seconds since 1970.
    pub seen_wall: i64,
}

/// What has to be written so that all is kept.
#[derive(Debug, Default)]
pub struct Batch {
    /// Of the metrics and series.
    pub series: Changes,
    /// Agents that are new, or have come or gone.
    pub met: Vec<Known>,
    /// Agents that aren't known any more.
    pub forgotten: Vec<Arc<str>>,
}

impl Batch {
    /// True if there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty() && self.met.is_empty() && self.forgotten.is_empty()
    }
}

impl Book {
    /// Takes an agent as it was kept.
    pub fn restore(&mut self, known: Known, now: Millis) {
        let agent = Agent {
            program: known.program,
            ended: known.ended,
            instance: known.instance,
            taken: known.taken,
            kept: known.taken,
            seen_wall: known.seen_wall,
            expires: now.after(self.expire_ms),
            ..Agent::new(now)
        };
        self.agents.insert(known.name, agent);
    }

    /// Takes a series as it was kept, of an agent that was; false if it fits no metric or no agent.
    pub fn restore_series(&mut self, row: Row, now: Millis) -> bool {
        let agent = Arc::clone(&row.key.0);
        let Some(agent) = self.agents.get_mut(&agent) else { return false };
        let Some(share) = self.shelf.restore(row, now) else { return false };
        agent.share.add(share);
        true
    }

    /// What has changed since the last time. Counters count as shown only once `keep` says that it is written.
    pub fn changes(&mut self) -> Batch {
        let known = |name: &Arc<str>| {
            let agent = self.agents.get(name)?;
            let Agent { ended, instance, taken, seen_wall, .. } = *agent;
            Some(Known { name: Arc::clone(name), program: agent.program.clone(), ended, instance, taken, seen_wall })
        };
        let met = std::mem::take(&mut self.met).iter().filter_map(known).collect();
        Batch { series: self.shelf.changes(), met, forgotten: std::mem::take(&mut self.forgotten) }
    }

    /// These changes are written.
    pub fn keep(&mut self, batch: &Batch) {
        self.shelf.keep(&batch.series);
        for known in &batch.met {
            let agent = self.agents.get_mut(&known.name).filter(|agent| agent.instance == known.instance);
            agent.into_iter().for_each(|agent| agent.kept = agent.kept.max(known.taken));
        }
    }

    /// True if something has changed since `changes`.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        self.shelf.has_changes() || !self.met.is_empty() || !self.forgotten.is_empty()
    }

    /// These changes couldn't be written: they are still to be.
    pub fn put_back(&mut self, mut batch: Batch) {
        self.shelf.put_back(batch.series);
        self.met.extend(batch.met.into_iter().map(|known| known.name));
        batch.forgotten.append(&mut self.forgotten);
        self.forgotten = batch.forgotten;
    }
}
