//! A disk that fails or is full: no false `accepted`. What fails ends manage with a message that names the ledger;
//! where there is only no room, it waits for some.

use std::fs;
use std::path::Path;

use fastrand::Rng;
use nix::sys::signal::Signal;

use super::victim::{SHORT_LAST, Victim};
use super::{cases, each_call, is_root, kept};
use crate::support::{Mount, Peer, Process, SIGKILL};

/// What the ledger is written with.
const WRITE: &str = "pwrite64";
const PROMISE: &str = "no false accepted, 74 and a message, all accepted is kept";
/// What manage says when it waits for room, and when it goes on.
const NO_ROOM: &str = "no room";
const ROOM: &str = "room again";

/// manage ended by itself because of the disk: it says so, and a restart on a disk that works goes on to the end.
fn check_failed(victim: Victim, manage: &Process) {
    assert_eq!(manage.wait_gone(), 74, "{}", manage.evidence());
    let log = manage.log.all();
    assert!(log.lines().any(|line| line.contains("ERRO") && line.contains("ledger ")), "{log}");
    victim.check();
    victim.finish();
}

/// The call that was made to fail, if it came so far.
fn injected(record: &Path) -> Option<String> {
    let record = fs::read_to_string(record).expect("strace has written it");
    record.lines().find(|line| line.ends_with("(INJECTED)")).map(str::to_owned)
}

/// Whether manage may go on after the failure of this `call`: it waits where a write finds no room, and SQLite passes
/// over a directory that can't be synced, as some systems have none that can.
fn may_go_on(call: &str) -> bool {
    !call.contains("search.db") || (call.starts_with(WRITE) && call.contains("ENOSPC"))
}

/// The `nth` of `calls` fails with `error`: the status that manage ends with, if there was one.
fn fail_call(calls: &str, error: &str, nth: usize) -> Option<i32> {
    let mut victim = Victim::new(SHORT_LAST);
    let record = victim.scene.path("trace");
    let trap = format!("strace -qq -y -o trace -e trace={calls} -e inject={calls}:error={error}:when={nth}");
    let manage = victim.start_through(&trap).unwrap_or_else(|ended| ended);
    let status = manage.wait_gone();
    let call = injected(&record);
    if status == 0 {
        victim.check_end();
        assert!(call.as_deref().is_none_or(may_go_on), "{call:?}, and manage went on\n{}", manage.evidence());
    } else {
        check_failed(victim, &manage);
    }
    call.map(|_| status)
}

/// Lets each of `calls` fail in turn with each of `errors`, or a sample of the first `among`.
fn every_call(fault: &str, calls: &str, errors: &[&str], among: usize) {
    let mut random = Rng::with_seed(crate::seed());
    let fail = |error: &&str| each_call(&mut random, 1, among, |nth| fail_call(calls, error, nth));
    let ended: Vec<i32> = errors.iter().flat_map(fail).collect();
    let failed = ended.iter().filter(|status| **status != 0).count();
    kept(fault, PROMISE, ended.len(), &format!("{failed} ended with 74, the others went on"));
}

#[test]
fn a_write_that_fails_is_never_taken_for_done() {
    every_call("each write to the disk fails in turn: EIO, EFBIG, ENOSPC", WRITE, &["EIO", "EFBIG", "ENOSPC"], 150);
}

#[test]
fn a_sync_that_fails_is_never_taken_for_done() {
    every_call("each sync fails in turn: EIO, ENOSPC", "fsync,fdatasync", &["EIO", "ENOSPC"], 25);
}

/// A limit to the size of files, which cuts a write short and fails the next; its signal must not kill.
fn outgrow(bytes: usize) -> i32 {
    let mut victim = Victim::new(SHORT_LAST);
    let manage = victim.start_through(&format!("prlimit --fsize={bytes}")).unwrap_or_else(|ended| ended);
    let status = manage.wait_gone();
    if status == 0 {
        victim.check_end();
    } else {
        check_failed(victim, &manage);
    }
    status
}

#[test]
fn a_file_that_may_not_grow_ends_manage_and_loses_nothing() {
    let mut random = Rng::with_seed(crate::seed());
    let wanted = cases(3, 300);
    let ended = (0..wanted).filter(|_| outgrow(random.usize(0..400_000)) != 0).count();
    kept("files may not grow beyond any size (short write, EFBIG)", PROMISE, wanted, &format!("{ended} reached it"));
}

/// What manage says of its trouble to a report.
fn trouble(victim: &Victim) -> Option<String> {
    let mut report = Peer::report(victim.address?);
    report.say("<query/>");
    let line = report.line().expect("a report is answered");
    line.contains("trouble").then_some(line)
}

/// Runs a search on a disk that is full when the ledger has taken `kib` more, and makes room `kill`ing manage before
/// or not.
fn fill_up(kib: u64, kill: bool) {
    let mut victim = Victim::with_ledger(SHORT_LAST, "disk/search.db");
    let disk = Mount::new(victim.scene.path("disk"), 16 * 1024);
    let filler = disk.leave(kib);
    let Ok(manage) = victim.start_through("env") else {
        // So little that it can't even begin: told in the same words, and nothing is lost.
        fs::remove_file(filler).expect("it is there");
        victim.finish();
        return;
    };
    manage.log.line(NO_ROOM);
    assert!(trouble(&victim).is_some(), "a report doesn't say what the trouble is");
    victim.check();
    if kill {
        manage.signal(Signal::SIGKILL);
        assert_eq!(manage.wait_gone(), SIGKILL);
        victim.check();
    }
    fs::remove_file(filler).expect("it is there");
    if kill {
        victim.finish();
    } else {
        manage.log.line(ROOM);
        assert_eq!(manage.wait_gone(), 0);
        assert_eq!(manage.log.all().matches(NO_ROOM).count(), 1, "it is said once");
        victim.check_end();
    }
}

#[test]
fn a_full_disk_is_waited_for_and_nothing_is_lost() {
    if !is_root("mounting a small disk") {
        return;
    }
    let mut random = Rng::with_seed(crate::seed());
    let wanted = cases(2, 60);
    for case in 0..wanted {
        fill_up(random.u64(48..160), case % 2 == 1);
    }
    let promise = "manage says so, answers reports, goes on when there is room";
    kept("a disk of 48 to 160 KiB is full, then has room", promise, wanted, "every second one was killed meanwhile");
}
