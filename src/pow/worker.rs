//! A thread of a server: its connections, and its share of the searches, in turns of half a millisecond.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use slog::{Logger, debug, info, warn};

use crate::common::clock::{Millis, Stopwatch};
use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::hall::Hall;
use crate::common::limits::{SEARCH_SLICE_US, SERVE_CLOSING_MS, SERVE_ENDING_MS};
use crate::common::trouble::Trouble;

use super::crew::{Crew, Mail, Outcome};
use super::desk::{Desk, Guest};
use super::search::Step;

/// One thread.
pub struct Worker {
    crew: Arc<Crew>,
    thread: usize,
    hall: Hall<Guest>,
    desk: Desk,
    log: Logger,
    /// There is no room for more connections.
    full: Trouble,
    /// When it was told to end.
    ending: Option<Millis>,
}

impl Worker {
    /// The thread with this number.
    ///
    /// # Errors
    /// When descriptors have run out.
    pub fn new(crew: &Arc<Crew>, thread: usize, log: &Logger) -> Result<Self> {
        let (crew, log) = (Arc::clone(crew), log.clone());
        let hall = Hall::new(&crew.members[thread].waker, crew.room(thread), crew.policy.idle_ms);
        let hall = hall.map_err(|error| Error::new(Status::Failed, "epoll", error))?;
        let desk = Desk::new(Arc::clone(&crew), thread, log.clone());
        Ok(Self { crew, thread, hall, desk, log, full: Trouble::default(), ending: None })
    }

    /// Serves until it is told to end and all are served, or don't take their answers.
    ///
    /// # Errors
    /// When the system refuses to wait.
    pub fn run(mut self) -> Result<()> {
        let mut worked = false;
        while !self.is_over() {
            let at_once = worked || !self.crew.lie_down(self.thread);
            let turned = self.hall.turn(at_once, &mut self.desk);
            self.crew.members[self.thread].asleep.store(false, Ordering::SeqCst);
            turned.map_err(|error| Error::new(Status::Failed, "epoll", error))?;
            for mail in self.crew.receive(self.thread) {
                self.open(mail);
            }
            if let Some(again @ 1..) = self.full.over(self.hall.now()) {
                info!(self.log, "{again} more connections were turned away, as there were too many");
            }
            worked = self.search();
            self.come_to_an_end();
        }
        Ok(())
    }

    /// Reads its mail.
    fn open(&mut self, mail: Mail) {
        match mail {
            Mail::Guest(stream, from, place) => {
                debug!(self.log, "{from}: connected");
                self.crew.counts(self.thread).connections += 1;
                let refused = self.hall.enter(stream, Guest::new(from, place), &mut self.desk).err();
                if let Some((stream, _)) = refused {
                    self.crew.members[self.thread].guests.fetch_sub(1, Ordering::Relaxed);
                    self.crew.counts(self.thread).turned_away += 1;
                    if self.full.strikes(self.hall.now()) {
                        warn!(self.log, "{from} is turned away: there are too many connections");
                    }
                    stream.dismiss(b"error busy: too many connections\n");
                }
            }
            Mail::Done(job, outcome) => {
                let desk = &mut self.desk;
                self.hall.answer(job.ticket.guest, |guest, out| desk.tell(guest, &job, outcome, out));
            }
            Mail::End => {
                self.ending = Some(self.hall.now());
                self.hall.end();
            }
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
        if self.ending.is_some_and(|since| self.hall.now().since(since) >= SERVE_ENDING_MS) {
            self.desk.end();
            self.hall.tick(&mut self.desk);
        }
    }

    fn is_over(&self) -> bool {
        let Some(since) = self.ending else { return false };
        self.hall.count() == 0 || self.hall.now().since(since) >= SERVE_ENDING_MS + SERVE_CLOSING_MS
    }
}
