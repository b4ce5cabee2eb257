//! The pusher: a child that is the agent of a program whose own work must not wait for collect.
//!
//! It is forked before its parent has threads or a sandbox, and owns one end of a socket pair, from which it takes samples, and the
//! connection. It may connect to its collect and nothing else. No signal to its process group ends it: it leaves when the other end of
//! the pair is closed, and dies with its parent.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, MsgFlags, Shutdown, SockFlag, SockType, recv, send, shutdown, socketpair};
use serde_json::{Value as Json, json};
use slog::{Level, Logger, debug, warn};

use crate::common::arguments::Collecting;
use crate::common::clock;
use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::keys::Role;
use crate::common::limits::{PUSHER_EXIT_MAX_MS, SAMPLE_MAX_BYTES, SAMPLES_TURN_MAX};
use crate::common::log::{self, Screen};
use crate::common::net;
use crate::common::poll::{Interest, Ready, Set};
use crate::common::process::{self, Pid};
use crate::common::sandbox::{self, Needs};
use crate::common::signal::Signals;
use crate::common::tls::Context;

use super::agent::Agent;
use super::metric::{Reading, Series};
use super::said::{self, Hello};
use super::wire::Wire;

/// A pusher as its parent sees it.
pub struct Pusher {
    log: Logger,
    /// Where samples go.
    feed: OwnedFd,
    child: Option<Pid>,
    /// Samples that didn't fit.
    dropped: u64,
}

/// What a pusher is told at its start.
struct Setup {
    address: String,
    context: Option<Context>,
    hello: Hello,
    level: Level,
    first: Vec<Reading>,
}

impl Pusher {
    /// Forks the pusher of `program`, if its options ask for one. It declares what `first` reads, in that order; further samples
    /// have the same series.
    ///
    /// # Errors
    /// When the options are wrong, the key can't be used, or the system refuses another process.
    pub fn start(
        options: &Collecting,
        program: &'static str,
        first: Vec<Reading>,
        level: Level,
        log: &Logger,
    ) -> Result<Option<Self>> {
        let Some(address) = options.address()? else { return Ok(None) };
        let context = Context::by_key(options.collect_keys.as_deref(), &[Role::Agent])?;
        let hello = Hello { name: options.name(program), instance: fastrand::u64(..), program };
        let setup = Setup { address, context, hello, level, first };
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)
            .map_err(|errno| Error::new(Status::Failed, "pusher", errno))?;
        sandbox::enclose()?;
        let parent = process::this();
        let child = process::fork(&[theirs.as_fd()], || run(setup, parent, &theirs))?;
        Ok(Some(Self { log: log.clone(), feed: ours, child: Some(child), dropped: 0 }))
    }

    /// Hands a sample over; one that doesn't fit is dropped, and counted. Never waits.
    pub fn push(&mut self, sample: &[Reading]) {
        let Some(child) = self.child else { return };
        if let Some(how) = process::reap(child) {
            self.child = None;
            warn!(self.log, "pusher pid {child} has ended ({how}): no metrics are pushed any more");
            return;
        }
        let values: Json =
            sample.iter().map(|reading| reading.value.as_ref().map_or(Json::Null, said::value)).collect();
        let text = json!({"dropped": self.dropped, "values": values}).to_string();
        let sent = send(self.feed.as_raw_fd(), text.as_bytes(), MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL);
        self.dropped += u64::from(sent.is_err());
    }

    /// Lets it say what it has, for a moment, and waits until it has left.
    pub fn end(&mut self) {
        if let Some(child) = self.child.take() {
            // Its own end hangs up only when it is gone, so this end stays open for that.
            let _ = shutdown(self.feed.as_raw_fd(), Shutdown::Write);
            process::await_end(child, self.feed.as_fd(), PUSHER_EXIT_MAX_MS);
        }
    }
}

/// The life of a pusher.
fn run(setup: Setup, parent: Pid, feed: &OwnedFd) -> Status {
    let log = log::open(format!("{}-pusher", setup.hello.program), setup.level, Screen::default());
    match push(setup, parent, feed, &log) {
        Ok(()) => Status::Done,
        Err(error) => {
            slog::error!(log, "{error}");
            error.status()
        }
    }
}

fn push(setup: Setup, parent: Pid, feed: &OwnedFd, log: &Logger) -> Result<()> {
    // Blocked, and never looked at: what its parent makes of a signal is said by the feed.
    let _signals = Signals::open()?;
    set_pdeathsig(Signal::SIGKILL).map_err(|errno| Error::new(Status::Failed, "pusher", errno))?;
    if !process::is_parent(parent.as_raw()) {
        return Ok(());
    }
    let Setup { address, context, hello, first, .. } = setup;
    let needs = Needs { connects: net::port(&address).into_iter().collect(), ..Needs::default() };
    let bounds = sandbox::enter(&needs)?;
    debug!(log, "{bounds}");
    // A forked process would else repeat what its parent draws.
    let seed = u64::from(std::process::id()) << 32 ^ hello.instance;
    let mut agent = Agent::new(Wire::new(address, context, hello, seed, clock::now()), log.clone());
    let mut feed =
        Feed { socket: feed, series: first.iter().map(Reading::series).collect(), dropped: 0, replaced: 0, fed: false };
    first.iter().for_each(|reading| agent.outbox().read(reading));
    feed.tell_dropped(&mut agent);
    loop {
        let (fed, ready) = wait(&feed, &agent)?;
        let now = clock::now();
        if fed && feed.take(&mut agent) {
            agent.end(now);
        }
        agent.turn(ready, now)?;
        if agent.is_over(now) {
            agent.leave();
            return Ok(());
        }
    }
}

/// Waits for a sample, for collect, or until something is due.
fn wait(feed: &Feed<'_>, agent: &Agent) -> Result<(bool, Ready)> {
    let mut set = Set::new();
    let samples = (!agent.is_ending()).then(|| set.add(feed.as_fd(), Interest::Read));
    let wire = agent.poll_for().map(|(fd, interest)| set.add(fd, interest));
    set.wait(clock::now().until(agent.deadline())).map_err(|error| Error::new(Status::Failed, "poll", error))?;
    let fed = samples.is_some_and(|slot| set.ready(slot).readable);
    Ok((fed, wire.map_or(Ready::default(), |slot| set.ready(slot))))
}

/// Where samples come from.
struct Feed<'fd> {
    socket: &'fd OwnedFd,
    /// What the numbers of a sample are of.
    series: Vec<Series>,
    /// Samples that the parent couldn't hand over,
    dropped: u64,
    /// and those that newer ones have replaced.
    replaced: u64,
    /// There was a sample.
    fed: bool,
}

impl Feed<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Takes what samples there are; true if there will be no more.
    fn take(&mut self, agent: &mut Agent) -> bool {
        let mut sample = vec![0; SAMPLE_MAX_BYTES];
        for _ in 0..SAMPLES_TURN_MAX {
            match recv(self.socket.as_raw_fd(), &mut sample, MsgFlags::empty()) {
                Ok(0) => return true,
                Ok(length) => self.read(&sample[..length], agent),
                Err(Errno::EAGAIN | Errno::EINTR) => return false,
                Err(_) => return true,
            }
        }
        false
    }

    fn read(&mut self, sample: &[u8], agent: &mut Agent) {
        let Ok(sample) = serde_json::from_slice::<Json>(sample) else { return };
        let waits = std::mem::replace(&mut self.fed, true) && agent.outbox().has_news();
        self.replaced += u64::from(waits);
        self.dropped = sample["dropped"].as_u64().unwrap_or(self.dropped);
        let values = sample["values"].as_array().into_iter().flatten().map(said::read_value);
        for (series, value) in self.series.iter().zip(values) {
            if let Some(value) = value {
                agent.outbox().set(series.clone(), value);
            }
        }
        self.tell_dropped(agent);
    }

    fn tell_dropped(&self, agent: &mut Agent) {
        let help = "Samples that newer ones have replaced before collect could take them";
        let dropped = self.dropped + self.replaced;
        agent.outbox().read(&Reading::counter("push_samples_dropped_total", "", help, dropped));
    }
}
