//! The agent: `host` samples, by what `proc` reads; or `input` takes what another program prints, of which `lines` are read and
//! `tally` keeps what they amount to. `worker` is the loop.

pub mod options;

pub mod proc;

pub mod host;

pub mod lines;

pub mod tally;

pub mod input;

pub mod worker;

use std::process::ExitCode;

use clap::Parser;
use slog::{Logger, error, info};

use crate::common::clock;
use crate::common::error::Result;
use crate::common::exit::Status;
use crate::common::keys::Role;
use crate::common::log::{self, Screen};
use crate::common::net::{self, AGENTS_PORT};
use crate::common::process;
use crate::common::push::agent::Agent;
use crate::common::push::said::Hello;
use crate::common::push::wire::Wire;
use crate::common::sandbox::{self, Needs};
use crate::common::signal::Signals;
use crate::common::tls::Context;

use options::Options;
use worker::Worker;

/// The program: its command line in, its exit status out.
#[must_use]
pub fn main() -> ExitCode {
    let options = Options::parse();
    let log = log::open("agent", options.level(), Screen::default());
    match run(&options, &log) {
        Ok(()) => Status::Done.into(),
        Err(error) => {
            error!(log, "{error}");
            error.status().into()
        }
    }
}

fn run(options: &Options, log: &Logger) -> Result<()> {
    let address = net::with_port(&options.collect, AGENTS_PORT)?;
    let signals = Signals::open()?;
    let context = Context::by_key(options.keys.as_deref(), &[Role::Agent])?;
    let name = options.name.clone().unwrap_or_else(process::host_name);
    let hello = Hello { name, instance: fastrand::u64(..), program: "agent" };
    info!(
        log,
        "{}",
        sandbox::enter(&Needs { connects: net::port(&address).into_iter().collect(), ..Needs::default() })?
    );
    let wire = Wire::new(address, context, hello, fastrand::u64(..), clock::now());
    Worker::new(log, signals, Agent::new(wire, log.clone()), options).run()
}
