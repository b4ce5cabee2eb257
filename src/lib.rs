//! `aliquot` in the order of dependency: each floor uses only the floors above it in this list.

/// The number theory: trial division, sieve, closed form, cost of a range. No sockets, no clock, no files.
pub mod divisors;

/// What the roles share: limits, errors, logs, XML, messages, sockets, signals, processes, being an agent.
/// Knows no role.
pub mod common;

/// The master of a search: owns the ledger, hands out ranges, proves results, ends the computes.
pub mod manage;

/// The worker of a search: tests every number of the ranges it is given; a forked monitor takes its signals.
pub mod compute;

/// The reader of a search: asks manage, prints, leaves; can end the search.
pub mod report;

/// Proof of work: a server that finds seeds, and the tools to find, to check and to ask for them.
pub mod pow;

/// The loot box: numbers in random order and one counter, from which many clients draw; a ledger, and a proof of the order.
pub mod loot;

/// The collector of metrics: takes them from agents, keeps their counters, shows them to Prometheus and on a live page.
pub mod collect;

/// The agent: samples its host, or takes what another program prints, and pushes it to a collect.
pub mod agent;
