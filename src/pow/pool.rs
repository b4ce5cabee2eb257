//! The requests that wait for threads, and who is next. Pure but for the lock around it.
//!
//! A search has no memory: however long it has run, it still needs 16^difficulty hashes on average. So what a request costs is
//! known when it comes, and those of one cost are alike: of them each address has its turn, and of its requests each
//! theirs. Between costs every second slice goes to the easiest there is, every second of the rest to the next, and so
//! on: an easy request never waits behind a dear one, and the dearest still gets on.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::search::{COSTS, Search};

/// Where an answer belongs: the thread and its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Which thread.
    pub thread: usize,
    /// The connection's name there.
    pub guest: u64,
}

/// A request that is searched for.
#[derive(Debug)]
pub struct Job {
    /// Who asked.
    pub ticket: Ticket,
    /// From where: what has its turn among others.
    pub address: IpAddr,
    /// The search.
    pub search: Search,
}

/// The requests of one cost: of each address in turn, each in turn.
#[derive(Default)]
struct Class(VecDeque<(IpAddr, VecDeque<Arc<Job>>)>);

impl Class {
    fn add(&mut self, job: Arc<Job>) {
        match self.0.iter_mut().find(|(address, _)| *address == job.address) {
            Some((_, jobs)) => jobs.push_back(job),
            None => self.0.push_back((job.address, VecDeque::from([job]))),
        }
    }

    /// The next one that has something left to take; it stays, behind all others.
    fn next(&mut self) -> Option<Arc<Job>> {
        for _ in 0..self.0.len() {
            let (address, mut jobs) = self.0.pop_front()?;
            let found = jobs.iter().position(|job| !job.search.is_taken());
            let job = found.and_then(|at| {
                jobs.rotate_left(at);
                jobs.front().cloned()
            });
            jobs.rotate_left(usize::from(job.is_some()));
            self.0.push_back((address, jobs));
            if job.is_some() {
                return job;
            }
        }
        None
    }

    fn remove(&mut self, job: &Job) -> bool {
        let Some(at) = self.0.iter().position(|(address, _)| *address == job.address) else { return false };
        let jobs = &mut self.0[at].1;
        let found = jobs.iter().position(|other| std::ptr::eq(&raw const **other, job));
        let removed = found.and_then(|at| jobs.remove(at)).is_some();
        if jobs.is_empty() {
            self.0.remove(at);
        }
        removed
    }
}

#[derive(Default)]
struct Waiting {
    classes: [Class; COSTS],
    count: usize,
    most: usize,
    turn: u32,
}

impl Waiting {
    /// Takes out the dearest and latest request of the address that has the most, if it has so many more than `address` that it
    /// will still not have fewer.
    fn displace(&mut self, address: IpAddr) -> Option<Arc<Job>> {
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for (address, jobs) in self.classes.iter().flat_map(|class| &class.0) {
            *counts.entry(*address).or_default() += jobs.len();
        }
        let own = counts.get(&address).copied().unwrap_or(0);
        let (most, _) = counts.into_iter().filter(|(_, count)| *count > own + 1).max_by_key(|(_, count)| *count)?;
        let mut groups = self.classes.iter().rev().flat_map(|class| &class.0);
        let job = groups.find(|(address, _)| *address == most).and_then(|(_, jobs)| jobs.back().cloned())?;
        self.remove(&job);
        Some(job)
    }

    fn remove(&mut self, job: &Job) {
        let removed = self.classes[job.search.cost()].remove(job);
        self.count -= usize::from(removed);
    }

    /// Every second turn is the first class's that has something, every fourth the second's, every eighth the third's.
    fn next(&mut self) -> Option<Arc<Job>> {
        self.turn = self.turn.wrapping_add(1);
        let rank = self.turn.trailing_zeros() as usize;
        let filled: Vec<_> = (0..self.classes.len()).filter(|class| !self.classes[*class].0.is_empty()).collect();
        let chosen = rank.min(filled.len().saturating_sub(1));
        // Where the chosen one has nothing left to take, the others have their chance.
        let order = filled.iter().cycle().skip(chosen).take(filled.len());
        order.copied().find_map(|class| self.classes[class].next())
    }
}

/// What has become of a request.
#[derive(Debug)]
pub enum Added {
    /// It waits, among so many.
    Waiting(usize),
    /// It waits in the place of this one.
    Instead(Arc<Job>),
    /// There is no room.
    Full,
}

/// What all threads take their work from.
pub struct Pool {
    waiting: Mutex<Waiting>,
    max: usize,
}

impl Pool {
    /// Of at most `max` requests.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { waiting: Mutex::default(), max }
    }

    /// Adds a request. Where there is no room one of the address that has the most has to go, if that has more than this one will.
    pub fn add(&self, job: Arc<Job>) -> Added {
        let mut waiting = self.lock();
        let mut displaced = None;
        if waiting.count >= self.max {
            displaced = waiting.displace(job.address);
            if displaced.is_none() {
                return Added::Full;
            }
        }
        waiting.count += 1;
        waiting.most = waiting.most.max(waiting.count);
        waiting.classes[job.search.cost()].add(job);
        displaced.map_or(Added::Waiting(waiting.count), Added::Instead)
    }

    /// The one to work at next, which stays in the pool: others may work at it as well.
    pub fn next(&self) -> Option<Arc<Job>> {
        self.lock().next()
    }

    /// Takes out one that is over.
    pub fn remove(&self, job: &Job) {
        self.lock().remove(job);
    }

    /// How many wait.
    pub fn count(&self) -> usize {
        self.lock().count
    }

    /// How many wait, waited at most so far, and may wait.
    pub fn standing(&self) -> (usize, usize, usize) {
        let waiting = self.lock();
        (waiting.count, waiting.most, self.max)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pow::puzzle::Difficulty;
    use crate::pow::search::Wanted;

    fn job(digits: u8, address: u8, guest: u64) -> Arc<Job> {
        let search = Search::new(b"a", Difficulty::new(digits).unwrap(), Wanted::First);
        Arc::new(Job { ticket: Ticket { thread: 0, guest }, address: IpAddr::from([10, 0, 0, address]), search })
    }

    fn filled(jobs: &[(u8, u8, u64)]) -> Pool {
        let pool = Pool::new(100);
        for (digits, address, guest) in jobs {
            assert!(matches!(pool.add(job(*digits, *address, *guest)), Added::Waiting(_)));
        }
        pool
    }

    fn turns(pool: &Pool, count: usize) -> Vec<u64> {
        (0..count).map(|_| pool.next().unwrap().ticket.guest).collect()
    }

    #[test]
    fn requests_alike_have_their_turn_one_after_the_other() {
        assert_eq!(turns(&filled(&[(6, 1, 1), (6, 1, 2), (6, 1, 3)]), 7), [1, 2, 3, 1, 2, 3, 1]);
    }

    #[test]
    fn an_address_with_many_requests_gets_no_more_than_one_with_one() {
        let pool = filled(&[(6, 1, 1), (6, 1, 2), (6, 1, 3), (6, 2, 4)]);
        assert_eq!(turns(&pool, 8), [1, 4, 2, 4, 3, 4, 1, 4]);
    }

    #[test]
    fn every_second_turn_is_the_easiest_ones_and_the_dearest_gets_on() {
        let pool = filled(&[(9, 1, 9), (6, 1, 6), (4, 1, 4)]);
        let turns = turns(&pool, 800);
        let share = |guest| turns.iter().filter(|turn| **turn == guest).count();
        assert_eq!((share(4), share(6), share(9)), (400, 200, 200));
    }

    #[test]
    fn what_is_over_or_taken_is_passed_over_and_removed_by_its_ticket() {
        let pool = filled(&[(9, 1, 1), (9, 1, 2), (4, 1, 3)]);
        let jobs: Vec<_> = (0..8).map(|_| pool.next().unwrap()).collect();
        let easy = jobs.iter().find(|job| job.ticket.guest == 3).unwrap();
        easy.search.end();
        assert!((0..8).all(|_| pool.next().unwrap().ticket.guest != 3));
        pool.remove(easy);
        pool.remove(easy);
        assert_eq!(pool.count(), 2);
        jobs.iter().for_each(|job| pool.remove(job));
        assert!(pool.next().is_none() && pool.count() == 0);
    }

    #[test]
    fn there_is_room_for_so_many() {
        let pool = Pool::new(2);
        let first = job(9, 1, 1);
        assert!(matches!(pool.add(Arc::clone(&first)), Added::Waiting(1)));
        assert!(matches!(pool.add(job(9, 1, 2)), Added::Waiting(2)));
        assert!(matches!(pool.add(job(0, 1, 3)), Added::Full));
        pool.remove(&first);
        assert!(matches!(pool.add(job(0, 1, 3)), Added::Waiting(2)));
    }

    #[test]
    fn an_address_with_many_requests_makes_room_for_one_with_fewer() {
        let pool = Pool::new(4);
        let crowd = [(9, 1), (5, 2), (9, 3), (5, 4)].map(|(digits, guest)| job(digits, 1, guest));
        crowd.iter().for_each(|job| drop(pool.add(Arc::clone(job))));
        let displaced = |added| match added {
            Added::Instead(job) => Some(job.ticket.guest),
            _ => None,
        };
        assert_eq!(displaced(pool.add(job(3, 2, 5))), Some(3), "the latest of the dearest");
        assert_eq!(displaced(pool.add(job(3, 2, 6))), Some(1), "three and one");
        assert_eq!(displaced(pool.add(job(3, 2, 7))), None, "two and two");
        assert!(displaced(pool.add(job(3, 3, 8))).is_some(), "two and none");
        assert_eq!(pool.count(), 4);
    }

    #[test]
    fn only_the_very_one_is_removed() {
        let pool = Pool::new(9);
        let (former, present) = (job(4, 1, 1), job(4, 1, 1));
        pool.add(Arc::clone(&present));
        pool.remove(&former);
        assert_eq!(pool.count(), 1);
        pool.remove(&present);
        assert_eq!(pool.count(), 0);
    }
}
