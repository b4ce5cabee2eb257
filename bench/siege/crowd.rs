//! The honest: computes that ask for ranges all the time, and newcomers, of whom one connects every tenth of a second.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use aliquot::common::message::{Message, Role, Speed};
use aliquot::common::poll::{Ready, Set};
use aliquot::common::tls::Context;
use aliquot::divisors::{Method, operations};

use super::caller::{Caller, hello};
use crate::load::compute::{Compute, End, LENGTH, ROUND, Waits};
use crate::load::master::Keys;

const COMPUTES: usize = 50;
/// From one request to the next, of all computes together.
const ASKING: Duration = Duration::from_micros(3_333);
/// From one sign of life of a monitor to the next: each gives one a second.
const BEATING: Duration = Duration::from_millis(20);
const COMING: Duration = Duration::from_millis(100);
/// One who isn't welcomed by then gives up, as a compute does.
const WELCOME_MAX: Duration = Duration::from_secs(5);
/// No perfect number is near: the next is 8589869056.
pub const FIRST: u64 = 1_000_000_000;
/// Newcomers come from the address of the computes, which attackers have too, and from one that nobody else has.
const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 9, 0, 1)];

/// One who comes, and is gone once it is welcomed.
struct Newcomer {
    caller: Caller,
    since: Instant,
    address: usize,
}

/// What was measured of the newcomers from one address.
#[derive(Default)]
pub struct Welcomes {
    pub waits: Vec<Duration>,
    /// How many were turned away, or gave up.
    pub refused: usize,
}

/// What was measured.
#[derive(Default)]
pub struct Seen {
    pub waits: Waits,
    /// Connections of computes that manage has closed.
    pub lost: usize,
    /// Requests that weren't made because the last wasn't answered yet.
    pub held_up: usize,
    /// By the address: the attackers', one's own.
    pub welcomes: [Welcomes; 2],
}

/// All of them.
pub struct Crowd {
    address: String,
    to: SocketAddr,
    worker: Context,
    viewer: Context,
    computes: Vec<Compute>,
    newcomers: Vec<Newcomer>,
    asking: Pace,
    beating: Pace,
    coming: Pace,
    pub seen: Seen,
}

/// Something that is done at even intervals, by each in turn.
struct Pace {
    every: Duration,
    next: Instant,
    nth: usize,
}

impl Pace {
    fn new(every: Duration) -> Self {
        Self { every, next: Instant::now(), nth: 0 }
    }

    /// Whose turn it is, if it is time. What a pause of this process has left out isn't made up for.
    fn due(&mut self, now: Instant) -> Option<usize> {
        if now < self.next {
            return None;
        }
        self.next = (self.next + self.every).max(now - self.every);
        self.nth += 1;
        Some(self.nth)
    }
}

impl Crowd {
    /// Connects the computes.
    pub fn connect(address: &str, keys: &Keys) -> Result<Self, String> {
        let worker = keys.client("worker")?;
        let computes = (0..COMPUTES).map(|nth| join(nth, address, &worker)).collect::<Result<_, _>>()?;
        Ok(Self {
            address: address.to_owned(),
            to: address.parse().map_err(|error| format!("{address}: {error}"))?,
            worker,
            viewer: keys.client("viewer")?,
            computes,
            newcomers: Vec::new(),
            asking: Pace::new(ASKING),
            beating: Pace::new(BEATING),
            coming: Pace::new(COMING),
            seen: Seen::default(),
        })
    }

    /// Goes on until `over` says so, which is asked all the time; gives what was seen.
    pub fn run_until(&mut self, mut over: impl FnMut() -> Result<bool, String>) -> Result<Seen, String> {
        self.seen = Seen::default();
        while !over()? {
            self.act()?;
            self.listen()?;
        }
        Ok(std::mem::take(&mut self.seen))
    }

    /// Does what is due.
    fn act(&mut self) -> Result<(), String> {
        let now = Instant::now();
        if let Some(nth) = self.asking.due(now).map(|nth| nth % COMPUTES) {
            if self.computes[nth].waits(End::Data) {
                self.seen.held_up += 1;
            } else if self.computes[nth].ask().is_err() {
                self.rejoin(nth)?;
            }
        }
        if let Some(nth) = self.beating.due(now).map(|nth| nth % COMPUTES)
            && self.computes[nth].say_alive(End::Control).is_err()
        {
            self.rejoin(nth)?;
        }
        if let Some(nth) = self.coming.due(now) {
            let address = nth % ADDRESSES.len();
            let mut caller = Caller::connect(ADDRESSES[address], self.to, Some(&self.viewer))?;
            caller.say(hello(Role::Report))?;
            self.newcomers.push(Newcomer { caller, since: now, address });
        }
        Ok(())
    }

    /// A compute whose connection was closed comes back.
    fn rejoin(&mut self, nth: usize) -> Result<(), String> {
        self.seen.lost += 1;
        self.computes[nth] = join(nth, &self.address, &self.worker)?;
        Ok(())
    }

    /// Waits for answers until something is due.
    fn listen(&mut self) -> Result<(), String> {
        let mut set = Set::new();
        let each = self.computes.iter().flat_map(|compute| End::BOTH.map(|end| compute.conn(end)));
        let ends: Vec<_> = each.map(|conn| set.add(conn.as_fd(), conn.interest())).collect();
        let each = self.newcomers.iter().map(|newcomer| &newcomer.caller);
        let newcomers: Vec<_> = each.map(|caller| set.add(caller.as_fd(), caller.interest())).collect();
        let next = self.asking.next.min(self.beating.next).saturating_duration_since(Instant::now());
        set.wait(next).map_err(|error| error.to_string())?;
        let ends: Vec<_> = ends.into_iter().map(|slot| set.ready(slot)).collect();
        let newcomers: Vec<_> = newcomers.into_iter().map(|slot| set.ready(slot)).collect();
        for (nth, ready) in ends.chunks(End::BOTH.len()).enumerate() {
            let mut turn = |(end, ready): (End, &Ready)| self.computes[nth].turn(end, *ready, &mut self.seen.waits);
            if End::BOTH.into_iter().zip(ready).try_for_each(&mut turn).is_err() {
                self.rejoin(nth)?;
            }
        }
        self.welcome(&newcomers);
        Ok(())
    }

    fn welcome(&mut self, ready: &[Ready]) {
        let mut ready = ready.iter();
        let welcomes = &mut self.seen.welcomes;
        self.newcomers.retain_mut(|newcomer| {
            let waited = newcomer.since.elapsed();
            let welcomes = &mut welcomes[newcomer.address];
            match newcomer.caller.turn(ready.next().copied().unwrap_or_default()) {
                Ok(Some(Message::Welcome(_))) => welcomes.waits.push(waited),
                Ok(None) if waited < WELCOME_MAX => return true,
                _ => welcomes.refused += 1,
            }
            false
        });
    }
}

fn join(nth: usize, address: &str, worker: &Context) -> Result<Compute, String> {
    let nanoseconds = u64::try_from(ROUND.as_nanos()).unwrap_or(u64::MAX);
    let speed = Speed { operations: operations(Method::Trial, FIRST, FIRST + LENGTH - 1) as u64, nanoseconds };
    Compute::connect(nth as u64, address, speed, Some(worker))
}
