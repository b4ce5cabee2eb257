//! One agent, as the loop that owns it sees it: a wire, and a log that is told how it stands, once for each change.

use std::collections::BTreeSet;
use std::os::fd::BorrowedFd;

use slog::{Logger, debug, info, warn};

use crate::common::clock::Millis;
use crate::common::error::{Error, Result, printable};
use crate::common::exit::Status;
use crate::common::limits::{PUSH_LAST_MS, STEADY_MS};
use crate::common::poll::{Interest, Ready};

use super::outbox::Outbox;
use super::wire::{News, Wire};

/// What the log was told of where collect is.
#[derive(Debug, Default)]
struct Told {
    /// It was said to be here, or away, and when; at first nothing.
    said: Option<(bool, Millis)>,
    is_here: bool,
    /// It was away before.
    was_away: bool,
}

impl Told {
    /// True if the log is to be told now how it is. That it is here is told at once; that it is away too, but where it comes and
    /// goes only after a while.
    fn is_news(&mut self, now: Millis) -> bool {
        let news = match self.said {
            None => true,
            Some((said, _)) if said == self.is_here => false,
            Some((_, at)) => self.is_here || now.since(at) >= STEADY_MS,
        };
        if news {
            self.said = Some((self.is_here, now));
        }
        news
    }
}

/// An agent.
pub struct Agent {
    log: Logger,
    wire: Wire,
    told: Told,
    cause: String,
    /// The metrics of which the log knows that collect refuses them.
    refused: BTreeSet<String>,
    /// When it leaves, once it is told to end.
    leave_by: Option<Millis>,
}

impl Agent {
    /// One whose collect `wire` leads to.
    #[must_use]
    pub fn new(wire: Wire, log: Logger) -> Self {
        let (told, cause, refused) = (Told::default(), String::new(), BTreeSet::new());
        Self { log, wire, told, cause, refused, leave_by: None }
    }

    /// What it has to say.
    pub fn outbox(&mut self) -> &mut Outbox {
        &mut self.wire.outbox
    }

    /// The descriptor to poll, and what for.
    #[must_use]
    pub fn poll_for(&self) -> Option<(BorrowedFd<'_>, Interest)> {
        self.wire.poll_for()
    }

    /// When `turn` is to be called at the latest.
    #[must_use]
    pub fn deadline(&self) -> Millis {
        self.leave_by.map_or(self.wire.deadline(), |by| by.min(self.wire.deadline()))
    }

    /// True if so much waits to be said to a collect that is there, or coming, that more of it should wait before this agent.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.wire.is_promising() && self.wire.outbox.is_full()
    }

    /// How many metrics collect doesn't take, or has none of some series of.
    #[must_use]
    pub fn untaken(&self) -> usize {
        self.refused.len()
    }

    /// That what it still has to say couldn't be delivered, and why.
    #[must_use]
    pub fn undelivered(&self) -> Error {
        let cause = if self.wire.is_up() { "it takes too long to take everything" } else { &self.cause };
        let cause = format!("what was to be said isn't delivered (--timeout): {cause}");
        Error::new(Status::Unreachable, format!("collect at {}", self.wire.address()), cause)
    }

    /// Does what is due and what `ready` allows.
    ///
    /// # Errors
    /// When there is something at the address that is no collect for this agent, or one that doesn't want it.
    pub fn turn(&mut self, ready: Ready, now: Millis) -> Result<()> {
        let mut alien = None;
        for news in self.wire.turn(ready, now) {
            match news {
                News::Up => self.told.is_here = true,
                News::Down(cause, pause) => {
                    debug!(self.log, "no connection to collect: {cause}: trying again in {pause} ms");
                    (self.told.is_here, self.cause) = (false, cause);
                    self.told.was_away = true;
                }
                News::Refused(refused) => refused.iter().for_each(|(name, why)| self.note_refused(name, why)),
                News::Alien(error) => alien = alien.or(Some(error)),
            }
        }
        // Who gives up says why, and not that it goes on trying.
        if let Some(error) = alien {
            return Err(error);
        }
        self.tell(now);
        Ok(())
    }

    fn tell(&mut self, now: Millis) {
        let unknown = !self.told.is_here && !self.told.was_away;
        if unknown || !self.told.is_news(now) {
            return;
        }
        let (address, name) = (self.wire.address(), printable(&self.wire.outbox.hello().name));
        if self.told.is_here {
            info!(self.log, "collect at {address} is here: it takes the metrics of {name}");
        } else {
            warn!(self.log, "collect at {address} is away: {}: trying until it is here", self.cause);
        }
    }

    /// One line for each metric, and of those alone that this agent has: whatever collect says, that is not many.
    fn note_refused(&mut self, name: &str, why: &str) {
        if self.wire.outbox.metric(name).is_some() && self.refused.insert(name.to_owned()) {
            warn!(self.log, "collect doesn't take {name}: {}", printable(why));
        }
    }

    /// From now on it only says what it still has, if collect is there, and not for long.
    pub fn end(&mut self, now: Millis) {
        self.leave_by = self.leave_by.or(Some(now.after(PUSH_LAST_MS)));
    }

    /// True once it was told to end.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.leave_by.is_some()
    }

    /// True if it was told to end and may: all is said, or there is nobody to say it to, or it takes too long.
    #[must_use]
    pub fn is_over(&self, now: Millis) -> bool {
        let may = !self.wire.is_open() || self.wire.outbox.is_delivered();
        self.leave_by.is_some_and(|by| may || by <= now)
    }

    /// Says goodbye.
    pub fn leave(self) {
        self.wire.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_told_once_and_one_that_comes_and_goes_rarely() {
        let mut told = Told { was_away: true, ..Told::default() };
        let mut at = |here, ms| {
            told.is_here = here;
            told.is_news(Millis(ms))
        };
        assert!(at(false, 0) && !at(false, 1) && !at(false, STEADY_MS));
        assert!(at(true, STEADY_MS) && !at(true, STEADY_MS + 1));
        // It comes and goes.
        assert!(!at(false, STEADY_MS + 2) && !at(true, STEADY_MS + 3) && !at(false, 2 * STEADY_MS - 1));
        assert!(at(false, 2 * STEADY_MS) && at(true, 2 * STEADY_MS));
    }
}
