//! Being an agent: `metric` is what is said of a program, `said` how, `outbox` what of it is still to be said, `wire` keeps the
//! connection to collect up, `agent` tells the log how that stands. None of it has a thread.
//!
//! A program whose own work must not wait for any of this has a `pusher`: a child that is the agent in its stead.

pub mod metric;

pub mod said;

pub mod outbox;

pub mod wire;

pub mod agent;

pub mod pusher;
