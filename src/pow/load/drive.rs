//! The processes of a load: they are started, begin together, and what each hands in is added up.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::limits::{
    LINE_MAX_BYTES, LOAD_CONNECT_MAX_MS, LOAD_READ_MAX_BYTES, LOAD_REPORT_MAX_MS, PROGRESS_MS,
};
use crate::common::log::on_terminal;
use crate::common::poll::{Interest, Set};
use crate::common::process::{self, Pid};
use crate::common::signal::{Ending, Signals};
use crate::common::view::grouped;

use super::caller::{self, GO, Job};
use super::exchange::Exchange;
use super::tally::{Tally, What};

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Where the server listens.
    pub to: SocketAddr,
    /// Connections in all.
    pub connections: usize,
    /// Processes that share them, of which each has one at least.
    pub processes: usize,
    /// How long it lasts.
    pub seconds: f64,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Of all processes.
    pub tally: Tally,
    /// How long it took the one that took longest.
    pub seconds: f64,
    /// Connections that were open when it began.
    pub opened: usize,
    /// A signal has ended it early.
    pub interrupted: bool,
}

impl Outcome {
    /// Right replies a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.tally.of(What::Reply) as f64 / self.seconds } else { 0.0 }
    }
}

/// Who looks on: signals that end it, and a line of progress for who watches a terminal.
pub struct Watch {
    signals: Signals,
    bar: Option<ProgressBar>,
    ended: bool,
}

impl Watch {
    /// Blocks the signals; from now on they end what is measured, not the program.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn open() -> Result<Self> {
        Ok(Self { signals: Signals::open()?, bar: on_terminal().then(bar), ended: false })
    }

    /// True after a signal.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Takes the line of progress off the terminal.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Takes in what has come; the first signal that ends.
    fn heed(&mut self) -> Option<Ending> {
        let ending = self.signals.ending();
        self.ended |= ending.is_some();
        ending
    }

    fn show(&self, text: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            bar.set_message(text());
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.clear();
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
        bar.set_style(style);
    }
    bar
}

/// Carries out a plan; `make` makes what each connection says, by its number, in the process that has it.
///
/// # Errors
/// Unreachable, if no connection could be opened at all; failed, if a process of its own fails.
pub fn drive<E: Exchange>(plan: &Plan, watch: &mut Watch, make: impl Fn(usize) -> E) -> Result<Outcome> {
    process::raise_descriptor_limit();
    let mut crew = Crew::start(plan, make)?;
    let patience = Duration::from_millis(LOAD_REPORT_MAX_MS);
    crew.until(Instant::now() + Duration::from_millis(LOAD_CONNECT_MAX_MS) + patience, watch, Member::is_ready)?;
    let opened = crew.members.iter().filter_map(|member| member.opened).sum();
    if !watch.ended {
        if opened == 0 {
            return Err(Error::new(Status::Unreachable, format!("server at {}", plan.to), crew.cause()));
        }
        crew.begin()?;
        let time = Duration::from_secs_f64(plan.seconds);
        crew.until(Instant::now() + time + patience, watch, |member| member.took.is_some())?;
    }
    let took = crew.members.iter().filter_map(|member| member.took).max().unwrap_or(0);
    let tally = std::mem::replace(&mut crew.tally, Tally::new()?);
    Ok(Outcome { tally, seconds: took as f64 / 1e9, opened, interrupted: watch.ended })
}

/// The parts of `total` that `parts` get, as even as can be.
fn shares(total: usize, parts: usize) -> impl Iterator<Item = usize> {
    let parts = parts.clamp(1, total.max(1));
    (0..parts).map(move |part| total / parts + usize::from(part < total % parts))
}

struct Member {
    pid: Pid,
    lifeline: UnixStream,
    /// The beginning of a line that isn't whole yet.
    held: Vec<u8>,
    /// Connections that it has opened, when it has done so.
    opened: Option<usize>,
    cause: String,
    /// Replies so far.
    replies: u64,
    /// How long it measured, in nanoseconds, when it has handed everything in.
    took: Option<u64>,
    /// It has left.
    gone: bool,
}

impl Member {
    fn is_ready(&self) -> bool {
        self.opened.is_some()
    }
}

/// All processes. They are gone when this is dropped.
struct Crew {
    members: Vec<Member>,
    tally: Tally,
}

impl Crew {
    fn start<E: Exchange>(plan: &Plan, make: impl Fn(usize) -> E) -> Result<Self> {
        let mut crew = Self { members: Vec::new(), tally: Tally::new()? };
        let job = Job { to: plan.to, time: Duration::from_secs_f64(plan.seconds) };
        let mut first = 0;
        for share in shares(plan.connections, plan.processes) {
            let fail = |error: io::Error| Error::new(Status::Failed, "life-line", error);
            let (lifeline, theirs) = UnixStream::pair().map_err(fail)?;
            lifeline.set_nonblocking(true).map_err(fail)?;
            let exchanges = (first..first + share).map(&make);
            let pid = process::fork(&[theirs.as_fd()], || caller::run(job, &theirs, exchanges))?;
            crew.members.push(Member {
                pid,
                lifeline,
                held: Vec::new(),
                opened: None,
                cause: String::new(),
                replies: 0,
                took: None,
                gone: false,
            });
            first += share;
        }
        Ok(crew)
    }

    /// Why connections could not be opened.
    fn cause(&self) -> &str {
        let causes = self.members.iter().map(|member| member.cause.as_str());
        causes.into_iter().find(|cause| !cause.is_empty()).unwrap_or("no answer")
    }

    fn begin(&mut self) -> Result<()> {
        for member in &mut self.members {
            let said = member.lifeline.write_all(&[GO]);
            said.map_err(|error| Error::new(Status::Failed, format!("load, pid {}", member.pid), error))?;
        }
        Ok(())
    }

    /// Listens until all have done what `done` says; after a signal, until all have left or handed in what they have.
    fn until(&mut self, mut deadline: Instant, watch: &mut Watch, done: impl Fn(&Member) -> bool) -> Result<()> {
        let patience = Duration::from_millis(LOAD_REPORT_MAX_MS);
        while !self.members.iter().all(|member| done(member) && !watch.ended || member.gone) {
            let now = Instant::now();
            if now >= deadline {
                return Err(Error::new(Status::Failed, "load", "its processes don't answer"));
            }
            self.listen(deadline.saturating_duration_since(now), watch)?;
            if let Some(ending) = watch.heed() {
                deadline = deadline.min(Instant::now() + patience);
                self.members
                    .iter()
                    .filter(|member| !member.gone)
                    .for_each(|member| process::signal(member.pid, ending));
            }
            let replies = self.members.iter().map(|member| member.replies).sum();
            watch.show(|| format!("{} replies", grouped(replies)));
        }
        Ok(())
    }

    fn listen(&mut self, time: Duration, watch: &Watch) -> Result<()> {
        let mut set = Set::new();
        set.add(watch.signals.as_fd(), Interest::Read);
        let present = (0..self.members.len()).filter(|nth| !self.members[*nth].gone);
        let slots: Vec<_> =
            present.map(|nth| (nth, set.add(self.members[nth].lifeline.as_fd(), Interest::Read))).collect();
        let wait = time.min(Duration::from_millis(PROGRESS_MS));
        set.wait(wait).map_err(|error| Error::new(Status::Failed, "poll", error))?;
        let ready: Vec<_> =
            slots.into_iter().filter(|(_, slot)| set.ready(*slot).readable).map(|(nth, _)| nth).collect();
        for nth in ready {
            self.members[nth].receive(&mut self.tally, watch.ended)?;
        }
        Ok(())
    }
}

impl Member {
    /// Reads what the process says. One that leaves has handed in what it has, or was told to end.
    fn receive(&mut self, tally: &mut Tally, ended: bool) -> Result<()> {
        let mut room = [0; LOAD_READ_MAX_BYTES];
        let count = match (&self.lifeline).read(&mut room) {
            Ok(count) => count,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return Ok(());
            }
            Err(_) => 0,
        };
        self.gone = count == 0;
        if self.gone && self.took.is_none() && !ended {
            return Err(self.error("it has died"));
        }
        for piece in room[..count].split_inclusive(|byte| *byte == b'\n') {
            self.held.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.held);
                let line = String::from_utf8_lossy(&line);
                self.hear(line.trim_end_matches('\n'), tally)?;
            } else if self.held.len() > LINE_MAX_BYTES {
                return Err(self.error("a line without an end"));
            }
        }
        Ok(())
    }

    fn hear(&mut self, line: &str, tally: &mut Tally) -> Result<()> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let known = match word {
            "ready" => {
                let (opened, cause) = rest.split_once(' ').unwrap_or((rest, ""));
                (self.opened, self.cause) = (opened.parse().ok(), cause.to_owned());
                self.opened.is_some()
            }
            "now" => {
                self.replies = rest.parse().unwrap_or(self.replies);
                true
            }
            "done" => {
                self.took = rest.parse().ok();
                self.took.is_some()
            }
            "failed" => return Err(self.error(rest)),
            _ => tally.add_line(line).is_some(),
        };
        if known { Ok(()) } else { Err(self.error(&format!("it says {line:?}"))) }
    }

    fn error(&self, cause: &str) -> Error {
        Error::new(Status::Failed, format!("load, pid {}", self.pid), cause)
    }
}

impl Drop for Crew {
    /// Those that have handed in are leaving; any other has no business any more.
    fn drop(&mut self) {
        for member in &self.members {
            process::destroy(member.pid);
            process::wait(member.pid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_even_and_nobody_is_idle() {
        let all = |total, parts| shares(total, parts).collect::<Vec<_>>();
        assert_eq!(all(100, 2), [50, 50]);
        assert_eq!(all(10, 4), [3, 3, 2, 2]);
        assert_eq!(all(2, 4), [1, 1]);
        assert_eq!(all(1, 1), [1]);
    }
}
