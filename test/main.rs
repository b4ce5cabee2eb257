//! All integration tests, in one binary: a file a subject.

mod divisors;
mod tidy;
mod xml;
