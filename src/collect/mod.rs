//! The collector of metrics: agents push, Prometheus and people read.
//!
//! `speech` is what agents say and hear, `metric`, `series`, `shelf` and `book` decide what becomes of it, `keeper` keeps it.
//! Three threads share the book: `agents`, the first, is a poll() loop over agents' connections (`peer`), signals and the store;
//! `http` answers requests, with what `exposition` and `page` make of the book; `inquirer` asks a manage for its report.

pub mod metric;

pub mod series;

pub mod history;

pub mod speech;

pub mod shelf;

pub mod book;

pub mod shared;

pub mod options;

pub mod keeper;

pub mod peer;

pub mod agents;

pub mod inquirer;

pub mod accept;

pub mod exposition;

pub mod own;

pub mod chart;

pub mod page;

pub mod http;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::{self, Builder, JoinHandle};
use std::time::Duration;

use clap::Parser;
use slog::{Logger, error, info, warn};

use crate::common::clock;
use crate::common::epoll::Waker;
use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::inquiry::Target;
use crate::common::keyring::{self, Keyring};
use crate::common::keys::Role;
use crate::common::limits::{CHILD_EXIT_LOOK_MS, HTTP_CONNECTIONS_MAX, OWN_DESCRIPTORS_MIN, THREADS_ENDING_MS};
use crate::common::log::{self, Screen};
use crate::common::net::{self, Listener, SEARCH_PORT};
use crate::common::output;
use crate::common::process;
use crate::common::sandbox::{self, Needs};
use crate::common::signal::Signals;
use crate::common::store;
use crate::common::tls::Context;

use agents::Agents;
use book::Book;
use http::Http;
use inquirer::Inquirer;
use keeper::{Keeper, Kept};
use options::Options;
use shared::Shared;

/// The port for agents.
pub const PORT: u16 = 5050;
/// The port for Prometheus and browsers.
pub const HTTP_PORT: u16 = 8000;

/// The program: its command line in, its exit status out.
#[must_use]
pub fn main() -> ExitCode {
    let options = Options::parse();
    let log = log::open("collect", options.level(), Screen::default());
    let outcome = match &options.init_keys {
        Some(directory) => init_keys(&options, directory),
        None => run(&options, &log),
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
    let said = keyring::init(Path::new(directory), Role::Collect, &options.add_key, options.user.as_deref())?;
    output::print(said.as_bytes())
}

fn run(options: &Options, log: &Logger) -> Result<()> {
    info!(log, "starting");
    let signals = Signals::open()?;
    let descriptors = process::raise_descriptor_limit();
    let (agents, at) = open("--agents", &options.agents, PORT, |to, at| guard_exposure(to, at, options, log))?;
    let (http, http_at) = open("--http", &options.http, HTTP_PORT, |to, at| warn_of_readers(to, at, log))?;
    options.user.as_deref().map_or(Ok(()), sandbox::become_user)?;
    let target = target(options)?;
    let mut keyring = options.keys.as_deref().map(|given| Keyring::open(given, Role::Collect, log)).transpose()?;
    let (keeper, kept) = Keeper::open(&options.store)?;
    let now = clock::now();
    let book = restore(kept, options, log);
    let manage = target.as_ref().map(|target| target.address.clone());
    let shared = Arc::new(Shared::new(book, manage, now, clock::wall_seconds()));
    info!(log, "{}", sandbox::enter(&needs(options, target.as_ref()))?);
    if sandbox::is_root() {
        info!(log, "running as root, which isn't needed: --user NAME gives that up");
    }
    keyring.as_mut().map_or(Ok(()), Keyring::look)?;
    let room = descriptors.saturating_sub(OWN_DESCRIPTORS_MIN + HTTP_CONNECTIONS_MAX).max(1);
    let threads = Threads::start(http, target, &shared, log)?;
    info!(log, "listening on {at} for agents, on http://{http_at}/ for Prometheus and browsers");
    let served = Agents { log: log.clone(), signals, listener: agents, keyring, keeper, shared, room }.run();
    threads.end();
    served
}

/// A listener at `given`, which `option` named, if `guard` lets it be there; and where it really is.
fn open(
    option: &str,
    given: &str,
    port: u16,
    guard: impl FnOnce(&str, &[SocketAddr]) -> Result<()>,
) -> Result<(Listener, SocketAddr)> {
    let address = net::with_port(given, port)?;
    let addresses = net::resolve(&address)?;
    guard(&address, &addresses)?;
    let listener = Listener::open(&format!("{option} {address}"), addresses[0])?;
    let at = listener.address()?;
    Ok((listener, at))
}

fn is_exposed(addresses: &[SocketAddr]) -> bool {
    addresses.iter().any(|at| !at.ip().to_canonical().is_loopback())
}

/// Refuses to take agents where strangers could connect, unless there are keys or it is told to.
fn guard_exposure(address: &str, addresses: &[SocketAddr], options: &Options, log: &Logger) -> Result<()> {
    if !is_exposed(addresses) || options.keys.is_some() {
        return Ok(());
    }
    if !options.insecure {
        let cause = "beyond loopback anybody who can connect may push; make keys by \"collect --init-keys keys\" and add \
                     \"--keys keys\", or add --insecure if this network is yours alone";
        return Err(Error::new(Status::Usage, format!("--agents {address}"), cause));
    }
    warn!(log, "--insecure: anybody who can connect to {address} may push metrics");
    Ok(())
}

fn warn_of_readers(address: &str, addresses: &[SocketAddr], log: &Logger) -> Result<()> {
    if is_exposed(addresses) {
        warn!(
            log,
            "--http {address}: anybody who can connect may read all metrics and the search's report, and nothing else"
        );
    }
    Ok(())
}

/// The manage whose search is shown.
fn target(options: &Options) -> Result<Option<Target>> {
    let Some(manage) = &options.manage else { return Ok(None) };
    let address = net::with_port(manage, SEARCH_PORT)?;
    let context = Context::by_key(options.manage_keys.as_deref(), &[Role::Viewer, Role::Operator])?;
    Ok(Some(Target { address, context, hint: "" }))
}

/// What was kept, in a new book.
fn restore(kept: Kept, options: &Options, log: &Logger) -> Book {
    let now = clock::now();
    let mut book = Book::new((options.window * 1e3) as u64, (options.expire * 1e3) as u64);
    let (agents, series) = (kept.agents.len(), kept.rows.len());
    kept.metrics.into_iter().for_each(|metric| book.shelf.restore_metric(metric, now));
    kept.agents.into_iter().for_each(|agent| book.restore(agent, now));
    let lost = kept.rows.into_iter().filter_map(|row| (!book.restore_series(row, now)).then_some(())).count();
    if lost > 0 {
        warn!(log, "store {}: {lost} series fit no metric or agent, and are passed over", options.store);
    }
    info!(log, "store {}: {agents} agents and {series} series are known already", options.store);
    book
}

/// What is needed once it listens and has its store: to write that and its log, to read the list of keys, to ask manage.
fn needs(options: &Options, target: Option<&Target>) -> Needs {
    let (writes, removes) = store::places(&options.store);
    let connects = target.and_then(|target| target.address.rsplit_once(':')).and_then(|(_, port)| port.parse().ok());
    Needs {
        writes,
        removes,
        reads: options.keys.iter().flat_map(|given| keyring::places(given)).collect(),
        connects: connects.into_iter().collect(),
        ..Needs::default()
    }
}

/// The threads beside the first.
struct Threads {
    end: Arc<Waker>,
    ending: tokio::sync::watch::Sender<bool>,
    running: Vec<JoinHandle<()>>,
}

impl Threads {
    /// Starts them, after all that a process does alone is done. They inherit its blocked signals and its sandbox.
    fn start(listener: Listener, target: Option<Target>, shared: &Arc<Shared>, log: &Logger) -> Result<Self> {
        let failed = |error: io::Error| Error::new(Status::Failed, "thread", error);
        let end = Arc::new(Waker::new().map_err(failed)?);
        let (ending, ended) = tokio::sync::watch::channel(false);
        let http = Http { shared: Arc::clone(shared), log: log.clone(), ended };
        let server = http.server(listener).map_err(failed)?;
        let mut running = vec![Builder::new().name("collect-http".to_owned()).spawn(server).map_err(failed)?];
        if let Some(target) = target {
            let inquirer = Inquirer { target, shared: Arc::clone(shared), end: Arc::clone(&end), log: log.clone() };
            let started = Builder::new().name("collect-manage".to_owned()).spawn(move || inquirer.run());
            running.push(started.map_err(failed)?);
        }
        Ok(Self { end, ending, running })
    }

    /// Ends them, within a bound.
    fn end(self) {
        self.end.wake();
        // Nobody to tell: then it has ended.
        let _ = self.ending.send(true);
        // One that looks a name up can't be told, and goes with the process.
        let until = clock::now().after(THREADS_ENDING_MS);
        while self.running.iter().any(|thread| !thread.is_finished()) && clock::now() < until {
            thread::sleep(Duration::from_millis(CHILD_EXIT_LOOK_MS));
        }
    }
}
