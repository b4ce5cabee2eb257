//! The messages of the search, typed: each is one XML element on one line. `doc/protocol.md` tells who says what when.

mod code;
mod element;
mod value;

pub use code::Code;
pub use element::Malformed;
pub use value::{CellCount, Cells, Instance, Numbers, Role, Stage, Version};

use super::signal::Ending;
use crate::divisors::Method;
use element::element;

element! {
    /// The first line of every connection: who calls, and which version of the protocol it speaks.
    pub struct Hello = "hello" {
        /// The version of the protocol.
        version: Version,
        /// What the connection is for.
        role: Role,
        /// The host of the compute, by its own word; of a compute and its monitor.
        host: Option<String>,
        /// The pid of the compute; of a compute and its monitor.
        pid: Option<u32>,
        /// What tells this compute from every other that ever was; of a compute and its monitor.
        instance: Option<Instance>,
        /// The kernel that the compute uses.
        kernel: Option<String>,
    }
}

element! {
    /// The answer to `hello`: what is searched.
    pub struct Welcome = "welcome" {
        /// The version of the protocol.
        version: Version,
        /// How divisors are found.
        method: Method,
        /// Where the next range may begin: the timing loop runs there.
        at: u64,
    }
}

element! {
    /// What the timing loop of a compute has measured.
    pub struct Speed = "speed" {
        /// Operations of the method's cost model that were executed.
        operations: u64,
        /// How long they took.
        nanoseconds: u64,
    }
}

element! {
    /// A compute asks for a range. It is answered when there is one.
    pub struct Request = "request" {}
}

element! {
    /// A range is leased to a compute.
    pub struct Range = "range" {
        /// The number of the lease, never used again.
        lease: u64,
        /// The first candidate.
        first: u64,
        /// The last candidate.
        last: u64,
    }
}

element! {
    /// A sign of life; of a compute that works, how far it is. It is answered by the same element without attributes.
    pub struct Alive = "alive" {
        /// The lease that is worked on.
        lease: Option<u64>,
        /// How many candidates of it are tested.
        tested: Option<u64>,
    }
}

element! {
    /// What a compute found in the range of a lease, or in its first part: the rest goes back.
    pub struct Found = "result" {
        /// The number of the lease.
        lease: u64,
        /// The first candidate tested: the first of the lease.
        first: u64,
        /// The last candidate tested.
        last: u64,
        /// How many candidates were tested.
        tested: u64,
        /// The sum of the aliquot sums of all of them.
        sum: u128,
        /// How long it took.
        nanoseconds: u64,
        /// The perfect numbers among them, ascending.
        perfect: Numbers,
    }
}

element! {
    /// A result is proved and stands in the ledger.
    pub struct Accepted = "accepted" {
        /// The number of the lease.
        lease: u64,
    }
}

element! {
    /// A result, or the claim to a lease, is refused. The compute drops it; the connection goes on.
    pub struct Refused = "refused" {
        /// The number of the lease.
        lease: u64,
        /// Why.
        code: Code,
        @text
    }
}

element! {
    /// Others idle: hand in what is tested of the range of a lease, so that they can do the rest. It is answered by
    /// `result` and `request`, or not at all if nothing is tested yet, or no more.
    pub struct Recall = "recall" {
        /// The number of the lease.
        lease: u64,
    }
}

element! {
    /// To a control monitor: send this signal to your parent. From an operator's report: send it to yourself.
    pub struct Signal = "signal" {
        /// INT, QUIT, HUP or TERM.
        name: Ending,
    }
}

element! {
    /// A signal that was asked for is on its way.
    pub struct Acknowledged = "acknowledged" {}
}

element! {
    /// A report is asked for. The answer: one `status`, the `coverage` if it was asked for, a `distrusted` for each host that has
    /// lied, a `compute` for each, one `end`.
    pub struct Query = "query" {
        /// The coverage is wanted, in so many cells.
        cells: Option<CellCount>,
    }
}

element! {
    /// The state of the search.
    pub struct Status = "status" {
        /// The host that manage runs on.
        host: String,
        /// The address that manage listens on.
        listen: String,
        /// The ledger's path.
        ledger: String,
        /// How divisors are found.
        method: Method,
        /// The first candidate of the search.
        first: u64,
        /// The last, if the search is bounded.
        last: Option<u64>,
        /// The perfect numbers found, ascending.
        perfect: Numbers,
        /// How many candidates are tested.
        tested: u64,
        /// Every candidate up to this one is tested; one less than `first` if none is.
        contiguous_to: u64,
        /// How many candidates are leased.
        leased: u64,
        /// How many tested candidates wait for the check by a second compute.
        unchecked: u64,
        /// Candidates a second, over the last minute.
        rate_per_s: u64,
        /// Seconds until the end, if the search is bounded and goes on.
        eta_s: Option<u64>,
        /// Seconds since manage started.
        uptime_s: u64,
        /// True while manage ends.
        ending: bool,
        /// Why nothing goes on, if that is so: the ledger can't be written.
        trouble: Option<String>,
    }
}

element! {
    /// A host that has lied: it has kept a perfect number to itself. What it had done is done again by others.
    pub struct Distrusted = "distrusted" {
        /// Its name.
        host: String,
        /// How many numbers that it had tested were taken back.
        taken_back: u64,
    }
}

element! {
    /// Which parts of the search are tested, and leased: a picture in cells of equal share.
    pub struct Coverage = "coverage" {
        /// The first candidate of the first cell.
        first: u64,
        /// The last candidate of the last cell: of an endless search the highest that was handed out or tested.
        last: u64,
        /// What of each cell is tested.
        done: Cells,
        /// What of each cell is leased; as many of them.
        leased: Cells,
    }
}

element! {
    /// One compute, as manage knows it.
    pub struct Compute = "compute" {
        /// Its host.
        host: String,
        /// Its pid.
        pid: u32,
        /// What it does.
        state: Stage,
        /// Operations of the cost model a second.
        ops_per_s: u64,
        /// Candidates a second in its present or latest range.
        rate_per_s: u64,
        /// The range that it works on.
        first: Option<u64>,
        /// See `first`.
        last: Option<u64>,
        /// Milliseconds since it was last heard of.
        seen_ms: u64,
        /// Results that were accepted from it.
        ranges: u64,
        /// Wrong results from its host.
        strikes: u32,
        /// The kernel it uses.
        kernel: Option<String>,
    }
}

element! {
    /// The end of a report.
    pub struct End = "end" {
        /// How many `compute` lines came before.
        computes: u64,
    }
}

element! {
    /// The other side broke the protocol, or can't be served. The connection is closed.
    pub struct Error = "error" {
        /// Why.
        code: Code,
        @text
    }
}

/// Defines `Message` from the elements, with reading by name.
macro_rules! message {
    ($($name:ident),* $(,)?) => {
        /// Any message.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Message {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name),)*
        }

        impl Message {
            /// The element's name.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => $name::NAME,)* }
            }

            /// Reads one line, without its LF.
            ///
            /// # Errors
            /// When it isn't XML, or not an element of the protocol: what and where.
            pub fn read(line: &[u8]) -> Result<Self, Malformed> {
                let (mut fields, name) = element::open(line)?;
                let message = match name {
                    $($name::NAME => Self::$name($name::take(&mut fields)?),)*
                    _ => return Err(fields.unknown_element(name)),
                };
                fields.close()?;
                Ok(message)
            }

            /// This message as one line, with its LF.
            #[must_use]
            pub fn line(&self) -> String {
                match self { $(Self::$name(message) => message.line(),)* }
            }
        }

        $(impl From<$name> for Message {
            fn from(message: $name) -> Self {
                Self::$name(message)
            }
        })*
    };
}

message! {
    Hello, Welcome, Speed, Request, Range, Alive, Found, Accepted, Refused, Recall, Signal, Acknowledged, Query, Status,
    Coverage, Distrusted, Compute, End, Error,
}

impl Status {
    /// How many candidates a bounded search has.
    #[must_use]
    pub fn whole(&self) -> Option<u64> {
        self.last.map(|last| last.saturating_sub(self.first).saturating_add(1))
    }
}

impl Coverage {
    /// True if it says as much of what is leased as of what is done.
    #[must_use]
    pub fn is_even(&self) -> bool {
        self.done.as_str().len() == self.leased.as_str().len()
    }
}

impl Error {
    /// An error message.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Self {
        Self { code: malformed.code, text: malformed.text }
    }
}
