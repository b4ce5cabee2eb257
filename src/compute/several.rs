//! `--count`: one process that runs several computes, each a process of its own, and passes its signals on.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::Command;

use slog::{Logger, debug, info, warn};

use crate::common::brood::{Brood, News};
use crate::common::clock::{self, Millis};
use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::keys;
use crate::common::limits::{ENDING_MAX_MS, TICK_MS};
use crate::common::net;
use crate::common::poll::{Interest, Set};
use crate::common::sandbox;
use crate::common::signal::{Ending, Endings, Meaning, Received, Signals};

use super::options::Options;

/// Runs the computes until they have left.
///
/// # Errors
/// Failed, if a second signal ends it at once or a compute fails for good.
pub fn run(options: &Options, address: &str, log: &Logger, mut signals: Signals) -> Result<()> {
    let program = std::env::current_exe().map_err(|error| Error::new(Status::Failed, "compute", error))?;
    let command = |nth| {
        let mut command = Command::new(&program);
        command.args(options.of_one(nth));
        command
    };
    let commands = (1..=options.count).map(command).collect();
    // What those that it starts need, each of which gives up more.
    let keys = [keys::named(options.keys.as_deref()), options.collecting.collect_keys.as_deref()];
    let mut needs = super::needs(address);
    needs.reads = keys.into_iter().flatten().map(PathBuf::from).collect();
    needs.connects.extend(options.collecting.address()?.as_deref().and_then(net::port));
    needs.starts = Some(program);
    info!(log, "{}", sandbox::enter(&needs)?);
    let mut several =
        Several { log, brood: Brood::new(commands), endings: Endings::default(), deadline: None, outcome: Ok(()) };
    several.tend(clock::now());
    while !several.is_over(clock::now()) {
        let mut set = Set::new();
        set.add(signals.as_fd(), Interest::Read);
        let input = std::io::stdin();
        let slot = (options.until_eof && !several.endings.begun()).then(|| set.add(input.as_fd(), Interest::Read));
        let wake = std::time::Duration::from_millis(TICK_MS / 4);
        set.wait(wake).map_err(|error| Error::new(Status::Failed, "poll", error))?;
        let now = clock::now();
        if slot.is_some_and(|slot| set.ready(slot).readable) && at_end(&input) {
            several.end(Ending::Term, now);
        }
        for received in signals.pending() {
            if let Received::Ending(ending, _) = received {
                several.end(ending, now);
            }
        }
        several.tend(now);
    }
    several.brood.destroy();
    several.outcome
}

fn at_end(input: &std::io::Stdin) -> bool {
    let mut scrap = [0; 1024];
    matches!(std::io::Read::read(&mut input.lock(), &mut scrap), Ok(0))
}

struct Several<'a> {
    log: &'a Logger,
    brood: Brood,
    endings: Endings,
    deadline: Option<Millis>,
    outcome: Result<()>,
}

impl Several<'_> {
    fn is_over(&self, now: Millis) -> bool {
        self.brood.is_empty() || self.deadline.is_some_and(|deadline| deadline <= now)
    }

    fn tend(&mut self, now: Millis) {
        for news in self.brood.tend(now) {
            match news {
                News::Started(pid) => info!(self.log, "started compute, pid {pid}"),
                News::Left(_, Some(0)) => {}
                News::Left(pid, status) => {
                    warn!(self.log, "compute pid {pid} has failed: it is not started again");
                    let known =
                        [Status::Protocol, Status::Refused].into_iter().find(|known| status == Some(*known as i32));
                    let status = known.unwrap_or(Status::Failed);
                    self.outcome = Err(Error::new(status, format!("compute pid {pid}"), "failed, see above"));
                }
                News::Died(pid, how) => warn!(self.log, "compute pid {pid} died ({how}): starting another"),
                News::NotStarted(why) => warn!(self.log, "can't start a compute: {why}: trying again"),
                News::Again(what) => debug!(self.log, "compute: again: {what}"),
                News::Steady(more) => info!(self.log, "computes run again, after {more} more failures"),
            }
        }
    }

    fn end(&mut self, ending: Ending, now: Millis) {
        match self.endings.take(now) {
            Meaning::Begin => {
                info!(self.log, "SIG{ending}: ending");
                self.brood.close();
                self.brood.signal(ending);
                self.deadline = Some(now.after(ENDING_MAX_MS));
            }
            Meaning::AtOnce => {
                self.deadline = Some(now);
                self.outcome = Err(Error::new(Status::Failed, "ending", "a second signal: ended at once"));
            }
            Meaning::Same => {}
        }
    }
}
