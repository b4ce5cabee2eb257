//! A thread of a server: its connections, and its share of the searches, in turns of half a millisecond.

use std::sync::Arc;

use slog::Logger;

use crate::common::clock::Stopwatch;
use crate::common::error::Result;
use crate::common::hall::reception::Reception;
use crate::common::hall::staff::Mail;
use crate::common::limits::SEARCH_SLICE_US;

use super::crew::{Crew, Done, Outcome};
use super::desk::{Desk, Guest};
use super::search::Step;

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
        let crew = Arc::clone(crew);
        let reception = Reception::new(&crew.staff, thread, crew.policy.idle_ms, log)?;
        let desk = Desk::new(Arc::clone(&crew), thread, log.clone());
        Ok(Self { crew, thread, reception, desk })
    }

    /// Serves until it is told to end and all are served, or don't take their answers.
    ///
    /// # Errors
    /// When the system refuses to wait.
    pub fn run(mut self) -> Result<()> {
        let mut worked = false;
        while !self.reception.is_over() {
            let at_once = worked || !self.crew.lie_down(self.thread);
            let turned = self.reception.turn(at_once, &mut self.desk);
            self.crew.staff.stand_up(self.thread);
            turned?;
            for mail in self.crew.staff.receive(self.thread) {
                self.open(mail);
            }
            self.reception.tell_what_is_over();
            worked = self.search();
            self.come_to_an_end();
        }
        Ok(())
    }

    /// Reads its mail.
    fn open(&mut self, mail: Mail<Done>) {
        match mail {
            Mail::Guest(stream, from, place) => {
                self.crew.counts(self.thread).connections += 1;
                let (crew, thread) = (&self.crew, self.thread);
                self.reception.admit(stream, from, Guest::new(from, place), &mut self.desk, || {
                    crew.staff.leave(thread);
                    crew.counts(thread).turned_away += 1;
                });
            }
            Mail::Role(Done { job, outcome }) => {
                let desk = &mut self.desk;
                self.reception.hall.answer(job.ticket.guest, |guest, out| desk.tell(guest, &job, outcome, out));
            }
            Mail::End => self.reception.end(),
        }
    }

    /// Searches for a slice of time; false if there was nothing to search for.
    fn search(&mut self) -> bool {
        let start = Stopwatch::start();
        let (slice, kernel) = (SEARCH_SLICE_US * 1_000, self.crew.policy.kernel);
        let per_slice = (self.crew.policy.pace * SEARCH_SLICE_US / 1_000_000).max(1);
        let mut worked = false;
        while start.nanoseconds() < slice {
            let Some(job) = self.crew.pool.next() else { break };
            let (step, hashes) = job.search.work(kernel, per_slice);
            self.crew.counts(self.thread).hashes += hashes;
            worked = true;
            match step {
                Step::Found(seed) => self.crew.finish(&job, Outcome::Found(seed)),
                Step::Exhausted => self.crew.finish(&job, Outcome::Exhausted),
                Step::Onward | Step::Taken => {}
            }
        }
        worked
    }

    /// What was begun may go on for a while after the order to end; then all of it is due.
    fn come_to_an_end(&mut self) {
        if self.reception.is_due() {
            self.desk.end();
            self.reception.hall.tick(&mut self.desk);
        }
    }
}
