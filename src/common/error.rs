//! The one error type: what it is about, then why, then the exit status it leads to.

use std::fmt;

use super::exit::Status;

/// An error as a person reads it: `ledger search.db: another manage holds it (pid 4711)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    status: Status,
    subject: String,
    cause: String,
}

/// What fallible functions of the project return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error about `subject` because of `cause`, both in lower case without a full stop.
    pub fn new(status: Status, subject: impl Into<String>, cause: impl fmt::Display) -> Self {
        Self { status, subject: subject.into(), cause: cause.to_string() }
    }

    /// The exit status that the program ends with when nobody handles this error.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.cause)
    }
}

impl std::error::Error for Error {}

/// Somebody else's words as a part of one line, whatever is in them: nothing that a terminal would act upon.
#[must_use]
pub fn printable(text: &str) -> String {
    let one = |c: char| if c.is_control() { c.escape_default().collect() } else { String::from(c) };
    text.chars().map(one).collect()
}
