//! The crowd: agents that push once a second each, spread over the second, in one thread with a poll loop.
//!
//! Only connections that an answer is waited for are polled, which are few: so the loop sees an answer at once.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aliquot::common::poll::{Interest, Set};

use super::agent::Agent;
use super::beside::{Over, beside};
use super::collect::Collect;
use super::times::Times;

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
/// The longest sleep of the loop, which then looks whether it is to end.
const LOOK: Duration = Duration::from_millis(20);
/// Until all have pushed.
const JOINING_MAX: Duration = Duration::from_secs(20);

/// What has come of their pushes.
#[derive(Default)]
pub struct Pushes {
    times: Mutex<Times>,
    /// Pushes that were due while the one before wasn't answered yet.
    late: AtomicUsize,
    here: AtomicUsize,
}

impl Pushes {
    /// How long each push since the last time has waited for its answer, and how many were late.
    pub fn take(&self) -> (Times, usize) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut *times), self.late.swap(0, Ordering::Relaxed))
    }

    fn note(&self, time: Duration) {
        self.times.lock().unwrap_or_else(PoisonError::into_inner).0.push(time);
    }
}

/// Measures by `body` while `count` agents push, from when all of them have. How many series they have is told, too.
pub fn during<T>(
    collect: &Collect,
    count: usize,
    body: impl FnOnce(&Pushes, usize, &Over) -> Result<T, String>,
) -> Result<T, String> {
    let pushes = Pushes::default();
    let mut crowd = Crowd::new(collect, count, &pushes);
    let series = crowd.agents.iter().map(Agent::series).sum();
    beside(
        |over| crowd.run(over),
        |over| {
            let begin = Instant::now();
            while pushes.here.load(Ordering::Relaxed) < count {
                over.pause(MILLISECOND)?;
                if begin.elapsed() > JOINING_MAX {
                    return Err(format!("{count} agents have no answer to a push after {JOINING_MAX:?}"));
                }
            }
            body(&pushes, series, over)
        },
    )
}

struct Crowd<'p> {
    collect: SocketAddr,
    pushes: &'p Pushes,
    agents: Vec<Agent>,
    /// Who has pushed.
    here: BTreeSet<usize>,
    queue: BinaryHeap<Reverse<(Instant, usize)>>,
    /// Those that wait for an answer.
    waiting: BTreeSet<usize>,
}

impl<'p> Crowd<'p> {
    fn new(collect: &Collect, count: usize, pushes: &'p Pushes) -> Self {
        let begin = Instant::now();
        let due = |nth: usize| begin + SECOND.mul_f64(nth as f64 / count as f64);
        Self {
            collect: collect.agents,
            pushes,
            agents: (0..count).map(Agent::new).collect(),
            here: BTreeSet::new(),
            queue: (0..count).map(|nth| Reverse((due(nth), nth))).collect(),
            waiting: BTreeSet::new(),
        }
    }

    fn run(&mut self, over: &Over) -> Result<(), String> {
        while !over.has_come() {
            while let Some(Reverse((due, nth))) = self.queue.peek().copied().filter(|next| next.0.0 <= Instant::now()) {
                self.queue.pop();
                self.queue.push(Reverse((due + SECOND, nth)));
                self.act(nth).map_err(|cause| format!("agent {nth}: {cause}"))?;
            }
            self.listen()?;
        }
        Ok(())
    }

    /// An agent's second has come: it connects, or pushes.
    fn act(&mut self, nth: usize) -> Result<(), String> {
        let agent = &mut self.agents[nth];
        agent.sample();
        if !agent.is_connected() {
            agent.connect(self.collect)?;
        } else if agent.waits() {
            self.pushes.late.fetch_add(1, Ordering::Relaxed);
        } else {
            agent.go_on()?;
        }
        self.waiting.insert(nth);
        Ok(())
    }

    /// Waits for answers until somebody's second comes.
    fn listen(&mut self) -> Result<(), String> {
        let mut set = Set::new();
        let slot = |nth: &usize| self.agents[*nth].fd().map(|fd| (*nth, set.add(fd, Interest::Read)));
        let slots: Vec<_> = self.waiting.iter().filter_map(slot).collect();
        let next = self.queue.peek().map_or(LOOK, |next| next.0.0.saturating_duration_since(Instant::now()));
        set.wait(next.min(LOOK)).map_err(|error| error.to_string())?;
        let ready: Vec<_> =
            slots.into_iter().filter(|(_, slot)| set.ready(*slot).readable).map(|(nth, _)| nth).collect();
        ready.into_iter().try_for_each(|nth| self.hear(nth).map_err(|cause| format!("agent {nth}: {cause}")))
    }

    fn hear(&mut self, nth: usize) -> Result<(), String> {
        let agent = &mut self.agents[nth];
        let Some((is_taken, time)) = agent.hear()? else { return Ok(()) };
        if is_taken {
            self.pushes.note(time);
            self.here.insert(nth);
            self.pushes.here.store(self.here.len(), Ordering::Relaxed);
        } else {
            agent.go_on()?;
        }
        if !agent.waits() {
            self.waiting.remove(&nth);
        }
        Ok(())
    }
}
