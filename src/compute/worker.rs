//! The loop of one compute. It owns the signals, the data connection, the life-line of its monitor, and the work; it
//! has no threads: it looks at the world between two slices of work.

use std::io::Read;
use std::os::fd::AsFd;
use std::time::Duration;

use slog::{Logger, debug, info, trace, warn};

use crate::common::clock::{self, Millis};
use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::limits::{HAND_IN_MAX_MS, TICK_MS};
use crate::common::message::Message;
use crate::common::poll::{Interest, Ready, Set};
use crate::common::process;
use crate::common::push::pusher::Pusher;
use crate::common::signal::{Endings, Meaning, Received, Signals};
use crate::divisors::Kernel;

use super::deeds::Deeds;
use super::duty::{Action, Duty, Event};
use super::monitor::Monitor;
use super::wire::{News, Wire};
use super::work::{Outcome, Searches, Work};

/// One compute.
pub struct Worker {
    log: Logger,
    signals: Signals,
    wire: Wire,
    monitor: Monitor,
    /// Where its metrics go, if anywhere,
    pusher: Option<Pusher>,
    /// when next,
    push_at: Millis,
    /// and what they are made of.
    deeds: Deeds,
    searches: Searches,
    until_eof: bool,
    duty: Duty,
    work: Option<Work>,
    endings: Endings,
    /// Once it is told to end: when it leaves, whatever manage says.
    leave_by: Option<Millis>,
    leaving: bool,
    /// Manage can't be reached, and the log knows.
    away: bool,
    /// Somebody else is where manage was, and the log knows.
    impostor: bool,
    /// The first fault of the other side that can't be mended by trying again.
    alien: Option<Error>,
    tend_at: Millis,
}

/// What one look at the world has shown.
struct Seen {
    wire: Ready,
    stdin: bool,
    monitor: bool,
}

impl Worker {
    /// A compute that isn't connected yet.
    #[must_use]
    pub fn new(
        log: Logger,
        signals: Signals,
        wire: Wire,
        monitor: Monitor,
        pusher: Option<Pusher>,
        kernel: Kernel,
        until_eof: bool,
    ) -> Self {
        Self {
            log,
            signals,
            wire,
            monitor,
            pusher,
            push_at: Millis(0),
            deeds: Deeds::default(),
            searches: Searches::new(kernel),
            until_eof,
            duty: Duty::default(),
            work: None,
            endings: Endings::default(),
            leave_by: None,
            leaving: false,
            away: false,
            impostor: false,
            alien: None,
            tend_at: Millis(0),
        }
    }

    /// Runs until it is told to end and has handed in what it has.
    ///
    /// # Errors
    /// Protocol, if there is something at the address that isn't a manage of this version; failed, if it is ended at
    /// once by a second signal.
    pub fn run(mut self) -> Result<()> {
        let mut outcome = Ok(());
        while !self.leaving && outcome.is_ok() {
            outcome = self.turn();
        }
        drop(self.wire);
        self.monitor.end();
        if let (Some(pusher), Ok(())) = (&mut self.pusher, &outcome) {
            pusher.push(&self.deeds.readings());
            pusher.end();
        }
        outcome
    }

    fn turn(&mut self) -> Result<()> {
        let seen = self.look()?;
        let now = clock::now();
        for received in self.signals.pending() {
            self.take_signal(received, now)?;
        }
        if seen.stdin && self.stdin_ended() {
            debug!(self.log, "standard input has ended");
            self.begin_ending(now);
        }
        if self.leave_by.is_some() {
            self.monitor.reap();
        } else if seen.monitor || self.tend_at <= now {
            self.tend_at = self.monitor.tend(&self.log, now);
        }
        for news in self.wire.turn(seen.wire, now) {
            self.take_news(news);
        }
        self.compute();
        self.wire.flush();
        self.push_metrics(now);
        self.leaving |= self.leave_by.is_some_and(|by| by <= clock::now());
        self.alien.take().map_or(Ok(()), Err)
    }

    /// Looks at the world: for a moment while there is work, else until something happens.
    fn look(&self) -> Result<Seen> {
        let now = clock::now();
        let mut set = Set::new();
        set.add(self.signals.as_fd(), Interest::Read);
        let wire = self.wire.poll_for().map(|(fd, interest)| set.add(fd, interest));
        let lifeline = self.monitor.lifeline().map(|line| set.add(line.as_fd(), Interest::Read));
        let input = std::io::stdin();
        let input = (self.until_eof && self.leave_by.is_none()).then(|| set.add(input.as_fd(), Interest::Read));
        let mut deadline = self.leave_by.unwrap_or(self.tend_at).min(self.wire.deadline());
        if self.pusher.is_some() {
            deadline = deadline.min(self.push_at);
        }
        let timeout = if self.work.is_some() { Duration::ZERO } else { now.until(deadline) };
        set.wait(timeout).map_err(|error| Error::new(Status::Failed, "poll", error))?;
        Ok(Seen {
            wire: wire.map_or(Ready::default(), |slot| set.ready(slot)),
            stdin: input.is_some_and(|slot| set.ready(slot).readable),
            monitor: lifeline.is_some_and(|slot| set.ready(slot).readable),
        })
    }

    fn take_signal(&mut self, received: Received, now: Millis) -> Result<()> {
        let Received::Ending(ending, sender) = received else {
            self.tend_at = now;
            return Ok(());
        };
        // What the monitor, or the parent of several, passes on is the same wish, however late it comes.
        let passed_on = self.monitor.is(sender) || (self.until_eof && process::is_parent(sender));
        if self.endings.begun() && passed_on {
            return Ok(());
        }
        match self.endings.take(now) {
            Meaning::Begin => {
                info!(self.log, "SIG{ending}: ending");
                self.begin_ending(now);
            }
            Meaning::AtOnce => return Err(Error::new(Status::Failed, "ending", "a second signal: ended at once")),
            Meaning::Same => {}
        }
        Ok(())
    }

    fn begin_ending(&mut self, now: Millis) {
        if self.leave_by.is_some() {
            return;
        }
        self.leave_by = Some(now.after(HAND_IN_MAX_MS));
        let found = self.lay_down().and_then(|work| work.found());
        if let Some(found) = &found {
            debug!(self.log, "handing in {} to {} of lease {}", found.first, found.last, found.lease);
        }
        self.advise(Event::Ending(found));
    }

    /// True if standard input is at its end; whatever else comes there is of no interest.
    fn stdin_ended(&self) -> bool {
        let mut scrap = [0; 1024];
        matches!(std::io::stdin().read(&mut scrap), Ok(0))
    }

    fn take_news(&mut self, news: News) {
        match news {
            News::Up(welcome) => {
                info!(self.log, "manage is here, searching by {}", welcome.method);
                (self.away, self.impostor) = (false, false);
                self.deeds.connected = true;
                self.advise(Event::Up(welcome));
            }
            News::Said(message) => {
                trace!(self.log, "from manage: {message:?}");
                self.deeds.ranges += u64::from(matches!(message, Message::Accepted(_)));
                self.advise(Event::Said(message));
            }
            News::Heartbeat => {
                let tested = self.work.as_ref().map_or(0, Work::tested);
                self.advise(Event::Heartbeat(tested));
            }
            News::Down(cause, pause) => {
                self.deeds.connected = false;
                self.note_absence(&cause, pause);
                self.advise(Event::Down);
            }
            News::Impostor(cause) if !self.impostor => {
                self.impostor = true;
                warn!(self.log, "somebody else is where manage was: {cause}: waiting for manage");
            }
            News::Impostor(_) => {}
            News::Alien(error) => self.alien = Some(error),
        }
    }

    /// One line when manage goes, not one for each attempt to find it again.
    fn note_absence(&mut self, cause: &str, pause: u64) {
        if self.alien.is_some() {
            return;
        }
        if self.away {
            debug!(self.log, "manage is still away: {cause}: trying again in {pause} ms");
        } else {
            warn!(self.log, "manage at {} is away: {cause}: trying until it is back", self.wire.address());
        }
        self.away = true;
    }

    /// Does a slice of the work.
    fn compute(&mut self) {
        let Some(work) = &mut self.work else { return };
        let Some(outcome) = work.step() else { return };
        let work = self.lay_down();
        self.searches.keep(work);
        self.advise(match outcome {
            Outcome::Finished(found) => Event::Finished(found),
            Outcome::Timed(speed) => Event::Timed(speed),
        });
    }

    /// Takes the work away that is done, or no longer wanted.
    fn lay_down(&mut self) -> Option<Work> {
        self.deeds.lay_down(self.work.as_ref());
        self.work.take()
    }

    fn push_metrics(&mut self, now: Millis) {
        if let Some(pusher) = self.pusher.as_mut().filter(|_| self.push_at <= now) {
            self.push_at = now.after(TICK_MS);
            self.deeds.look_at(self.work.as_ref());
            pusher.push(&self.deeds.readings());
        }
    }

    /// Asks the duty what to do about `event`, and does it.
    fn advise(&mut self, event: Event) {
        for action in self.duty.handle(event) {
            match action {
                Action::Send(message) => self.send(message),
                Action::Time(method, at) => self.work = Some(Work::timing(method, at, &mut self.searches)),
                Action::Test(method, range) => {
                    debug!(self.log, "lease {}: {} to {}", range.lease, range.first, range.last);
                    self.work = Work::range(method, range, &mut self.searches);
                    if self.work.is_none() {
                        let cause = "it has leased something that is no range";
                        self.alien = Some(Error::new(Status::Protocol, "manage", cause));
                    }
                }
                Action::HandIn => self.hand_in(),
                Action::Abandon => {
                    let work = self.lay_down();
                    self.searches.keep(work);
                }
                Action::Leave => self.leaving = true,
                Action::Log(text) => warn!(self.log, "{text}"),
            }
        }
    }

    /// Hands in what is tested of the range, if anything is: others do the rest.
    fn hand_in(&mut self) {
        let Some(found) = self.work.as_ref().and_then(Work::found) else { return };
        debug!(self.log, "lease {} is recalled: handing in {} to {}", found.lease, found.first, found.last);
        let work = self.lay_down();
        self.searches.keep(work);
        self.advise(Event::Finished(found));
    }

    fn send(&mut self, message: Message) {
        trace!(self.log, "to manage: {message:?}");
        self.wire.send(message);
    }
}
