//! What the ledger is told, and what it tells when manage starts.

use crate::common::message::{Found, Instance};
use crate::manage::coverage::Span;
use crate::manage::recheck::Due;

/// Who has, or had, a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The compute.
    pub instance: Instance,
    /// Its host.
    pub host: String,
    /// Its pid.
    pub pid: u32,
}

/// A lease as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    /// Its number.
    pub lease: u64,
    /// Its range.
    pub span: Span,
    /// Who has it.
    pub holder: Holder,
    /// The range is done already and is only checked.
    pub recheck: bool,
}

/// What a ledger held when manage started.
#[derive(Debug, Default)]
pub struct Restored {
    /// The done spans, ascending.
    pub done: Vec<Span>,
    /// The perfect numbers found.
    pub perfect: Vec<u64>,
    /// The leases.
    pub leases: Vec<Leased>,
    /// The number of the next lease.
    pub next_lease: u64,
    /// The done ranges that wait for a second compute.
    pub due: Vec<Due>,
    /// The hosts that have lied, and how many numbers were taken back from them, once that is done.
    pub liars: Vec<(String, Option<u64>)>,
}

/// What the ledger is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A range was leased.
    Leased(Leased),
    /// A lease has ended without a result.
    Returned(u64),
    /// A result was proved: its range is done and has become part of the span `joined`.
    Accepted {
        /// The result.
        found: Found,
        /// Whose it is.
        holder: Holder,
        /// Its sum was proved by the closed form.
        proved: bool,
        /// A second compute shall do it again.
        recheck: bool,
        /// The done span that it is part of.
        joined: Span,
    },
    /// A second compute has come to the same result.
    Confirmed {
        /// Its lease.
        lease: u64,
        /// The first candidate of the range.
        first: u64,
        /// Who the second compute is.
        holder: Holder,
    },
    /// Who has confirmed the range that begins here can't be trusted: it waits for another.
    Doubted {
        /// The first candidate of the range.
        first: u64,
    },
    /// What was accepted for a range can't be trusted: it is free again.
    Revoked {
        /// The range.
        span: Span,
        /// What is left of the done span before it.
        before: Option<Span>,
        /// What is left of the done span after it.
        after: Option<Span>,
    },
    /// A host has lied.
    Lied {
        /// Its name.
        host: String,
        /// How many numbers were taken back from it; `None` as long as they are to be.
        taken_back: Option<u64>,
    },
}
