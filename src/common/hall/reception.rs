//! How one thread of a server receives connections into its hall, and how it ends: what is the same whatever it serves.
//!
//! The role has the loop: it turns, reads its mail and does its own work; here is what it would say in the same words as others.

use std::io;
use std::net::SocketAddr;

use slog::{Logger, debug, info, warn};

use crate::common::clock::Millis;
use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::limits::{SERVE_CLOSING_MS, SERVE_ENDING_MS};
use crate::common::net::Stream;
use crate::common::trouble::Trouble;

use super::staff::Staff;
use super::{Hall, Host};

/// The connections of one thread, and who wants to be one.
pub struct Reception<G> {
    /// Those that are in.
    pub hall: Hall<G>,
    log: Logger,
    /// There is no room for more connections.
    full: Trouble,
    /// When it was told to end.
    ending: Option<Millis>,
}

fn failed(error: io::Error) -> Error {
    Error::new(Status::Failed, "epoll", error)
}

impl<G> Reception<G> {
    /// Of the thread with this number, each of whose connections may be idle for `idle_ms`.
    ///
    /// # Errors
    /// When descriptors have run out.
    pub fn new<M>(staff: &Staff<M>, thread: usize, idle_ms: u64, log: &Logger) -> Result<Self> {
        let hall = Hall::new(staff.waker(thread), staff.room(thread), idle_ms).map_err(failed)?;
        Ok(Self { hall, log: log.clone(), full: Trouble::default(), ending: None })
    }

    /// A turn of the hall.
    ///
    /// # Errors
    /// When the system refuses to wait.
    pub fn turn<H: Host<Guest = G>>(&mut self, at_once: bool, host: &mut H) -> Result<()> {
        self.hall.turn(at_once, host).map_err(failed)
    }

    /// Takes a connection in, or turns it away: then `turn_away` counts it, before it hears that.
    pub fn admit<H: Host<Guest = G>>(
        &mut self,
        stream: Stream,
        from: SocketAddr,
        guest: G,
        host: &mut H,
        turn_away: impl FnOnce(),
    ) {
        debug!(self.log, "{from}: connected");
        if let Err((stream, _)) = self.hall.enter(stream, guest, host) {
            turn_away();
            if self.full.strikes(self.hall.now()) {
                warn!(self.log, "{from} is turned away: there are too many connections");
            }
            stream.dismiss(b"error busy: too many connections\n");
        }
    }

    /// Says so if there is room again.
    pub fn tell_what_is_over(&mut self) {
        if let Some(again @ 1..) = self.full.over(self.hall.now()) {
            info!(self.log, "{again} more connections were turned away, as there were too many");
        }
    }

    /// The thread is told to end.
    pub fn end(&mut self) {
        self.ending = Some(self.hall.now());
        self.hall.end();
    }

    /// True if what was begun before the order to end has gone on for long enough: from now on all of it is due.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.has_ended_for(SERVE_ENDING_MS)
    }

    /// True if the thread has ended: all are served, or don't take their answers.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ending.is_some() && self.hall.count() == 0 || self.has_ended_for(SERVE_ENDING_MS + SERVE_CLOSING_MS)
    }

    fn has_ended_for(&self, ms: u64) -> bool {
        self.ending.is_some_and(|since| self.hall.now().since(since) >= ms)
    }
}
