//! Agents, and programs that are agents beside their work, before a collect that does what a test wants.

mod hostile;
mod input;
mod pushers;
mod secure;
mod wire;
