//! Proof of work: every promise of `pow`, over real sockets.

mod bounds;
mod endings;
mod fairness;
mod load;
mod tools;
mod wire;
