//! What the threads of a server share, whatever it serves: each one's mail, who of them sleeps, and who may come in.
//!
//! A thread that has nothing to do says that it lies down, looks once more, and waits; who has something for it sends it first
//! and then wakes it if it lies. So nothing waits for a thread that sleeps. No thread ever holds two of the locks here.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::common::epoll::Waker;
use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::limits::{GUESTS_DEFAULT, OWN_DESCRIPTORS_MIN};
use crate::common::net::Stream;

/// What a thread gets from others; `M` is what those of its role have to say to each other.
pub enum Mail<M> {
    /// A connection, where it comes from, and its place.
    Guest(Stream, SocketAddr, Place),
    /// Something of the role's own.
    Role(M),
    /// Begin to end.
    End,
}

/// What others reach a thread by.
struct Member<M> {
    /// Ends its wait.
    waker: Waker,
    mail: Mutex<Vec<Mail<M>>>,
    /// It waits, or is about to.
    asleep: AtomicBool,
    /// Connections that it has, or will have once it reads its mail.
    guests: AtomicUsize,
}

/// How many connections each address has.
type Addresses = Mutex<HashMap<IpAddr, usize>>;

/// All threads of a server.
pub struct Staff<M> {
    members: Vec<Member<M>>,
    addresses: Arc<Addresses>,
    guests_max: usize,
    per_address: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many connections a server of so many threads can have: as many as are wanted, if its descriptors allow that.
#[must_use]
pub fn guests_max(wanted: Option<usize>, threads: usize, descriptors: usize) -> usize {
    let room = descriptors.saturating_sub(OWN_DESCRIPTORS_MIN + 3 * threads).max(1);
    wanted.unwrap_or(GUESTS_DEFAULT).min(room)
}

impl<M> Staff<M> {
    /// Of so many threads, for `guests_max` connections of all of them, `per_address` of one address.
    ///
    /// # Errors
    /// When descriptors have run out.
    pub fn new(threads: usize, guests_max: usize, per_address: usize) -> Result<Self> {
        let member = |_| {
            let waker = Waker::new().map_err(|error| Error::new(Status::Failed, "threads", error))?;
            let (asleep, guests) = (AtomicBool::new(false), AtomicUsize::new(0));
            Ok(Member { waker, mail: Mutex::default(), asleep, guests })
        };
        let members = (0..threads).map(member).collect::<Result<_>>()?;
        Ok(Self { members, addresses: Arc::default(), guests_max, per_address })
    }

    /// How many threads there are; their numbers begin with 0.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.members.len()
    }

    /// What ends a thread's wait.
    #[must_use]
    pub fn waker(&self, thread: usize) -> &Waker {
        &self.members[thread].waker
    }

    /// Sends something to a thread.
    pub fn send(&self, thread: usize, mail: Mail<M>) {
        lock(&self.members[thread].mail).push(mail);
        self.rouse(thread);
    }

    /// Tells all threads to end.
    pub fn end(&self) {
        (0..self.threads()).for_each(|thread| self.send(thread, Mail::End));
    }

    /// What has come for a thread.
    #[must_use]
    pub fn receive(&self, thread: usize) -> Vec<Mail<M>> {
        std::mem::take(&mut *lock(&self.members[thread].mail))
    }

    /// Before it waits, a thread says so; false if something has come for it meanwhile, or it isn't `idle`: has something else to
    /// do. Who sends something after this wakes it.
    pub fn lie_down(&self, thread: usize, idle: impl FnOnce() -> bool) -> bool {
        let member = &self.members[thread];
        member.asleep.store(true, Ordering::SeqCst);
        // One lock after the other: no thread ever holds two.
        let unread = !lock(&member.mail).is_empty();
        let free = !unread && idle();
        if !free {
            member.asleep.store(false, Ordering::SeqCst);
        }
        free
    }

    /// After it has waited, a thread says so.
    pub fn stand_up(&self, thread: usize) {
        self.members[thread].asleep.store(false, Ordering::SeqCst);
    }

    /// Wakes so many of the threads that wait, to help with what has come for any of them.
    pub fn wake(&self, count: usize) {
        let idle = self.members.iter().filter(|member| member.asleep.swap(false, Ordering::SeqCst));
        idle.take(count).for_each(|member| member.waker.wake());
    }

    /// Wakes this thread if it waits: something has come that it looks at before it does.
    pub fn rouse(&self, thread: usize) {
        let member = &self.members[thread];
        if member.asleep.swap(false, Ordering::SeqCst) {
            member.waker.wake();
        }
    }

    /// How many of all connections a thread may have.
    #[must_use]
    pub fn room(&self, thread: usize) -> usize {
        let (each, rest) = (self.guests_max / self.threads(), self.guests_max % self.threads());
        each + usize::from(thread < rest)
    }

    /// How many connections all threads have.
    #[must_use]
    pub fn guests(&self) -> usize {
        self.members.iter().map(|member| member.guests.load(Ordering::Relaxed)).sum()
    }

    /// The thread that has the fewest connections, of those that have room if any has; `None` if there are no threads.
    #[must_use]
    pub fn least_busy(&self) -> Option<usize> {
        let guests = |thread: usize| self.members[thread].guests.load(Ordering::Relaxed);
        (0..self.threads()).min_by_key(|thread| (guests(*thread) >= self.room(*thread), guests(*thread)))
    }

    /// A place for a connection from `address`, unless it has as many as it may have.
    #[must_use]
    pub fn place(&self, address: IpAddr) -> Option<Place> {
        let mut addresses = lock(&self.addresses);
        let count = addresses.entry(address).or_default();
        let free = *count < self.per_address;
        *count += usize::from(free);
        free.then(|| Place { addresses: Arc::clone(&self.addresses), address })
    }

    /// Gives a thread a connection: it counts as that thread's until `leave`.
    pub fn give(&self, thread: usize, stream: Stream, from: SocketAddr, place: Place) {
        self.members[thread].guests.fetch_add(1, Ordering::Relaxed);
        self.send(thread, Mail::Guest(stream, from, place));
    }

    /// A connection of a thread is over, or was turned away by it.
    pub fn leave(&self, thread: usize) {
        self.members[thread].guests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A place that a connection has among those of its address; it is free again when this is dropped.
pub struct Place {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut addresses = lock(&self.addresses);
        if let Some(count) = addresses.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::os::fd::AsFd;
    use std::time::Duration;

    use super::*;
    use crate::common::poll::{Interest, Set};

    /// Two threads that nobody runs, for five connections, two of each address.
    fn staff() -> Staff<()> {
        Staff::new(2, 5, 2).unwrap()
    }

    fn is_woken(staff: &Staff<()>, thread: usize) -> bool {
        let mut set = Set::new();
        let slot = set.add(staff.waker(thread).as_fd(), Interest::Read);
        set.wait(Duration::ZERO).unwrap();
        set.ready(slot).readable
    }

    #[test]
    fn who_has_something_to_do_does_not_lie_down() {
        let staff = staff();
        staff.send(0, Mail::Role(()));
        assert!(!staff.lie_down(0, || true) && staff.lie_down(1, || true));
        assert!(matches!(staff.receive(0)[..], [Mail::Role(())]));
        assert!(staff.lie_down(0, || true));
        assert!(!staff.lie_down(0, || false) && !staff.lie_down(1, || false));
        staff.wake(usize::MAX);
        assert!(!is_woken(&staff, 0) && !is_woken(&staff, 1), "neither lies");
    }

    #[test]
    fn who_has_lain_down_is_woken_by_what_comes() {
        let staff = staff();
        staff.send(0, Mail::End);
        assert!(!is_woken(&staff, 0), "it doesn't wait");
        assert!(staff.lie_down(1, || true));
        staff.send(1, Mail::End);
        assert!(is_woken(&staff, 1) && !is_woken(&staff, 0));
        drop(staff.receive(0));
        assert!(staff.lie_down(0, || true));
        staff.wake(1);
        assert!(is_woken(&staff, 0));
    }

    #[test]
    fn one_thread_is_woken_if_it_lies() {
        let staff = staff();
        staff.rouse(0);
        assert!(staff.lie_down(0, || true) && staff.lie_down(1, || true));
        staff.stand_up(0);
        staff.rouse(0);
        assert!(!is_woken(&staff, 0));
        staff.rouse(1);
        assert!(is_woken(&staff, 1));
    }

    #[test]
    fn what_comes_before_a_thread_waits_is_seen_or_wakes_it() {
        let staff = staff();
        let sends = || {
            staff.send(0, Mail::End);
            true
        };
        assert!(staff.lie_down(0, sends), "it came after the look at the mail");
        assert!(is_woken(&staff, 0));
    }

    #[test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let (staff, ours, other) = (staff(), Ipv4Addr::LOCALHOST.into(), Ipv4Addr::BROADCAST.into());
        let places = [staff.place(ours), staff.place(ours)];
        assert!(places.iter().all(Option::is_some));
        assert!(staff.place(ours).is_none() && staff.place(other).is_some());
        drop(places);
        assert!(staff.place(ours).is_some() && lock(&staff.addresses).is_empty());
    }

    #[test]
    fn connections_are_shared_out() {
        let staff = staff();
        assert_eq!([staff.room(0), staff.room(1)], [3, 2]);
        let taken = |thread: usize, count| staff.members[thread].guests.store(count, Ordering::Relaxed);
        assert_eq!(staff.least_busy(), Some(0));
        taken(0, 1);
        assert_eq!(staff.least_busy(), Some(1));
        [(0, 2), (1, 2)].into_iter().for_each(|(thread, count)| taken(thread, count));
        assert_eq!(staff.least_busy(), Some(0), "there is room");
        staff.leave(1);
        assert_eq!((staff.least_busy(), staff.guests()), (Some(1), 3));
    }
}
