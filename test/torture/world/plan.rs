//! What a seed decides: the search, the computes, the weather of the network, and every fault with its time.

use aliquot::divisors::{Method, operations};
use aliquot::manage::state::{Policy, Settings};
use fastrand::Rng;

use super::events::End;
use super::network::{Cut, Weather};
use super::truth::LAST_MAX;

/// How a compute deceives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// A wrong sum.
    Sum,
    /// A number that isn't perfect.
    Hit,
    /// A wrong count.
    Count,
    /// No hits, and the right sum: only a recheck shows it.
    Hides,
}

/// A place where a compute runs: when one is gone, another takes its place.
#[derive(Clone, Debug)]
pub struct Nature {
    /// The host's name.
    pub host: String,
    /// Operations a millisecond.
    pub pace: f64,
    /// What its timing loop makes of that.
    pub said: f64,
    /// It has a control connection.
    pub watched: bool,
    /// It deceives, as long as its first compute lives.
    pub lie: Option<Lie>,
}

/// Where in a turn manage crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Between two turns.
    Idle,
    /// Its records aren't written yet.
    BeforeCommit,
    /// While they are written: they are on the disk, or not.
    InCommit,
    /// They are written, and nothing is said.
    BeforeSend,
    /// Something is said, the rest isn't.
    InSend,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Manage dies; with its host, if `silently`.
    Crash { moment: Moment, silently: bool, away: u64 },
    /// Manage stands still.
    Stop { ms: u64 },
    /// A compute dies; with its host, if `silently`.
    Kill { slot: usize, silently: bool },
    /// A compute is told to end.
    EndCompute { slot: usize },
    /// A compute stands still.
    StopCompute { slot: usize, ms: u64 },
    /// One end of a compute's connections breaks; the other hears of it, or not.
    Break { slot: usize, end: End, silently: bool },
    /// A compute becomes slow.
    Slow { slot: usize, factor: f64 },
    /// The next commit fails, and manage with it.
    DiskFails { away: u64 },
    /// The disk has no room for a while.
    DiskFull { ms: u64 },
    /// A report is asked for; if `kill`, the search is ended with it.
    Ask { kill: bool },
    /// Somebody connects and says nothing, or rubbish.
    Stranger { garbage: bool },
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Plan {
    pub settings: Settings,
    pub policy: Policy,
    pub natures: Vec<Nature>,
    pub weather: Weather,
    pub faults: Vec<(u64, Fault)>,
    /// When the faults are over.
    pub heals: u64,
    /// How long the search may take from then on.
    pub patience: u64,
}

impl Plan {
    pub fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let random = &mut random;
        let last = random.u64(20_000..=LAST_MAX);
        let settings = Settings { method: one_of(random, &Method::ALL), first: 1, last: Some(last) };
        let recheck_percent = one_of(random, &[0.0, 0.0, 0.0, 20.0, 100.0]);
        let policy = Policy {
            seconds: random.f64() * 14.0 + 1.0,
            recheck_percent,
            recheck_key: random.u64(..),
            workers_max: usize::MAX,
        };
        let cost = operations(settings.method, 1, last);
        let natures = natures(random, cost, recheck_percent);
        let heals = if random.u8(..) < 16 { 0 } else { random.u64(2_000..60_000) };
        let weather = weather(random, heals, natures.len());
        let faults = faults(random, heals, natures.len());
        let honest: f64 = natures.iter().filter(|nature| nature.lie.is_none()).map(|nature| nature.pace).sum();
        let slowest = natures.iter().map(|nature| nature.pace).fold(f64::INFINITY, f64::min);
        // What one host has done, another has to do again: if there is only one other, alone.
        let checks = if recheck_percent > 0.0 { 2.0 * cost / slowest } else { 0.0 };
        let patience = 90_000 + (4.0 * cost / honest + checks) as u64;
        Self { settings, policy, natures, weather, faults, heals, patience }
    }

    /// True if nobody deceives on this host.
    pub fn is_honest(&self, host: &str) -> bool {
        self.natures.iter().all(|nature| nature.lie.is_none() || nature.host != host)
    }
}

fn one_of<T: Copy>(random: &mut Rng, choices: &[T]) -> T {
    choices[random.usize(..choices.len())]
}

/// Computes that need 10 to 50 s for a search of that cost together. Those that deceive have hosts of their own, and
/// enough others are there: two, if every range may need a second one.
fn natures(random: &mut Rng, cost: f64, recheck_percent: f64) -> Vec<Nature> {
    let rechecks = recheck_percent > 0.0;
    let honest = if rechecks { 2 } else { 1 };
    let count = random.usize(honest..=6);
    let hosts = random.usize(1..=count);
    let pace = cost / (random.f64() * 40_000.0 + 10_000.0) / count as f64;
    let liars = if random.u8(..) < 64 { count - honest } else { 0 };
    let lies = [Lie::Sum, Lie::Hit, Lie::Count];
    // One that hides hits is found out by whoever does its ranges again; two could cover up for each other.
    let hides = recheck_percent == 100.0 && random.bool();
    let nature = |slot: usize| {
        let lie = (slot >= honest && slot - honest < liars.min(2)).then(|| one_of(random, &lies));
        let lie = lie.map(|lie| if hides && slot == honest { Lie::Hides } else { lie });
        let host = if lie.is_some() { format!("liar{slot}") } else { format!("host{}", random.usize(..hosts)) };
        let speed = one_of(random, &[0.25, 0.5, 1.0, 1.0, 1.0, 2.0]);
        let said = random.f64() * 0.6 + 0.7;
        Nature { host, pace: pace * speed, said, watched: random.bool(), lie }
    };
    (0..count).map(nature).collect()
}

fn weather(random: &mut Rng, heals: u64, computes: usize) -> Weather {
    let harsh = random.u8(..) < 96;
    let loss = if random.bool() { random.f64() * 0.3 } else { 0.0 };
    let doubled = if harsh && random.bool() { random.f64() * 0.3 } else { 0.0 };
    let late = one_of(random, &[0.0, 0.0, 0.01, 0.1]);
    let delay_max = one_of(random, &[1, 20, 20, 200, 1_000]);
    let count = if heals == 0 || random.bool() { 0 } else { random.usize(1..=4) };
    let cut = |_| {
        let begins = random.u64(..heals);
        let ends = heals.min(begins + one_of(random, &[1_000, 5_000, 12_000, 30_000, 60_000]));
        let path = random.bool().then(|| random.usize(..computes));
        let from = one_of(random, &[None, None, Some(End::Client), Some(End::Server)]);
        Cut { path, from, begins, ends }
    };
    let cuts = (0..count).map(cut).collect();
    Weather { harsh, loss, doubled, late, delay_max, heals, cuts }
}

fn faults(random: &mut Rng, heals: u64, computes: usize) -> Vec<(u64, Fault)> {
    let often = one_of(random, &[0, 1, 3, 10]);
    let count = (heals / 20_000 + 1) * often;
    let count = if heals == 0 { 0 } else { count };
    let mut faults: Vec<_> = (0..count).map(|_| (random.u64(..heals), fault(random, computes))).collect();
    // Somebody always looks on.
    faults.extend([5_000, 15_000, 30_000, 45_000, 60_000].map(|at| (at, Fault::Ask { kill: false })));
    faults.sort_by_key(|(at, _)| *at);
    faults
}

fn fault(random: &mut Rng, computes: usize) -> Fault {
    let slot = random.usize(..computes);
    let silently = random.bool();
    let moments = [Moment::Idle, Moment::BeforeCommit, Moment::InCommit, Moment::BeforeSend, Moment::InSend];
    let away = one_of(random, &[200, 1_000, 3_000, 10_000, 20_000]);
    match random.u8(..100) {
        0..30 => Fault::Crash { moment: one_of(random, &moments), silently, away },
        30..35 => Fault::Stop { ms: one_of(random, &[300, 2_000, 11_000, 60_000]) },
        35..50 => Fault::Kill { slot, silently },
        50..58 => Fault::EndCompute { slot },
        58..66 => Fault::StopCompute { slot, ms: one_of(random, &[500, 9_000, 11_000, 25_000, 60_000]) },
        66..82 => Fault::Break { slot, end: one_of(random, &[End::Client, End::Server]), silently },
        82..86 => Fault::Slow { slot, factor: one_of(random, &[0.5, 0.1]) },
        86..89 => Fault::DiskFails { away },
        89..93 => Fault::DiskFull { ms: one_of(random, &[500, 3_000, 15_000, 40_000]) },
        93..97 => Fault::Ask { kill: random.u8(..) < 64 },
        _ => Fault::Stranger { garbage: random.bool() },
    }
}
