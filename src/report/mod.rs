//! The reader of a search: `common::inquiry` asks manage, `json` is for programs, `common::view` for persons.

pub mod options;

pub mod json;

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::inquiry::{Client, Report, Stop, Target};
use crate::common::keys::Role;
use crate::common::net::{self, SEARCH_PORT};
use crate::common::poll::{Interest, Set};
use crate::common::signal::Signals;
use crate::common::tls::Context;
use crate::common::view;

use options::Options;

/// What to try where nobody answers.
const HINT: &str = "is manage running? start it, or name its address: report HOST:PORT, or set ALIQUOT_MANAGE";

/// The program: its command line in, its exit status out.
#[must_use]
pub fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = target(&options)
        .and_then(|target| Ok((target, Signals::open()?)))
        .map_err(Stop::from)
        .and_then(|(target, mut signals)| run(&options, &target, &mut signals));
    match outcome {
        Ok(()) | Err(Stop::Ended) => Status::Done.into(),
        Err(Stop::Failed(error)) => {
            complain(&error);
            error.status().into()
        }
    }
}

/// Where manage is, and by which key it and this program know each other.
fn target(options: &Options) -> Result<Target> {
    let address = net::with_port(&options.manage, SEARCH_PORT)?;
    let roles: &[Role] = if options.kill { &[Role::Operator] } else { &[Role::Viewer, Role::Operator] };
    Ok(Target { address, context: Context::by_key(options.keys.as_deref(), roles)?, hint: HINT })
}

fn run(options: &Options, target: &Target, signals: &mut Signals) -> std::result::Result<(), Stop> {
    let mut seen = false;
    loop {
        match show(options, target, signals) {
            Ok(true) => seen = true,
            Ok(false) => return Ok(()),
            // Who watches wants to see it come back.
            Err(Stop::Failed(error)) if seen && error.status() == Status::Unreachable => complain(&error),
            Err(stop) => return Err(stop),
        }
        let Some(seconds) = options.watch else { return Ok(()) };
        if !pause(Duration::from_secs(seconds), signals)? {
            return Ok(());
        }
    }
}

/// Asks once and shows the answer; false if nobody reads it any more.
fn show(options: &Options, target: &Target, signals: &mut Signals) -> std::result::Result<bool, Stop> {
    let mut client = Client::connect(target, signals)?;
    let report = client.query(None)?;
    let read = print(options, &report)?;
    if options.kill {
        client.end_search()?;
    }
    Ok(read)
}

/// Says on standard error what failed. A reader who has gone away leaves nobody to tell.
fn complain(error: &Error) {
    let _ = writeln!(io::stderr(), "report: {error}");
}

/// Prints a report; false if nobody reads it any more.
fn print(options: &Options, report: &Report) -> Result<bool> {
    let mut text = if options.json {
        format!("{}\n", json::object(report))
    } else {
        view::table(&report.status, &report.distrusted, &report.computes)
    };
    if options.watch.is_some() && !options.json {
        // On a terminal each report takes the place of the one before; elsewhere they follow each other.
        text = if io::stdout().is_terminal() { format!("\x1b[H\x1b[2J{text}") } else { format!("{text}\n") };
    }
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Error::new(Status::Io, "standard output", error)),
    }
}

/// Waits; false if this process was told to end meanwhile.
fn pause(time: Duration, signals: &mut Signals) -> Result<bool> {
    let deadline = Instant::now() + time;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut set = Set::new();
        set.add(signals.as_fd(), Interest::Read);
        set.wait(left).map_err(|error| Error::new(Status::Failed, "poll", error))?;
        let ended = signals.ending().is_some();
        // A signal that ends nothing, or none at all after a stop, wakes it early.
        if ended || left.is_zero() {
            return Ok(!ended);
        }
    }
}
