//! The exit statuses of all programs, from sysexits(3) where it has one.

/// What a program tells the one who started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Done, or ended by a signal cleanly.
    Done = 0,
    /// Failed for a reason that has no status of its own.
    Failed = 1,
    /// The command line, or settings that contradict it.
    Usage = 2,
    /// The server can't be reached.
    Unreachable = 69,
    /// Reading or writing failed: the ledger.
    Io = 74,
    /// The other side broke the protocol.
    Protocol = 76,
    /// Refused: keys.
    Refused = 77,
}

impl From<Status> for std::process::ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}
