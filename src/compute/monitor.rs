//! The control monitor: a child that holds the control connection and turns manage's `signal` into kill(2).
//!
//! It owns one end of the life-line (a socket pair whose other end the compute alone holds), its own signalfd and the
//! control socket. It signals nobody but its parent, stays in its session and process group, and leaves with it.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use slog::{Logger, debug, info, warn};

use crate::common::clock::{self, Millis};
use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::limits::{CHILD_EXIT_MAX_MS, MONITOR_PAUSE_MS, TICK_MS};
use crate::common::log::{self, Screen};
use crate::common::message::{Alive, Hello, Message};
use crate::common::poll::{Interest, Ready, Set};
use crate::common::process::{self, Ended, Parent, Pid};
use crate::common::signal::{Received, Signals};
use crate::common::tls::Context;
use crate::common::trouble::Trouble;

use super::wire::{News, Wire};

/// How a monitor reaches manage.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Manage's address, `HOST:PORT`.
    pub address: String,
    /// How the connection is encrypted, if there are keys.
    pub context: Option<Context>,
    /// The greeting of the control connection.
    pub hello: Hello,
    /// The level of its log.
    pub level: slog::Level,
}

/// A monitor as its parent sees it: `child` is the truth about whether it lives.
pub struct Monitor {
    setup: Setup,
    child: Option<(Pid, UnixStream)>,
    /// None is forked before.
    fork_from: Millis,
    trouble: Trouble,
}

impl Monitor {
    /// No monitor yet: `tend` forks it.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        Self { setup, child: None, fork_from: Millis(0), trouble: Trouble::default() }
    }

    /// The life-line: it hangs up when the monitor dies.
    #[must_use]
    pub fn lifeline(&self) -> Option<&UnixStream> {
        self.child.as_ref().map(|(_, lifeline)| lifeline)
    }

    /// True if `pid` is the monitor.
    #[must_use]
    pub fn is(&self, pid: i32) -> bool {
        self.child.as_ref().is_some_and(|(child, _)| child.as_raw() == pid)
    }

    /// Reaps a dead monitor and forks another. Call it when the life-line hangs up, at SIGCHLD, and when it says.
    pub fn tend(&mut self, log: &Logger, now: Millis) -> Millis {
        if let Some((pid, ended)) = self.reap() {
            self.complain(log, now, &format!("monitor pid {pid} died ({ended:?}): starting another"));
        }
        if self.child.is_none() && self.fork_from <= now {
            self.fork_from = now.after(MONITOR_PAUSE_MS);
            match spawn(&self.setup) {
                Ok(child) => self.child = Some(child),
                Err(error) => self.complain(log, now, &format!("monitor: {error}: trying again")),
            }
        }
        if let Some(more) = self.trouble.over(now) {
            info!(log, "a monitor runs again, after {more} more failures");
        }
        if self.child.is_some() { now.after(TICK_MS) } else { self.fork_from }
    }

    /// Takes the end of a dead monitor.
    pub fn reap(&mut self) -> Option<(Pid, Ended)> {
        let pid = self.child.as_ref()?.0;
        let ended = process::reap(pid)?;
        self.child = None;
        Some((pid, ended))
    }

    /// One line when trouble begins, not one for each time that it comes again.
    fn complain(&mut self, log: &Logger, now: Millis, what: &str) {
        if self.trouble.strikes(now) {
            warn!(log, "{what}");
        } else {
            debug!(log, "{what}");
        }
    }

    /// Closes the life-line and waits until the monitor has left; one that doesn't is killed.
    pub fn end(&mut self) {
        let Some((pid, lifeline)) = self.child.take() else { return };
        // The monitor's own end hangs up only when it is gone, so this end stays open for reading.
        let _ = lifeline.shutdown(std::net::Shutdown::Write);
        process::await_end(pid, lifeline.as_fd(), CHILD_EXIT_MAX_MS);
    }
}

/// Forks a monitor; gives its pid and the parent's end of the life-line.
fn spawn(setup: &Setup) -> Result<(Pid, UnixStream)> {
    let parent = process::this();
    let (ours, theirs) = UnixStream::pair().map_err(|error| Error::new(Status::Failed, "life-line", error))?;
    let setup = setup.clone();
    let pid = process::fork(&[theirs.as_fd()], || watch(&setup, parent, &theirs))?;
    Ok((pid, ours))
}

/// The life of a monitor.
fn watch(setup: &Setup, parent: Pid, lifeline: &UnixStream) -> Status {
    let parent = Parent::new(parent);
    let log = log::open("compute-monitor", setup.level, Screen::default());
    let mut signals = match Signals::open() {
        Ok(signals) => signals,
        Err(error) => {
            slog::error!(log, "{error}");
            return error.status();
        }
    };
    let mut wire =
        Wire::new(setup.address.clone(), setup.context.clone(), setup.hello.clone(), fastrand_seed(), clock::now());
    loop {
        let (hung_up, ready) = wait(lifeline, &signals, &wire);
        if hung_up {
            debug!(log, "the compute is gone: leaving");
            return Status::Done;
        }
        for received in signals.pending() {
            if let Received::Ending(ending, _) = received {
                // A signal to the monitor is meant for the compute: there is one path for all endings.
                debug!(log, "SIG{ending}: passing it on");
                parent.signal(ending);
            }
        }
        for news in wire.turn(ready, clock::now()) {
            heed(&log, &mut wire, &parent, news);
        }
        wire.flush();
    }
}

/// Waits for the life-line, a signal, or the control connection.
fn wait(lifeline: &UnixStream, signals: &Signals, wire: &Wire) -> (bool, Ready) {
    let mut set = Set::new();
    let line = set.add(lifeline.as_fd(), Interest::Read);
    set.add(signals.as_fd(), Interest::Read);
    let control = wire.poll_for().map(|(fd, interest)| set.add(fd, interest));
    let waited = set.wait(clock::now().until(wire.deadline()));
    let ready = control.filter(|_| waited.is_ok()).map_or(Ready::default(), |slot| set.ready(slot));
    (waited.is_err() || set.ready(line).readable, ready)
}

fn heed(log: &Logger, wire: &mut Wire, parent: &Parent, news: News) {
    match news {
        News::Said(Message::Signal(signal)) => {
            info!(log, "manage says SIG{}: sending it to the compute", signal.name);
            if !parent.signal(signal.name) {
                debug!(log, "the compute is gone already");
            }
        }
        News::Heartbeat => wire.send(Alive { lease: None, tested: None }),
        News::Down(cause, pause) => debug!(log, "control connection: {cause}: trying again in {pause} ms"),
        News::Up(_) => debug!(log, "control connection stands"),
        // The compute has the same manage, and says what is wrong with it.
        News::Said(_) | News::Impostor(_) | News::Alien(_) => {}
    }
}

/// A seed of this process's own: a forked child would else repeat its siblings' pauses.
fn fastrand_seed() -> u64 {
    clock::now().0 ^ u64::from(std::process::id()) << 32
}
