//! Finding the seed of a message: SHA-256 of many short inputs that differ in their first five bytes.

pub mod template;

mod lanes;

#[cfg(target_arch = "x86_64")]
mod ni;

pub mod kernel;
