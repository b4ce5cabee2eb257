//! The worker of a search: `worker` is the loop, `duty` decides, `work` computes, `wire` keeps a connection up,
//! `monitor` is the forked child, `several` runs more than one.

pub mod duty;

pub mod options;

pub mod kernel;

pub mod timing;

pub mod work;

pub mod deeds;

pub mod wire;

pub mod monitor;

pub mod worker;

pub mod several;

use std::process::ExitCode;

use clap::Parser;
use slog::{Logger, error, info};

use crate::common::clock;
use crate::common::error::Result;
use crate::common::exit::Status;
use crate::common::keys::Role as KeyRole;
use crate::common::log::{self, Screen};
use crate::common::message::{Hello, Instance, Role, Version};
use crate::common::net::{self, SEARCH_PORT};
use crate::common::process;
use crate::common::push::pusher::Pusher;
use crate::common::sandbox::{self, Needs};
use crate::common::signal::Signals;
use crate::common::tls::Context;

use deeds::Deeds;
use monitor::{Monitor, Setup};
use options::Options;
use wire::Wire;
use worker::Worker;

/// The program: its command line in, its exit status out.
#[must_use]
pub fn main() -> ExitCode {
    let options = Options::parse();
    let log = log::open("compute", options.level(), Screen::default());
    match run(&options, &log) {
        Ok(()) => Status::Done.into(),
        Err(error) => {
            error!(log, "{error}");
            error.status().into()
        }
    }
}

fn run(options: &Options, log: &Logger) -> Result<()> {
    let address = net::with_port(&options.manage, SEARCH_PORT)?;
    process::keep_ended_children();
    let signals = Signals::open()?;
    process::lower_priority(options.nice);
    options.user.as_deref().map_or(Ok(()), sandbox::become_user)?;
    let context = Context::by_key(options.keys.as_deref(), &[KeyRole::Worker])?;
    if options.count > 1 {
        return several::run(options, &address, log, signals);
    }
    let kernel = kernel::choose(options.kernel, log)?;
    let instance = Instance(fastrand::u64(..));
    let hello = |role| Hello {
        version: Version,
        role,
        host: Some(options.host.clone().unwrap_or_else(process::host_name)),
        pid: Some(std::process::id()),
        instance: Some(instance),
        kernel: (role == Role::Compute).then(|| kernel.name().to_owned()),
    };
    let now = clock::now();
    let setup = Setup {
        address: address.clone(),
        context: context.clone(),
        hello: hello(Role::Control),
        level: options.level(),
    };
    let monitor = Monitor::new(setup);
    let pusher = Pusher::start(&options.collecting(), "compute", Deeds::default().readings(), options.level(), log)?;
    info!(log, "{}", sandbox::enter(&Needs { is_enclosed: pusher.is_some(), ..needs(&address) })?);
    let wire = Wire::new(address, context, hello(Role::Compute), fastrand::u64(..), now);
    Worker::new(log.clone(), signals, wire, monitor, pusher, kernel, options.until_eof).run()
}

/// What a compute needs: it writes no file, starts no program, and connects to its manage at `address` (`HOST:PORT`) alone. Its
/// monitor inherits that, and can signal nobody but it.
#[must_use]
pub fn needs(address: &str) -> Needs {
    Needs { connects: net::port(address).into_iter().collect(), ..Needs::default() }
}
