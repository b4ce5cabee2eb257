//! Doing what the state has decided: the ledger first, then the rest.

use slog::{debug, error, info, trace, warn};

use crate::common::clock::Millis;
use crate::common::error::{Error as Failure, Result};
use crate::common::limits::{LEDGER_RETRY_MS, ROUNDS_TURN_MAX, WITHHELD_MAX};
use crate::common::log;
use crate::common::message::Message;
use crate::common::process;
use crate::common::view;
use crate::manage::ledger::Written;
use crate::manage::state::{Action, Event};

use super::{Server, Turns};

impl Server {
    /// Does what the state has decided in this turn: first the ledger, then the rest. What is then in the ledger may
    /// lead to more.
    pub(super) fn carry_out(&mut self, turns: &mut Turns, now: Millis) -> Result<()> {
        for _ in 0..ROUNDS_TURN_MAX {
            self.note_completion(turns);
            turns.outbox.push(self.state.settle());
            if turns.outbox.is_empty() || (self.write(turns, now)? == 0) {
                break;
            }
        }
        Ok(())
    }

    /// Keeps the report of a search whose last range is in the ledger: its computes are still there.
    fn note_completion(&self, turns: &mut Turns) {
        if self.state.is_complete() && turns.report.is_none() {
            let (status, computes) = self.state.report();
            turns.report = Some(view::table(&status, &self.state.distrusted(), &computes));
        }
    }

    /// Writes the records that wait, and does what may then be done; gives how much that was.
    fn write(&mut self, turns: &mut Turns, now: Millis) -> Result<usize> {
        let actions = if turns.retry_ledger.is_some_and(|at| now < at) {
            turns.outbox.release_harmless()
        } else {
            match self.ledger.commit(turns.outbox.records())? {
                Written::Done => {
                    self.go_on(turns, now)?;
                    turns.outbox.release()
                }
                Written::NoRoom(why) => {
                    self.stall(turns, why, now)?;
                    turns.outbox.release_harmless()
                }
            }
        };
        let count = actions.len();
        for action in actions {
            self.perform(turns, action, now)?;
        }
        Ok(count)
    }

    /// The ledger has taken all that there was.
    fn go_on(&mut self, turns: &mut Turns, now: Millis) -> Result<()> {
        if turns.retry_ledger.take().is_some() {
            info!(self.log, "ledger: there is room again: going on");
            self.state.handle(Event::Stalled(None), now);
        }
        self.state.written();
        self.disown(now)
    }

    /// The ledger has no room. Whoever asks is told so; computes compute, and wait with what they have found.
    fn stall(&mut self, turns: &mut Turns, why: Failure, now: Millis) -> Result<()> {
        if turns.retry_ledger.is_none() {
            error!(self.log, "{why}: nothing is accepted or handed out until there is");
            self.state.handle(Event::Stalled(Some(why.to_string())), now);
        }
        turns.retry_ledger = Some(now.after(LEDGER_RETRY_MS));
        if turns.outbox.len() > WITHHELD_MAX { Err(why) } else { Ok(()) }
    }

    /// Takes back what hosts have done that have lied, as the ledger knows it.
    fn disown(&mut self, now: Millis) -> Result<()> {
        while let Some(host) = self.state.disowning() {
            let deeds = self.ledger.deeds_of(&host)?;
            self.state.handle(Event::Disowned(host, deeds), now);
        }
        Ok(())
    }

    /// Writes what still waits for room at the end, when it was told to end while there was none.
    pub(super) fn write_last(&mut self, turns: &mut Turns) -> Result<()> {
        match self.ledger.commit(turns.outbox.records())? {
            Written::Done => Ok(()),
            Written::NoRoom(why) => {
                warn!(self.log, "what has come since there was no room is not kept: it will be tested again");
                Err(why)
            }
        }
    }

    fn perform(&mut self, turns: &mut Turns, action: Action, now: Millis) -> Result<()> {
        match action {
            Action::Record(_) => {}
            Action::Send(peer, message) => {
                let Some(link) = turns.links.get_mut(peer) else { return Ok(()) };
                trace!(self.log, "to {peer}: {message:?}");
                let mut sent = link.conn.send(message.line().as_bytes());
                if matches!(message, Message::Range(_)) {
                    // A compute idles for want of it: it is written before the signs of life of all others.
                    sent = sent.and_then(|()| link.conn.flush());
                }
                if let Err(broken) = sent {
                    warn!(self.log, "connection {peer} from {}: {broken}", link.from);
                    turns.links.remove(peer);
                    self.state.handle(Event::Gone(peer), now);
                }
            }
            Action::Close(peer) => {
                if let Some(link) = turns.links.get_mut(peer) {
                    link.linger(now);
                }
                turns.links.set_standing(peer, None);
            }
            Action::SignalSelf(ending) => process::signal_self(ending)?,
            Action::Log(level, text) => log::tell(&self.log, level, &text),
        }
        Ok(())
    }

    /// Writes what is queued, and drops the connections that are of no more use.
    pub(super) fn sweep(&mut self, turns: &mut Turns, now: Millis) {
        for (peer, link) in turns.links.drop_deaf() {
            warn!(self.log, "connection {peer} from {} is given up: too much waits to be read by all", link.from);
            self.state.handle(Event::Gone(peer), now);
        }
        for (peer, link) in turns.links.sweep(now) {
            debug!(self.log, "connection {peer} from {} is closed", link.from);
            self.state.handle(Event::Gone(peer), now);
        }
    }
}
