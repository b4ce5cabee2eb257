//! Proof of work: `puzzle` says what a proof is, `sha` finds seeds, `search` shares that between threads.
//!
//! A server is `server`, which starts its threads and is the door to them, and `worker`, which each of them is: it has a hall
//! of connections, a `desk` that answers them, and its share of the `pool` of requests. `solve`, `verify`, `load` and `status`
//! are what its clients need.

pub mod puzzle;

pub mod sha;

pub mod search;

pub mod request;

pub mod options;

pub mod metrics;

pub mod pool;

pub mod crew;

pub mod desk;

pub mod worker;

pub mod server;

pub mod solve;

pub mod verify;

pub mod status;

pub mod load;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use slog::error;

use crate::common::exit::Status;
use crate::common::log::{self, Screen};
use crate::common::output;

use options::{Command, Options};

/// The port of a server.
pub const PORT: u16 = 20_000;

/// The program: its command line in, its exit status out.
#[must_use]
pub fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = match &options.command {
        Command::Serve(serve) => return serve_main(serve),
        Command::Solve(solve) => solve::run(solve),
        Command::Verify(verify) => verify::run(verify),
        Command::Load(load) => load::run(load),
        Command::Status(status) => status::run(status),
    };
    match outcome {
        Ok(()) => Status::Done.into(),
        Err(error) => {
            if !matches!(&options.command, Command::Verify(verify) if verify.quiet) {
                // A reader who has gone away leaves nobody to tell.
                let _ = writeln!(io::stderr(), "pow: {error}");
            }
            error.status().into()
        }
    }
}

fn serve_main(options: &options::Serve) -> ExitCode {
    let log = log::open("pow", options.serving.level(), Screen::default());
    match server::run(options, &log).and_then(|table| output::print(table.as_bytes())) {
        Ok(()) => Status::Done.into(),
        Err(error) => {
            error!(log, "{error}");
            error.status().into()
        }
    }
}
