//! A thread of a server: its connections, in turns, and between them what the ledger has got by now.

use std::sync::Arc;

use slog::Logger;

use crate::common::error::Result;
use crate::common::hall::reception::Reception;
use crate::common::hall::staff::Mail;

use super::crew::{Crew, Never};
use super::desk::{Desk, Guest};

/// One thread.
pub struct Worker {
    crew: Arc<Crew>,
    thread: usize,
    reception: Reception<Guest>,
    desk: Desk,
}

impl Worker {
    /// The thread with this number.
    ///
    /// # Errors
    /// When descriptors have run out.
    pub fn new(crew: &Arc<Crew>, thread: usize, log: &Logger) -> Result<Self> {
        let reception = Reception::new(&crew.staff, thread, crew.idle_ms, log)?;
        Ok(Self { crew: Arc::clone(crew), thread, reception, desk: Desk::new(Arc::clone(crew), thread, log) })
    }

    /// Serves until it is told to end and all are served, or don't take their answers.
    ///
    /// # Errors
    /// When the system refuses to wait.
    pub fn run(mut self) -> Result<()> {
        while !self.reception.is_over() {
            self.crew.await_ledger(self.thread, self.desk.awaits());
            let sleeps = self.crew.staff.lie_down(self.thread, || !self.desk.can_tell());
            let turned = self.reception.turn(!sleeps, &mut self.desk);
            self.crew.staff.stand_up(self.thread);
            turned?;
            for mail in self.crew.staff.receive(self.thread) {
                self.open(mail);
            }
            self.desk.settle(&mut self.reception.hall);
            self.reception.tell_what_is_over();
        }
        Ok(())
    }

    /// Reads its mail.
    fn open(&mut self, mail: Mail<Never>) {
        match mail {
            Mail::Guest(stream, from, place) => {
                let guest = Guest::new(from, stream.peer_is_here(), place);
                let turn_away = || self.crew.staff.leave(self.thread);
                self.reception.admit(stream, from, guest, &mut self.desk, turn_away);
            }
            Mail::Role(never) => match never {},
            Mail::End => self.reception.end(),
        }
    }
}
