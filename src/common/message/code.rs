//! The codes of `error` and `refused`: what a program may act upon; the text beside them is for a person.

use crate::common::named::named;

named! {
    /// Why something was refused.
    Code {
        /// A line isn't well-formed XML, or not of the subset.
        Malformed = "malformed",
        /// A line is longer than `LINE_MAX_BYTES`.
        TooLong = "too-long",
        /// No message has this name.
        UnknownElement = "unknown-element",
        /// The message has no such attribute.
        UnknownAttribute = "unknown-attribute",
        /// The message lacks an attribute.
        MissingAttribute = "missing-attribute",
        /// The value of an attribute isn't of its type.
        BadValue = "bad-value",
        /// The message has content that it can't have.
        BadContent = "bad-content",
        /// The first message must be `hello`, and only the first.
        Greeting = "greeting",
        /// The version of the protocol isn't spoken here.
        WrongVersion = "wrong-version",
        /// The role of this connection doesn't send this message.
        WrongRole = "wrong-role",
        /// The message doesn't fit what came before it.
        OutOfTurn = "out-of-turn",
        /// The lease was never given to this compute, or has gone to another one since.
        NotLeased = "not-leased",
        /// The range isn't that of the lease.
        WrongRange = "wrong-range",
        /// The count tested isn't that of the range.
        WrongCount = "wrong-count",
        /// The sum of the aliquot sums isn't what the closed form gives.
        WrongSum = "wrong-sum",
        /// A number that is reported as perfect isn't.
        NotPerfect = "not-perfect",
        /// The range is tested and in the ledger already.
        AlreadyDone = "already-done",
        /// The host of the compute has hidden a perfect number: nothing of it is taken any more.
        Distrusted = "distrusted",
        /// Nothing was heard for too long.
        Silent = "silent",
        /// Another connection of the same compute has taken this one's place.
        Replaced = "replaced",
        /// There are too many connections of this key, or from this address.
        Busy = "busy",
        /// One side has keys and the other has none.
        Keys = "keys",
        /// This key may not do that.
        Forbidden = "forbidden",
        /// Nobody here knows this key, or not any more.
        Unauthorized = "unauthorized",
    }
}
