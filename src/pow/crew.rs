//! What the threads of `pow serve` share beside their staff's mail and places: the pool of requests, and what was counted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::common::clock::Stopwatch;
use crate::common::error::Result;
use crate::common::hall::staff::{Mail, Staff};

use super::metrics::{Counts, Standing};
use super::pool::{Job, Pool};
use super::puzzle::{Difficulty, Seed};
use super::sha::kernel::Kernel;

/// What a server was told on its command line, and what it found out about itself.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Where it listens.
    pub listen: String,
    /// Of a plain request.
    pub difficulty: Difficulty,
    /// The most that a request may ask for.
    pub max_difficulty: Difficulty,
    /// What isn't found within this time is given up.
    pub timeout_ms: u64,
    /// Longest line.
    pub max_line: usize,
    /// How long a connection may be idle.
    pub idle_ms: u64,
    /// Connections of all threads.
    pub guests_max: usize,
    /// Connections of one address, or network.
    pub per_address: usize,
    /// The instructions to search with,
    pub kernel: Kernel,
    /// and the hashes a second that one thread computes by them.
    pub pace: u64,
}

/// How a search came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A seed that fits.
    Found(Seed),
    /// There is none.
    Exhausted,
    /// Others had to be let in.
    Displaced,
}

/// A request of a connection is over: what its thread is told.
pub struct Done {
    /// The request.
    pub job: Arc<Job>,
    /// What came of it.
    pub outcome: Outcome,
}

/// All threads of a server.
pub struct Crew {
    /// What it was told.
    pub policy: Policy,
    /// The requests that wait.
    pub pool: Pool,
    /// The threads.
    pub staff: Staff<Done>,
    counts: Vec<Mutex<Counts>>,
    since: Stopwatch,
}

impl Crew {
    /// Of so many threads, with room for `queue` requests.
    ///
    /// # Errors
    /// When descriptors have run out.
    pub fn new(policy: Policy, threads: usize, queue: usize) -> Result<Arc<Self>> {
        let staff = Staff::new(threads, policy.guests_max, policy.per_address)?;
        let counts = (0..threads).map(|_| Counts::new().map(Mutex::new)).collect::<Result<_>>()?;
        Ok(Arc::new(Self { policy, pool: Pool::new(queue), staff, counts, since: Stopwatch::start() }))
    }

    /// The numbers of a thread, to count on.
    pub fn counts(&self, thread: usize) -> MutexGuard<'_, Counts> {
        self.counts[thread].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before it waits, a thread says so; false if it has something to do.
    pub fn lie_down(&self, thread: usize) -> bool {
        self.staff.lie_down(thread, || self.pool.count() == 0)
    }

    /// A search is over: the first who says so has its connection told.
    pub fn finish(&self, job: &Arc<Job>, outcome: Outcome) {
        if job.search.end() {
            self.pool.remove(job);
            self.staff.send(job.ticket.thread, Mail::Role(Done { job: Arc::clone(job), outcome }));
        }
    }

    /// A search that nobody waits for any more: it costs nothing more. False if it was over already, and its outcome is in the mail.
    pub fn cancel(&self, job: &Job) -> bool {
        let ended = job.search.end();
        if ended {
            self.pool.remove(job);
        }
        ended
    }

    /// Everything that was counted, by all threads.
    ///
    /// # Errors
    /// As [`Counts::new`].
    pub fn total(&self) -> Result<Counts> {
        let mut total = Counts::new()?;
        (0..self.counts.len()).for_each(|thread| total.add(&self.counts(thread)));
        Ok(total)
    }

    /// How it is now.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let (waiting, waiting_most, waiting_max) = self.pool.standing();
        Standing {
            listen: self.policy.listen.clone(),
            uptime_s: self.since.nanoseconds() as f64 / 1e9,
            difficulty: self.policy.difficulty.digits(),
            max_difficulty: self.policy.max_difficulty.digits(),
            max_line: self.policy.max_line,
            timeout_s: self.policy.timeout_ms as f64 / 1e3,
            threads: self.staff.threads(),
            kernel: self.policy.kernel.name(),
            pace: self.policy.pace,
            guests: self.staff.guests(),
            waiting,
            waiting_most,
            waiting_max,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::pow::pool::Ticket;
    use crate::pow::search::{Search, Wanted};

    /// Of two threads that nobody runs; two connections from each address.
    pub fn crew() -> Arc<Crew> {
        let policy = Policy {
            listen: String::new(),
            difficulty: Difficulty::NONE,
            max_difficulty: Difficulty::new(6).unwrap(),
            timeout_ms: 1_000,
            max_line: 100,
            idle_ms: 1_000,
            guests_max: 10,
            per_address: 2,
            kernel: Kernel::best(),
            pace: 1_000_000,
        };
        Crew::new(policy, 2, 10).unwrap()
    }

    fn job() -> Arc<Job> {
        let search = Search::new(b"a", Difficulty::new(5).unwrap(), Wanted::First);
        Arc::new(Job { ticket: Ticket { thread: 1, guest: 7 }, address: Ipv4Addr::LOCALHOST.into(), search })
    }

    #[test]
    fn who_has_something_to_search_for_does_not_lie_down() {
        let crew = crew();
        assert!(crew.lie_down(0));
        crew.pool.add(job());
        assert!(!crew.lie_down(0) && !crew.lie_down(1));
    }

    #[test]
    fn a_search_is_over_once_and_its_thread_hears_of_it() {
        let (crew, found, given_up) = (crew(), job(), job());
        [&found, &given_up].into_iter().for_each(|job| drop(crew.pool.add(Arc::clone(job))));
        crew.finish(&found, Outcome::Exhausted);
        crew.finish(&found, Outcome::Displaced);
        assert!(!crew.cancel(&found), "its outcome is in the mail");
        assert!(crew.cancel(&given_up));
        crew.finish(&given_up, Outcome::Exhausted);
        let mail = crew.staff.receive(1);
        assert!(
            matches!(&mail[..], [Mail::Role(Done { job, outcome: Outcome::Exhausted })] if Arc::ptr_eq(job, &found))
        );
        assert!(crew.staff.receive(0).is_empty() && crew.pool.count() == 0);
    }
}
