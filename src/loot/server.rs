//! `loot serve`: this thread takes connections and signals, one keeps the ledger, others serve.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use slog::{Logger, info, warn};

use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::hall::door::{Door, Threads};
use crate::common::hall::staff::{Staff, guests_max};
use crate::common::net::{self, Listener};
use crate::common::process;
use crate::common::push::pusher::Pusher;
use crate::common::sandbox::{self, Needs};
use crate::common::signal::Signals;
use crate::common::store;
use crate::common::view::grouped;

use super::crew::Crew;
use super::ledger::Ledger;
use super::memory::{Kept, Memory};
use super::metrics::{self, Standing};
use super::options::{SIZE_DEFAULT, Serve};
use super::scribe::Scribe;
use super::shuffle::Seed;
use super::worker::Worker;

/// The ledger that keeps nothing.
const IN_MEMORY: &str = ":memory:";

/// Serves until a signal ends it.
///
/// # Errors
/// When it can't listen, or fails; when the ledger can't be written; or when a second signal ends it at once.
pub fn run(options: &Serve, log: &Logger) -> Result<()> {
    let signals = Signals::open()?;
    let descriptors = process::raise_descriptor_limit();
    let address = net::with_port(&options.listen, super::PORT)?;
    let listener = Listener::open(&address, net::resolve(&address)?[0])?;
    let listen = listener.address()?;
    options.serving.user.as_deref().map_or(Ok(()), sandbox::become_user)?;
    let (ledger, kept) = open(options)?;
    let first = metrics::readings(&Standing::of(&kept));
    let pusher = Pusher::start(&options.collecting, "loot", first, options.serving.level(), log)?;
    let staff = Staff::new(
        options.serving.threads,
        guests_max(options.serving.connections, options.serving.threads, descriptors),
        options.serving.per_address,
    )?;
    let crew = Crew::new(Memory::new(kept, ledger.as_ref().map(|_| options.ahead)), staff, options.serving.idle_ms());
    tell(&crew.memory, options, log);
    let (writes, removes) = ledger.as_ref().map_or_else(Default::default, |_| store::places(&options.ledger));
    info!(log, "{}", sandbox::enter(&Needs { writes, removes, is_enclosed: pusher.is_some(), ..Needs::default() })?);
    let mut server = Server::start(&crew, ledger, pusher, log)?;
    info!(log, "listening on {listen}");
    Door::new(listener, signals, &crew.staff, log).keep(&mut server)?;
    server.end()?;
    let (drawn, unheard) = (crew.memory.drawn().into(), crew.memory.unheard().into());
    info!(log, "bye: {} of {} drawn, {} unheard", grouped(drawn), grouped(crew.memory.size().into()), grouped(unheard));
    Ok(())
}

/// The box: of the ledger, or a fresh one.
fn open(options: &Serve) -> Result<(Option<Ledger>, Kept)> {
    if options.ledger != IN_MEMORY {
        return Ledger::open(&options.ledger, options.size, SIZE_DEFAULT).map(|(ledger, kept)| (Some(ledger), kept));
    }
    let (seed, size) = (Seed::fresh()?, options.size.unwrap_or(SIZE_DEFAULT));
    Ok((None, Kept { seed, size, drawn: 0, told: 0, closed: false, named: HashMap::new() }))
}

/// Says what box it is. The commitment stands in the log before anything can be drawn.
fn tell(memory: &Memory, options: &Serve, log: &Logger) {
    let (drawn, unheard) = (memory.drawn(), memory.unheard());
    let state = match (drawn, memory.left()) {
        (0, _) => "none drawn yet".to_owned(),
        (_, 0) => "all drawn".to_owned(),
        _ => format!("{} drawn", grouped(drawn.into())),
    };
    let closed = if memory.is_closed() { ", closed" } else { "" };
    info!(log, "a box of {} numbers, {state}{closed}; ledger {}", grouped(memory.size().into()), options.ledger);
    if unheard > 0 {
        warn!(
            log,
            "{} numbers were drawn, or taken by a crash, and perhaps never heard: they stay drawn",
            grouped(unheard.into())
        );
    }
    info!(log, "commitment {} size {}", memory.commitment(), memory.size());
}

/// The threads.
struct Server {
    crew: Arc<Crew>,
    workers: Vec<JoinHandle<Result<()>>>,
    scribe: Option<JoinHandle<Result<()>>>,
    pusher: Option<Pusher>,
    /// Numbers that were drawn before it began.
    drawn_before: u32,
}

impl Server {
    /// Starts them, after all that a process does alone is done. They inherit its blocked signals and its sandbox.
    fn start(crew: &Arc<Crew>, ledger: Option<Ledger>, pusher: Option<Pusher>, log: &Logger) -> Result<Self> {
        let drawn_before = crew.memory.drawn();
        let failed = |error: io::Error| Error::new(Status::Failed, "thread", error);
        let scribe = ledger.map(|ledger| {
            let scribe = Scribe::new(crew, ledger, log);
            Builder::new().name("loot-ledger".to_owned()).spawn(move || scribe.run()).map_err(failed)
        });
        let one = |thread| {
            let worker = Worker::new(crew, thread, log)?;
            Builder::new().name(format!("loot-{thread}")).spawn(move || worker.run()).map_err(failed)
        };
        let workers = (0..crew.staff.threads()).map(one).collect::<Result<_>>()?;
        Ok(Self { crew: Arc::clone(crew), workers, scribe: scribe.transpose()?, pusher, drawn_before })
    }

    /// The last thing that is done: the ledger is closed, and what there is to push said.
    fn end(&mut self) -> Result<()> {
        self.crew.end();
        self.scribe.take().map_or(Ok(()), join)?;
        self.tick();
        self.pusher.iter_mut().for_each(Pusher::end);
        Ok(())
    }
}

fn join(thread: JoinHandle<Result<()>>) -> Result<()> {
    thread.join().unwrap_or_else(|_| Err(Error::new(Status::Failed, "thread", "panicked")))
}

impl Threads for Server {
    fn running(&mut self) -> Result<usize> {
        self.scribe.take_if(|scribe| scribe.is_finished()).map_or(Ok(()), join)?;
        for at in (0..self.workers.len()).rev().filter(|at| self.workers[*at].is_finished()).collect::<Vec<_>>() {
            join(self.workers.swap_remove(at))?;
        }
        Ok(self.workers.len())
    }

    fn turn_away(&mut self, _: usize) {}

    fn tick(&mut self) {
        if let Some(pusher) = &mut self.pusher {
            let (memory, staff) = (&self.crew.memory, &self.crew.staff);
            let drawn = memory.drawn();
            pusher.push(&metrics::readings(&Standing {
                size: memory.size(),
                drawn,
                unheard: memory.unheard(),
                taken: drawn.saturating_sub(self.drawn_before),
                closed: memory.is_closed(),
                connections: staff.guests(),
            }));
        }
    }
}
