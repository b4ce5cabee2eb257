//! Every way to end: the right exit status, no process left, no zombie, nothing accepted lost, partial work handed in.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use aliquot::common::limits::OUTPUT_MAX_BYTES;
use aliquot::common::message::Message;
use nix::sys::signal::{Signal, kill};
use socket2::{Domain, Socket, Type};

use crate::support::{FakeCompute, FakeManage, Manage, Peer, Process, SIGKILL, Scene, number, until};

/// A range of so many seconds isn't finished while a test runs: what is tested in the end is a part of it.
const ENDLESS: &str = "--seconds 1000";

/// A manage, and a compute in the middle of a range.
struct Search {
    scene: Scene,
    manage: Manage,
    compute: Rc<Process>,
}

impl Search {
    fn new() -> Self {
        let scene = Scene::new();
        let manage = scene.manage(ENDLESS);
        let compute = scene.busy_compute(&manage, "node");
        Self { scene, manage, compute }
    }

    /// All have left well, and what the compute had tested is in the ledger.
    fn check_ended(&self) {
        assert_eq!(self.compute.wait_gone(), 0);
        assert_eq!(self.manage.wait_gone(), 0);
        check_part(&self.scene);
    }
}

/// The ledger has a part of what was leased, and nothing is leased any more.
fn check_part(scene: &Scene) {
    let ledger = scene.ledger();
    assert!(ledger.tested() > 0);
    assert_eq!(ledger.leases(), []);
}

/// A second signal is only that when some time has passed since the first.
fn pause_before_insisting() {
    std::thread::sleep(Duration::from_millis(400));
}

fn check_signal(signal: Signal) {
    let search = Search::new();
    search.manage.signal(signal);
    search.check_ended();

    let search = Search::new();
    search.compute.signal(signal);
    assert_eq!(search.compute.wait_gone(), 0);
    search.manage.signal(signal);
    search.check_ended();

    let search = Search::new();
    let monitor = search.compute.only_child();
    kill(monitor.pid, signal).expect("it lives");
    assert_eq!(search.compute.wait_gone(), 0);
    search.manage.signal(signal);
    search.check_ended();
}

#[test]
fn int_ends_each_of_them() {
    check_signal(Signal::SIGINT);
}

#[test]
fn quit_ends_each_of_them() {
    check_signal(Signal::SIGQUIT);
}

#[test]
fn hup_ends_each_of_them() {
    check_signal(Signal::SIGHUP);
}

#[test]
fn term_ends_each_of_them() {
    check_signal(Signal::SIGTERM);
}

#[test]
fn report_k_ends_all() {
    let search = Search::new();
    let report = search.scene.start("report", &format!("{} -k", search.manage.address));
    assert_eq!(report.wait_gone(), 0);
    assert!(report.stdout.all().contains("1 compute: 1 busy\n"), "the report comes first");
    assert_eq!(report.log.all(), "");
    search.check_ended();
    search.manage.log.line("SIGINT: ending");
}

#[test]
fn report_k_ends_fifty_computes() {
    let scene = Scene::new();
    let manage = scene.manage(&format!("{ENDLESS} --computes 50"));
    until("fifty busy computes", || {
        let busy = scene.computes(&manage).iter().filter(|compute| compute["state"] == "busy").count();
        (busy == 50).then_some(())
    });
    let began = Instant::now();
    let report = scene.start("report", &format!("{} -k", manage.address));
    assert_eq!(report.wait_gone(), 0);
    assert_eq!(manage.wait_gone(), 0);
    println!("report -k with 50 computes: all gone after {:?}", began.elapsed());
    check_part(&scene);
}

#[test]
fn kill_9_of_manage_ends_the_computes_that_it_has_started() {
    let scene = Scene::new();
    let manage = scene.manage(&format!("{ENDLESS} --computes 2"));
    until("two computes with their monitors", || (manage.members().len() == 5).then_some(()));
    manage.signal(Signal::SIGKILL);
    assert_eq!(manage.wait_gone(), SIGKILL);
}

#[test]
fn kill_9_of_a_compute_ends_its_monitor_and_frees_its_range() {
    let search = Search::new();
    search.compute.signal(Signal::SIGKILL);
    assert_eq!(search.compute.wait_gone(), SIGKILL);
    until("the lease to come back", || (number(&search.scene.report(&search.manage)["leased"]) == 0).then_some(()));
    let computes = search.scene.computes(&search.manage);
    assert_eq!(computes[0]["state"], "lost");
    search.manage.signal(Signal::SIGTERM);
    assert_eq!(search.manage.wait_gone(), 0);
    assert_eq!(search.scene.ledger().leases(), []);
}

#[test]
fn kill_9_of_a_monitor_brings_another() {
    let search = Search::new();
    let range = || search.scene.computes(&search.manage)[0]["last"].clone();
    let (first, before) = (search.compute.only_child(), range());
    kill(first.pid, Signal::SIGKILL).expect("it lives");
    let second = until("another monitor", || {
        search.compute.children().into_iter().find(|child| child.pid != first.pid && child.state != 'Z')
    });
    assert_eq!(search.compute.only_child().pid, second.pid, "the dead one is reaped");
    assert_eq!(range(), before, "the compute goes on with its range");
    // The new one does the old one's work: without it the compute would hear of nothing.
    let report = search.scene.start("report", &format!("{} -k", search.manage.address));
    assert_eq!(report.wait_gone(), 0);
    search.check_ended();
}

/// Ctrl-C, as each group sees it: all of its processes get the signal at once.
#[test]
fn ctrl_c_ends_a_foreground_group() {
    for signal in [Signal::SIGINT, Signal::SIGQUIT] {
        let search = Search::new();
        search.compute.signal_group(signal);
        assert_eq!(search.compute.wait_gone(), 0);
        search.manage.signal_group(signal);
        search.check_ended();
    }
}

#[test]
fn ctrl_c_ends_manage_with_its_computes() {
    let scene = Scene::new();
    let manage = scene.manage(&format!("{ENDLESS} --computes 2"));
    until("two computes at work", || {
        let computes = scene.computes(&manage);
        (computes.iter().filter(|compute| number(&compute["rate_per_s"]) > 0).count() == 2).then_some(())
    });
    manage.signal_group(Signal::SIGINT);
    assert_eq!(manage.wait_gone(), 0);
    check_part(&scene);
}

#[test]
fn ctrl_c_ends_several_computes() {
    let scene = Scene::new();
    let manage = scene.manage(ENDLESS);
    let several = scene.compute(&manage, "--count 3");
    until("three computes", || (scene.computes(&manage).len() == 3).then_some(()));
    several.signal_group(Signal::SIGINT);
    assert_eq!(several.wait_gone(), 0);
    manage.signal(Signal::SIGTERM);
    assert_eq!(manage.wait_gone(), 0);
}

/// An address where nobody listens, for as long as the socket is kept.
pub fn deserted() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port is free");
    let address = socket.local_addr().ok().and_then(|address| address.as_socket()).expect("it has an address");
    (socket, address)
}

#[test]
fn a_signal_before_the_connection_stands() {
    let (scene, (_socket, address)) = (Scene::new(), deserted());
    for options in ["", "--count 2"] {
        let compute = scene.start("compute", &format!("{address} {options}"));
        compute.log.line(" is away: ");
        compute.signal(Signal::SIGTERM);
        assert_eq!(compute.wait_gone(), 0);
    }
}

/// Manage has taken the connection but says nothing.
#[test]
fn a_signal_before_the_welcome() {
    let (scene, manage) = (Scene::new(), FakeManage::new());
    let compute = scene.start("compute", &manage.address.to_string());
    let _peers = [manage.accept(), manage.accept()];
    compute.signal(Signal::SIGINT);
    assert_eq!(compute.wait_gone(), 0);
}

#[test]
fn a_signal_during_the_timing_loop() {
    let scene = Scene::new();
    let manage = scene.manage(ENDLESS);
    let compute = scene.compute(&manage, "");
    compute.log.line("manage is here");
    compute.signal(Signal::SIGHUP);
    assert_eq!(compute.wait_gone(), 0);
    manage.signal(Signal::SIGTERM);
    assert_eq!(manage.wait_gone(), 0);
    assert_eq!(scene.ledger().tested(), 0);
}

#[test]
fn a_signal_while_manage_is_away() {
    let search = Search::new();
    search.manage.signal(Signal::SIGKILL);
    assert_eq!(search.manage.wait_gone(), SIGKILL);
    search.compute.log.line(" is away: ");
    search.compute.signal(Signal::SIGQUIT);
    assert_eq!(search.compute.wait_gone(), 0);
}

#[test]
fn a_second_signal_ends_a_compute_at_once() {
    let search = Search::new();
    search.manage.signal(Signal::SIGSTOP);
    search.compute.signal(Signal::SIGTERM);
    search.compute.log.line("SIGTERM: ending");
    pause_before_insisting();
    search.compute.signal(Signal::SIGTERM);
    assert_eq!(search.compute.wait_gone(), 1);
    search.compute.log.line("a second signal: ended at once");
    search.manage.signal(Signal::SIGCONT);
    search.manage.signal(Signal::SIGTERM);
    assert_eq!(search.manage.wait_gone(), 0);
}

#[test]
fn a_second_signal_ends_manage_at_once() {
    let scene = Scene::new();
    let manage = scene.manage(&format!("{ENDLESS} --computes 1"));
    let stubborn = FakeCompute::connect(manage.address, "stubborn", 1);
    let mut control = stubborn.control(manage.address);
    manage.signal(Signal::SIGINT);
    assert!(matches!(control.hear(), Message::Signal(_)), "it is told, and stays");
    pause_before_insisting();
    manage.signal(Signal::SIGINT);
    assert_eq!(manage.wait_gone(), 1);
    manage.log.line("a second signal: ended at once");
}

/// Several at once are one wish: a closing terminal and a service manager both send more than one.
#[test]
fn signals_at_the_same_moment_are_one() {
    let search = Search::new();
    for signal in [Signal::SIGHUP, Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        search.compute.signal(signal);
        search.manage.signal(signal);
    }
    search.check_ended();
}

#[test]
fn computes_that_stay_are_not_waited_for_without_end() {
    let scene = Scene::new();
    let manage = scene.manage(ENDLESS);
    let stubborn = FakeCompute::connect(manage.address, "stubborn", 1);
    let _control = stubborn.control(manage.address);
    manage.signal(Signal::SIGTERM);
    assert_eq!(manage.wait_gone(), 0);
}

#[test]
fn a_peer_that_never_reads_does_not_keep_manage() {
    let scene = Scene::new();
    let manage = scene.manage(ENDLESS);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("it may be small");
    socket.connect(&manage.address.into()).expect("manage listens");
    let mut deaf = Peer::over(socket.into());
    deaf.say("<hello version='1' role='report'/>\n<query/>");
    let [_welcome, status, end] = [(); 3].map(|()| deaf.line().expect("an answer"));
    // More than the sockets hold, less than what manage drops a peer for.
    let answer = status.len() + end.len();
    deaf.send("<query/>\n".repeat(OUTPUT_MAX_BYTES * 3 / 4 / answer).as_bytes());
    scene.report(&manage);
    manage.signal(Signal::SIGTERM);
    assert_eq!(manage.wait_gone(), 0);
    assert!(!manage.log.all().contains("doesn't read"));
}
