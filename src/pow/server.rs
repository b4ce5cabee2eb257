//! `pow serve`: this thread takes connections and signals, others serve and search.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use slog::{Logger, info, warn};

use crate::common::clock::{self, Millis, Stopwatch};
use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::limits::{
    ACCEPT_PAUSE_MS, ACCEPT_TURN_MAX, GUESTS_DEFAULT, GUESTS_TICK_MS, OWN_DESCRIPTORS_MIN, PACE_ATTEMPTS_MAX,
    PACE_HEADS_MIN, SERVE_CLOSING_MS, SERVE_ENDING_MS, TICK_MS,
};
use crate::common::net::{self, Listener, Stream, network};
use crate::common::poll::{Interest, Set};
use crate::common::process;
use crate::common::sandbox::{self, Needs};
use crate::common::signal::{Ending, Endings, Meaning, Signals};
use crate::common::trouble::Trouble;
use crate::common::view::scaled;

use super::crew::{Crew, Mail, Policy};
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
    let mut signals = Signals::open()?;
    let descriptors = process::raise_descriptor_limit();
    let address = net::with_port(&options.listen, super::PORT)?;
    let listener = Listener::open(&address, net::resolve(&address)?[0])?;
    let listen = listener.address()?;
    options.user.as_deref().map_or(Ok(()), sandbox::become_user)?;
    let kernel = options.kernel.unwrap_or_else(Kernel::best);
    let policy = policy(options, listen, kernel, descriptors);
    info!(log, "listening on {listen}");
    info!(
        log,
        "difficulty {}, {} at most, {} threads by {}, about {} hashes/s each",
        policy.difficulty,
        policy.max_difficulty,
        options.threads,
        kernel.name(),
        scaled(policy.pace)
    );
    info!(log, "{}", sandbox::enter(&Needs::default())?);
    let crew = Crew::new(policy, options.threads, options.queue)?;
    let threads = start(&crew, log)?;
    let mut server = Server {
        log,
        crew: Arc::clone(&crew),
        listener: Some(listener),
        threads,
        endings: Endings::default(),
        deadline: None,
        paused: None,
        refused: Trouble::default(),
        greedy: Trouble::default(),
    };
    server.run(&mut signals)?;
    let counts = crew.total()?;
    info!(log, "bye: {} requests, {} proofs", counts.requests, counts.replies);
    Ok(metrics::table(&metrics::object(&crew.standing(), &counts)))
}

fn policy(options: &Serve, listen: SocketAddr, kernel: Kernel, descriptors: usize) -> Policy {
    let room = descriptors.saturating_sub(OWN_DESCRIPTORS_MIN + 3 * options.threads).max(1);
    let guests = options.connections.unwrap_or(GUESTS_DEFAULT).min(room);
    Policy {
        listen: listen.to_string(),
        difficulty: options.difficulty,
        max_difficulty: options.max_difficulty.max(options.difficulty),
        timeout_ms: (options.timeout * 1e3) as u64,
        max_line: options.max_line,
        idle_ms: (options.idle * 1e3) as u64,
        guests_max: guests,
        per_address: options.per_address,
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
    (0..crew.members.len()).map(one).collect()
}

/// The first thread: it owns the listener and the signals.
struct Server<'a> {
    log: &'a Logger,
    crew: Arc<Crew>,
    /// While it takes connections.
    listener: Option<Listener>,
    threads: Vec<JoinHandle<Result<()>>>,
    endings: Endings,
    deadline: Option<Millis>,
    /// Until when no connection is taken, as descriptors have run out.
    paused: Option<Millis>,
    /// Connections can't be taken.
    refused: Trouble,
    /// An address wants more of them than it may have.
    greedy: Trouble,
}

impl Server<'_> {
    fn run(&mut self, signals: &mut Signals) -> Result<()> {
        loop {
            let now = clock::now();
            self.paused = self.paused.filter(|until| *until > now);
            let listener = self.listener.as_ref().filter(|_| self.paused.is_none());
            let mut set = Set::new();
            set.add(signals.as_fd(), Interest::Read);
            let slot = listener.map(|listener| set.add(listener.as_fd(), Interest::Read));
            // While it ends, it looks whether its threads have.
            let patience = if self.endings.begun() || self.paused.is_some() { GUESTS_TICK_MS / 4 } else { TICK_MS };
            set.wait(Duration::from_millis(patience)).map_err(|error| Error::new(Status::Failed, "poll", error))?;
            let ready = slot.is_some_and(|slot| set.ready(slot).readable);
            let now = clock::now();
            if let Some(ending) = signals.ending() {
                self.end(ending, now)?;
            }
            if ready {
                self.accept(now);
            }
            self.tell_what_is_over(now);
            if self.is_over(now)? {
                return Ok(());
            }
        }
    }

    /// Takes some connections, and gives each to the thread that has the fewest.
    fn accept(&mut self, now: Millis) {
        for _ in 0..ACCEPT_TURN_MAX {
            match self.listener.as_ref().map_or(Ok(None), Listener::accept) {
                Ok(Some((stream, from))) => self.seat(stream, from, now),
                Ok(None) => return,
                Err(error) => {
                    if self.refused.strikes(now) {
                        warn!(self.log, "accept: {error}: those connected are served on, others have to wait");
                    }
                    self.paused = Some(now.after(ACCEPT_PAUSE_MS));
                    return;
                }
            }
        }
    }

    fn tell_what_is_over(&mut self, now: Millis) {
        if self.refused.over(now).is_some() {
            info!(self.log, "accept: connections are taken again");
        }
        if let Some(again @ 1..) = self.greedy.over(now) {
            info!(self.log, "{again} more connections of addresses that have too many were turned away");
        }
    }

    fn seat(&mut self, stream: Stream, from: SocketAddr, now: Millis) {
        let fewest = |thread: &usize| {
            let guests = self.crew.members[*thread].guests.load(Ordering::Relaxed);
            (guests >= self.crew.room(*thread), guests)
        };
        let Some(thread) = (0..self.crew.members.len()).min_by_key(fewest) else { return };
        let Some(place) = self.crew.place(network(from.ip())) else {
            if self.greedy.strikes(now) {
                warn!(self.log, "{from} is turned away: its address has too many connections");
            }
            self.crew.counts(thread).turned_away += 1;
            return stream.dismiss(b"error busy: this address has too many connections\n");
        };
        self.crew.members[thread].guests.fetch_add(1, Ordering::Relaxed);
        self.crew.send(thread, Mail::Guest(stream, from, place));
    }

    fn end(&mut self, ending: Ending, now: Millis) -> Result<()> {
        match self.endings.take(now) {
            Meaning::Begin => {
                info!(self.log, "SIG{ending}: ending");
                self.listener = None;
                self.deadline = Some(now.after(SERVE_ENDING_MS + 2 * SERVE_CLOSING_MS));
                (0..self.crew.members.len()).for_each(|thread| self.crew.send(thread, Mail::End));
                Ok(())
            }
            Meaning::AtOnce => Err(Error::new(Status::Failed, "ending", "a second signal: ended at once")),
            Meaning::Same => Ok(()),
        }
    }

    /// True when all threads have ended, or don't in time.
    fn is_over(&mut self, now: Millis) -> Result<bool> {
        for at in (0..self.threads.len()).rev().filter(|at| self.threads[*at].is_finished()).collect::<Vec<_>>() {
            match self.threads.swap_remove(at).join() {
                Ok(outcome) => outcome?,
                Err(_) => return Err(Error::new(Status::Failed, "thread", "panicked")),
            }
        }
        if !self.endings.begun() && self.threads.len() < self.crew.members.len() {
            return Err(Error::new(Status::Failed, "thread", "ended by itself"));
        }
        Ok(self.threads.is_empty() || self.deadline.is_some_and(|deadline| deadline <= now))
    }
}
