//! poll(2): the set is rebuilt each turn from what is owned, so no descriptor in it can outlive its owner.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};

/// What to wait for on one descriptor. A hang-up or an error (POLLHUP, POLLERR, POLLNVAL) makes it ready for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Until it can be read.
    Read,
    /// Until it can be written.
    Write,
    /// Until it can be read or written.
    Both,
    /// Until both sides have closed it.
    End,
}

/// What poll(2) said of one descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// Reading gives data, end of file, or the error that there is.
    pub readable: bool,
    /// Writing gets on, or gives the error that there is.
    pub writable: bool,
}

/// A descriptor's place in a set.
#[derive(Clone, Copy, Debug)]
pub struct Slot(usize);

/// The descriptors of one turn.
#[derive(Default)]
pub struct Set<'fd>(Vec<PollFd<'fd>>);

impl<'fd> Set<'fd> {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `fd`; ask `ready` with the answer after `wait`.
    pub fn add(&mut self, fd: BorrowedFd<'fd>, interest: Interest) -> Slot {
        let flags = match interest {
            Interest::Read => PollFlags::POLLIN,
            Interest::Write => PollFlags::POLLOUT,
            Interest::End => PollFlags::empty(),
            Interest::Both => PollFlags::POLLIN | PollFlags::POLLOUT,
        };
        self.0.push(PollFd::new(fd, flags));
        Slot(self.0.len() - 1)
    }

    /// Waits until something is ready or `timeout` has passed. A signal's interruption counts as time passed.
    ///
    /// # Errors
    /// What poll(2) says, but EINTR.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        // Rounded up: a deadline half a millisecond away must not be polled for a thousand times.
        let ms = timeout.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128);
        let timeout = PollTimeout::try_from(ms).unwrap_or(PollTimeout::MAX);
        match nix::poll::poll(&mut self.0, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// What the last `wait` found at `slot`.
    #[must_use]
    pub fn ready(&self, slot: Slot) -> Ready {
        let flags = self.0[slot.0].revents().unwrap_or(PollFlags::empty());
        let hung_up = flags.intersects(PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL);
        Ready {
            // A pipe whose writer is gone reports POLLHUP alone: reading tells.
            readable: flags.contains(PollFlags::POLLIN) || hung_up,
            writable: flags.contains(PollFlags::POLLOUT) || hung_up,
        }
    }
}
