//! Processes that are killed or stopped: others take their place, and what they had counts once.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use aliquot::common::limits::{CONTROL_LOOK_MIN, SILENCE_MAX_MS};
use aliquot::common::process;
use nix::sys::signal::{Signal, kill};
use serde_json::Value;

use super::{cases, is_long, kept};
use crate::support::{Manage, Member, Process, Relay, SIGKILL, Scene, number, until};

/// How soon a monitor is replaced, or gone.
const PROMISED: Duration = Duration::from_secs(1);

/// Waits for an instant that nobody has chosen: where it falls is the test.
fn pause(random: &mut fastrand::Rng, below_ms: u64) {
    sleep(Duration::from_millis(random.u64(0..below_ms)));
}

/// How long it takes until `ask` has an answer, which is promised within a second; to a machine that has one to spare.
fn promised(what: &str, ask: impl FnMut() -> Option<()>) -> Duration {
    let (began, starved) = (Instant::now(), is_starved());
    until(what, ask);
    let took = began.elapsed();
    assert!(took <= PROMISED || starved || is_starved(), "{what} took {took:?}");
    took
}

/// True if far more processes want to run than there are cores: nobody can promise anything then.
fn is_starved() -> bool {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let running = load.split([' ', '/']).nth(3).and_then(|running| running.parse().ok());
    running.is_some_and(|running: usize| running > 3 * process::cores())
}

#[test]
fn a_monitor_that_is_killed_is_replaced_within_a_second() {
    let (cases, mut random) = (cases(6, 300), fastrand::Rng::with_seed(crate::seed()));
    let scene = Scene::new();
    let manage = scene.manage("--seconds 1000");
    let compute = scene.busy_compute(&manage, "node");
    let mut worst = Duration::ZERO;
    for _ in 0..cases {
        let former = compute.only_child();
        pause(&mut random, 700);
        kill(former.pid, Signal::SIGKILL).expect("it lives");
        let replaced = || compute.children().iter().any(|child| child.pid != former.pid && child.state != 'Z');
        worst = worst.max(promised("another monitor", || replaced().then_some(())));
    }
    let report = scene.start("report", &format!("{} -k", manage.address));
    assert_eq!((report.wait_gone(), compute.wait_gone(), manage.wait_gone()), (0, 0, 0), "the last one is heard");
    assert!(scene.ledger().verify() > 0);
    kept("kill -9 of a monitor", "a new one within 1 s", cases, &format!("slowest {worst:.0?}"));
}

#[test]
fn a_monitor_is_gone_within_a_second_of_its_parent() {
    let (cases, mut random) = (cases(20, 1_000), fastrand::Rng::with_seed(crate::seed()));
    let scene = Scene::new();
    let manage = scene.manage("--seconds 1000 --ledger :memory:");
    let (mut worst, mut with_monitor) = (Duration::ZERO, 0);
    for case in 0..cases {
        let compute = scene.compute(&manage, "");
        if case % 2 == 0 {
            compute.only_child();
        }
        pause(&mut random, 60);
        with_monitor += compute.children().len();
        compute.signal(Signal::SIGKILL);
        assert_eq!(compute.wait(), SIGKILL);
        worst = worst.max(promised("the end of the monitor", || compute.members().is_empty().then_some(())));
    }
    let seen = format!("{with_monitor} had one by then; slowest {worst:.0?}");
    kept("kill -9 of a compute", "its monitor is gone within 1 s", cases, &seen);
}

/// The computes that `parents` have started, each with its monitor.
fn families(parents: &[&Process]) -> Vec<(Member, Vec<Member>)> {
    let computes = parents.iter().flat_map(|parent| parent.children());
    computes.map(|compute| (compute.clone(), compute.children())).collect()
}

fn destroy(victims: &[Member]) {
    for victim in victims {
        // It may have been told to end meanwhile: then it is a zombie, or nobody.
        let _ = kill(victim.pid, Signal::SIGKILL);
    }
}

/// Kills a compute, a monitor, or a compute and its monitor.
fn kill_one(parents: &[&Process], kind: usize, random: &mut fastrand::Rng) {
    let families = families(parents);
    let Some((compute, monitor)) = random.choice(&families) else { return };
    match kind {
        0 => destroy(std::slice::from_ref(compute)),
        1 => destroy(monitor),
        _ => destroy(&[vec![compute.clone()], monitor.clone()].concat()),
    }
}

/// A whole search in which so many are killed.
fn killed_search(kills: usize, random: &mut fastrand::Rng) {
    const LAST: u64 = 12_000_000;
    let scene = Scene::new();
    let manage = scene.manage(&format!("--last {LAST} --seconds 0.2 --computes 2"));
    let several = scene.compute(&manage, "--count 2");
    for kind in 0..kills {
        pause(random, 250);
        kill_one(&[&manage, &several], kind % 3, random);
    }
    assert_eq!(manage.wait_gone(), 0);
    // One that was just started anew hasn't heard that the search is over.
    several.signal_if_running(Signal::SIGTERM);
    assert_eq!(several.wait_gone(), 0);
    let ledger = scene.ledger();
    assert_eq!((ledger.verify(), ledger.leases()), (LAST, vec![]));
}

#[test]
fn kills_of_computes_and_their_monitors_change_nothing() {
    const KILLS: usize = 12;
    let (cases, mut random) = (cases(1, 100), fastrand::Rng::with_seed(crate::seed()));
    (0..cases).for_each(|_| killed_search(KILLS, &mut random));
    kept("kill -9 of computes, monitors, both", "the search ends, the ledger is exact", cases * KILLS, "");
}

/// What the report says of one compute.
fn compute_of(scene: &Scene, manage: &Manage, is_it: impl Fn(&Value) -> bool) -> Option<Value> {
    scene.computes(manage).into_iter().find(is_it)
}

#[test]
fn a_compute_that_is_killed_frees_its_range_at_once_and_another_starts() {
    let (cases, mut random) = (cases(2, 50), fastrand::Rng::with_seed(crate::seed()));
    let scene = Scene::new();
    let manage = scene.manage("--seconds 1000 --computes 1");
    let several = scene.compute(&manage, "--count 2");
    let mut worst = Duration::ZERO;
    for case in 0..cases {
        let busy = || scene.computes(&manage).iter().filter(|compute| compute["state"] == "busy").count();
        until("three busy computes", || (busy() == 3).then_some(()));
        let victim = random.choice([&*manage, &several][case % 2].children()).expect("it has some");
        destroy(std::slice::from_ref(&victim));
        let lost =
            |compute: &Value| number(&compute["pid"]) == victim.pid.as_raw() as u64 && compute["state"] == "lost";
        worst = worst.max(promised("a free range", || compute_of(&scene, &manage, lost).map(|_| ())));
    }
    for process in [&*manage, &several] {
        process.signal(Signal::SIGTERM);
        assert_eq!(process.wait_gone(), 0);
    }
    assert_eq!(scene.ledger().leases(), []);
    kept("kill -9 of a compute", "its range is free at once, another starts", cases, &format!("slowest {worst:.0?}"));
}

/// Waits until `compute` has finished `more` ranges than it had.
fn works_on(scene: &Scene, manage: &Manage, more: u64) {
    let ranges = || compute_of(scene, manage, |compute| compute["host"] == "late").map_or(0, |c| number(&c["ranges"]));
    let before = ranges();
    until("a compute that works on", || (ranges() >= before + more).then_some(()));
}

/// A compute is stopped until its lease has gone back, and continued when somebody, or nobody, has done its range. In the
/// long form its silence takes the lease from it, in the short one a cut: a matter of 10 s. True if a lease was refused.
fn stopped_past_its_lease(somebody: bool, random: &mut fastrand::Rng) -> bool {
    let scene = Scene::new();
    let manage = scene.manage("--seconds 0.3");
    let relay = Relay::new(manage.address);
    let late = scene.start("compute", &format!("{} --host late", relay.address));
    works_on(&scene, &manage, 1);
    pause(random, 600);
    late.signal_group(Signal::SIGSTOP);
    if !is_long() {
        relay.cut();
    }
    let is_lost = |compute: &Value| compute["host"] == "late" && compute["state"] == "lost";
    until("the loss of the compute", || compute_of(&scene, &manage, is_lost));
    let other = somebody.then(|| redo(&scene, &manage));
    late.signal_group(Signal::SIGCONT);
    works_on(&scene, &manage, 2);
    for process in [Some(&late), other.as_ref()].into_iter().flatten() {
        process.signal(Signal::SIGTERM);
        assert_eq!(process.wait_gone(), 0);
    }
    manage.signal(Signal::SIGTERM);
    assert_eq!(manage.wait_gone(), 0);
    let ledger = scene.ledger();
    assert!(ledger.verify() > 0);
    assert_eq!(ledger.leases(), []);
    late.log.text().contains("refused")
}

/// Another compute, which has done all that was free.
fn redo(scene: &Scene, manage: &Manage) -> Rc<Process> {
    let free_from = number(&scene.report(manage)["contiguous_to"]);
    let other = scene.compute(manage, "--host other");
    until("the free range", || (number(&scene.report(manage)["contiguous_to"]) > free_from).then_some(()));
    other
}

#[test]
fn a_late_result_counts_once_or_not_at_all() {
    let (cases, mut random) = (cases(4, 20), fastrand::Rng::with_seed(crate::seed()));
    let refused = (0..cases).filter(|case| stopped_past_its_lease(case % 2 == 0, &mut random)).count();
    let promise = "its late result counts once or is refused";
    kept("a compute stopped past its lease", promise, cases, &format!("{refused} refused"));
}

#[test]
fn a_stopped_manage_loses_nothing() {
    const LAST: u64 = 8_000_000;
    let (cases, stop_ms) = (cases(1, 5), if is_long() { 60_000 } else { 1_500 });
    for _ in 0..cases {
        let scene = Scene::new();
        let manage = scene.manage(&format!("--last {LAST} --seconds 0.3 --computes 1"));
        let relay = Relay::new(manage.address);
        let far = scene.start("compute", &format!("{} --host late", relay.address));
        works_on(&scene, &manage, 1);
        manage.signal(Signal::SIGSTOP);
        // What its computes do after 10 s of silence, some do now.
        relay.cut();
        sleep(Duration::from_millis(stop_ms));
        assert!(manage.members().iter().all(|member| member.state != 'Z') && far.status().is_none());
        manage.signal(Signal::SIGCONT);
        assert_eq!((manage.wait_gone(), far.wait_gone()), (0, 0));
        let ledger = scene.ledger();
        assert_eq!((ledger.verify(), ledger.leases()), (LAST, vec![]));
    }
    let fault = format!("manage stopped for {} s", stop_ms as f64 / 1e3);
    kept(&fault, "nothing lost, the search ends right", cases, "");
}

#[test]
fn who_was_not_listened_to_is_not_silent() {
    // More than two turns of the loop look at.
    let scene = Scene::new();
    let manage = scene.manage("--ledger :memory:");
    let mut monitors: Vec<_> = (0..2 * CONTROL_LOOK_MIN + 50).map(|nth| Monitor::new(manage.address, nth)).collect();
    manage.signal(Signal::SIGSTOP);
    monitors.iter_mut().for_each(|monitor| monitor.say("<alive/>"));
    sleep(Duration::from_millis(SILENCE_MAX_MS + 500));
    manage.signal(Signal::SIGCONT);
    for monitor in &mut monitors {
        assert_eq!(monitor.heard(), "<alive/>\n");
    }
}

/// The control connection of a compute.
struct Monitor(BufReader<TcpStream>);

impl Monitor {
    fn new(address: SocketAddr, nth: usize) -> Self {
        let stream = TcpStream::connect(address).expect("manage listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout can be set");
        let mut monitor = Self(BufReader::new(stream));
        monitor
            .say(&format!(r#"<hello version="1" role="control" host="a" pid="{}" instance="{nth:016x}"/>"#, nth + 1));
        let said = monitor.heard();
        assert!(said.starts_with("<welcome"), "{said}");
        monitor
    }

    fn say(&mut self, line: &str) {
        writeln!(self.0.get_mut(), "{line}").expect("it fits");
    }

    fn heard(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("manage answers");
        line
    }
}
