//! Signals by the hundred thousand: those that mean nothing hold nobody up, those that end are one ending.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aliquot::common::limits::SECOND_SIGNAL_MS;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{cases, kept};
use crate::support::{Manage, Process, Scene, number, until};

/// What a program gets now and then and has to live with: a child, a terminal, a socket, a job control that says so.
const HARMLESS: [Signal; 5] = [Signal::SIGCHLD, Signal::SIGCONT, Signal::SIGWINCH, Signal::SIGURG, Signal::SIGPIPE];

const ENDINGS: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];

/// A burst takes no longer, so that whoever is slow to hear of it still hears all of it within `SECOND_SIGNAL_MS`.
const BURST: Duration = Duration::from_millis(40);

/// Two threads send `pid` harmless signals as fast as they can, `signals` at least, and for as long as `during` takes.
fn storm(pid: Pid, signals: usize, during: impl FnOnce()) {
    let (sent, is_over) = (&AtomicUsize::new(0), &AtomicBool::new(false));
    thread::scope(|scope| {
        // Also where `during` panics: the scope waits for its threads.
        let _end = End(is_over);
        for _ in 0..2 {
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) || sent.load(Ordering::Relaxed) < signals {
                    HARMLESS.iter().for_each(|signal| kill(pid, *signal).expect("it lives on"));
                    sent.fetch_add(HARMLESS.len(), Ordering::Relaxed);
                }
            });
        }
        during();
    });
}

/// Ends a storm when it goes.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Every program of a search, with what it is called.
struct Cast {
    scene: Scene,
    manage: Manage,
    several: std::rc::Rc<Process>,
    watch: std::rc::Rc<Process>,
}

impl Cast {
    fn new() -> Self {
        let scene = Scene::new();
        let manage = scene.manage("--seconds 0.2 --computes 1");
        let several = scene.compute(&manage, "--count 2");
        let watch = scene.start("report", &format!("{} --watch 3600", manage.address));
        let cast = Self { scene, manage, several, watch };
        until("three computes at work", || cast.work_on(0).then_some(()));
        cast.watch.stdout.line("TESTED");
        cast
    }

    /// True if each of the computes has finished more than `ranges`.
    fn work_on(&self, ranges: u64) -> bool {
        let computes = self.scene.computes(&self.manage);
        computes.iter().filter(|compute| number(&compute["ranges"]) > ranges).count() == 3
    }

    fn most_ranges(&self) -> u64 {
        let computes = self.scene.computes(&self.manage);
        computes.iter().map(|compute| number(&compute["ranges"])).max().expect("there are some")
    }

    /// Manage, a compute of its own, its monitor, several computes, a report that watches.
    fn targets(&self) -> [(&'static str, Pid); 5] {
        let compute = self.manage.only_child();
        let monitor = compute.children().remove(0).pid;
        let (several, watch) = (self.several.pid(), self.watch.pid());
        [
            ("manage", self.manage.pid()),
            ("compute", compute.pid),
            ("its monitor", monitor),
            ("compute --count", several),
            ("report --watch", watch),
        ]
    }

    /// All processes of the search, none of them a zombie.
    fn everybody(&self) -> Vec<Pid> {
        let groups = [&self.manage, &*self.several, &self.watch].map(Process::members);
        let members: Vec<_> = groups.into_iter().flatten().collect();
        assert!(members.iter().all(|member| member.state != 'Z'), "{members:?}");
        let mut pids: Vec<_> = members.iter().map(|member| member.pid).collect();
        pids.sort_unstable();
        pids
    }
}

#[test]
fn a_storm_of_signals_holds_nobody_up() {
    let signals = cases(10_000, 100_000);
    let cast = Cast::new();
    let before = cast.everybody();
    for (who, pid) in cast.targets() {
        // Whoever is in the storm: manage answers, and every compute gets on.
        storm(pid, signals, || {
            let ranges = cast.most_ranges();
            until(&format!("work that goes on while {who} is stormed"), || cast.work_on(ranges).then_some(()));
        });
        assert_eq!(cast.everybody(), before, "{who}: the same processes as before, all of them");
    }
    assert_eq!(cast.watch.stdout.text().matches("TESTED").count(), 1, "report --watch 3600 has asked once");
    for process in [&*cast.watch, &cast.several, &cast.manage] {
        process.signal(Signal::SIGTERM);
        assert_eq!(process.wait_gone(), 0);
    }
    let ledger = cast.scene.ledger();
    assert!(ledger.verify() > 0);
    assert_eq!(ledger.leases(), []);
    let fault = format!("a storm of {signals} harmless signals");
    kept(&fault, "no hang, nothing lost, no zombie, the right status", 5, "all programs");
}

/// Sends `pid` endings for a moment; false if that took so long that some of them may count as a second wish.
fn burst(pid: Pid, random: &mut fastrand::Rng) -> bool {
    let began = Instant::now();
    while began.elapsed() < BURST {
        let signal = random.choice(ENDINGS).expect("there are some");
        if kill(pid, signal).is_err() {
            break;
        }
    }
    began.elapsed() < Duration::from_millis(SECOND_SIGNAL_MS / 2)
}

/// A whole search, one program of which gets a burst of endings: 0 is its status, whatever it is.
fn check_burst(target: usize, random: &mut fastrand::Rng) {
    let cast = Cast::new();
    let (who, pid) = cast.targets()[target];
    let counts = burst(pid, random);
    let process = [&*cast.manage, &cast.several, &cast.watch].into_iter().find(|process| process.pid() == pid);
    if let Some(process) = process {
        let status = process.wait_gone();
        assert!(status == 0 || !counts, "{who} ends with {status}");
    } else {
        until(&format!("the end of {who}"), || {
            cast.manage.members().iter().all(|member| member.pid != pid).then_some(())
        });
    }
    for process in [&*cast.watch, &cast.several, &cast.manage] {
        process.signal_if_running(Signal::SIGTERM);
        assert!(process.wait_gone() == 0 || !counts, "after {who}");
    }
    let ledger = cast.scene.ledger();
    assert!(ledger.verify() > 0);
    assert_eq!(ledger.leases(), []);
}

#[test]
fn a_burst_of_endings_is_one_ending() {
    let (cases, mut random) = (cases(5, 100), fastrand::Rng::with_seed(crate::seed()));
    (0..cases).for_each(|case| check_burst(case % 5, &mut random));
    kept("a burst of INT, TERM, HUP, QUIT within 40 ms", "one clean ending", cases, "all programs in turn");
}
