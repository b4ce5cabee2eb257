//! The ledger's thread: it writes what all threads have drawn since it wrote last, in one transaction with one sync, and then
//! says so. While it waits for the disk, draws gather for the next one.

use std::sync::Arc;
use std::time::Duration;

use slog::{Logger, error, info};

use crate::common::clock::{self, Millis};
use crate::common::error::Result;
use crate::common::limits::{LEDGER_RETRY_MS, TOLD_TICK_MS};
use crate::common::store::Written;

use super::crew::Crew;
use super::ledger::Ledger;
use super::memory::Batch;

/// The thread.
pub struct Scribe {
    crew: Arc<Crew>,
    ledger: Ledger,
    log: Logger,
    /// What isn't written yet.
    batch: Batch,
    /// How many numbers had been drawn when it last looked.
    position: u32,
    /// There is no room since then.
    stuck: Option<Millis>,
}

impl Scribe {
    /// Goes on with a ledger.
    #[must_use]
    pub fn new(crew: &Arc<Crew>, ledger: Ledger, log: &Logger) -> Self {
        Self { crew: Arc::clone(crew), ledger, log: log.clone(), batch: Batch::default(), position: 0, stuck: None }
    }

    /// Writes until it is told to end; then all is written, if there is room.
    ///
    /// # Errors
    /// I/O: nothing more may be told, and nothing written.
    pub fn run(mut self) -> Result<()> {
        loop {
            let patience = if self.stuck.is_some() { LEDGER_RETRY_MS } else { TOLD_TICK_MS };
            let rung = self.crew.bell.wait(Duration::from_millis(patience));
            let ended = self.crew.has_ended();
            // Where nothing is drawn the ledger isn't ahead any more, and hears what was told.
            let position = self.crew.memory.position();
            let idle = !rung && position == self.position || ended;
            self.position = position;
            self.batch.absorb(self.crew.memory.gather(idle));
            if self.ledger.has_news(&self.batch, idle) && (ended || self.may_try()) {
                self.write(ended)?;
            }
            if ended {
                return self.ledger.close();
            }
        }
    }

    /// Where there was no room it is tried again after a while.
    fn may_try(&self) -> bool {
        self.stuck.is_none_or(|since| clock::now().since(since) >= LEDGER_RETRY_MS)
    }

    fn write(&mut self, ended: bool) -> Result<()> {
        match self.ledger.write(&self.batch)? {
            Written::Done => {
                self.crew.publish(&self.batch);
                self.batch = Batch::default();
                if self.stuck.take().is_some() {
                    info!(self.log, "the ledger has room again");
                }
            }
            // There is no later.
            Written::NoRoom(error) if ended => return Err(error),
            Written::NoRoom(error) => {
                self.crew.memory.refuse();
                if self.stuck.replace(clock::now()).is_none() {
                    error!(self.log, "{error}: nothing is drawn until there is");
                }
            }
        }
        Ok(())
    }
}
