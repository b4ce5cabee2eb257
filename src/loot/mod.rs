//! The loot box: a list in random order and one counter, in memory that many threads share, from which many clients draw.
//!
//! `counter` is the lock, `memory` what the threads share, `shuffle` the order and its proof. A server is `server`, whose first
//! thread takes connections and signals; `worker`, the others, each with a hall of connections and a `desk` that answers them; and
//! `scribe`, the one that keeps the `ledger`. `draw`, `close` and `verify` are what its clients need.

/// What the counter's lock is made of. A model checker puts its own in the place of this.
mod sync {
    pub(super) use std::sync::{Mutex, MutexGuard};
}

pub mod counter;

pub mod shuffle;

pub mod request;

pub mod record;

pub mod memory;

pub mod metrics;

pub mod answer;

pub mod options;

pub mod ledger;

pub mod bell;

pub mod crew;

pub mod desk;

pub mod worker;

pub mod scribe;

pub mod server;

pub mod wire;

pub mod draw;

pub mod replies;

pub mod talk;

pub mod close;

pub mod verify;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use slog::error;

use crate::common::exit::Status;
use crate::common::log::{self, Screen};

use options::{Command, Options};

/// The port of a server.
pub const PORT: u16 = 8899;

/// The program: its command line in, its exit status out.
#[must_use]
pub fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = match &options.command {
        Command::Serve(serve) => return serve_main(serve),
        Command::Draw(draw) => draw::run(draw),
        Command::Close(close) => close::run(close),
        Command::Verify(verify) => verify::run(verify),
    };
    match outcome {
        Ok(()) => Status::Done.into(),
        Err(error) => {
            // A reader who has gone away leaves nobody to tell.
            let _ = writeln!(io::stderr(), "loot: {error}");
            error.status().into()
        }
    }
}

fn serve_main(options: &options::Serve) -> ExitCode {
    let log = log::open("loot", options.serving.level(), Screen::default());
    match server::run(options, &log) {
        Ok(()) => Status::Done.into(),
        Err(error) => {
            error!(log, "{error}");
            error.status().into()
        }
    }
}
