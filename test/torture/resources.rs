//! Descriptors, processes or memory run out: those who have some are served on, nobody burns the processor while he
//! waits, and all go on by themselves when there is room again.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::Value;

use super::{cases, is_root, kept};
use crate::support::{Cgroup, FakeCompute, Manage, Member, Process, SIGKILL, Scene, executable, number, until};

/// How long the processor time of who waits is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Checks that `pid` uses under 5 % of a processor while something is amiss; gives what it uses, in percent.
pub fn check_idle(pid: Pid) -> f64 {
    let ticks = || Member::of(pid).expect("it lives").ticks;
    let (before, began) = (ticks(), Instant::now());
    sleep(LOOK);
    // A tick is a hundredth of a second.
    let percent = f64::from(ticks() - before) / began.elapsed().as_secs_f64();
    assert!(percent < 5.0, "it uses {percent:.1} % of a processor");
    percent
}

/// How many whole lines of a log say `part`.
fn lines(process: &Process, part: &str) -> usize {
    process.log.text().lines().filter(|line| line.contains(part)).count()
}

pub fn descriptors(pid: Pid) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// Ends a search; what it has tested is in the ledger.
fn end(scene: &Scene, processes: &[&Process]) {
    for process in processes {
        process.signal(Signal::SIGTERM);
        assert_eq!(process.wait_gone(), 0);
    }
    let ledger = scene.ledger();
    assert!(ledger.verify() > 0);
    assert_eq!(ledger.leases(), []);
}

#[test]
fn a_manage_without_descriptors_serves_those_it_has() {
    let cases = cases(1, 10);
    let mut most = 0.0_f64;
    for _ in 0..cases {
        let scene = Scene::new();
        let manage = scene.manage_by(["prlimit", "--nofile=12:40"], "");
        let mut compute = FakeCompute::connect(manage.address, "inside", 1_000_000_000);
        let range = compute.range();
        // Strangers get but a share of them; those who say who they are get the rest.
        let outside = (0..50).map(|_| {
            let mut stream = TcpStream::connect(manage.address).expect("it listens");
            stream.write_all(b"<hello version='1' role='report'/>\n").expect("it fits");
            stream
        });
        let outside: Vec<_> = outside.collect();
        manage.log.line("those connected are served on");
        assert!(descriptors(manage.pid()) >= 40, "the hard limit is what counts");
        most = most.max(check_idle(manage.pid()));
        assert_eq!(lines(&manage, "served on"), 1, "it is said once");
        let found = compute.compute(&range);
        assert_eq!(compute.hand_in(found), Ok(()));
        drop((outside, compute));
        scene.report(&manage);
        end(&scene, &[&manage]);
    }
    let promise = "those connected are served on, under 5 % of a processor, others when there is room";
    kept("manage has no descriptor left, 50 wait", promise, cases, &format!("{most:.1} %"));
}

/// Whatever a compute has left when it forks: its monitor must not inherit what keeps it from seeing its parent's end.
#[test]
fn a_compute_without_descriptors_still_takes_its_monitor_along() {
    let cases = cases(1, 25);
    let scene = Scene::new();
    let manage = scene.manage("--ledger :memory:");
    for limit in (0..cases).flat_map(|_| 6..12) {
        let limit = format!("--nofile={limit}:{limit}");
        let compute = scene.start_by(["prlimit", &limit], "compute", &format!("{} -v", manage.address));
        compute.only_child();
        let known = || scene.computes(&manage).iter().any(|c| number(&c["pid"]) == compute.pid().as_raw() as u64);
        until("a compute that is known", || known().then_some(()));
        compute.signal(Signal::SIGKILL);
        assert_eq!(compute.wait_gone(), SIGKILL, "{limit}");
    }
    kept("kill -9 of a compute with 6 to 11 descriptors", "its monitor is gone", 6 * cases, "");
}

#[test]
fn computes_that_find_no_descriptors_wait_for_them() {
    let cases = cases(1, 10);
    let mut most = 0.0_f64;
    for _ in 0..cases {
        let scene = Scene::new();
        let manage = scene.manage("--seconds 0.2");
        let several = scene.start_by(["prlimit", "--nofile=8:64"], "compute", &format!("{} --count 5", manage.address));
        several.log.line("can't start a compute");
        let some = several.children().len();
        assert!((1..5).contains(&some), "{some} were started");
        most = most.max(check_idle(several.pid()));
        assert_eq!(lines(&several, "can't start a compute"), 1, "it is said once");
        let prlimit = scene.start_command(&["prlimit", "--nofile=64:64", "--pid", &several.pid().to_string()]);
        assert_eq!(prlimit.wait(), 0);
        at_work(&scene, &manage, 5);
        end(&scene, &[&several, &manage]);
    }
    let promise = "those that run work, under 5 % of a processor, the others start when there is room";
    kept("compute --count has no descriptor left", promise, cases, &format!("{most:.1} %"));
}

/// Waits until so many computes have each finished a range.
fn at_work(scene: &Scene, manage: &Manage, count: usize) {
    let done = |compute: &&Value| number(&compute["ranges"]) > 0 && compute["state"] != "lost";
    until(&format!("{count} computes at work"), || {
        (scene.computes(manage).iter().filter(done).count() >= count).then_some(())
    });
}

/// Manage, or several computes, where `processes` are all that there may be.
fn without_processes(group: &Cgroup, several: bool, processes: usize) -> f64 {
    let scene = Scene::new();
    group.set("pids.max", &processes.to_string());
    let (manage, parent);
    if several {
        manage = scene.manage("--seconds 0.2");
        parent = scene.start_by(group.wrapper(), "compute", &format!("{} --count 3", manage.address));
    } else {
        manage = scene.manage_by(group.wrapper(), "--seconds 0.2 --computes 3");
        parent = manage.process();
    }
    parent.log.line("can't start a compute");
    if processes > 1 {
        // Without a monitor, for which there is no room.
        at_work(&scene, &manage, 1);
    }
    let percent = check_idle(parent.pid());
    assert_eq!(lines(&parent, "can't start a compute"), 1, "it is said once");
    assert!(lines(&parent, "monitor: ") <= processes.saturating_sub(1), "{}", parent.log.text());
    group.set("pids.max", "max");
    until("three computes with their monitors", || (parent.members().len() == 7).then_some(()));
    at_work(&scene, &manage, 3);
    end(&scene, &if several { vec![&*parent, &manage] } else { vec![&*manage] });
    percent
}

#[test]
fn computes_that_find_no_processes_wait_for_them() {
    if !is_root("a cgroup") {
        return;
    }
    let Some(group) = Cgroup::new("pids") else { return };
    let cases = cases(1, 10);
    let mut most = 0.0_f64;
    for (several, processes) in (0..cases).flat_map(|_| [(true, 1), (true, 3), (false, 2)]) {
        most = most.max(without_processes(&group, several, processes));
    }
    let promise = "those that run work, under 5 % of a processor, the others start when there is room";
    kept("no process can be started", promise, 3 * cases, &format!("{most:.1} %"));
}

/// A manage that takes for compute what lies beside it in the scene's directory.
fn beside(scene: &Scene, compute: &Path, arguments: &str) -> Manage {
    fs::copy(executable("manage"), scene.path("manage")).expect("it can be copied");
    fs::copy(compute, scene.path("compute")).expect("it can be copied");
    scene.manage_of("./manage", arguments)
}

/// A machine too small for a compute, or an installation that is broken: each one dies as soon as it is started.
#[test]
fn computes_that_die_at_once_are_told_of_once() {
    let cases = cases(1, 10);
    let mut most = 0.0_f64;
    for _ in 0..cases {
        let scene = Scene::new();
        let manage = beside(&scene, Path::new("/bin/false"), "--seconds 0.2 --computes 3");
        manage.log.line("died (exit status: 1): starting another");
        most = most.max(check_idle(manage.pid()));
        assert_eq!(lines(&manage, "died"), 1, "it is said once");
        // In place, while none runs: manage starts this file and no other.
        until("a sound compute", || fs::copy(executable("compute"), scene.path("compute")).ok());
        at_work(&scene, &manage, 3);
        manage.log.line("computes run again, after ");
        end(&scene, &[&manage]);
    }
    kept("computes die as soon as they start", "one line, under 5 %, recovery", cases, &format!("{most:.1} %"));
}

/// What the system's killer of processes does where memory has run out: SIGKILL, at an instant of its own choice.
#[test]
fn a_compute_that_memory_runs_out_for_is_started_again() {
    if !is_root("a cgroup") {
        return;
    }
    let Some(group) = Cgroup::new("memory") else { return };
    group.set("memory.limit_in_bytes", "4096");
    let cases = cases(2, 50);
    let scene = Scene::new();
    let manage = scene.manage("--seconds 0.2 --method sieve --computes 2");
    // One that has all the memory that it needs isn't killed.
    let (mut killed, mut tries) = (0, 5 * cases);
    while killed < cases && tries > 0 {
        tries -= 1;
        at_work(&scene, &manage, 2);
        let [victim, other] = <[Member; 2]>::try_from(manage.children()).expect("two computes");
        let ranges = || {
            let is_it = |compute: &Value| number(&compute["pid"]) == victim.pid.as_raw() as u64;
            scene.computes(&manage).iter().find(|compute| is_it(compute)).map_or(0, |it| number(&it["ranges"]))
        };
        let before = ranges();
        group.take(victim.pid);
        let gone = || Member::of(victim.pid).is_none();
        until("the end of the one, if it needs more memory than it has", || {
            (gone() || ranges() > before + 10).then_some(())
        });
        if !gone() {
            continue;
        }
        killed += 1;
        let is_other = |child: &Member| child.pid != victim.pid && child.pid != other.pid && child.state != 'Z';
        until("another", || manage.children().iter().any(is_other).then_some(()));
        assert!(manage.children().iter().any(|child| child.pid == other.pid), "the other one lives on");
    }
    assert!(manage.log.text().contains("died (signal: 9 (SIGKILL)): starting another"));
    end(&scene, &[&manage]);
    kept("a compute is killed for want of memory", "another starts, the ledger is exact", killed, "");
}

#[test]
fn a_manage_that_memory_runs_out_for_goes_on_where_it_was() {
    const LAST: u64 = 4_000_000;
    if !is_root("a cgroup") {
        return;
    }
    let Some(group) = Cgroup::new("memory") else { return };
    group.set("memory.limit_in_bytes", "4096");
    let cases = cases(1, 25);
    for _ in 0..cases {
        let scene = Scene::new();
        let arguments = format!("--last {LAST} --seconds 0.2");
        let manage = scene.manage(&arguments);
        let compute = scene.compute(&manage, "");
        at_work(&scene, &manage, 1);
        let tested = number(&scene.report(&manage)["tested"]);
        group.take(manage.pid());
        until("its end", || {
            let _ = scene.start("report", &manage.address.to_string()).wait();
            manage.status()
        });
        assert_eq!(manage.wait(), SIGKILL);
        let manage = scene.manage_again(&manage, &arguments);
        assert!(number(&scene.report(&manage)["tested"]) >= tested, "what was accepted is there");
        assert_eq!((manage.wait_gone(), compute.wait_gone()), (0, 0));
        let ledger = scene.ledger();
        assert_eq!((ledger.verify(), ledger.leases()), (LAST, vec![]));
    }
    kept("manage is killed for want of memory", "a restart goes on, nothing accepted is lost", cases, "");
}
