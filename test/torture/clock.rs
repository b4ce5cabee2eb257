//! Clocks: whatever the wall clock says, and wherever monotonic time begins, a lease ends when it should.
//!
//! libfaketime changes what a program sees of the wall clock, and leaves monotonic time as it is, as a system does when
//! its clock is set. A time namespace moves where monotonic time begins.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aliquot::common::limits::SILENCE_MAX_MS;
use fastrand::Rng;
use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};
use tempfile::TempDir;

use super::together::{each, span, sum_to, wait_end};
use super::{cases, is_root, kept};
use crate::support::{FakeManage, Manage, Process, Scene, until};

const SILENCE: Duration = Duration::from_millis(SILENCE_MAX_MS);
/// A second of one compute, so that its first range is not done in the 50 ms after which it is stopped.
const LAST: u64 = 600_000;
/// A year of libfaketime's.
const YEAR_SECONDS: i64 = 365 * 24 * 3_600;
/// `$LIB` is what the dynamic linker puts in for the directory of this architecture's libraries.
const LIBRARY: &str = "/usr/$LIB/faketime/libfaketime.so.1";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    /// As the machine has it.
    Real,
    /// Ten years ahead.
    Ahead,
    /// Ten years behind.
    Behind,
    /// A hundred times as fast.
    Fast,
    /// Set to another time again and again, one to ten years from now.
    Jumping,
    /// Monotonic time begins near 0, as after a boot.
    Booted,
    /// Monotonic time began a hundred years ago.
    Old,
}

const CLOCKS: [Clock; 7] = {
    use Clock::*;
    [Real, Ahead, Behind, Fast, Jumping, Booted, Old]
};

impl Clock {
    fn name(self) -> &'static str {
        match self {
            Self::Real => "as it is",
            Self::Ahead => "10 years ahead",
            Self::Behind => "10 years behind",
            Self::Fast => "100 times as fast",
            Self::Jumping => "set 200 times a second, up to 10 years off",
            Self::Booted => "monotonic time from 5 s on",
            Self::Old => "monotonic time from 100 years on",
        }
    }

    /// What a program is started through to see this clock; what sets it, if it jumps, is the file `setting`.
    fn wrapper(self, setting: &Path) -> String {
        match self {
            Self::Real => String::new(),
            Self::Ahead => fake("FAKETIME=+10y"),
            Self::Behind => fake("FAKETIME=-10y"),
            Self::Fast => fake("FAKETIME=+0x100"),
            Self::Jumping => fake(&format!("FAKETIME_NO_CACHE=1 FAKETIME_TIMESTAMP_FILE={}", setting.display())),
            Self::Booted => begun(5 - monotonic_seconds()),
            Self::Old => begun(100 * YEAR_SECONDS),
        }
    }
}

/// What a program is started through to see a wall clock that libfaketime sets by `setting`. faketime(1) does the same, but
/// where it is killed it leaves shared memory behind, and fails for the next process with that pid.
pub fn fake(setting: &str) -> String {
    format!("env LD_PRELOAD={LIBRARY} FAKETIME_DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1 {setting}")
}

fn begun(seconds: i64) -> String {
    format!("unshare --time --monotonic {seconds}")
}

fn monotonic_seconds() -> i64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).expect("there is one").tv_sec()
}

/// True of a process that sees this clock.
fn is_in_force(clock: Clock, process: &Process) -> bool {
    let own = format!("/proc/{}", process.pid());
    let time_of = |place: &str| fs::read_link(format!("{place}/ns/time")).expect("the kernel has time namespaces");
    match clock {
        Clock::Real => true,
        Clock::Booted | Clock::Old => time_of(&own) != time_of("/proc/self"),
        _ => fs::read_to_string(format!("{own}/maps")).expect("it lives").contains("libfaketime"),
    }
}

/// A scene with clocks, one of which may jump.
struct Times {
    scene: Scene,
    /// Below /run: what the programs can still read once they have given up the rest.
    settings: TempDir,
    random: RefCell<Rng>,
}

impl Times {
    fn new(seed: u64) -> Self {
        let settings = TempDir::with_prefix_in("aliquot-", "/run").expect("a directory can be made");
        let times = Self { settings, scene: Scene::new(), random: Rng::with_seed(seed).into() };
        times.jump();
        times
    }

    /// Sets the clock that jumps, all at once.
    fn jump(&self) {
        let next = self.setting().with_extension("next");
        let random = &mut *self.random.borrow_mut();
        // Never near the real time: whatever is dated by it, however little that is, shows that it was in force.
        let seconds = random.i64(YEAR_SECONDS..10 * YEAR_SECONDS) * if random.bool() { 1 } else { -1 };
        fs::write(&next, format!("{seconds:+}")).expect("a clock can be set");
        fs::rename(&next, self.setting()).expect("a clock can be set");
    }

    fn setting(&self) -> PathBuf {
        self.settings.path().join("clock")
    }

    fn pause(&self, max_ms: u64) {
        std::thread::sleep(Duration::from_millis(self.random.borrow_mut().u64(0..max_ms)));
    }

    fn wrapper(&self, clock: Clock) -> String {
        clock.wrapper(&self.setting())
    }

    fn compute(&self, clock: Clock, options: &str) -> Rc<Process> {
        self.scene.start_through(&self.wrapper(clock), "compute", &format!("{options} --nice 0 -v"))
    }

    /// How long after `began`, by the clock of the test, `process` says `what`, which is due after `SILENCE_MAX_MS`.
    fn noticed(&self, process: &Process, what: &str, began: Instant) -> Duration {
        until(what, || {
            self.jump();
            process.log.text().contains(what).then_some(())
        });
        let after = began.elapsed();
        // Up to two heartbeats more are right; the rest is for a machine that is busy with other tests.
        assert!((SILENCE / 2..SILENCE * 2).contains(&after), "{what:?} after {after:?}");
        after
    }
}

/// A compute vanishes with its first range, another does the rest; how long it took until the range went back.
fn play(manages: Clock, computes: Clock, seed: u64) -> Duration {
    let times = Times::new(seed);
    let options = format!("-v --last {LAST} --seconds 0.5");
    let manage = times.scene.manage_through(&times.wrapper(manages), "127.0.0.1:0", &options);
    let stopped = times.compute(computes, &manage.address.to_string());
    stopped.log.line("lease ");
    times.pause(50);
    assert!(is_in_force(manages, &manage) && is_in_force(computes, &stopped));
    stopped.signal_group(Signal::SIGSTOP);
    let began = Instant::now();
    let steady = times.compute(computes, &manage.address.to_string());
    let freed = times.noticed(&manage, &format!(" pid {} is gone", stopped.pid()), began);
    stopped.signal_group(Signal::SIGCONT);
    assert_eq!(wait_end(&manage, || times.jump()), 0);
    for compute in [&stopped, &steady] {
        compute.signal_if_running(Signal::SIGTERM);
        assert_eq!(compute.wait_gone(), 0);
    }
    assert!(!steady.log.all().contains(" is away: "));
    check(&times.scene, &manage, manages);
    freed
}

/// All is tested once; no lease but that of the stopped compute went back, and that once at most.
fn check(scene: &Scene, manage: &Manage, clock: Clock) {
    let ledger = scene.ledger();
    assert_eq!((ledger.tested(), ledger.sum(), ledger.leases()), (LAST, sum_to(LAST), Vec::new()));
    assert_eq!(ledger.perfect(), [6, 28, 496, 8_128]);
    let lapsed = ledger.leases_given() - ledger.ranges().len() as u64;
    assert!(lapsed <= 1, "{lapsed} leases were given back");
    let log = manage.log.all();
    let (search, _) = log.split_once(" is tested\n").expect("all is tested");
    assert_eq!(search.matches(" is gone\n").count(), 1);
    check_dates(clock, &ledger.finished());
}

/// What the ledger notes for persons comes from the clock that manage sees: it was really another.
fn check_dates(clock: Clock, dates: &[i64]) {
    let real = SystemTime::now().duration_since(UNIX_EPOCH).expect("1970 is over").as_secs() as i64;
    let (least, most) = (dates.iter().min().expect("a range") - real, dates.iter().max().expect("a range") - real);
    let fits = match clock {
        Clock::Real | Clock::Booted | Clock::Old => -600 < least && most <= 0,
        Clock::Ahead => least > 9 * YEAR_SECONDS,
        Clock::Behind => most < -9 * YEAR_SECONDS,
        Clock::Fast => most > 60,
        Clock::Jumping => dates.iter().all(|date| (date - real).abs() > YEAR_SECONDS / 2),
    };
    assert!(fits, "{clock:?}: the ledger's dates are {least} to {most} s from now");
}

#[test]
fn a_lease_ends_in_time_whatever_the_clocks_say() {
    if !is_root("a time namespace") {
        return;
    }
    let mut random = Rng::with_seed(crate::seed());
    let draw = |manages| (manages, CLOCKS[random.usize(..CLOCKS.len())], random.u64(..));
    let all: Vec<_> = (0..cases(1, 20)).flat_map(|_| CLOCKS).map(draw).collect();
    let freed = each(&all, |(manages, computes, seed)| {
        println!("{manages:?} {computes:?} {seed}");
        play(*manages, *computes, *seed)
    });
    for clock in CLOCKS {
        let after: Vec<_> =
            all.iter().zip(&freed).filter(|((of, ..), _)| *of == clock).map(|(_, after)| *after).collect();
        let what = format!("clock of manage: {}, of computes: any of these", clock.name());
        let seen = format!("lease of a stopped compute back after {}", span(after.iter().copied()));
        kept(&what, "no lease ends early or late", after.len(), &seen);
    }
}

/// Manage falls silent: how long it took until a compute knew.
fn fall_silent(clock: Clock, seed: u64) -> Duration {
    let (times, manage) = (Times::new(seed), FakeManage::new());
    let compute = times.compute(clock, &manage.address.to_string());
    let (_data, _control) = manage.welcome();
    let began = Instant::now();
    assert!(is_in_force(clock, &compute));
    let after = times.noticed(&compute, " is away: no answer", began);
    compute.signal(Signal::SIGTERM);
    assert_eq!(compute.wait_gone(), 0);
    after
}

#[test]
fn a_silent_manage_is_given_up_in_time_whatever_the_clock_says() {
    if !is_root("a time namespace") {
        return;
    }
    let mut random = Rng::with_seed(crate::seed());
    let all: Vec<_> = (0..cases(1, 20)).flat_map(|_| CLOCKS).map(|clock| (clock, random.u64(..))).collect();
    let after = each(&all, |(clock, seed)| fall_silent(*clock, *seed));
    let seen = format!("noticed after {}", span(after.into_iter()));
    kept("clock of a compute: any of these", "a silent manage is given up in time", all.len(), &seen);
}
