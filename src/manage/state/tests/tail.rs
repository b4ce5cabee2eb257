//! The end of a bounded search, simulated: computes of given speeds, a manage, and a clock that jumps. The promise:
//! nobody idles for more than 2 s while another holds more than 2 s of work.

use super::*;
use crate::common::limits::{HEARTBEAT_MS, STARVED_MS};
use crate::common::message::{Instance, Recall};
use crate::divisors::{ClosedForm, last_for};

/// What the promise says, of both.
const IDLE_MAX_MS: u64 = 2_000;
/// The grain of the simulated time; so long takes what is said to be heard, too.
const STEP_MS: u64 = 10;
/// How long a timing loop takes here.
const TIMING_MS: u64 = 100;
const LAST: u64 = 1_000_000_000;

/// A compute that is so fast.
#[derive(Clone, Copy, Debug)]
struct Speeds {
    /// When it connects.
    joins_ms: u64,
    /// Against the others.
    speed: f64,
    /// What its timing loop says of that.
    said: f64,
    /// When it becomes slower, and to which part of its speed.
    slowed: Option<(u64, f64)>,
}

const PLAIN: Speeds = Speeds { joins_ms: 0, speed: 1.0, said: 1.0, slowed: None };

#[derive(Debug)]
enum Doing {
    Away,
    Timing,
    Waiting,
    Testing { range: Range, cost: f64, done: f64, since: Millis },
}

struct Simulated {
    peer: Peer,
    speeds: Speeds,
    doing: Doing,
    /// For how long it has idled by now, while another held too much.
    idle_ms: u64,
}

/// What came of a search.
#[derive(Debug, Default)]
struct Outcome {
    /// The longest time that a compute has idled while another held too much.
    worst_idle_ms: u64,
    /// How many ranges were given.
    ranges: usize,
    /// The share of the time of all computes, from their timing loops on, in which they didn't work on something new.
    lost: f64,
    ended_ms: u64,
    recalls: usize,
}

/// A search that takes all computes `seconds` together.
struct Simulation {
    world: World,
    computes: Vec<Simulated>,
    /// Operations a millisecond of a speed of 1.
    unit: f64,
    capacity: f64,
    outcome: Outcome,
}

impl Simulation {
    fn new(seconds: f64, computes: &[Speeds]) -> Self {
        let total: f64 = computes.iter().map(|speeds| speeds.speed).sum();
        let unit = operations(Method::Trial, 1, LAST) / (seconds * 1e3 * total);
        let simulated = |(nth, speeds): (usize, &Speeds)| Simulated {
            peer: nth as Peer + 1,
            speeds: *speeds,
            doing: Doing::Away,
            idle_ms: 0,
        };
        let computes = computes.iter().enumerate().map(simulated).collect();
        let world = World::new(LAST, POLICY);
        Self { world, computes, unit, capacity: 0.0, outcome: Outcome::default() }
    }

    fn run(mut self) -> Outcome {
        while !self.world.state.is_complete() {
            self.world.now = self.world.now.after(STEP_MS);
            assert!(self.world.now.0 < 10_000_000, "it doesn't end");
            if self.world.now.0.is_multiple_of(HEARTBEAT_MS) {
                self.world.handle(Event::Tick);
                self.deliver();
            }
            (0..self.computes.len()).for_each(|nth| self.step(nth));
            self.note_idleness();
        }
        self.outcome.ended_ms = self.world.now.0;
        self.outcome.lost = 1.0 - operations(Method::Trial, 1, LAST) / self.capacity;
        self.outcome
    }

    /// Operations a millisecond.
    fn speed(&self, nth: usize) -> f64 {
        let Speeds { speed, slowed, .. } = self.computes[nth].speeds;
        let slowed = slowed.filter(|(at, _)| *at <= self.world.now.0);
        speed * self.unit * slowed.map_or(1.0, |(_, factor)| factor)
    }

    fn step(&mut self, nth: usize) {
        let now = self.world.now;
        let speed = self.speed(nth);
        let Simulated { peer, speeds, ref mut doing, .. } = self.computes[nth];
        if !matches!(doing, Doing::Away | Doing::Timing) {
            self.capacity += speed * STEP_MS as f64;
        }
        match doing {
            Doing::Away if speeds.joins_ms <= now.0 => {
                *doing = Doing::Timing;
                self.world.handle(Event::Opened(peer));
                let (host, pid, instance) = (Some("a".to_owned()), Some(1), Some(Instance(peer)));
                let role = Role::Compute;
                self.say(peer, Hello { version: Version, role, host, pid, instance, kernel: None });
            }
            Doing::Timing if speeds.joins_ms + TIMING_MS <= now.0 => {
                *doing = Doing::Waiting;
                let operations = (speed * speeds.said * TIMING_MS as f64) as u64;
                self.say(peer, Speed { operations, nanoseconds: TIMING_MS * 1_000_000 });
                self.say(peer, Request {});
            }
            Doing::Testing { cost, done, .. } => {
                *done += speed * STEP_MS as f64;
                if *done >= *cost {
                    self.hand_in(nth);
                }
            }
            _ => {}
        }
        if now.0.is_multiple_of(HEARTBEAT_MS) && speeds.joins_ms < now.0 {
            self.say(peer, Alive { lease: None, tested: None });
        }
    }

    /// Hands in what is tested, as a compute does that has finished or is asked to.
    fn hand_in(&mut self, nth: usize) {
        let Doing::Testing { range, cost, done, since } = &self.computes[nth].doing else { return };
        let tested = if done >= cost { range.last } else { last_for(Method::Trial, range.first, *done, range.last) };
        if tested == range.first && operations(Method::Trial, tested, tested) > *done {
            return;
        }
        let mut sum = ClosedForm::new(range.first, tested);
        sum.step(u64::MAX);
        let found = Found {
            lease: range.lease,
            first: range.first,
            last: tested,
            tested: tested - range.first + 1,
            sum: sum.result().unwrap(),
            nanoseconds: (self.world.now.since(*since) * 1_000_000).max(1),
            perfect: Numbers::default(),
        };
        self.computes[nth].doing = Doing::Waiting;
        let peer = self.computes[nth].peer;
        self.say(peer, found);
        self.say(peer, Request {});
    }

    fn say(&mut self, peer: Peer, message: impl Into<Message>) {
        self.world.say(peer, message);
        self.deliver();
    }

    /// Lets the computes hear what manage has said.
    fn deliver(&mut self) {
        for (peer, message) in std::mem::take(&mut self.world.said) {
            let nth = peer as usize - 1;
            match message {
                Message::Range(range) => {
                    self.outcome.ranges += 1;
                    let cost = operations(Method::Trial, range.first, range.last);
                    self.computes[nth].doing = Doing::Testing { range, cost, done: 0.0, since: self.world.now };
                }
                Message::Recall(_) => {
                    self.outcome.recalls += 1;
                    self.hand_in(nth);
                }
                Message::Refused(refused) => panic!("refused: {}", refused.text),
                _ => {}
            }
        }
    }

    fn note_idleness(&mut self) {
        let left_ms = |nth: usize| match &self.computes[nth].doing {
            Doing::Testing { cost, done, .. } => (cost - done) / self.speed(nth),
            _ => 0.0,
        };
        let too_much = (0..self.computes.len()).any(|nth| left_ms(nth) > IDLE_MAX_MS as f64);
        for compute in &mut self.computes {
            let idles = too_much && matches!(compute.doing, Doing::Waiting);
            compute.idle_ms = if idles { compute.idle_ms + STEP_MS } else { 0 };
            self.outcome.worst_idle_ms = self.outcome.worst_idle_ms.max(compute.idle_ms);
        }
    }
}

/// Runs a search of so many seconds; holds it to the promise.
#[track_caller]
fn kept(seconds: f64, computes: &[Speeds]) -> Outcome {
    let outcome = Simulation::new(seconds, computes).run();
    assert!(outcome.worst_idle_ms <= IDLE_MAX_MS, "{outcome:?}");
    outcome
}

#[test]
fn equal_computes_end_together() {
    for count in [1, 2, 3, 16, 100] {
        let outcome = kept(100.0, &vec![PLAIN; count]);
        assert!(outcome.lost < 0.01 && outcome.recalls == 0, "{count}: {outcome:?}");
    }
}

#[test]
fn unequal_computes_end_together() {
    let slow = Speeds { speed: 0.125, ..PLAIN };
    for computes in [vec![PLAIN, slow], vec![slow, PLAIN], vec![slow; 2], [vec![PLAIN; 3], vec![slow; 20]].concat()] {
        let outcome = kept(60.0, &computes);
        assert!(outcome.lost < 0.01 && outcome.recalls == 0, "{outcome:?}");
    }
}

#[test]
fn a_thousand_computes_end_together() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut any = |joins_ms| Speeds {
        joins_ms: random.u64(0..=joins_ms),
        speed: random.f64() * 7.5 + 0.5,
        said: random.f64() * 0.6 + 0.7,
        slowed: None,
    };
    let crowd: Vec<_> = (0..1_000).map(|_| any(3_000)).collect();
    kept(60.0, &crowd);
}

#[test]
fn a_short_search_is_not_lost_in_talk() {
    let outcome = kept(1.7, &[PLAIN; 2]);
    assert!(outcome.lost < 0.05 && outcome.ranges < 30, "{outcome:?}");
}

#[test]
fn a_compute_that_becomes_half_as_fast_keeps_nobody_waiting() {
    for (at, others) in (1..60).step_by(3).flat_map(|at| [(at, 1), (at, 15)]) {
        let slowed = Speeds { slowed: Some((at * 1_000, 0.5)), ..PLAIN };
        let outcome = kept(50.0, &[vec![slowed], vec![PLAIN; others]].concat());
        assert!(outcome.recalls == 0 && outcome.lost < 0.01, "slowed at {at} s, {others} others: {outcome:?}");
    }
}

/// Short ranges alone don't keep the promise here: 1 s of work becomes 10 s or 100 s.
#[test]
fn a_compute_that_nearly_stops_is_asked_for_what_it_has() {
    for (at, (factor, others)) in (1..50).step_by(3).flat_map(|at| [(0.1, 1), (0.1, 15), (0.01, 3)].map(|it| (at, it)))
    {
        let slowed = Speeds { slowed: Some((at * 1_000, factor)), ..PLAIN };
        let outcome = kept(50.0, &[vec![slowed], vec![PLAIN; others]].concat());
        assert!(outcome.lost < 0.05, "slowed at {at} s to {factor}, {others} others: {outcome:?}");
    }
}

/// The first has taken ranges as if it were alone: until then it was.
#[test]
fn who_comes_late_gets_a_share_of_what_others_hold() {
    for joins_ms in (1..30).map(|seconds| seconds * 1_000) {
        let late = Speeds { joins_ms, speed: 8.0, ..PLAIN };
        let outcome = kept(0.2, &[vec![PLAIN], vec![late; 20]].concat());
        assert!(outcome.ended_ms < joins_ms + 2_500, "{outcome:?}");
    }
}

#[test]
fn only_who_could_go_on_is_waited_for() {
    let mut world = World::new(1_000_000, POLICY);
    world.compute(1, "bad");
    for _ in 0..STRIKES_MAX {
        let range = world.range(1).unwrap();
        world.say(1, Found { sum: 0, ..truth(&range, range.last) });
        world.say(1, Request {});
    }
    world.compute(2, "good");
    while world.state.coverage.next_free().is_some() {
        world.finish(2);
    }
    for _ in 0..5 {
        world.tick(HEARTBEAT_MS);
    }
    assert!(matches!(world.last_said(2), Message::Range(_)), "a struck host waits for ever: it isn't starved");
    world.compute(3, "good");
    world.tick(STARVED_MS - 1);
    assert!(matches!(world.last_said(2), Message::Range(_)));
    world.tick(1);
    let lease = world.range(2).unwrap().lease;
    assert_eq!(world.last_said(2), &Message::Recall(Recall { lease }));
    let range = world.range(2).unwrap();
    world.say(2, truth(&range, range.first));
    assert_eq!(world.range(3).unwrap().first, range.first + 1, "the rest goes to who has waited");
    assert_eq!(world.refusals(2), []);
}
