//! Signals as something to poll: blocked, and read from a signalfd that also tells the sender. No handler runs.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::str::FromStr;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::clock::Millis;
use super::error::{Error, Result};
use super::exit::Status;
use super::limits::SECOND_SIGNAL_MS;

/// The signals that end a program, and the only ones that the protocol can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// SIGINT, Ctrl-C.
    Int,
    /// SIGQUIT, Ctrl-\.
    Quit,
    /// SIGHUP, the terminal is gone.
    Hup,
    /// SIGTERM, what service managers send.
    Term,
}

impl Ending {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Int, Self::Quit, Self::Hup, Self::Term];

    /// Its name in the protocol.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Int => "INT",
            Self::Quit => "QUIT",
            Self::Hup => "HUP",
            Self::Term => "TERM",
        }
    }

    /// The system's signal.
    #[must_use]
    pub fn signal(self) -> Signal {
        match self {
            Self::Int => Signal::SIGINT,
            Self::Quit => Signal::SIGQUIT,
            Self::Hup => Signal::SIGHUP,
            Self::Term => Signal::SIGTERM,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Ending {
    type Err = ();

    fn from_str(name: &str) -> std::result::Result<Self, ()> {
        Self::ALL.into_iter().find(|ending| ending.name() == name).ok_or(())
    }
}

/// What came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// One of the signals that end a program, and the pid that sent it (0: the kernel, as for Ctrl-C).
    Ending(Ending, i32),
    /// A child ended, stopped or went on: go and look.
    Child,
}

/// The open source of signals of this process.
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks the signals and opens the descriptor that delivers them. A child of fork opens its own.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn open() -> Result<Self> {
        let mut set = SigSet::empty();
        // nohup(1) has its programs ignore SIGHUP; what a shell does to INT and QUIT of its background jobs is not
        // meant so, and `report -k` comes as an INT.
        let heeded = |ending: &Ending| *ending != Ending::Hup || !is_ignored(Signal::SIGHUP);
        Ending::ALL.into_iter().filter(heeded).for_each(|ending| set.add(ending.signal()));
        set.add(Signal::SIGCHLD);
        // A file that may not grow is an error of write(2), which says more than a death.
        let mut blocked = set;
        blocked.add(Signal::SIGXFSZ);
        // The mask is set, not added to: a parent may have left any behind.
        blocked
            .thread_set_mask()
            .and_then(|()| SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK))
            .map(Self)
            .map_err(|errno| Error::new(Status::Failed, "signals", errno))
    }

    /// What has come. Each signal waits once at most; one that comes again meanwhile is for the next turn, so that a
    /// storm of them holds nobody up.
    pub fn pending(&mut self) -> Vec<Received> {
        (0..=Ending::ALL.len()).map_while(|_| self.receive()).collect()
    }

    /// Of what has come, the first signal that ends programs.
    pub fn ending(&mut self) -> Option<Ending> {
        self.pending().into_iter().find_map(|received| match received {
            Received::Ending(ending, _) => Some(ending),
            Received::Child => None,
        })
    }

    /// The next signal, if one is there.
    fn receive(&mut self) -> Option<Received> {
        let info = self.0.read_signal().ok()??;
        let signal = i32::try_from(info.ssi_signo).ok()?;
        let ending = Ending::ALL.into_iter().find(|ending| ending.signal() as i32 == signal);
        let sender = i32::try_from(info.ssi_pid).unwrap_or(0);
        Some(ending.map_or(Received::Child, |ending| Received::Ending(ending, sender)))
    }
}

/// True if this process was started with `signal` ignored, as /proc tells.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal as u32 - 1) & 1 == 1
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What a signal that ends programs means for this one, by what came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It is the first: end cleanly.
    Begin,
    /// Somebody insists: end at once.
    AtOnce,
    /// It came with the first, or on the same errand: nothing more to do.
    Same,
}

/// Tells the first signal from the one that insists.
#[derive(Debug, Default)]
pub struct Endings(Option<Millis>);

impl Endings {
    /// Takes a signal in. One that comes within `SECOND_SIGNAL_MS` of the first is not meant to insist: a terminal that
    /// hangs up, a shell and a service manager send several at once.
    pub fn take(&mut self, now: Millis) -> Meaning {
        match self.0 {
            None => {
                self.0 = Some(now);
                Meaning::Begin
            }
            Some(first) if now.since(first) < SECOND_SIGNAL_MS => Meaning::Same,
            Some(_) => Meaning::AtOnce,
        }
    }

    /// True after the first signal.
    #[must_use]
    pub fn begun(&self) -> bool {
        self.0.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_later_signal_insists() {
        let mut endings = Endings::default();
        let times = [1_000, 1_000, 1_000 + SECOND_SIGNAL_MS - 1, 1_000 + SECOND_SIGNAL_MS];
        let meanings = times.map(|ms| endings.take(Millis(ms)));
        assert_eq!(meanings, [Meaning::Begin, Meaning::Same, Meaning::Same, Meaning::AtOnce]);
    }
}
