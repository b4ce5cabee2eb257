//! What the threads of a server share: the pool of requests, each one's mail, and who may come in.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::common::clock::Stopwatch;
use crate::common::epoll::Waker;
use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::net::Stream;

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

/// What a thread gets from others.
pub enum Mail {
    /// A connection, where it comes from, and its place.
    Guest(Stream, SocketAddr, Place),
    /// A request of one of its connections is over.
    Done(Arc<Job>, Outcome),
    /// Begin to end.
    End,
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

/// What others reach a thread by.
pub struct Member {
    /// Ends its wait.
    pub waker: Waker,
    mail: Mutex<Vec<Mail>>,
    /// It waits, or is about to.
    pub asleep: AtomicBool,
    /// Connections that it has, or will have once it reads its mail.
    pub guests: AtomicUsize,
    counts: Mutex<Counts>,
}

/// All threads of a server.
pub struct Crew {
    /// What it was told.
    pub policy: Policy,
    /// The requests that wait.
    pub pool: Pool,
    /// The threads.
    pub members: Vec<Member>,
    addresses: Mutex<HashMap<IpAddr, usize>>,
    since: Stopwatch,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Crew {
    /// Of so many threads, with room for `queue` requests.
    ///
    /// # Errors
    /// When descriptors have run out.
    pub fn new(policy: Policy, threads: usize, queue: usize) -> Result<Arc<Self>> {
        let failed = |error: std::io::Error| Error::new(Status::Failed, "threads", error);
        let member = |_| {
            Ok(Member {
                waker: Waker::new().map_err(failed)?,
                mail: Mutex::default(),
                asleep: AtomicBool::new(false),
                guests: AtomicUsize::new(0),
                counts: Mutex::new(Counts::new()?),
            })
        };
        let members = (0..threads).map(member).collect::<Result<Vec<_>>>()?;
        let (pool, addresses) = (Pool::new(queue), Mutex::default());
        Ok(Arc::new(Self { policy, pool, members, addresses, since: Stopwatch::start() }))
    }

    /// The numbers of a thread, to count on.
    pub fn counts(&self, thread: usize) -> MutexGuard<'_, Counts> {
        lock(&self.members[thread].counts)
    }

    /// Sends something to a thread.
    pub fn send(&self, thread: usize, mail: Mail) {
        let member = &self.members[thread];
        lock(&member.mail).push(mail);
        if member.asleep.swap(false, Ordering::SeqCst) {
            member.waker.wake();
        }
    }

    /// What has come for a thread.
    pub fn receive(&self, thread: usize) -> Vec<Mail> {
        std::mem::take(&mut *lock(&self.members[thread].mail))
    }

    /// Before it waits, a thread says so; false if something has come for it meanwhile. Who sends something after this wakes it.
    pub fn lie_down(&self, thread: usize) -> bool {
        let member = &self.members[thread];
        member.asleep.store(true, Ordering::SeqCst);
        // One lock after the other: no thread ever holds two.
        let unread = !lock(&member.mail).is_empty();
        let free = !unread && self.pool.count() == 0;
        if !free {
            member.asleep.store(false, Ordering::SeqCst);
        }
        free
    }

    /// Wakes so many of the threads that wait, to help with what has come into the pool.
    pub fn wake(&self, count: usize) {
        let idle = self.members.iter().filter(|member| member.asleep.swap(false, Ordering::SeqCst));
        idle.take(count).for_each(|member| member.waker.wake());
    }

    /// A search is over: the first who says so has its connection told.
    pub fn finish(&self, job: &Arc<Job>, outcome: Outcome) {
        if job.search.end() {
            self.pool.remove(job);
            self.send(job.ticket.thread, Mail::Done(Arc::clone(job), outcome));
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

    /// How many of all connections a thread may have.
    #[must_use]
    pub fn room(&self, thread: usize) -> usize {
        let (each, rest) = (self.policy.guests_max / self.members.len(), self.policy.guests_max % self.members.len());
        each + usize::from(thread < rest)
    }

    /// A place for a connection from `address`, unless it has as many as it may have.
    pub fn place(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let mut addresses = lock(&self.addresses);
        let count = addresses.entry(address).or_default();
        let free = *count < self.policy.per_address;
        *count += usize::from(free);
        free.then(|| Place { crew: Arc::clone(self), address })
    }

    /// Everything that was counted, by all threads.
    ///
    /// # Errors
    /// As [`Counts::new`].
    pub fn total(&self) -> Result<Counts> {
        let mut total = Counts::new()?;
        (0..self.members.len()).for_each(|thread| total.add(&self.counts(thread)));
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
            threads: self.members.len(),
            kernel: self.policy.kernel.name(),
            pace: self.policy.pace,
            guests: self.members.iter().map(|member| member.guests.load(Ordering::Relaxed)).sum(),
            waiting,
            waiting_most,
            waiting_max,
        }
    }
}

/// A place that a connection has among those of its address; it is free again when this is dropped.
pub struct Place {
    crew: Arc<Crew>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut addresses = lock(&self.crew.addresses);
        if let Some(count) = addresses.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::Ipv4Addr;
    use std::os::fd::AsFd;
    use std::time::Duration;

    use super::*;
    use crate::common::poll::{Interest, Set};
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

    fn is_woken(crew: &Crew, thread: usize) -> bool {
        let mut set = Set::new();
        let slot = set.add(crew.members[thread].waker.as_fd(), Interest::Read);
        set.wait(Duration::ZERO).unwrap();
        set.ready(slot).readable
    }

    #[test]
    fn who_has_something_to_do_does_not_lie_down() {
        let crew = crew();
        crew.send(0, Mail::End);
        assert!(!crew.lie_down(0) && crew.lie_down(1));
        crew.receive(0);
        assert!(crew.lie_down(0));
        crew.pool.add(job());
        assert!(!crew.lie_down(0) && !crew.lie_down(1));
    }

    #[test]
    fn who_has_lain_down_is_woken_by_what_comes() {
        let crew = crew();
        crew.send(0, Mail::End);
        assert!(!is_woken(&crew, 0), "it doesn't wait");
        assert!(crew.lie_down(1));
        crew.send(1, Mail::End);
        assert!(is_woken(&crew, 1) && !is_woken(&crew, 0));
        crew.receive(0);
        assert!(crew.lie_down(0));
        crew.wake(1);
        assert!(is_woken(&crew, 0));
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
        let mail = crew.receive(1);
        assert!(matches!(&mail[..], [Mail::Done(job, Outcome::Exhausted)] if Arc::ptr_eq(job, &found)));
        assert!(crew.receive(0).is_empty() && crew.pool.count() == 0);
    }

    #[test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let (crew, ours, other) = (crew(), Ipv4Addr::LOCALHOST.into(), Ipv4Addr::BROADCAST.into());
        let places = [crew.place(ours), crew.place(ours)];
        assert!(places.iter().all(Option::is_some));
        assert!(crew.place(ours).is_none() && crew.place(other).is_some());
        drop(places);
        assert!(crew.place(ours).is_some() && lock(&crew.addresses).is_empty());
    }
}
