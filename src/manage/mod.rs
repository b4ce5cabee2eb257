//! The master of a search. `state` decides, `server` moves bytes, `ledger` keeps; the rest is what they decide with.

pub mod coverage;

pub mod sizing;

pub mod rate;

pub mod roster;

pub mod proof;

pub mod recheck;

pub mod rights;

pub mod gate;

pub mod state;

pub mod outbox;

pub mod ledger;

pub mod options;

pub mod progress;

pub mod connection;

pub mod strangers;

pub mod links;

pub mod server;

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Parser;
use slog::{Logger, error, info, warn};

use crate::common::brood::Brood;
use crate::common::clock;
use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::keyring::{self, Keyring};
use crate::common::keys::{self, Role};
use crate::common::limits::DESCRIPTORS_KEPT_MIN;
use crate::common::log::{self, Screen};
use crate::common::net::{self, Listener, SEARCH_PORT};
use crate::common::process;
use crate::common::push::pusher::Pusher;
use crate::common::sandbox::{self, Needs};
use crate::common::signal::Signals;
use crate::common::store;
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
    let outcome = match (&options.check, &options.init_keys) {
        (Some(ledger), _) => check(ledger).and_then(|sound| print_report(Some(&sound.to_string()))),
        (_, Some(directory)) => init_keys(&options, directory),
        _ => run(&options, &log, &screen),
    };
    match outcome {
        Ok(()) => Status::Done.into(),
        Err(error) => {
            error!(log, "{error}");
            error.status().into()
        }
    }
}

fn init_keys(options: &Options, directory: &str) -> Result<()> {
    // It blocks SIGXFSZ: a file that may not grow is an error, not a death.
    let _signals = Signals::open()?;
    let said = keyring::init(Path::new(directory), Role::Manage, &options.add_key, options.user.as_deref())?;
    print_report(Some(&said))
}

fn run(options: &Options, log: &Logger, screen: &Screen) -> Result<()> {
    let wanted = options.wanted()?;
    process::keep_ended_children();
    let signals = Signals::open()?;
    let descriptors = process::raise_descriptor_limit();
    let address = net::with_port(&options.listen, SEARCH_PORT)?;
    let addresses = net::resolve(&address)?;
    guard_exposure(&address, &addresses, options, log)?;
    let listener = Listener::open(&address, addresses[0])?;
    let listen = listener.address()?;
    options.user.as_deref().map_or(Ok(()), sandbox::become_user)?;
    let mut keyring = options.keys.as_deref().map(|given| Keyring::open(given, Role::Manage, log)).transpose()?;
    let (ledger, settings, restored) = Ledger::open(&options.ledger, wanted)?;
    let policy = Policy {
        seconds: options.seconds,
        recheck_percent: options.recheck,
        recheck_key: fastrand::u64(..),
        workers_max: descriptors - DESCRIPTORS_KEPT_MIN.min(descriptors / 4),
    };
    let identity = Identity { host: process::host_name(), listen: listen.to_string(), ledger: options.ledger.clone() };
    let now = clock::now();
    let state = State::new(settings, policy, identity, restored, now)
        .map_err(|fault| ledger::damage(&options.ledger, fault))?;
    let known = match state.status().tested {
        0 => "nothing is tested yet".to_owned(),
        tested => format!("{} are tested already", view::grouped(tested)),
    };
    let until = settings.last.map_or("without end".to_owned(), |last| format!("to {last}"));
    let program = compute_program()?;
    let commands = (0..options.computes).map(|_| compute_command(&program, listen, options));
    let brood = Brood::new(commands.collect::<Result<_>>()?);
    info!(log, "listening on {listen}");
    let pusher = Pusher::start(&options.collecting, "manage", state.readings(), log::level(options.verbose), log)?;
    info!(log, "testing {} {until} by {}, ledger {}: {known}", settings.first, settings.method, options.ledger);
    give_up(&Needs { is_enclosed: pusher.is_some(), ..needs(options, program, listen) }, log)?;
    keyring.as_mut().map_or(Ok(()), Keyring::look)?;
    let progress = Progress::open(screen, now);
    let log = log.clone();
    let server = Server { log, signals, listener, descriptors, keyring, state, ledger, brood, progress, pusher };
    let report = server.run()?;
    print_report(report.as_deref())
}

/// Refuses to listen where strangers could connect, unless there are keys or it is told to.
fn guard_exposure(address: &str, addresses: &[SocketAddr], options: &Options, log: &Logger) -> Result<()> {
    let exposed = addresses.iter().any(|at| !at.ip().to_canonical().is_loopback());
    if !exposed || options.keys.is_some() {
        return Ok(());
    }
    if !options.insecure {
        let cause = "beyond loopback anybody who can connect may read, feed and end the search; make keys by \
                     \"manage --init-keys keys\" and add \"--keys keys\", or add --insecure if this network is yours alone";
        return Err(Error::new(Status::Usage, format!("--listen {address}"), cause));
    }
    warn!(log, "--insecure: anybody who can connect to {address} may read, feed and end this search");
    Ok(())
}

/// What is needed once it listens and has its ledger: to write that and its log, which is removed at the end, to read the list
/// of keys, and to start computes, which connect to this manage.
#[must_use]
pub fn needs(options: &Options, program: PathBuf, listen: SocketAddr) -> Needs {
    let children = options.computes > 0;
    let (writes, removes) = store::places(&options.ledger);
    Needs {
        writes,
        removes,
        reads: options.keys.iter().flat_map(|given| keyring::places(given)).collect(),
        starts: children.then_some(program),
        connects: children.then(|| listen.port()).into_iter().collect(),
        is_enclosed: false,
    }
}

/// Gives up everything else.
fn give_up(needs: &Needs, log: &Logger) -> Result<()> {
    info!(log, "{}", sandbox::enter(needs)?);
    if sandbox::is_root() {
        info!(log, "running as root, which isn't needed: --user NAME gives that up");
    }
    Ok(())
}

/// The compute beside this program.
fn compute_program() -> Result<PathBuf> {
    let here = std::env::current_exe().map_err(|error| Error::new(Status::Failed, "manage", error))?;
    Ok(here.with_file_name("compute"))
}

/// How a compute of this host is started.
fn compute_command(program: &Path, listen: SocketAddr, options: &Options) -> Result<Command> {
    let mut command = Command::new(program);
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    command.arg(SocketAddr::new(ip, listen.port()).to_string()).arg("--until-eof");
    command.env_remove("ALIQUOT_KEYS");
    if let Some(given) = options.keys.as_deref().filter(|_| options.computes > 0) {
        let directory = keyring::directory(given);
        command.arg("--keys").arg(keys::find(&directory.to_string_lossy(), &[Role::Worker])?);
    }
    match options.verbose {
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
