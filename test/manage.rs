//! What manage does with its ledger, its address, its own computes, and with computes that disagree.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use aliquot::common::clock::Millis;
use aliquot::common::limits::RESTART_GRACE_MS;
use aliquot::common::message::{Alive, Code, Instance, Numbers};
use aliquot::divisors::Method;
use aliquot::manage::coverage::Span;
use aliquot::manage::state::{Event, Holder, Identity, Leased, Policy, Restored, Settings, State};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{self, FakeCompute, Manage, PATIENCE, SIGKILL, Scene, number, until};

/// Runs a bounded search to its end in a scene.
fn search_to_end(scene: &Scene, arguments: &str) {
    let manage = scene.manage(&format!("{arguments} --seconds 0.1 --method sieve --computes 1"));
    assert_eq!(manage.wait_gone(), 0);
}

/// What manage says when it refuses to start, after checking that it does so with `status`.
#[track_caller]
fn refusal(scene: &Scene, arguments: &str, status: i32) -> String {
    let manage = scene.start("manage", arguments);
    assert_eq!(manage.wait_gone(), status, "{}", manage.evidence());
    manage.log.all()
}

#[test]
fn a_search_goes_on_where_it_was() {
    let scene = Scene::new();
    let manage = scene.manage("--first 100 --last 20000 --seconds 1");
    let mut compute = FakeCompute::connect(manage.address, "node", 10_000);
    let range = compute.range();
    let found = compute.compute(&range);
    compute.hand_in(found.clone()).expect("it is right");
    // At any instant, without a goodbye.
    manage.signal(Signal::SIGKILL);
    assert_eq!(manage.wait_gone(), SIGKILL);
    manage.log.line("ledger search.db: nothing is tested yet");
    let manage = scene.manage("--seconds 1");
    manage.log.line("are tested already");
    let report = scene.report(&manage);
    assert_eq!((number(&report["first"]), number(&report["last"])), (100, 20_000));
    assert_eq!((number(&report["tested"]), number(&report["contiguous_to"])), (found.tested, found.last));
    let mut compute = FakeCompute::connect(manage.address, "node", 10_000);
    assert_eq!(compute.range().first, found.last + 1);
}

#[test]
fn settings_that_contradict_the_ledger_are_refused() {
    let scene = Scene::new();
    search_to_end(&scene, "--first 10 --last 20000");
    for (flag, has) in
        [("--method trial", "--method sieve"), ("--first 9", "--first 10"), ("--last 19999", "--last 20000")]
    {
        let said = refusal(&scene, &format!("--listen 127.0.0.1:0 {flag}"), 2);
        assert!(said.contains("search.db") && said.contains(has), "{flag}: {said}");
    }
    let said = refusal(&scene, "--listen 127.0.0.1:0 --ledger new.db --first 10 --last 9", 2);
    assert!(said.contains("--last 9"), "{said}");
    assert!(!scene.path("new.db").exists());
    assert_eq!(scene.ledger().tested(), 19_991);
}

#[test]
fn the_last_number_may_be_raised() {
    let scene = Scene::new();
    search_to_end(&scene, "--last 20000");
    assert_eq!(scene.ledger().done(), [(1, 20_000)]);
    search_to_end(&scene, "--last 50000");
    assert_eq!(scene.ledger().done(), [(1, 50_000)]);
    assert_eq!(scene.ledger().tested(), 50_000);
    // Without the flag it is the ledger's: there is nothing left to do.
    let manage = scene.start("manage", "--listen 127.0.0.1:0");
    assert_eq!(manage.wait_gone(), 0);
    assert!(manage.stdout.all().contains("TESTED   50,000 of 50,000 (100 %)"));
}

#[test]
fn a_ledger_has_one_manage() {
    let scene = Scene::new();
    let manage = scene.manage("");
    let said = refusal(&scene, "--listen 127.0.0.1:0", 74);
    assert!(said.contains(&format!("ledger search.db: another manage holds it (pid {})", manage.pid())), "{said}");
    assert_eq!(number(&scene.report(&manage)["tested"]), 0, "the first goes on");
}

#[test]
fn what_is_no_ledger_stays_as_it_is() {
    let scene = Scene::new();
    let text = "six, twenty-eight, four hundred and ninety-six".repeat(100);
    fs::write(scene.path("notes.txt"), &text).expect("it can be written");
    let other = scene.path("other.db");
    rusqlite::Connection::open(&other).and_then(|db| db.execute_batch("CREATE TABLE cake (n)")).expect("a database");
    for name in ["notes.txt", "other.db"] {
        let before = fs::read(scene.path(name)).expect("it is there");
        let said = refusal(&scene, &format!("--listen 127.0.0.1:0 --ledger {name}"), 74);
        assert!(said.contains(&format!("ledger {name}: this file is not a ledger of manage")), "{said}");
        assert_eq!(fs::read(scene.path(name)).expect("it is still there"), before);
    }
}

#[test]
fn a_ledger_that_cannot_be_written_is_74() {
    let scene = Scene::new();
    // In /proc nobody makes files, root included.
    for path in ["missing/search.db", "/proc/search.db"] {
        let said = refusal(&scene, &format!("--listen 127.0.0.1:0 --ledger {path}"), 74);
        assert!(said.contains(&format!("ledger {path}: ")), "{said}");
    }
}

#[test]
fn a_port_has_one_listener() {
    let scene = Scene::new();
    let manage = scene.manage("--ledger :memory:");
    let said = refusal(&scene, &format!("--listen {} --ledger other.db", manage.address), 1);
    assert!(said.contains(&format!("listen {}: ", manage.address)), "{said}");
    assert!(!scene.path("other.db").exists(), "no ledger is made for a search that doesn't begin");
}

#[test]
fn beyond_loopback_it_has_to_be_told_so() {
    let scene = Scene::new();
    // All addresses, one, mapped, and in forms that only the resolver knows.
    let exposed =
        ["0.0.0.0:0", "[::]:0", "192.168.1.1:0", "[2001:db8::1]:0", "[::ffff:0.0.0.0]:0", "[::ffff:10.0.0.1]:0"];
    for address in exposed.into_iter().chain(["0:0", "3232235777:0", "0xa.1:0"]) {
        let said = refusal(&scene, &format!("--listen {address} --ledger :memory:"), 2);
        let mends = ["manage --init-keys keys", "--keys keys", "--insecure"];
        assert!(said.contains(address) && mends.iter().all(|command| said.contains(command)), "{said}");
    }
    for address in ["127.0.0.1:0", "127.1.2.3:0", "[::1]:0", "localhost:0", "[::ffff:127.0.0.1]:0", "0x7f.1:0"] {
        scene.manage_at(address, "--ledger :memory:");
    }
    let manage = scene.manage_at("0.0.0.0:0", "--insecure --ledger :memory:");
    manage.log.line("--insecure: anybody who can connect");
}

#[test]
fn memory_leaves_no_file() {
    let scene = Scene::new();
    search_to_end(&scene, "--ledger :memory: --last 20000");
    let left: Vec<_> = fs::read_dir(scene.path("")).expect("the directory is there").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_compute_that_dies_is_started_again() {
    let scene = Scene::new();
    let manage = scene.manage("--seconds 1000 --computes 2");
    let two = || <[_; 2]>::try_from(manage.children()).ok();
    let before = until("two computes", two);
    kill(before[0].pid, Signal::SIGKILL).expect("it lives");
    let after = until("another in its place", || two().filter(|after| after.iter().all(|c| c.pid != before[0].pid)));
    assert!(after.iter().any(|compute| compute.pid == before[1].pid), "the other one has stayed");
    manage.log.line(&format!("compute pid {} died", before[0].pid));
    until("three known computes, one of them lost", || {
        let computes = scene.computes(&manage);
        let lost = computes.iter().filter(|compute| compute["state"] == "lost").count();
        (computes.len() - lost == 2).then_some(())
    });
}

#[test]
fn every_range_can_be_checked_by_a_second_compute() {
    let scene = Scene::new();
    let manage = scene.manage("--last 3000000 --seconds 0.1 --recheck 100");
    let computes = ["one", "two"].map(|host| scene.compute(&manage, &format!("--host {host}")));
    assert_eq!(manage.wait_gone(), 0);
    for compute in computes {
        assert_eq!(compute.wait_gone(), 0);
    }
    let ledger = scene.ledger();
    assert_eq!(ledger.tested(), 3_000_000);
    let firsts: Vec<_> = ledger.ranges().iter().map(|(first, _)| *first).collect();
    assert_eq!(ledger.confirmed(), firsts);
    assert_eq!(ledger.perfect(), [6, 28, 496, 8_128]);
}

/// A compute that hides what it finds: its sums are right, so only a second compute can tell.
fn hide_a_hit(manage: &Manage) -> FakeCompute {
    let mut liar = FakeCompute::connect(manage.address, "liar", 10_000);
    let range = liar.range();
    let mut found = liar.compute(&range);
    assert_ne!(found.perfect, Numbers::default(), "the first range has perfect numbers");
    found.perfect = Numbers::default();
    assert_eq!(liar.hand_in(found), Ok(()));
    liar
}

#[test]
fn a_hidden_hit_is_found_by_a_second_compute() {
    let scene = Scene::new();
    let manage = scene.manage("--last 1000000 --seconds 0.1 --recheck 100");
    drop(hide_a_hit(&manage));
    let _computes = ["one", "two"].map(|host| scene.compute(&manage, &format!("--host {host}")));
    assert_eq!(manage.wait_gone(), 0);
    manage.log.line("disagree");
    manage.log.line("numbers that it has tested are free again");
    let report = manage.stdout.all();
    assert!(report.contains("LIAR     liar has hidden a perfect number"), "{report}");
    assert_eq!(scene.ledger().tested(), 1_000_000);
    assert_eq!(scene.ledger().perfect(), [6, 28, 496, 8_128]);
}

/// A host that gets no more work is no second host to wait for.
#[test]
fn a_struck_host_keeps_nobody_waiting() {
    let scene = Scene::new();
    let manage = scene.manage("--last 300000 --seconds 0.1 --recheck 100");
    let mut struck = FakeCompute::connect(manage.address, "struck", 10_000);
    for _ in 0..3 {
        let range = struck.range();
        let mut found = struck.compute(&range);
        found.sum += 1;
        assert_eq!(struck.hand_in(found).expect_err("it is wrong").0, Code::WrongSum);
    }
    let mut watch = struck.control(manage.address);
    let _computes = scene.compute(&manage, "--host sound --count 2");
    until("the end", || {
        struck.peer.say("<alive/>");
        watch.say("<alive/>");
        (watch.hear().name() == "signal").then_some(())
    });
    drop((struck, watch));
    assert_eq!(manage.wait_gone(), 0);
    assert_eq!(scene.ledger().tested(), 300_000);
}

/// The compute is back after a restart, and goes on with what it had.
#[test]
fn leases_outlive_manage() {
    let scene = Scene::new();
    let manage = scene.manage("--seconds 1");
    let mut compute = FakeCompute::connect(manage.address, "node", 10_000);
    let range = compute.range();
    manage.signal(Signal::SIGKILL);
    assert_eq!(manage.wait_gone(), SIGKILL);
    let manage = scene.manage_again(&manage, "--seconds 1");
    let mut other = FakeCompute::connect(manage.address, "other", 10_000);
    assert!(other.range().first > range.last, "the range is still the first one's");
    let mut compute = FakeCompute::connect_as(manage.address, compute.hello.clone(), 10_000);
    assert!(compute.claim(range.lease));
    let found = compute.compute(&range);
    assert_eq!(compute.hand_in(found.clone()), Ok(()));
    assert_eq!(compute.hand_in(found).expect_err("it counts once").0, Code::AlreadyDone);
}

/// A claim by somebody else says nothing about who had the lease before the restart.
#[test]
fn a_foreign_claim_does_not_keep_a_lease() {
    let holder = |instance| Holder { instance: Instance(instance), host: "node".to_owned(), pid: 1 };
    let leased = Leased { lease: 1, span: Span { first: 1, last: 100 }, holder: holder(1), recheck: false };
    let restored = Restored { leases: vec![leased], next_lease: 2, ..Restored::default() };
    let settings = Settings { method: Method::Trial, first: 1, last: None };
    let policy = Policy { seconds: 1.0, recheck_percent: 0.0, recheck_key: 0, workers_max: usize::MAX };
    let identity = Identity { host: String::new(), listen: String::new(), ledger: String::new() };
    let mut state = State::new(settings, policy, identity, restored, Millis(0)).expect("it fits");
    state.handle(support::opened(1), Millis(1));
    state.handle(Event::Said(1, FakeCompute::hello("other", 2, Instance(2)).into()), Millis(1));
    state.handle(Event::Said(1, Alive { lease: Some(1), tested: None }.into()), Millis(1));
    state.handle(Event::Tick, Millis(RESTART_GRACE_MS - 1));
    assert_eq!(state.status().leased, 100);
    state.handle(Event::Tick, Millis(RESTART_GRACE_MS + 1));
    state.written();
    assert_eq!(state.status().leased, 0);
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_manage"));
    command.args(["--listen", "127.0.0.1:0", "--ledger", ":memory:", "-vv"]).stderr(Stdio::piped());
    let mut manage = Ended(command.spawn().unwrap());
    let mut log = BufReader::new(manage.0.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("listening on ") {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it has ended");
    }
    let mut peer = TcpStream::connect(line.trim().rsplit(' ').next().unwrap()).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    // Each answer is logged twice over: far more than a pipe holds.
    const QUERIES: usize = 2_000;
    peer.write_all(b"<hello version=\"1\" role=\"report\"/>\n").unwrap();
    peer.write_all("<query/>\n".repeat(QUERIES).as_bytes()).unwrap();
    let answers = BufReader::new(&peer).lines().map(Result::unwrap);
    assert_eq!(answers.filter(|answer| answer.starts_with("<end ")).take(QUERIES).count(), QUERIES);
    kill(Pid::from_raw(manage.0.id() as i32), Signal::SIGTERM).unwrap();
    let status = until("its end", || manage.0.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

/// A child that doesn't outlive its test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn nohup_is_respected() {
    let scene = Scene::new();
    let manage = scene.start_through("nohup", "manage", "--listen 127.0.0.1:0 --ledger :memory:");
    manage.log.line("listening on ");
    manage.signal(Signal::SIGHUP);
    manage.signal(Signal::SIGTERM);
    assert_eq!(manage.wait_gone(), 0);
    assert!(manage.log.all().contains("SIGTERM: ending"), "{}", manage.evidence());
    assert!(!manage.log.all().contains("SIGHUP"), "{}", manage.evidence());
}
