//! The master of a search. `state` decides, `server` moves bytes, `ledger` keeps; the rest is what they decide with.

pub mod coverage;

pub mod sizing;

pub mod rate;

pub mod roster;

pub mod proof;

pub mod recheck;

pub mod state;

pub mod outbox;

pub mod ledger;

pub mod options;

pub mod progress;

pub mod connection;

pub mod links;

pub mod server;

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::process::{Command, ExitCode};

use clap::Parser;
use slog::{Logger, error, info, warn};

use crate::common::brood::Brood;
use crate::common::clock;
use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::log::{self, Screen};
use crate::common::net::{self, Listener, SEARCH_PORT};
use crate::common::process;
use crate::common::signal::Signals;
use crate::common::view;

use ledger::Ledger;
use ledger::check::check;
use options::Options;
use progress::Progress;
use server::Server;
use state::{Identity, Policy, State};

/// The program: its command line in, its exit status out.
#[must_use]
pub fn main() -> ExitCode {
    let options = Options::parse();
    let screen = Screen::default();
    let log = log::open("manage", log::level(options.verbose), screen.clone());
    let outcome = match &options.check {
        Some(ledger) => check(ledger).and_then(|sound| print_report(Some(&sound.to_string()))),
        None => run(&options, &log, &screen),
    };
    match outcome {
        Ok(()) => Status::Done.into(),
        Err(error) => {
            error!(log, "{error}");
            error.status().into()
        }
    }
}

fn run(options: &Options, log: &Logger, screen: &Screen) -> Result<()> {
    let wanted = options.wanted()?;
    process::keep_ended_children();
    let signals = Signals::open()?;
    process::raise_descriptor_limit();
    let address = net::with_port(&options.listen, SEARCH_PORT)?;
    guard_exposure(&address, options.insecure, log)?;
    let listener = Listener::open(&address)?;
    let listen = listener.address()?;
    let (ledger, settings, restored) = Ledger::open(&options.ledger, wanted)?;
    let policy = Policy { seconds: options.seconds, recheck_percent: options.recheck, recheck_key: fastrand::u64(..) };
    let identity = Identity { host: process::host_name(), listen: listen.to_string(), ledger: options.ledger.clone() };
    let now = clock::now();
    let state = State::new(settings, policy, identity, restored, now)
        .map_err(|fault| ledger::damage(&options.ledger, fault))?;
    let known = match state.status().tested {
        0 => "nothing is tested yet".to_owned(),
        tested => format!("{} are tested already", view::grouped(tested)),
    };
    let until = settings.last.map_or("without end".to_owned(), |last| format!("to {last}"));
    info!(log, "listening on {listen}");
    info!(log, "testing {} {until} by {}, ledger {}: {known}", settings.first, settings.method, options.ledger);
    let brood = Brood::new(compute_command(listen, options.verbose)?, options.computes);
    let progress = Progress::open(screen, now);
    let server = Server { log: log.clone(), signals, listener, state, ledger, brood, progress };
    let report = server.run()?;
    print_report(report.as_deref())
}

/// Refuses to listen where strangers could connect, unless told to.
fn guard_exposure(address: &str, insecure: bool, log: &Logger) -> Result<()> {
    let exposed = net::resolve(address)?.iter().any(|at| !at.ip().to_canonical().is_loopback());
    if exposed && !insecure {
        let cause = "beyond loopback anybody who can connect may read, feed and end the search; \
                     add --insecure if this network is yours alone";
        return Err(Error::new(Status::Usage, format!("--listen {address}"), cause));
    }
    if exposed {
        warn!(log, "--insecure: anybody who can connect to {address} may read, feed and end this search");
    }
    Ok(())
}

/// How a compute of this host is started: the program beside this one.
fn compute_command(listen: SocketAddr, verbose: u8) -> Result<Command> {
    let here = std::env::current_exe().map_err(|error| Error::new(Status::Failed, "manage", error))?;
    let mut command = Command::new(here.with_file_name("compute"));
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    command.arg(SocketAddr::new(ip, listen.port()).to_string()).arg("--until-eof");
    match verbose {
        0 => command.arg("--quiet"),
        more => command.args((0..more).map(|_| "-v")),
    };
    Ok(command)
}

fn print_report(report: Option<&str>) -> Result<()> {
    let Some(report) = report else { return Ok(()) };
    let mut out = std::io::stdout().lock();
    let written = out.write_all(report.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| Error::new(Status::Io, "standard output", error))
}
