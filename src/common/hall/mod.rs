//! The connections of one thread: reads, asks a [`Host`] what to answer, writes; bounded in all it keeps.
//!
//! Who owns what: a hall owns its connections' sockets and the epoll set that they are in; the host owns what it remembers of
//! each. Nothing here blocks but `turn`. A connection has one request at work at a time: until that is answered and the answer
//! is taken, nothing more is read of it, so what waits for a slow client waits in its own system.
//!
//! A server has a hall in each of its threads, which are its `staff`; `door` is its first thread, which lets connections in, and
//! `reception` where the others receive them. `framing` is for hosts whose requests are lines.

mod seat;

pub mod framing;

pub mod staff;

pub mod reception;

pub mod door;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::time::Duration;

use super::clock::{self, Millis, Stopwatch};
use super::epoll::{Epoll, Waker};
use super::limits::{
    GUEST_READ_MAX_BYTES, GUESTS_LOOK_MAX, GUESTS_TICK_MS, GUESTS_TURN_MAX_US, IDLE_YIELD_MS, PROBE_MIN_MS,
    STALL_MAX_MS,
};
use super::net::Stream;

use seat::{Next, Seat};

/// Why a host is asked to look at what has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// More may come.
    More,
    /// Nothing has come for as long as the host wanted to wait: what is there is all of it, for now.
    Silence,
    /// Nothing will come any more.
    End,
}

/// What a host has made of what has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Nothing to answer: so many bytes are done with, more is needed.
    Bytes(usize),
    /// So many bytes were a request, and it is answered.
    Answered(usize),
    /// The same, and that was enough of this connection for now: it cost much, or there is more to be said by `Host::go_on`.
    Enough(usize),
    /// So many bytes were a request, and its answer follows by `Hall::answer`.
    Later(usize),
}

/// Who decides what connections are told.
pub trait Host {
    /// What is remembered of each connection.
    type Guest;

    /// Looks at what has come of a connection, and appends its answer to `out`.
    fn take(&mut self, name: u64, guest: &mut Self::Guest, input: &[u8], moment: Moment, out: &mut Vec<u8>) -> Taken;

    /// How long an unfinished request may stay silent before it is `Moment::Silence`, in milliseconds; `None`: for ever.
    fn grace_ms(&self, guest: &Self::Guest) -> Option<u64>;

    /// Of an answer that is still to come: the next byte, if it is known before the whole is. It is said to a client that may have
    /// gone: nothing else tells whether it still listens.
    fn beginning(&mut self, guest: &mut Self::Guest, out: &mut Vec<u8>);

    /// All that was said to a connection is written: what is there to be said further, of an answer too long to be said at once.
    /// Appends it to `out`.
    ///
    /// So long as it appends something it is called again when that is written; a request that has come behind is read only then,
    /// if the long answer was begun as `Taken::Enough` or followed a `Taken::Later`. It isn't called while a request is at work.
    fn go_on(&mut self, _guest: &mut Self::Guest, _out: &mut Vec<u8>) {}

    /// True if the answer that a connection waits for has come due: `out` is it.
    fn is_due(&mut self, guest: &mut Self::Guest, now: Millis, out: &mut Vec<u8>) -> bool;

    /// A connection is over; `broken`: by the other side, with something unanswered, untaken, or by a reset.
    fn leave(&mut self, guest: Self::Guest, broken: bool);
}

/// Something that comes due.
#[derive(Clone, Copy)]
struct Due {
    at: Millis,
    name: u64,
    /// The connection's last activity when this was noted: if there was some since, it is out of date.
    active: Millis,
}

/// Takes the first of a queue, if that is due.
fn pop_due(queue: &mut VecDeque<Due>, now: Millis) -> Option<Due> {
    queue.front().is_some_and(|due| due.at <= now).then(|| queue.pop_front()).flatten()
}

/// All connections of a thread.
pub struct Hall<G> {
    epoll: Epoll,
    seats: HashMap<u64, Seat<G>>,
    next_name: u64,
    max: usize,
    idle_ms: u64,
    /// Those that have something to do.
    queue: VecDeque<u64>,
    /// Unfinished requests, by when their grace ends; graces differ, so each has its queue.
    graces: Vec<(u64, VecDeque<Due>)>,
    /// Clients that may have gone while their request is at work: those that have ended their sending, and those that have sent
    /// so much more that their end wouldn't get through.
    probes: BTreeMap<(Millis, u64), u64>,
    tick: Millis,
    now: Millis,
    scratch: Vec<u8>,
    ending: bool,
}

impl<G> Hall<G> {
    /// For at most `max` connections, each of which may be idle for `idle_ms`; `waker` ends its waits.
    ///
    /// # Errors
    /// When descriptors have run out.
    pub fn new(waker: &Waker, max: usize, idle_ms: u64) -> io::Result<Self> {
        Ok(Self {
            epoll: Epoll::new(waker)?,
            seats: HashMap::new(),
            next_name: 0,
            max,
            idle_ms,
            queue: VecDeque::new(),
            graces: Vec::new(),
            probes: BTreeMap::new(),
            tick: clock::now(),
            now: clock::now(),
            scratch: vec![0; GUEST_READ_MAX_BYTES],
            ending: false,
        })
    }

    /// How many connections there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.seats.len()
    }

    /// Milliseconds as of the last `turn`.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.now
    }

    /// From now on nothing more is read: who waits for an answer gets it, all of it; the others are closed.
    pub fn end(&mut self) {
        self.ending = true;
        let all: Vec<_> = self.seats.keys().copied().collect();
        all.into_iter().for_each(|name| self.enqueue(name));
    }

    /// How long `turn` may wait: until something comes due, and not at all while some have something to do.
    fn patience(&self) -> Duration {
        if !self.queue.is_empty() {
            return Duration::ZERO;
        }
        let graces = self.graces.iter().filter_map(|(_, queue)| queue.front());
        let probe = self.probes.first_key_value().map(|((at, _), _)| *at);
        let dues = graces.map(|due| due.at).chain(probe);
        let tick = self.tick.after(GUESTS_TICK_MS);
        let due = dues.min().map_or(tick, |due| due.min(tick));
        clock::now().until(due)
    }

    /// Waits until a connection has something to do, `at_once`: only looks; then lets some of them do it.
    ///
    /// # Errors
    /// What epoll_wait(2) says.
    pub fn turn<H: Host<Guest = G>>(&mut self, at_once: bool, host: &mut H) -> io::Result<()> {
        let patience = if at_once { Duration::ZERO } else { self.patience() };
        // Taken apart, as the events borrow the set.
        let Self { epoll, seats, queue, probes, now, .. } = self;
        let events = epoll.wait(patience)?;
        *now = clock::now();
        let mut gone = Vec::new();
        for event in events {
            let Some(seat) = seats.get_mut(&event.name) else { continue };
            if event.gone {
                gone.push(event.name);
            } else if seat.notice(event) {
                queue.push_back(event.name);
            }
            if event.readable && seat.begins_probing() {
                probes.insert((now.after(PROBE_MIN_MS), event.name), PROBE_MIN_MS);
            }
        }
        for name in gone {
            self.leave(name, host, true);
        }
        self.come_due(host);
        let start = Stopwatch::start();
        for nth in 1..=self.queue.len() {
            let Some(name) = self.queue.pop_front() else { break };
            self.attend(name, host);
            if nth % GUESTS_LOOK_MAX == 0 && start.nanoseconds() > GUESTS_TURN_MAX_US * 1_000 {
                break;
            }
        }
        Ok(())
    }

    /// Takes a connection in; the oldest of those idle long enough makes room for it where there is none.
    ///
    /// # Errors
    /// The connection and its guest, if there is no room.
    pub fn enter<H: Host<Guest = G>>(&mut self, stream: Stream, guest: G, host: &mut H) -> Result<u64, (Stream, G)> {
        if self.seats.len() >= self.max {
            let idle =
                self.seats.iter().filter(|(_, seat)| seat.is_idle() && self.now.since(seat.active) >= IDLE_YIELD_MS);
            let oldest = idle.min_by_key(|(_, seat)| seat.active).map(|(name, _)| *name);
            let Some(oldest) = oldest else { return Err((stream, guest)) };
            self.leave(oldest, host, false);
        }
        let name = self.next_name;
        if self.epoll.add(&stream, name).is_err() {
            return Err((stream, guest));
        }
        self.next_name += 1;
        self.seats.insert(name, Seat::new(stream, guest, self.now));
        Ok(name)
    }

    /// Gives a connection the answer that it waits for, if `give` has it; it is written in its turn. Nothing happens if it has
    /// gone.
    pub fn answer(&mut self, name: u64, give: impl FnOnce(&mut G, &mut Vec<u8>) -> bool) {
        let Some(seat) = self.seats.get_mut(&name).filter(|seat| seat.pending) else { return };
        if give(&mut seat.guest, &mut seat.output) {
            seat.be_answered(self.now);
            self.enqueue(name);
        }
    }

    fn enqueue(&mut self, name: u64) {
        if let Some(seat) = self.seats.get_mut(&name).filter(|seat| !seat.queued) {
            seat.queued = true;
            self.queue.push_back(name);
        }
    }

    /// Writes what waits, reads what has come, has requests answered, as far as that goes now.
    fn attend<H: Host<Guest = G>>(&mut self, name: u64, host: &mut H) {
        let Some(seat) = self.seats.get_mut(&name) else { return };
        seat.queued = false;
        let outcome = seat.attend(name, host, &mut self.scratch, self.now, self.ending);
        match outcome {
            Ok(Next::Wait) => {}
            Ok(Next::Again) => self.enqueue(name),
            Ok(Next::Grace) => self.begin_grace(name, host),
            Ok(Next::Probe) => {
                self.probes.insert((self.now.after(PROBE_MIN_MS), name), PROBE_MIN_MS);
            }
            Ok(Next::Close) => self.leave(name, host, false),
            Err(_) => self.leave(name, host, true),
        }
    }

    fn begin_grace<H: Host<Guest = G>>(&mut self, name: u64, host: &H) {
        let Some(seat) = self.seats.get(&name) else { return };
        let Some(ms) = host.grace_ms(&seat.guest) else { return };
        let due = Due { at: self.now.after(ms), name, active: seat.active };
        match self.graces.iter_mut().find(|(own, _)| *own == ms) {
            Some((_, queue)) => queue.push_back(due),
            None => self.graces.push((ms, VecDeque::from([due]))),
        }
    }

    /// Looks after what only time brings about.
    fn come_due<H: Host<Guest = G>>(&mut self, host: &mut H) {
        let now = self.now;
        let mut silent = Vec::new();
        for (_, queue) in &mut self.graces {
            silent.extend(std::iter::from_fn(|| pop_due(queue, now)));
        }
        for due in silent {
            if let Some(seat) = self.seats.get_mut(&due.name).filter(|seat| seat.active == due.active && !seat.pending)
            {
                seat.fall_silent();
                self.enqueue(due.name);
            }
        }
        self.probe(host);
        if now.since(self.tick) >= GUESTS_TICK_MS {
            self.tick = now;
            self.tick(host);
        }
    }

    /// Says the next byte of their answers to clients that may have gone, and again after twice the time.
    fn probe<H: Host<Guest = G>>(&mut self, host: &mut H) {
        while let Some(entry) = self.probes.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let ((_, name), wait) = entry.remove_entry();
            let Some(seat) = self.seats.get_mut(&name) else { continue };
            if seat.pending {
                if seat.may_have_gone() {
                    host.beginning(&mut seat.guest, &mut seat.output);
                }
                self.probes.insert((self.now.after(2 * wait), name), 2 * wait);
                self.enqueue(name);
            } else {
                seat.probed = false;
            }
        }
    }

    /// Looks at all connections: whose answer has come due, who takes nothing, who says nothing.
    pub fn tick<H: Host<Guest = G>>(&mut self, host: &mut H) {
        let (mut over, mut due) = (Vec::new(), Vec::new());
        for (name, seat) in &mut self.seats {
            if seat.pending && host.is_due(&mut seat.guest, self.now, &mut seat.output) {
                seat.be_answered(self.now);
                due.push(*name);
            }
            let quiet = self.now.since(seat.active);
            if !seat.pending && quiet >= if seat.has_output() { STALL_MAX_MS } else { self.idle_ms } {
                over.push((*name, seat.has_output()));
            }
        }
        over.into_iter().for_each(|(name, broken)| self.leave(name, host, broken));
        due.into_iter().for_each(|name| self.enqueue(name));
    }

    fn leave<H: Host<Guest = G>>(&mut self, name: u64, host: &mut H, broken: bool) {
        if let Some(seat) = self.seats.remove(&name) {
            host.leave(seat.guest, broken);
        }
    }
}
