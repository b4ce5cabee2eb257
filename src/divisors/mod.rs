//! The number theory of the search: aliquot sums of ranges by brute force, their closed form, and what they cost.
//!
//! The aliquot sum s(n) is the sum of the proper divisors of n; s(1) = 0; n is perfect when s(n) = n. Everything
//! here is exact for 1 ≤ n ≤ 2^63 and pure: no sockets, no clock, no files, no threads. Long computations are values
//! that a caller drives in steps, `Search::step` and `ClosedForm::step`, so a single-threaded program can look at its
//! signals and sockets in between.

mod closed_form;
mod cost;
mod findings;
mod kernel;
mod method;
mod reference;
mod search;
mod self_test;
mod sieve;
mod sums;
mod trial;

/// Σ s(n) over a range in O(n^(1/3) log n), to prove what a search claims.
pub use closed_form::ClosedForm;
/// What a range costs, and how long a range may be for a given cost.
pub use cost::{last_for, operations};
/// Which instructions a search uses.
pub use kernel::Kernel;
/// The two ways to search, and their names.
pub use method::{Method, UnknownMethod};
/// s(n) of one number, slow and obviously right.
pub use reference::aliquot_sum;
/// A search over one range, and what it has found so far.
pub use search::{Search, Tally};

/// The largest candidate that this module computes with.
pub const ARGUMENT_MAX: u64 = 1 << 63;
