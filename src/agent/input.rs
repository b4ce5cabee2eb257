//! Standard input of `agent --stdin`: read as it comes, and what it says told.

use std::collections::HashSet;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::unistd::read;
use slog::{Logger, debug, info, warn};

use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::limits::INPUT_TURN_MAX_BYTES;
use crate::common::push::outbox::Outbox;

use super::lines::{Fault, Lines};
use super::tally::Tally;

/// Standard input.
pub struct Input {
    log: Logger,
    lines: Lines,
    tally: Tally,
    /// Lines so far.
    count: u64,
    /// The faults of lines that the log knows of.
    told: HashSet<Fault>,
    ended: bool,
}

impl Input {
    /// Of which nothing is read yet.
    #[must_use]
    pub fn new(log: &Logger) -> Self {
        let (lines, tally) = (Lines::default(), Tally::default());
        Self { log: log.clone(), lines, tally, count: 0, told: HashSet::new(), ended: false }
    }

    /// The descriptor to poll, unless it has ended.
    pub fn poll_for<'fd>(&self, stdin: &'fd std::io::Stdin) -> Option<BorrowedFd<'fd>> {
        (!self.ended).then(|| stdin.as_fd())
    }

    /// True once all is read.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Reads what has come, and tells `outbox`.
    ///
    /// # Errors
    /// I/O, as read(2).
    pub fn turn(&mut self, outbox: &mut Outbox) -> Result<()> {
        let mut chunk = [0; INPUT_TURN_MAX_BYTES];
        let count = match read(std::io::stdin(), &mut chunk) {
            Ok(count) => count,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(()),
            Err(errno) => return Err(Error::new(Status::Io, "standard input", errno)),
        };
        let Self { log, lines, tally, count: nth, told, .. } = self;
        let mut each = |line: std::result::Result<&[u8], Fault>| {
            *nth += 1;
            let Err(fault) = tally.take(line, outbox) else { return };
            if told.insert(fault) {
                warn!(log, "line {nth}: {fault}: it is passed over, as all such lines are");
            } else {
                debug!(log, "line {nth}: {fault}");
            }
        };
        lines.feed(&chunk[..count], &mut each);
        if count == 0 {
            lines.end(&mut each);
            self.ended = true;
        }
        self.tally.tell(outbox, self.ended);
        Ok(())
    }

    /// Says what of it was lost, if anything was: lines, metrics that collect doesn't take, observations.
    pub fn sum_up(&self, untaken: usize, dropped: u64) {
        if let Some(lost) = lost(self.tally.bad(), untaken as u64, dropped) {
            info!(self.log, "{lost}");
        }
    }
}

/// A sentence about what was lost.
fn lost(lines: u64, metrics: u64, observations: u64) -> Option<String> {
    let part = |count: u64, one: &str, many: &str| {
        (count > 0).then(|| format!("{count} {}", if count == 1 { one } else { many }))
    };
    let parts = [
        part(lines, "line was passed over", "lines were passed over"),
        part(metrics, "metric wasn't taken", "metrics weren't taken"),
        part(observations, "observation was dropped", "observations were dropped"),
    ];
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_is_one_sentence() {
        assert_eq!(lost(0, 0, 0), None);
        assert_eq!(lost(12, 3, 0).unwrap(), "12 lines were passed over, 3 metrics weren't taken");
        assert_eq!(lost(1, 1, 1).unwrap(), "1 line was passed over, 1 metric wasn't taken, 1 observation was dropped");
    }
}
