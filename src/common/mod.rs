//! What the roles share. Lower entries may use higher ones.

pub mod limits;

pub mod named;

pub mod exit;

pub mod error;

pub mod clock;

pub mod poll;

pub mod epoll;

pub mod log;

pub mod net;

pub mod keys;

pub mod tls;

pub mod conn;

pub mod frame;

pub mod signal;

pub mod process;

pub mod arguments;

pub mod output;

pub mod sandbox;

pub mod keyring;

pub mod store;

pub mod trouble;

pub mod link;

pub mod push;

pub mod hall;

pub mod brood;

pub mod xml;

pub mod message;

pub mod inquiry;

pub mod view;
