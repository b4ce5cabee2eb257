//! The loop of an agent. It owns the signals, the connection to collect, and what it says: samples of this host, or standard input.

use std::os::fd::AsFd;

use slog::{Logger, info};

use crate::common::clock::{self, Millis};
use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::poll::{Interest, Ready, Set};
use crate::common::push::agent::Agent;
use crate::common::signal::{Endings, Meaning, Signals};

use super::host::Host;
use super::input::Input;
use super::options::Options;

/// Where it has from what it says.
enum Source {
    /// This host, and when it is sampled next.
    Host(Host, Millis),
    /// Another program; once that has said all, until when it is tried to deliver it.
    Input(Box<Input>, Option<Millis>),
}

/// An agent that runs.
pub struct Worker {
    log: Logger,
    signals: Signals,
    endings: Endings,
    agent: Agent,
    source: Source,
    interval_ms: u64,
    timeout_ms: u64,
}

/// What one look at the world has shown.
struct Seen {
    wire: Ready,
    input: bool,
}

impl Worker {
    /// One that hasn't begun.
    #[must_use]
    pub fn new(log: &Logger, signals: Signals, agent: Agent, options: &Options) -> Self {
        let input = options.stdin.then(|| Source::Input(Box::new(Input::new(log)), None));
        Self {
            log: log.clone(),
            signals,
            endings: Endings::default(),
            agent,
            source: input.unwrap_or_else(|| Source::Host(Host::begin(), clock::now())),
            interval_ms: (options.interval * 1e3) as u64,
            timeout_ms: (options.timeout * 1e3) as u64,
        }
    }

    /// Runs until it is told to end, or all that standard input said is delivered.
    ///
    /// # Errors
    /// Unreachable, if that can't be delivered in time; protocol or refused, if there is no collect at the address that takes it;
    /// failed, if a second signal ends it at once.
    pub fn run(mut self) -> Result<()> {
        let outcome = self.work();
        if let Source::Input(input, _) = &self.source {
            input.sum_up(self.agent.untaken(), self.agent.outbox().dropped());
        }
        if outcome.is_ok() {
            self.agent.leave();
        }
        outcome
    }

    fn work(&mut self) -> Result<()> {
        while !self.is_over()? {
            self.turn()?;
        }
        Ok(())
    }

    fn is_over(&mut self) -> Result<bool> {
        let now = clock::now();
        if let Source::Input(_, Some(deadline)) = self.source
            && !self.endings.begun()
        {
            let delivered = self.agent.outbox().is_delivered();
            return if !delivered && deadline <= now { Err(self.agent.undelivered()) } else { Ok(delivered) };
        }
        Ok(self.agent.is_over(now))
    }

    fn turn(&mut self) -> Result<()> {
        let seen = self.look()?;
        let now = clock::now();
        if let Some(ending) = self.signals.ending() {
            match self.endings.take(now) {
                Meaning::Begin => {
                    info!(self.log, "SIG{ending}: ending");
                    self.agent.end(now);
                }
                Meaning::AtOnce => return Err(Error::new(Status::Failed, "ending", "a second signal: ended at once")),
                Meaning::Same => {}
            }
        }
        match &mut self.source {
            Source::Host(host, next) if *next <= now => {
                *next = now.after(self.interval_ms);
                host.sample().iter().for_each(|reading| self.agent.outbox().read(reading));
            }
            Source::Input(input, deadline) if seen.input => {
                input.turn(self.agent.outbox())?;
                *deadline = input.has_ended().then(|| now.after(self.timeout_ms));
            }
            _ => {}
        }
        self.agent.turn(seen.wire, now)
    }

    /// Waits for a signal, for collect, for standard input, or until something is due.
    fn look(&self) -> Result<Seen> {
        let mut set = Set::new();
        set.add(self.signals.as_fd(), Interest::Read);
        let wire = self.agent.poll_for().map(|(fd, interest)| set.add(fd, interest));
        let stdin = std::io::stdin();
        let mut deadline = self.agent.deadline();
        let input = match &self.source {
            // While collect takes what there is, a program that says too much has to wait; else it is dropped.
            Source::Input(input, None) if !self.endings.begun() && !self.agent.is_congested() => {
                input.poll_for(&stdin).map(|fd| set.add(fd, Interest::Read))
            }
            Source::Input(_, ended) => {
                deadline = ended.map_or(deadline, |ended| ended.min(deadline));
                None
            }
            Source::Host(_, next) => {
                deadline = deadline.min(*next);
                None
            }
        };
        set.wait(clock::now().until(deadline)).map_err(|error| Error::new(Status::Failed, "poll", error))?;
        Ok(Seen {
            wire: wire.map_or(Ready::default(), |slot| set.ready(slot)),
            input: input.is_some_and(|slot| set.ready(slot).readable),
        })
    }
}
