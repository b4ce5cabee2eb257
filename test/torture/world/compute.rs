//! A simulated compute: the product's `Duty` and `Link`, driven as `compute/worker` and `compute/wire` drive them, and
//! work that takes simulated time.

use aliquot::common::clock::Millis;
use aliquot::common::limits::{CONTROL_HEARTBEAT_MS, HEARTBEAT_MS};
use aliquot::common::link::Link;
use aliquot::common::message::{Found, Hello, Instance, Range, Role, Speed, Version};
use aliquot::compute::duty::Duty;
use aliquot::divisors::{Method, operations};

use super::events::ConnId;
use super::plan::{Lie, Nature};
use super::truth;

/// How far a connection of a compute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Socket {
    None,
    Connecting(ConnId),
    Open(ConnId),
}

impl Socket {
    pub fn conn(self) -> Option<ConnId> {
        match self {
            Self::None => None,
            Self::Connecting(conn) | Self::Open(conn) => Some(conn),
        }
    }
}

/// One connection, kept up.
pub struct Wire {
    pub link: Link,
    pub socket: Socket,
}

impl Wire {
    fn new(seed: u64, heartbeat_ms: u64, now: Millis) -> Self {
        Self { link: Link::new(seed, heartbeat_ms, now), socket: Socket::None }
    }
}

/// Which of a compute's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Data,
    Control,
}

/// What a compute works on.
#[derive(Clone, Debug)]
pub enum Work {
    Timing { takes: u64 },
    Range { range: Range, began: u64, takes: u64 },
}

/// One compute.
pub struct Compute {
    /// Tells it from others in the same slot.
    pub life: u64,
    pub nature: Nature,
    pub duty: Duty,
    pub data: Wire,
    pub control: Option<Wire>,
    pub work: Option<Work>,
    /// The number of the work.
    pub work_number: u64,
    pub leave_by: Option<u64>,
    /// The lease of the result that it has finished and that nobody has answered yet.
    pub owed: Option<u64>,
    /// When it is to be looked at.
    pub wakes: u64,
    random: fastrand::Rng,
}

impl Compute {
    pub fn new(life: u64, nature: Nature, seed: u64, now: Millis) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let control = nature.watched.then(|| Wire::new(random.u64(..), CONTROL_HEARTBEAT_MS, now));
        Self {
            life,
            duty: Duty::default(),
            data: Wire::new(random.u64(..), HEARTBEAT_MS, now),
            control,
            nature,
            work: None,
            work_number: 0,
            leave_by: None,
            owed: None,
            wakes: u64::MAX,
            random,
        }
    }

    pub fn instance(&self) -> Instance {
        Instance(self.life)
    }

    pub fn hello(&self, which: Which) -> Hello {
        let role = if which == Which::Data { Role::Compute } else { Role::Control };
        let (host, pid) = (Some(self.nature.host.clone()), Some(self.life as u32));
        Hello { version: Version, role, host, pid, instance: Some(self.instance()), kernel: None }
    }

    pub fn wire(&mut self, which: Which) -> Option<&mut Wire> {
        match which {
            Which::Data => Some(&mut self.data),
            Which::Control => self.control.as_mut(),
        }
    }

    /// Begins to work; gives the number of the work and how long it takes.
    pub fn begin(&mut self, work: impl FnOnce(u64) -> Work) -> (u64, u64) {
        self.work_number += 1;
        let work = work(self.random.u64(50..=250));
        let (Work::Timing { takes } | Work::Range { takes, .. }) = work;
        self.work = Some(work);
        (self.work_number, takes)
    }

    /// How long a range takes, in milliseconds; no two ranges are quite alike.
    pub fn takes(&mut self, method: Method, range: &Range, slowed: f64) -> u64 {
        let ms = operations(method, range.first, range.last) / (self.nature.pace * slowed);
        (ms * (0.9 + 0.2 * self.random.f64())) as u64 + 1
    }

    pub fn speed(&self, takes: u64) -> Speed {
        let operations = (self.nature.pace * self.nature.said * takes as f64) as u64;
        Speed { operations: operations.max(1), nanoseconds: takes * 1_000_000 }
    }

    /// How many candidates of its range are tested.
    pub fn tested(&self, now: u64) -> u64 {
        let Some(Work::Range { range, began, takes }) = &self.work else { return 0 };
        let count = u128::from(range.last - range.first + 1);
        (count * u128::from((now - began).min(*takes)) / u128::from(*takes)) as u64
    }

    /// What it says it has found so far; `None` if nothing is tested.
    pub fn found(&mut self, now: u64) -> Option<Found> {
        let tested = self.tested(now);
        let Some(Work::Range { range, began, .. }) = &self.work else { return None };
        if tested == 0 {
            return None;
        }
        let found = truth::found(range, range.first + tested - 1, (now - began) * 1_000_000 + 1);
        Some(self.deceive(found))
    }

    fn deceive(&mut self, mut found: Found) -> Found {
        match self.nature.lie.filter(|lie| *lie == Lie::Hides || self.random.bool()) {
            None => {}
            Some(Lie::Sum) => found.sum += 1,
            Some(Lie::Hit) if truth::perfect(found.last, found.last).is_empty() => found.perfect.0 = vec![found.last],
            Some(Lie::Hit) => {}
            Some(Lie::Count) => found.tested += 1,
            Some(Lie::Hides) => found.perfect.0.clear(),
        }
        found
    }
}
