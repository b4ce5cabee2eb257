//! What the roles share. Lower entries may use higher ones.

pub mod limits;

pub mod exit;

pub mod error;

pub mod clock;

pub mod poll;

pub mod log;

pub mod net;

pub mod conn;

pub mod signal;

pub mod process;

pub mod trouble;

pub mod brood;

pub mod xml;

pub mod message;

pub mod view;
