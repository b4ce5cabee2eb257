//! The crowd: all computes of a measurement in one process, with a poll loop of its own.
//!
//! What each does when stands in one queue, by instants that a seed has given. Only connections that an answer is waited
//! for are polled, which are few: so the loop sees an answer at once, however many connections there are.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use aliquot::common::limits::{CONTROL_HEARTBEAT_MS, HEARTBEAT_MS};
use aliquot::common::message::Speed;
use aliquot::common::poll::{Ready, Set};
use aliquot::common::process::raise_descriptor_limit;
use aliquot::common::tls::Context;
use aliquot::divisors::{Method, operations};

use super::compute::{Compute, End, LENGTH, ROUND, Waits};
use super::master::{Cores, Keys, Master};

/// Computes that connect in a second: with keys fewer, as a handshake takes its time.
const JOINING: u64 = 2_000;
const JOINING_WITH_KEYS: u64 = 700;
/// All instants come from it.
const SEED: u64 = 4711;
/// Deeds between two looks at the connections.
const DEEDS_MAX: usize = 16;
/// From the last connection to the first request.
const SETTLING: Duration = Duration::from_secs(2);
const MILLISECOND: Duration = Duration::from_millis(1);

/// What a compute does at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    Join,
    SayAlive(End),
    Ask,
}

/// Starts manage on a search from `first` on and as many computes, and measures for so many seconds; a line of JSON. With
/// `secure` they have keys and speak TLS.
pub fn measure(count: u64, seconds: u64, first: u64, secure: bool) -> Result<String, String> {
    raise_descriptor_limit();
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (ledger, from) = (folder.path().join("search.db"), first.to_string());
    let mut options = vec!["--first".as_ref(), from.as_ref(), "--ledger".as_ref(), ledger.as_os_str()];
    let keys = if secure { Some(Keys::make(folder.path())?) } else { None };
    options.extend(keys.iter().flat_map(|keys| ["--keys".as_ref(), keys.0.as_os_str()]));
    let context = keys.as_ref().map(|keys| keys.client("worker")).transpose()?;
    let cores = Cores::allowed();
    cores.stay_on_last()?;
    let master = Master::start(&cores, folder.path(), &options)?;
    let mut crowd = Crowd::new(count, &master.address, first, context);
    let alone = master.memory()?;
    crowd.run_until(crowd.joined + ROUND)?;
    let (begin, before) = (crowd.now(), master.used()?);
    crowd.forget();
    crowd.run_until(begin + Duration::from_secs(seconds))?;
    let (after, memory) = (master.used()?, master.memory()?);
    let took = (crowd.now() - begin).as_secs_f64();
    let line = format!(
        r#"{{"computes":{count},"keys":{secure},{},"user":{:.4},"system":{:.4},"memory_before":{alone},"memory":{memory}}}"#,
        crowd.figures(),
        (after.user - before.user) / took,
        (after.system - before.system) / took,
    );
    drop(crowd);
    master.end()?;
    Ok(line)
}

/// All computes.
struct Crowd {
    address: String,
    /// What their sessions begin by, if they have keys.
    context: Option<Context>,
    /// Of each: a range takes it a round.
    speed: Speed,
    begin: Instant,
    /// When the last has connected.
    joined: Duration,
    computes: Vec<Option<Compute>>,
    queue: BinaryHeap<Reverse<(Duration, usize, Deed)>>,
    /// The connections that an answer is waited for.
    watched: BTreeSet<(usize, End)>,
    waits: Waits,
    /// How much later than it should have been each deed was done: what this process adds to what it measures.
    late: Vec<Duration>,
}

impl Crowd {
    fn new(count: u64, address: &str, first: u64, context: Option<Context>) -> Self {
        let mut random = fastrand::Rng::with_seed(SEED);
        let joining = if context.is_some() { JOINING_WITH_KEYS } else { JOINING };
        let joined = Duration::from_secs_f64(count as f64 / joining as f64) + SETTLING;
        let mut places: Vec<u64> = (0..count).collect();
        random.shuffle(&mut places);
        let nanoseconds = u64::try_from(ROUND.as_nanos()).unwrap_or(u64::MAX);
        let mut queue = BinaryHeap::new();
        for (compute, place) in places.into_iter().enumerate() {
            let join = Duration::from_secs_f64(compute as f64 / joining as f64);
            queue.push(Reverse((join, compute, Deed::Join)));
            for end in End::BOTH {
                queue.push(Reverse((join + heartbeat(end).mul_f64(random.f64()), compute, Deed::SayAlive(end))));
            }
            queue.push(Reverse((joined + ROUND.mul_f64(place as f64 / count as f64), compute, Deed::Ask)));
        }
        Self {
            address: address.to_owned(),
            context,
            speed: Speed { operations: operations(Method::Trial, first, first + LENGTH - 1) as u64, nanoseconds },
            begin: Instant::now(),
            joined,
            computes: (0..count).map(|_| None).collect(),
            queue,
            watched: BTreeSet::new(),
            waits: Waits::default(),
            late: Vec::new(),
        }
    }

    fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    /// Forgets what was measured so far.
    fn forget(&mut self) {
        (self.waits, self.late) = (Waits::default(), Vec::new());
    }

    fn run_until(&mut self, end: Duration) -> Result<(), String> {
        while self.now() < end {
            self.act()?;
            self.listen()?;
        }
        Ok(())
    }

    /// Does what is due, and notes when it is due again.
    fn act(&mut self) -> Result<(), String> {
        for _ in 0..DEEDS_MAX {
            let Some(Reverse((due, nth, deed))) = self.queue.peek().copied() else { break };
            let Some(late) = self.now().checked_sub(due) else { break };
            self.queue.pop();
            self.late.push(late);
            self.perform(nth, deed).map_err(|cause| format!("compute {nth}, {deed:?}: {cause}"))?;
            let pause = match deed {
                Deed::Join => continue,
                Deed::SayAlive(end) => heartbeat(end),
                Deed::Ask => ROUND,
            };
            self.queue.push(Reverse((due + pause, nth, deed)));
        }
        Ok(())
    }

    fn perform(&mut self, nth: usize, deed: Deed) -> Result<(), String> {
        if deed == Deed::Join {
            let compute = Compute::connect(nth as u64, &self.address, self.speed.clone(), self.context.as_ref())?;
            self.computes[nth] = Some(compute);
            self.watched.extend(End::BOTH.map(|end| (nth, end)));
        }
        let Some(compute) = &mut self.computes[nth] else { return Ok(()) };
        match deed {
            Deed::Join => {}
            Deed::SayAlive(end) => {
                // The answer to the last, unless it was read along with another.
                compute.turn(end, Ready { readable: true, writable: false }, &mut self.waits)?;
                compute.say_alive(end)?;
            }
            Deed::Ask => {
                compute.ask()?;
                self.watched.insert((nth, End::Data));
            }
        }
        Ok(())
    }

    /// Waits for answers until something is due.
    fn listen(&mut self) -> Result<(), String> {
        let (computes, now) = (&self.computes, self.now());
        let compute = |nth: &usize| computes[*nth].as_ref();
        let mut set = Set::new();
        let slots: Vec<_> = self
            .watched
            .iter()
            .filter_map(|(nth, end)| Some((*nth, *end, compute(nth)?.conn(*end))))
            .map(|(nth, end, conn)| (nth, end, set.add(conn.as_fd(), conn.interest())))
            .collect();
        let next = self.queue.peek().map_or(MILLISECOND, |Reverse((due, ..))| due.saturating_sub(now));
        // poll(2) counts in milliseconds: what is due within the next is waited for awake.
        set.wait(next.saturating_sub(MILLISECOND)).map_err(|error| error.to_string())?;
        let ready: Vec<_> = slots.into_iter().map(|(nth, end, slot)| (nth, end, set.ready(slot))).collect();
        for (nth, end, ready) in ready {
            let Some(compute) = &mut self.computes[nth] else { continue };
            compute.turn(end, ready, &mut self.waits).map_err(|cause| format!("compute {nth}, {end:?}: {cause}"))?;
            if !compute.waits(end) {
                self.watched.remove(&(nth, end));
            }
        }
        Ok(())
    }

    /// What was measured, as members of a JSON object; times are in milliseconds: median, 99th percentile, longest.
    fn figures(&mut self) -> String {
        let requests = self.waits.ranges.len();
        let of = |waits: &mut Vec<Duration>| {
            let mut ms: Vec<f64> = waits.drain(..).map(|wait| wait.as_secs_f64() * 1e3).collect();
            ms.sort_by(f64::total_cmp);
            [0.5, 0.99, 1.0].map(|share| quantile(&ms, share)).map(|ms| format!("{ms:.3}")).join(",")
        };
        let (ranges, results) = (of(&mut self.waits.ranges), of(&mut self.waits.results));
        let late = of(&mut self.late);
        format!(r#""requests":{requests},"range_ms":[{ranges}],"accepted_ms":[{results}],"late_ms":[{late}]"#)
    }
}

/// How often a compute says so.
fn heartbeat(end: End) -> Duration {
    Duration::from_millis(match end {
        End::Data => HEARTBEAT_MS,
        End::Control => CONTROL_HEARTBEAT_MS,
    })
}

/// The smallest of the sorted `values` that so large a share of them doesn't exceed; NaN if there are none.
fn quantile(values: &[f64], share: f64) -> f64 {
    let at = (share * values.len() as f64).ceil() as usize;
    values.get(at.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}
