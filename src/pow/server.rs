//! `pow serve`: this thread takes connections and signals, others serve and search.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use slog::{Logger, info};

use crate::common::clock::Stopwatch;
use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::hall::door::{Door, Threads};
use crate::common::hall::staff;
use crate::common::limits::{PACE_ATTEMPTS_MAX, PACE_HEADS_MIN};
use crate::common::net::{self, Listener};
use crate::common::process;
use crate::common::push::pusher::Pusher;
use crate::common::sandbox::{self, Needs};
use crate::common::signal::Signals;
use crate::common::view::scaled;

use super::crew::{Crew, Policy};
use super::metrics;
use super::options::Serve;
use super::sha::kernel::{Kernel, Part};
use super::sha::template::Template;
use super::worker::Worker;

/// Serves until a signal ends it; what it has done, as a table.
///
/// # Errors
/// When it can't listen, or fails; or when a second signal ends it at once.
pub fn run(options: &Serve, log: &Logger) -> Result<String> {
    let signals = Signals::open()?;
    let descriptors = process::raise_descriptor_limit();
    let address = net::with_port(&options.listen, super::PORT)?;
    let listener = Listener::open(&address, net::resolve(&address)?[0])?;
    let listen = listener.address()?;
    options.serving.user.as_deref().map_or(Ok(()), sandbox::become_user)?;
    let kernel = options.kernel.unwrap_or_else(Kernel::best);
    let policy = policy(options, listen, kernel, descriptors);
    info!(log, "listening on {listen}");
    info!(
        log,
        "difficulty {}, {} at most, {} threads by {}, about {} hashes/s each",
        policy.difficulty,
        policy.max_difficulty,
        options.serving.threads,
        kernel.name(),
        scaled(policy.pace)
    );
    let crew = Crew::new(policy, options.serving.threads, options.queue)?;
    let first = metrics::readings(&crew.standing(), &crew.total()?);
    let pusher = Pusher::start(&options.collecting, "pow", first, options.serving.level(), log)?;
    info!(log, "{}", sandbox::enter(&Needs { is_enclosed: pusher.is_some(), ..Needs::default() })?);
    let mut workers = Workers { crew: &crew, running: start(&crew, log)?, pusher };
    Door::new(listener, signals, &crew.staff, log).keep(&mut workers)?;
    workers.tick();
    workers.pusher.iter_mut().for_each(Pusher::end);
    let counts = crew.total()?;
    info!(log, "bye: {} requests, {} proofs", counts.requests, counts.replies);
    Ok(metrics::table(&metrics::object(&crew.standing(), &counts)))
}

fn policy(options: &Serve, listen: SocketAddr, kernel: Kernel, descriptors: usize) -> Policy {
    Policy {
        listen: listen.to_string(),
        difficulty: options.difficulty,
        max_difficulty: options.max_difficulty.max(options.difficulty),
        timeout_ms: (options.timeout * 1e3) as u64,
        max_line: options.max_line,
        idle_ms: options.serving.idle_ms(),
        guests_max: staff::guests_max(options.serving.connections, options.serving.threads, descriptors),
        per_address: options.serving.per_address,
        kernel,
        pace: pace(kernel),
    }
}

/// Hashes a second that this thread can compute: the most of some attempts, the first of which also wakes the processor.
fn pace(kernel: Kernel) -> u64 {
    let template = Template::new(b"");
    let attempt = |nth: u32| {
        let (start, part) = (Stopwatch::start(), Part { first: nth * PACE_HEADS_MIN, heads: PACE_HEADS_MIN, turn: 0 });
        let hashes = kernel.scan(&template, part, u32::MAX).tried;
        (hashes as f64 / (start.nanoseconds() as f64 / 1e9)) as u64
    };
    (0..PACE_ATTEMPTS_MAX).map(attempt).max().unwrap_or(1)
}

/// Starts the threads, after all that a process does alone is done. They inherit its blocked signals and its sandbox.
fn start(crew: &Arc<Crew>, log: &Logger) -> Result<Vec<JoinHandle<Result<()>>>> {
    let failed = |error: std::io::Error| Error::new(Status::Failed, "thread", error);
    let one = |thread| {
        let worker = Worker::new(crew, thread, log)?;
        Builder::new().name(format!("pow-{thread}")).spawn(move || worker.run()).map_err(failed)
    };
    (0..crew.staff.threads()).map(one).collect()
}

/// The threads that run.
struct Workers<'a> {
    crew: &'a Crew,
    running: Vec<JoinHandle<Result<()>>>,
    pusher: Option<Pusher>,
}

impl Threads for Workers<'_> {
    fn running(&mut self) -> Result<usize> {
        for at in (0..self.running.len()).rev().filter(|at| self.running[*at].is_finished()).collect::<Vec<_>>() {
            match self.running.swap_remove(at).join() {
                Ok(outcome) => outcome?,
                Err(_) => return Err(Error::new(Status::Failed, "thread", "panicked")),
            }
        }
        Ok(self.running.len())
    }

    fn turn_away(&mut self, thread: usize) {
        self.crew.counts(thread).turned_away += 1;
    }

    fn tick(&mut self) {
        if let (Some(pusher), Ok(counts)) = (&mut self.pusher, self.crew.total()) {
            pusher.push(&metrics::readings(&self.crew.standing(), &counts));
        }
    }
}
