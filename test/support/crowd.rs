//! Computes that come back to their manage after each of its deaths, and note what it has told them.

use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use aliquot::common::limits::SILENCE_MAX_MS;
use aliquot::common::message::{Accepted, Found, Hello, Instance, Message, Range, Request, Role};

use super::fake::FakeCompute;
use super::peer::Peer;

/// A compute that has heard nothing for so long connects anew: shorter than what manage calls silent.
const SILENCE: Duration = Duration::from_millis(SILENCE_MAX_MS / 2);

/// What the computes of a crowd were told, in the order of telling.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Every range, by the number of its lease.
    pub ranges: BTreeMap<u64, (u64, u64)>,
    /// The leases whose results were accepted.
    pub accepted: Vec<u64>,
    /// Leases that were told of twice, answers that fit nothing.
    pub faults: Vec<String>,
}

impl Heard {
    /// The ranges whose results were accepted: first and last candidate.
    pub fn accepted_ranges(&self) -> Vec<(u64, u64)> {
        self.accepted.iter().map(|lease| self.ranges[lease]).collect()
    }
}

/// What the threads of a crowd share.
#[derive(Default)]
struct Shared {
    /// Where manage is, and how many there were before it; nowhere once it has told all to end.
    manage: Mutex<(Option<SocketAddr>, u64)>,
    heard: Mutex<Heard>,
    over: AtomicBool,
}

/// Some fast computes, a thread each, that live for as long as this does and always stay with one manage: they come
/// back at once, and hand in what they hold.
pub struct Crowd(Arc<Shared>);

impl Crowd {
    /// `count` computes that manage `pace` operations a second, by their own word. They wait to be told where to go.
    pub fn new(count: u64, pace: u64) -> Self {
        let crowd = Self(Arc::default());
        for _ in 0..count {
            let shared = Arc::clone(&crowd.0);
            let host = format!("crowd{}", fastrand::u32(..));
            let hello = FakeCompute::hello(&host, fastrand::u32(1..4_000_000), Instance(fastrand::u64(..)));
            thread::spawn(move || shared.live(hello, pace));
        }
        crowd
    }

    /// From now on manage is to be found there.
    pub fn go_to(&self, address: SocketAddr) {
        let mut manage = lock(&self.0.manage);
        *manage = (Some(address), manage.1 + 1);
    }

    /// What was heard so far.
    pub fn heard(&self) -> Heard {
        lock(&self.0.heard).clone()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    /// One compute: its connections, one after the other.
    fn live(self: Arc<Self>, hello: Hello, pace: u64) {
        let mut held = None;
        while !self.over.load(Ordering::Relaxed) {
            if self.connection(&hello, pace, &mut held).is_none() {
                thread::sleep(Duration::from_millis(2));
            }
        }
    }

    /// Serves manage for as long as it is there. A result that isn't answered yet is `held` beyond that.
    fn connection(self: &Arc<Self>, hello: &Hello, pace: u64, held: &mut Option<Found>) -> Option<()> {
        let (address, turn) = *lock(&self.manage);
        let data = TcpStream::connect(address?).ok()?;
        let control = TcpStream::connect(address?).ok()?;
        let (shared, other, words) = (Arc::clone(self), data.try_clone().ok()?, hello.clone());
        thread::spawn(move || shared.monitor(Peer::over(control), &other, words, turn));
        let mut compute = FakeCompute::greet(Peer::over(data).with_patience(SILENCE), hello.clone(), pace)?;
        if let Some(found) = held.clone() {
            compute.peer.try_tell(found)?;
        }
        compute.peer.try_tell(Request {})?;
        loop {
            match compute.peer.try_hear()? {
                Message::Range(range) => {
                    self.note_range(&range);
                    let found = held.insert(compute.compute(&range)).clone();
                    compute.peer.try_tell(found)?;
                    compute.peer.try_tell(Request {})?;
                }
                Message::Accepted(Accepted { lease }) => {
                    self.note_accepted(lease);
                    *held = None;
                }
                Message::Refused(_) => *held = None,
                Message::Error(error) => self.note_fault(format!("{error:?}")),
                _ => {}
            }
        }
    }

    /// The control connection: when it says so, the compute leaves the manage of that `turn`.
    fn monitor(&self, mut control: Peer, data: &TcpStream, hello: Hello, turn: u64) -> Option<()> {
        control.try_tell(Hello { role: Role::Control, ..hello })?;
        while !matches!(control.try_hear()?, Message::Signal(_)) {}
        let mut manage = lock(&self.manage);
        if manage.1 == turn {
            manage.0 = None;
        }
        data.shutdown(Shutdown::Both).ok()
    }

    fn note_range(&self, range: &Range) {
        if lock(&self.heard).ranges.insert(range.lease, (range.first, range.last)).is_some() {
            self.note_fault(format!("lease {} was given twice", range.lease));
        }
    }

    fn note_accepted(&self, lease: u64) {
        let mut heard = lock(&self.heard);
        if !heard.ranges.contains_key(&lease) {
            heard.faults.push(format!("lease {lease} was accepted, and never given"));
        }
        heard.accepted.push(lease);
    }

    fn note_fault(&self, fault: String) {
        lock(&self.heard).faults.push(fault);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
