//! Whole searches through real processes: nothing is handed out twice, nothing is lost, whoever dies.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use aliquot::common::message::{Alive, Found, Message, Range};
use aliquot::divisors::ClosedForm;
use nix::sys::signal::{Signal, kill};

use crate::support::{FakeCompute, Manage, Process, SIGKILL, Scene, number, until};

const LAST: u64 = 40_000_000;
const PERFECT: [u64; 5] = [6, 28, 496, 8_128, 33_550_336];

/// The ledger holds a whole search of 1 ..= LAST, each number once.
fn check_whole(scene: &Scene) {
    let ledger = scene.ledger();
    assert_eq!(ledger.perfect(), PERFECT);
    assert_eq!(ledger.done(), [(1, LAST)]);
    assert_eq!(ledger.tested(), LAST);
    assert_eq!(ledger.leases(), []);
    let mut sum = ClosedForm::new(1, LAST);
    sum.step(u64::MAX);
    assert_eq!(Some(ledger.sum()), sum.result());
}

/// Waits a while, or until `process` has ended; true if it has.
fn ends_within(process: &Process, while_ms: u64) -> bool {
    let deadline = Instant::now() + Duration::from_millis(while_ms);
    until("a moment", || (process.status().is_some() || Instant::now() >= deadline).then(|| process.status())).is_some()
}

#[test]
fn kills_of_anybody_change_nothing() {
    const KILLS: usize = 12;
    let arguments = format!("--last {LAST} --seconds 0.5");
    let mut random = fastrand::Rng::with_seed(crate::seed());
    let scene = Scene::new();
    let mut manage = scene.manage(&arguments);
    let mut computes = ["one", "two"].map(|host| scene.compute(&manage, &format!("--host {host}")));
    for _ in 0..KILLS {
        if ends_within(&manage, random.u64(0..1_500)) {
            break;
        }
        let victim = random.usize(0..3);
        if let Some(compute) = computes.get_mut(victim) {
            compute.signal(Signal::SIGKILL);
            assert_eq!(compute.wait_gone(), SIGKILL);
            *compute = scene.compute(&manage, &format!("--host {victim}"));
        } else {
            manage.signal(Signal::SIGKILL);
            manage.wait();
            ends_within(&manage, random.u64(0..500));
            manage = scene.manage_again(&manage, &arguments);
        }
    }
    assert_eq!(manage.wait(), 0);
    assert!(manage.stdout.all().contains("PERFECT  6  28  496  8,128  33,550,336\n"));
    check_whole(&scene);
    for compute in computes {
        // One that was just away hasn't heard that the search is over.
        compute.signal_if_running(Signal::SIGTERM);
        assert_eq!(compute.wait_gone(), 0);
    }
}

#[test]
fn one_command_is_a_whole_search_even_if_its_computes_die() {
    let mut random = fastrand::Rng::with_seed(crate::seed());
    let scene = Scene::new();
    let manage = scene.manage(&format!("--last {LAST} --seconds 0.1 --method sieve --computes 2"));
    for _ in 0..6 {
        if ends_within(&manage, random.u64(0..400)) {
            break;
        }
        let computes = manage.children();
        if !computes.is_empty() {
            let _ = kill(computes[random.usize(0..computes.len())].pid, Signal::SIGKILL);
        }
    }
    assert_eq!(manage.wait_gone(), 0);
    let report = manage.stdout.all();
    assert!(report.contains("TESTED   40,000,000 of 40,000,000 (100 %)   every number up to 40,000,000\n"), "{report}");
    assert!(report.contains("PERFECT  6  28  496  8,128  33,550,336\n"), "{report}");
    check_whole(&scene);
}

#[test]
fn what_a_slow_compute_holds_at_the_end_goes_to_one_that_idles() {
    const LAST: u64 = 2_000_000;
    let scene = Scene::new();
    let manage = scene.manage(&format!("--last {LAST} --seconds 0.5"));
    // It has begun with a range, and becomes so slow that ten numbers are all that it tests.
    let mut slow = FakeCompute::connect(manage.address, "slow", 1_000_000_000);
    let range = slow.range();
    let compute = scene.compute(&manage, "");
    let recall = until("a recall", || {
        slow.peer.tell(Alive { lease: Some(range.lease), tested: Some(10) });
        if let Message::Recall(recall) = slow.peer.hear() { Some(recall) } else { None }
    });
    assert_eq!(recall.lease, range.lease);
    let part = slow.compute(&Range { last: range.first + 9, ..range.clone() });
    assert_eq!(slow.hand_in(part), Ok(()));
    assert!(matches!(slow.control(manage.address).hear(), Message::Signal(_)), "all is tested");
    drop(slow);
    assert_eq!((manage.wait(), compute.wait_gone()), (0, 0));
    let ledger = scene.ledger();
    assert_eq!((ledger.tested(), ledger.leases()), (LAST, vec![]));
    let mut others = ledger.ranges().into_iter().filter(|(first, last)| range.first <= *first && *last <= range.last);
    assert_eq!(others.next(), Some((range.first, range.first + 9)));
    assert!(others.next().is_some(), "the compute that idled has done the rest");
}

/// What the test knows to be taken: ranges that somebody holds by lease, and those accepted.
#[derive(Default)]
struct Taken {
    held: BTreeMap<u64, (u64, u64)>,
    done: Vec<(u64, u64)>,
}

impl Taken {
    fn lease(&mut self, lease: u64, first: u64, last: u64) {
        let taken = self.held.values().chain(&self.done);
        for other in taken {
            assert!(last < other.0 || other.1 < first, "{first} to {last} was given out while {other:?} is taken");
        }
        assert_eq!(self.held.insert(lease, (first, last)), None, "lease {lease} was given twice");
    }
}

/// One of several computes that come, go, claim, hand in all or a part, in no order.
struct Player {
    compute: FakeCompute,
    lease: Option<Found>,
    lapsed: Option<Found>,
}

impl Player {
    fn play(&mut self, manage: &Manage, taken: &mut Taken, random: &mut fastrand::Rng) {
        match random.u32(0..6) {
            0 => self.come_back(manage, taken),
            1 => self.claim(taken),
            2 | 3 => self.hand_in(taken, random),
            _ => self.ask(taken),
        }
    }

    fn drop_lease(&mut self, taken: &mut Taken) {
        if let Some(found) = self.lease.take() {
            taken.held.remove(&found.lease);
            self.lapsed = Some(found);
        }
    }

    fn ask(&mut self, taken: &mut Taken) {
        self.drop_lease(taken);
        let range = self.compute.range();
        taken.lease(range.lease, range.first, range.last);
        self.lease = Some(self.compute.compute(&range));
    }

    fn come_back(&mut self, manage: &Manage, taken: &mut Taken) {
        self.drop_lease(taken);
        self.compute = FakeCompute::connect_as(manage.address, self.compute.hello.clone(), PACE);
    }

    fn claim(&mut self, taken: &mut Taken) {
        let Some(found) = self.lapsed.take() else { return };
        if self.compute.claim(found.lease) {
            self.drop_lease(taken);
            taken.lease(found.lease, found.first, found.last);
            self.lease = Some(found);
        }
    }

    fn hand_in(&mut self, taken: &mut Taken, random: &mut fastrand::Rng) {
        let Some(mut found) = self.lease.take() else { return };
        taken.held.remove(&found.lease);
        if random.bool() && found.tested > 1 {
            let last = found.first + random.u64(0..found.tested - 1);
            let part = aliquot::common::message::Range { lease: found.lease, first: found.first, last };
            found = self.compute.compute(&part);
        }
        taken.done.push((found.first, found.last));
        assert_eq!(self.compute.hand_in(found), Ok(()));
    }
}

const PACE: u64 = 1_000_000;

#[test]
fn two_computes_never_hold_the_same_number() {
    let mut random = fastrand::Rng::with_seed(crate::seed());
    let scene = Scene::new();
    let manage = scene.manage("--seconds 0.1");
    let mut taken = Taken::default();
    let mut players: Vec<_> = (0..5)
        .map(|n| FakeCompute::connect(manage.address, &format!("host{}", n / 2), PACE))
        .map(|compute| Player { compute, lease: None, lapsed: None })
        .collect();
    for round in 0..600 {
        let player = random.usize(0..players.len());
        players[player].play(&manage, &mut taken, &mut random);
        if round % 50 == 0 {
            check_disjoint(&scene, &manage);
        }
    }
    let accepted: u64 = taken.done.iter().map(|(first, last)| last - first + 1).sum();
    assert_eq!(number(&scene.report(&manage)["tested"]), accepted);
    drop(players);
    manage.signal(Signal::SIGTERM);
    assert_eq!(manage.wait_gone(), 0);
    taken.done.sort_unstable();
    assert_eq!(scene.ledger().ranges(), taken.done);
    assert_eq!(scene.ledger().tested(), accepted);
}

/// The ranges that a report shows don't overlap.
fn check_disjoint(scene: &Scene, manage: &Manage) {
    let computes = scene.computes(manage);
    let busy = computes.iter().filter(|compute| !compute["first"].is_null());
    let mut ranges: Vec<_> = busy.map(|compute| (number(&compute["first"]), number(&compute["last"]))).collect();
    ranges.sort_unstable();
    assert!(ranges.is_sorted_by(|a, b| a.1 < b.0), "{ranges:?}");
}

#[test]
fn computes_are_told_apart_by_host_and_pid() {
    let scene = Scene::new();
    let manage = scene.manage("--seconds 0.2");
    let hosts = ["alpha", "alpha", "beta", "gamma"];
    let computes: Vec<(&str, Rc<Process>)> =
        hosts.iter().map(|host| (*host, scene.compute(&manage, &format!("--host {host}")))).collect();
    let mut want: Vec<_> = computes.iter().map(|(host, compute)| (*host, compute.pid().as_raw() as u64)).collect();
    want.sort_unstable();
    for _ in 0..10 {
        let shown = until("four computes that have handed something in", || {
            let shown = scene.computes(&manage);
            check_disjoint(&scene, &manage);
            (shown.len() == 4 && shown.iter().all(|compute| number(&compute["ranges"]) > 0)).then_some(shown)
        });
        let got: Vec<_> = shown.iter().map(|c| (c["host"].as_str().expect("a name"), number(&c["pid"]))).collect();
        assert_eq!(got, want);
    }
}
