//! `pow solve`: the proof of one message, by all cores of this host.

use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use indicatif::ProgressBar;

use crate::common::clock::Stopwatch;
use crate::common::epoll::Waker;
use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::limits::{PROGRESS_MS, SHOWN_DIFFICULTY_MIN, SOLVE_PART_BLOCKS_MAX};
use crate::common::log;
use crate::common::output;
use crate::common::poll::{Interest, Set};
use crate::common::signal::{Ending, Signals};
use crate::common::view::scaled;

use super::desk::any_seed;
use super::options::Solve;
use super::puzzle::{Difficulty, SEEDS, Seed, hash, write_proof};
use super::search::{Search, Step, Wanted};
use super::sha::kernel::Kernel;

/// Finds a proof and prints its line.
///
/// # Errors
/// Failed, if there is no seed or a signal ends it before; usage, if the message is none.
pub fn run(options: &Solve) -> Result<()> {
    let message = options.message.as_bytes();
    if message.contains(&b'\n') {
        return Err(Error::new(Status::Usage, "message", "it holds a line feed, which ends a message"));
    }
    let mut signals = Signals::open()?;
    let wanted = if options.random { Wanted::From(any_seed()) } else { Wanted::First };
    let search = Search::new(message, options.difficulty, wanted);
    let kernel = options.kernel.unwrap_or_else(Kernel::best);
    let solving = Solving { search, kernel, tried: AtomicU64::new(0), found: Mutex::default() };
    let seed = solving.run(options.threads, &mut signals)?;
    let none = || format!("none of the {SEEDS} seeds gives {} zero digits", options.difficulty);
    let seed = seed.ok_or_else(|| Error::new(Status::Failed, "exhausted", none()))?;
    let mut line = Vec::new();
    write_proof(message, seed.bytes(), &hash(seed.bytes(), message), &mut line);
    output::print(&line)
}

/// What the threads share.
struct Solving {
    search: Search,
    kernel: Kernel,
    tried: AtomicU64,
    /// Of those that were found, the first in order.
    found: Mutex<Option<Seed>>,
}

impl Solving {
    /// Searches by so many threads, while this one looks after signals and shows how far it is.
    fn run(&self, threads: usize, signals: &mut Signals) -> Result<Option<Seed>> {
        let waker = Waker::new().map_err(|error| Error::new(Status::Failed, "eventfd", error))?;
        let shown = self.search.difficulty().digits() >= SHOWN_DIFFICULTY_MIN && log::on_terminal();
        let bar = if shown { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        let start = Stopwatch::start();
        let outcome = thread::scope(|scope| {
            let work = || {
                self.work();
                waker.wake();
            };
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            while workers.iter().any(|worker| !worker.is_finished()) {
                let ended = wait(signals, &waker);
                bar.set_message(self.outlook(start).to_string());
                bar.tick();
                if let Some(ended) = ended? {
                    self.search.end();
                    return Err(Error::new(
                        Status::Failed,
                        "solve",
                        format!("ended by SIG{ended} before a seed was found"),
                    ));
                }
            }
            Ok(())
        });
        bar.finish_and_clear();
        outcome.map(|()| *self.lock())
    }

    /// One thread: takes part after part until somebody has found something, and finishes the one that it has then, which may
    /// come before.
    fn work(&self) {
        while self.lock().is_none() {
            let (step, tried) = self.search.work(self.kernel, SOLVE_PART_BLOCKS_MAX);
            self.tried.fetch_add(tried, Ordering::Relaxed);
            match step {
                Step::Onward => {}
                Step::Found(seed) => {
                    let mut found = self.lock();
                    *found = Some(found.map_or(seed, |other| other.min(seed)));
                }
                Step::Exhausted | Step::Taken => return,
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Seed>> {
        self.found.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn outlook(&self, start: Stopwatch) -> Outlook {
        let tried = self.tried.load(Ordering::Relaxed);
        let per_second = tried as f64 / (start.nanoseconds() as f64 / 1e9);
        Outlook { difficulty: self.search.difficulty(), tried, per_second }
    }
}

/// Waits for a signal, a thread's end, or until progress is to be shown; the signal, if it ends programs.
fn wait(signals: &mut Signals, waker: &Waker) -> Result<Option<Ending>> {
    let mut set = Set::new();
    set.add(signals.as_fd(), Interest::Read);
    set.add(waker.as_fd(), Interest::Read);
    set.wait(Duration::from_millis(PROGRESS_MS)).map_err(|error| Error::new(Status::Failed, "poll", error))?;
    Ok(signals.ending())
}

/// What can honestly be said of a search that goes on. It has no memory: what was tried in vain brings success no nearer, it
/// only leaves fewer seeds.
#[derive(Clone, Copy, Debug)]
struct Outlook {
    difficulty: Difficulty,
    tried: u64,
    per_second: f64,
}

impl Outlook {
    /// The chance that so many seeds hold one that fits: 1 - (1 - 16^-difficulty)^seeds.
    fn chance(&self, seeds: u64) -> f64 {
        let miss = (-self.difficulty.expected().recip()).ln_1p();
        -(seeds as f64 * miss).exp_m1()
    }

    /// Further hashes on average, until a seed is found or there are no more: (1 - (1 - p)^rest) / p.
    fn more(&self) -> f64 {
        self.chance(SEEDS.saturating_sub(self.tried)) * self.difficulty.expected()
    }
}

impl std::fmt::Display for Outlook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rest = self.chance(SEEDS.saturating_sub(self.tried));
        let seconds = self.more() / self.per_second.max(1.0);
        let decimals = usize::from(seconds < 100.0);
        write!(
            f,
            "{} of {} tried at {}/s; chance {:.0} %; mean {seconds:.decimals$} s more",
            scaled(self.tried),
            scaled(self.difficulty.expected() as u64),
            scaled(self.per_second as u64),
            100.0 * self.chance(self.tried),
        )?;
        if rest < 0.995 { write!(f, ", {:.0} % in vain", 100.0 * (1.0 - rest)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlook(digits: u8, tried: u64) -> Outlook {
        Outlook { difficulty: Difficulty::new(digits).unwrap(), tried, per_second: 1e6 }
    }

    #[test]
    fn what_was_tried_in_vain_brings_success_no_nearer() {
        let more = |tried| outlook(5, tried).more();
        assert!((more(0) - 1_048_576.0).abs() < 1.0 && (more(0) - more(10_000_000)).abs() < 1.0);
        assert_eq!(more(SEEDS), 0.0);
        let (now, mean) = (outlook(6, 0), outlook(6, 1 << 24));
        assert_eq!(now.chance(now.tried), 0.0);
        assert!((mean.chance(mean.tried) - 0.632).abs() < 0.001);
    }

    #[test]
    fn what_may_not_be_there_is_said() {
        assert!(!outlook(6, 0).to_string().contains("in vain"));
        let dear = outlook(9, 0).to_string();
        assert!(
            dear.contains("chance 0 %; mean 910 s more") && dear.ends_with(", 99 % in vain") && dear.len() < 79,
            "{dear}"
        );
    }
}
