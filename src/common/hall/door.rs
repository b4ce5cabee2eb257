//! The first thread of a server: it takes connections, gives each to the thread that has the fewest, and heeds signals.
//!
//! It starts no threads, and can't join them: those are the role's, which tells by [`Threads`] how they are.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use slog::{Logger, info, warn};

use crate::common::clock::{self, Millis};
use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::limits::{
    ACCEPT_PAUSE_MS, ACCEPT_TURN_MAX, GUESTS_TICK_MS, SERVE_CLOSING_MS, SERVE_ENDING_MS, TICK_MS,
};
use crate::common::net::{Listener, Stream, network};
use crate::common::poll::{Interest, Set};
use crate::common::signal::{Ending, Endings, Meaning, Signals};
use crate::common::trouble::Trouble;

use super::staff::Staff;

/// The other threads, as their role knows them.
pub trait Threads {
    /// How many of them run; those that have ended are joined.
    ///
    /// # Errors
    /// What one has failed by.
    fn running(&mut self) -> Result<usize>;

    /// A connection that this thread would have got was turned away: counts it, before it hears that.
    fn turn_away(&mut self, thread: usize);

    /// A second has passed, or somewhat more: does what is to be done now and then. It never waits.
    fn tick(&mut self);
}

/// The listener and the signals.
pub struct Door<'a, M> {
    log: &'a Logger,
    staff: &'a Staff<M>,
    signals: Signals,
    /// While it takes connections.
    listener: Option<Listener>,
    endings: Endings,
    deadline: Option<Millis>,
    /// Until when no connection is taken, as descriptors have run out.
    paused: Option<Millis>,
    next_tick: Millis,
    /// Connections can't be taken.
    refused: Trouble,
    /// An address wants more of them than it may have.
    greedy: Trouble,
}

impl<'a, M> Door<'a, M> {
    /// To these threads.
    #[must_use]
    pub fn new(listener: Listener, signals: Signals, staff: &'a Staff<M>, log: &'a Logger) -> Self {
        Self {
            log,
            staff,
            signals,
            listener: Some(listener),
            endings: Endings::default(),
            deadline: None,
            paused: None,
            next_tick: clock::now(),
            refused: Trouble::default(),
            greedy: Trouble::default(),
        }
    }

    /// Lets connections in until a signal ends that and all threads have ended, or don't in time.
    ///
    /// # Errors
    /// When a thread fails or ends by itself; or when a second signal ends all at once.
    pub fn keep<T: Threads>(&mut self, threads: &mut T) -> Result<()> {
        loop {
            let now = clock::now();
            self.paused = self.paused.filter(|until| *until > now);
            let listener = self.listener.as_ref().filter(|_| self.paused.is_none());
            let mut set = Set::new();
            set.add(self.signals.as_fd(), Interest::Read);
            let slot = listener.map(|listener| set.add(listener.as_fd(), Interest::Read));
            // While it ends, it looks whether its threads have.
            let patience = if self.endings.begun() || self.paused.is_some() { GUESTS_TICK_MS / 4 } else { TICK_MS };
            let patience = Duration::from_millis(patience).min(now.until(self.next_tick));
            set.wait(patience).map_err(|error| Error::new(Status::Failed, "poll", error))?;
            let ready = slot.is_some_and(|slot| set.ready(slot).readable);
            let now = clock::now();
            if let Some(ending) = self.signals.ending() {
                self.end(ending, now)?;
            }
            if ready {
                self.accept(threads, now);
            }
            self.tell_what_is_over(now);
            if self.next_tick <= now {
                self.next_tick = now.after(TICK_MS);
                threads.tick();
            }
            if self.is_over(threads, now)? {
                return Ok(());
            }
        }
    }

    /// Takes some connections.
    fn accept<T: Threads>(&mut self, threads: &mut T, now: Millis) {
        for _ in 0..ACCEPT_TURN_MAX {
            match self.listener.as_ref().map_or(Ok(None), Listener::accept) {
                Ok(Some((stream, from))) => self.let_in(stream, from, threads, now),
                Ok(None) => return,
                Err(error) => {
                    if self.refused.strikes(now) {
                        warn!(self.log, "accept: {error}: those connected are served on, others have to wait");
                    }
                    self.paused = Some(now.after(ACCEPT_PAUSE_MS));
                    return;
                }
            }
        }
    }

    fn tell_what_is_over(&mut self, now: Millis) {
        if self.refused.over(now).is_some() {
            info!(self.log, "accept: connections are taken again");
        }
        if let Some(again @ 1..) = self.greedy.over(now) {
            info!(self.log, "{again} more connections of addresses that have too many were turned away");
        }
    }

    fn let_in<T: Threads>(&mut self, stream: Stream, from: SocketAddr, threads: &mut T, now: Millis) {
        let Some(thread) = self.staff.least_busy() else { return };
        let Some(place) = self.staff.place(network(from.ip())) else {
            if self.greedy.strikes(now) {
                warn!(self.log, "{from} is turned away: its address has too many connections");
            }
            threads.turn_away(thread);
            return stream.dismiss(b"error busy: this address has too many connections\n");
        };
        self.staff.give(thread, stream, from, place);
    }

    fn end(&mut self, ending: Ending, now: Millis) -> Result<()> {
        match self.endings.take(now) {
            Meaning::Begin => {
                info!(self.log, "SIG{ending}: ending");
                self.listener = None;
                self.deadline = Some(now.after(SERVE_ENDING_MS + 2 * SERVE_CLOSING_MS));
                self.staff.end();
                Ok(())
            }
            Meaning::AtOnce => Err(Error::new(Status::Failed, "ending", "a second signal: ended at once")),
            Meaning::Same => Ok(()),
        }
    }

    /// True when all threads have ended, or don't in time.
    fn is_over<T: Threads>(&self, threads: &mut T, now: Millis) -> Result<bool> {
        let running = threads.running()?;
        if !self.endings.begun() && running < self.staff.threads() {
            return Err(Error::new(Status::Failed, "thread", "ended by itself"));
        }
        Ok(running == 0 || self.deadline.is_some_and(|deadline| deadline <= now))
    }
}
