//! The network: whatever it does between manage and a compute, each notices in time, no range stays with one who is
//! cut off, and in the end every number is tested once, as if nothing had been.

use std::rc::Rc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use aliquot::common::limits::SILENCE_MAX_MS;
use fastrand::Rng;
use nix::sys::signal::Signal;

use super::together::{each, span, sum_to, wait_end};
use super::{cases, is_root, kept};
use crate::support::{Hosts, Manage, Member, NEAR_ADDRESS, Process, Scene, Way, number, until};

/// Some seconds of one compute: with a fault in its first two ranges, half of them are still to be done. A machine that
/// is faster than that has tested them all before the fault was there: then the case is played with four times as many.
const LAST: [u64; 4] = [1_500_000, 6_000_000, 24_000_000, 96_000_000];
/// The perfect numbers up to each of them.
const PERFECT: [u64; 4] = [6, 28, 496, 8_128];
/// Why a result may be refused that is right: it is late, or comes again while it is being proved.
const LATE: [&str; 3] = ["already-done", "not-leased", "out-of-turn"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// None: what the others are compared with.
    None,
    /// Nothing comes through one way, or both, until both sides have noticed.
    Cut(Way),
    /// The same both ways, but for a time that is drawn: some notice, some don't.
    Gap,
    /// The cable is out, and the compute dies behind it without a word.
    Death,
    /// Every packet is answered with a reset, for some time.
    Rejection,
    /// All connections are reset, again and again.
    Resets,
    /// Packets are lost, 5 to 30 of a hundred each way.
    Loss,
    /// 1 Mbit/s.
    Slowness,
}

const FAULTS: [Fault; 10] = [
    Fault::Cut(Way::ToNear),
    Fault::Cut(Way::ToFar),
    Fault::Cut(Way::Both),
    Fault::Death,
    Fault::Gap,
    Fault::Loss,
    Fault::Rejection,
    Fault::Resets,
    Fault::Slowness,
    Fault::None,
];

/// What one case has shown.
#[derive(Debug, Default)]
struct Seen {
    /// How long after the fault the lease went back.
    freed: Option<Duration>,
    /// How long after the fault the compute knew that manage is away.
    away: Option<Duration>,
    /// Results that came too late, and were refused.
    late: usize,
    /// How often a compute was gone for manage before all was tested.
    gone: usize,
}

/// A search across the cable, and its computes.
struct Search {
    // The first to be dropped: a host is removed when nobody is there any more.
    scene: Scene,
    manage: Manage,
    hosts: Hosts,
    computes: Vec<Rc<Process>>,
}

impl Search {
    fn new(options: &str) -> Self {
        let (hosts, scene) = (Hosts::new(), Scene::new());
        let options = format!("--insecure -v {options}");
        let manage = scene.manage_through(&hosts.near(), &format!("{NEAR_ADDRESS}:0"), &options);
        Self { scene, manage, hosts, computes: Vec::new() }
    }

    /// Starts a compute beyond the cable.
    fn far(&mut self, options: &str) -> Rc<Process> {
        self.compute(&self.hosts.far(), &format!("--host far {options}"))
    }

    /// Starts a compute on the host of manage.
    fn near(&mut self) -> Rc<Process> {
        self.compute(&self.hosts.near(), "--host near")
    }

    fn compute(&mut self, through: &str, options: &str) -> Rc<Process> {
        let options = format!("{} --nice 0 -v {options}", self.manage.address);
        let compute = self.scene.start_through(through, "compute", &options);
        self.computes.push(Rc::clone(&compute));
        compute
    }

    /// How long after `began` manage knew that `compute` is gone, and its lease went back; `None` if the search was over
    /// before that.
    fn freed(&self, compute: &Process, began: Instant) -> Option<Duration> {
        let gone = format!(" pid {} is gone", compute.pid());
        self.manage.log.line_or_end(&gone)?;
        let log = self.manage.log.text();
        let over = log.split(&gone).next().is_some_and(|before| before.contains(" is tested\n"));
        (!over).then(|| noticed(&self.manage, &gone, began)).flatten()
    }

    /// Waits for the end of the search, and ends who hasn't heard of it.
    fn finish(&self) {
        assert_eq!(wait_end(&self.manage, || ()), 0);
        for compute in &self.computes {
            compute.signal_if_running(Signal::SIGTERM);
            assert_eq!(compute.wait_gone(), 0);
        }
    }

    /// The ledger is that of a run where nothing happened, and nobody was taken for a liar.
    fn check(&self, last: u64, seen: &mut Seen) {
        let ledger = self.scene.ledger();
        assert_eq!((ledger.tested(), ledger.perfect(), ledger.leases()), (last, PERFECT.to_vec(), Vec::new()));
        assert_eq!(ledger.sum(), sum_to(last));
        let log = self.manage.log.all();
        for (_, why) in log.lines().filter_map(|line| line.split_once("result refused: ")) {
            assert!(LATE.iter().any(|late| why.starts_with(late)), "a right result was refused: {why}");
            seen.late += 1;
        }
        assert!(!log.contains("wrong results"), "a strike");
        let (search, _) = log.split_once(" is tested\n").expect("all is tested");
        seen.gone = search.matches(" is gone\n").count();
    }
}

/// Waits until `process` has said `what`; how long that was after `began`, or `None` if it ended without a word of it.
fn noticed(process: &Process, what: &str, began: Instant) -> Option<Duration> {
    process.log.line_or_end(what)?;
    let after = began.elapsed();
    // The bound is SILENCE_MAX_MS and two heartbeats: one that still comes through, one until manage looks. What is
    // beyond is for a machine that is busy with other tests.
    assert!(after < 2 * Duration::from_millis(SILENCE_MAX_MS), "{what:?} after {after:?}");
    Some(after)
}

/// A lease that goes back long before `SILENCE_MAX_MS` was taken from somebody who only paused.
fn not_early(freed: &Duration) {
    assert!(*freed > Duration::from_millis(SILENCE_MAX_MS) / 2, "the lease went back after {freed:?}");
}

fn pause(random: &mut Rng, max_ms: u64) {
    sleep(Duration::from_millis(random.u64(0..max_ms)));
}

/// The case of `fault` that `seed` gives, with as many numbers as are enough to be still at it when the fault comes.
fn play(fault: Fault, seed: u64) -> Seen {
    let shown = LAST.into_iter().find_map(|last| play_up_to(last, fault, &mut Rng::with_seed(seed)));
    shown.expect("a search that is still going on when the fault comes")
}

/// `None`: the search was over before the fault was noticed.
fn play_up_to(last: u64, fault: Fault, random: &mut Rng) -> Option<Seen> {
    let mut seen = Seen::default();
    let mut search = Search::new(&format!("--last {last} --seconds {:.2}", 0.3 + random.f64() * 3.0));
    match fault {
        Fault::Loss => search.hosts.lose(random.u32(5..=30)),
        Fault::Slowness => search.hosts.throttle("1mbit"),
        _ => {}
    }
    let far = search.far(if matches!(fault, Fault::Loss | Fault::Slowness) { "--count 2" } else { "" });
    // Just when a range is handed in and another given, or some time later.
    far.log.line_or_end(&format!("lease {}: ", random.usize(1..=2)))?;
    let max_ms = if random.bool() { 5 } else { 200 };
    pause(random, max_ms);
    match fault {
        Fault::None | Fault::Loss | Fault::Slowness => {}
        Fault::Cut(way) => cut(&mut search, way, random, &mut seen)?,
        Fault::Gap => gap(&mut search, random),
        Fault::Death => death(&mut search, random, &mut seen)?,
        Fault::Rejection => rejection(&mut search, random, &mut seen)?,
        Fault::Resets => resets(&mut search, random),
    }
    search.finish();
    search.check(last, &mut seen);
    if matches!(fault, Fault::None | Fault::Slowness) {
        assert_eq!((seen.gone, seen.late), (0, 0), "nobody was away");
    }
    Some(seen)
}

/// Nothing comes through until both sides have noticed. Another compute has come before, comes now, or comes when all
/// is well again: the range goes to it, or is the first one's again.
fn cut(search: &mut Search, way: Way, random: &mut Rng, seen: &mut Seen) -> Option<()> {
    let (far, other_comes) = (Rc::clone(&search.computes[0]), random.u32(0..3));
    if other_comes == 0 {
        search.near();
    }
    search.hosts.drop(way);
    let began = Instant::now();
    seen.freed = Some(search.freed(&far, began).inspect(not_early)?);
    if other_comes == 1 {
        search.near();
    }
    seen.away = Some(noticed(&far, " is away: ", began)?);
    pause(random, 1_000);
    search.hosts.mend();
    if other_comes == 2 {
        far.log.lines("manage is here", 2);
        search.near();
    }
    Some(())
}

/// Nothing comes through for a while.
fn gap(search: &mut Search, random: &mut Rng) {
    search.hosts.drop(Way::Both);
    pause(random, SILENCE_MAX_MS * 5 / 4);
    search.hosts.mend();
}

/// The compute and its host are gone without a word; another one does its range.
fn death(search: &mut Search, random: &mut Rng, seen: &mut Seen) -> Option<()> {
    let far = search.computes.remove(0);
    search.hosts.pull();
    let began = Instant::now();
    far.destroy();
    if random.bool() {
        search.near();
        seen.freed = Some(search.freed(&far, began).inspect(not_early)?);
    } else {
        seen.freed = Some(search.freed(&far, began).inspect(not_early)?);
        search.hosts.plug();
        search.far("");
    }
    Some(())
}

/// Something between the hosts wants no more of these connections, and tells one side, or both.
fn rejection(search: &mut Search, random: &mut Rng, seen: &mut Seen) -> Option<()> {
    let far = Rc::clone(&search.computes[0]);
    let way = if random.bool() { Way::ToNear } else { Way::ToFar };
    search.hosts.reject(way);
    let began = Instant::now();
    // What never reaches manage tells it nothing.
    if way == Way::ToFar {
        seen.freed = Some(search.freed(&far, began)?);
    }
    seen.away = Some(noticed(&far, " is away: ", began)?);
    pause(random, 2_000);
    search.hosts.mend();
    Some(())
}

fn resets(search: &mut Search, random: &mut Rng) {
    for _ in 0..random.u32(1..=5) {
        search.hosts.reset();
        pause(random, 300);
    }
}

/// One row of the table for each fault.
fn tell(fault: Fault, shown: &[&Seen]) {
    let name = match fault {
        Fault::None => "none, across a network",
        Fault::Cut(Way::ToNear) => "network: nothing comes from a compute",
        Fault::Cut(Way::ToFar) => "network: nothing goes to a compute",
        Fault::Cut(Way::Both) => "network: parted",
        Fault::Gap => "network: parted for 0 to 12.5 s",
        Fault::Death => "network: a compute's host vanishes",
        Fault::Rejection => "network: connections rejected for a time",
        Fault::Resets => "network: connections reset, 1 to 5 times",
        Fault::Loss => "network: 5 to 30 % of packets lost each way",
        Fault::Slowness => "network: 1 Mbit/s",
    };
    let gone: usize = shown.iter().map(|seen| seen.gone).sum();
    let late: usize = shown.iter().map(|seen| seen.late).sum();
    let mut text = format!("computes gone {gone} times, {late} late results");
    for (what, times) in [
        ("lease back after", shown.iter().filter_map(|seen| seen.freed).collect::<Vec<_>>()),
        ("compute noticed after", shown.iter().filter_map(|seen| seen.away).collect()),
    ] {
        if !times.is_empty() {
            text += &format!("; {what} {}", span(times.into_iter()));
        }
    }
    let promise = if matches!(fault, Fault::None | Fault::Slowness) {
        "nobody is taken for gone, every number is tested once"
    } else {
        "who is cut off is noticed in time, its lease goes back, every number is tested once"
    };
    kept(name, promise, shown.len(), &text);
}

#[test]
fn no_fault_of_the_network_loses_a_number_or_counts_one_twice() {
    if !is_root("a network of its own") {
        return;
    }
    let mut random = Rng::with_seed(crate::seed());
    let rounds = cases(1, 30);
    let all: Vec<(Fault, u64)> = (0..rounds).flat_map(|_| FAULTS).map(|fault| (fault, random.u64(..))).collect();
    let shown = each(&all, |(fault, seed)| {
        println!("{fault:?} {seed}");
        play(*fault, *seed)
    });
    for fault in FAULTS {
        let of_it: Vec<_> = all.iter().zip(&shown).filter(|((of, _), _)| *of == fault).map(|(_, seen)| seen).collect();
        tell(fault, &of_it);
    }
}

/// Cut off, it goes on with its range, and hands in what it has tested meanwhile.
#[test]
fn what_is_computed_while_cut_off_counts() {
    if !is_root("a network of its own") {
        return;
    }
    let mut search = Search::new("--seconds 1000");
    let far = search.far("");
    far.log.line("lease ");
    search.hosts.reject(Way::ToFar);
    far.log.line(" is away: ");
    search.freed(&far, Instant::now()).expect("it is gone");
    assert_eq!(number(&search.scene.report(&search.manage)["leased"]), 0);
    let before = ticks(&far);
    until("a compute that goes on alone", || (ticks(&far) > before + 20).then_some(()));
    search.hosts.mend();
    until("its own range again", || {
        let computes = search.scene.computes(&search.manage);
        (computes[0]["state"] == "busy").then_some(())
    });
    far.signal(Signal::SIGTERM);
    assert_eq!(far.wait_gone(), 0);
    search.manage.signal(Signal::SIGTERM);
    search.finish();
    let (ledger, log) = (search.scene.ledger(), far.log.all());
    assert_eq!(log.matches("lease ").count(), 2, "one lease, and what is handed in of it: {log}");
    let tested = ledger.tested();
    assert!(tested > 0 && ledger.done() == [(1, tested)]);
    assert_eq!(ledger.sum(), sum_to(tested));
}

fn ticks(process: &Process) -> i32 {
    Member::of(process.pid()).expect("it lives").ticks
}
