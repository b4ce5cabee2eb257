//! kill -9 of manage: whatever it was doing, nothing that it has accepted is lost, and the next one goes on.

use std::thread;
use std::time::Duration;

use fastrand::Rng;
use nix::sys::signal::Signal;

use super::victim::{SHORT_LAST, Victim};
use super::{cases, each_call, kept};
use crate::support::SIGKILL;

/// The end of a search that takes longer than `KILLS` kills.
const LAST: u64 = 25_000;
/// How often one search is killed.
const KILLS: usize = 15;
const PROMISE: &str = "nothing accepted is lost, nothing counts twice";

fn seen(slowest: Duration) -> String {
    format!("slowest restart {} ms", slowest.as_millis())
}

/// Kills manage up to `kills` times at instants of chance; how often it died of that, and its slowest restart.
fn random_instants(random: &mut Rng, kills: usize) -> (usize, Duration) {
    let mut victim = Victim::new(LAST);
    for kill in 0..kills {
        // One in four dies while it starts.
        let starts = victim.address.is_some() && random.u32(0..4) == 0;
        let manage = if starts { victim.launch() } else { victim.start() };
        thread::sleep(Duration::from_micros(random.u64(0..if starts { 20_000 } else { 60_000 })));
        manage.signal_if_running(Signal::SIGKILL);
        let status = manage.wait_gone();
        victim.check();
        if status != SIGKILL {
            assert_eq!(status, 0, "manage has failed by itself");
            victim.check_end();
            return (kill, victim.slowest);
        }
    }
    (kills, victim.finish())
}

#[test]
fn nothing_accepted_is_lost_when_manage_is_killed_at_any_instant() {
    let mut random = Rng::with_seed(crate::seed());
    let (wanted, mut killed, mut slowest) = (cases(15, 1_000), 0, Duration::ZERO);
    while killed < wanted {
        let (kills, restart) = random_instants(&mut random, KILLS.min(wanted - killed));
        (killed, slowest) = (killed + kills, slowest.max(restart));
    }
    kept("kill -9 of manage at any instant", PROMISE, killed, &seen(slowest));
}

/// Kills manage as it enters the system call `nth` among `calls`; its slowest restart if it came so far.
fn at_call(calls: &str, nth: usize) -> Option<Duration> {
    let mut victim = Victim::new(SHORT_LAST);
    let trap = format!("strace -f -qq -o /dev/null -e trace={calls} -e inject={calls}:signal=SIGKILL:when={nth}");
    let manage = victim.start_through(&trap).unwrap_or_else(|ended| ended);
    let status = manage.wait_gone();
    victim.check();
    if status == 0 {
        victim.check_end();
        return None;
    }
    assert_eq!(status, SIGKILL, "{}", manage.evidence());
    Some(victim.finish())
}

/// Kills manage at every one of `calls` in turn, or at a sample of the first `among`.
fn every_call(fault: &str, calls: &str, among: usize) {
    let mut random = Rng::with_seed(crate::seed());
    let restarts = each_call(&mut random, 5, among, |nth| at_call(calls, nth));
    let slowest = restarts.iter().max().copied().unwrap_or_default();
    kept(fault, PROMISE, restarts.len(), &seen(slowest));
}

#[test]
fn nothing_accepted_is_lost_when_manage_is_killed_at_any_write() {
    every_call("kill -9 of manage at every write in turn", "pwrite64,write,sendto", 200);
}

#[test]
fn nothing_accepted_is_lost_when_manage_is_killed_at_any_sync() {
    every_call("kill -9 of manage at every sync in turn", "fsync,fdatasync,ftruncate,unlink", 30);
}
