//! collect: real agents over real sockets, a real Prometheus, a real browser.

mod agents;
mod faults;
mod http;
mod keeping;
mod keys;
mod page;
mod prometheus;
