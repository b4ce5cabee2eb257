//! What a compute does at its manage's side, and without it.

use std::rc::Rc;

use aliquot::common::message::{Accepted, Found, Message, Range, Recall};
use nix::sys::signal::Signal;

use crate::endings::deserted;
use crate::support::{FakeManage, Member, Peer, Process, Scene, number, until};

#[test]
fn a_count_starts_so_many() {
    let scene = Scene::new();
    let manage = scene.manage("--seconds 0.2 --ledger :memory:");
    let several = scene.compute(&manage, "--count 3 --host node");
    let computes = until("three computes that work", || {
        let computes = scene.computes(&manage);
        (computes.iter().filter(|compute| number(&compute["ranges"]) > 0).count() == 3).then_some(computes)
    });
    assert!(computes.iter().all(|compute| compute["host"] == "node"), "{computes:?}");
    let mut children: Vec<_> = several.children().iter().map(|child| child.pid.as_raw() as u64).collect();
    children.sort_unstable();
    assert_eq!(computes.iter().map(|compute| number(&compute["pid"])).collect::<Vec<_>>(), children);
    several.signal(Signal::SIGTERM);
    assert_eq!(several.wait_gone(), 0);
}

#[test]
fn a_kernel_can_be_forced() {
    let scene = Scene::new();
    let manage = scene.manage("--seconds 0.2 --ledger :memory:");
    for options in ["--kernel portable", "--kernel portable --count 2"] {
        let compute = scene.compute(&manage, options);
        let known = until("computes that said hello", || {
            let computes = scene.computes(&manage);
            (!computes.is_empty()).then_some(computes)
        });
        assert!(known.iter().all(|compute| compute["kernel"] == "portable"), "{known:?}");
        compute.signal(Signal::SIGTERM);
        assert_eq!(compute.wait_gone(), 0);
    }
    let compute = scene.start("compute", "--kernel abacus");
    assert_eq!(compute.wait_gone(), 2);
    assert!(compute.log.all().contains("this processor has: portable"), "{}", compute.log.all());
}

#[test]
fn auto_is_the_cores_that_it_may_use() {
    let (scene, (_socket, address)) = (Scene::new(), deserted());
    let compute = scene.start_through("taskset -c 0", "compute", &format!("{address} --count auto"));
    compute.log.line(" is away: ");
    // One compute needs nobody above it: its only child is its monitor.
    let monitor = compute.only_child();
    assert_eq!(monitor.children(), []);
    assert!(!compute.log.text().contains("started compute"));
    compute.signal(Signal::SIGTERM);
    assert_eq!(compute.wait_gone(), 0);
}

#[test]
fn it_runs_at_low_priority() {
    let (scene, (_socket, address)) = (Scene::new(), deserted());
    let mine = Member::of(nix::unistd::getpid()).expect("this process lives").nice;
    for (options, nice) in [("", 10), ("--nice 0", 0), ("--nice 5 --count 2", 5), ("--count 2", 10)] {
        let compute = scene.start("compute", &format!("{address} {options}"));
        compute.log.line(" is away: ");
        let members = compute.members();
        let want = (mine + nice).min(19);
        assert!(members.len() >= 2 && members.iter().all(|member| member.nice == want), "{options}: {members:?}");
        compute.signal(Signal::SIGTERM);
        assert_eq!(compute.wait_gone(), 0);
    }
}

#[test]
fn a_name_that_is_not_known_is_tried_again() {
    let scene = Scene::new();
    let compute = scene.start("compute", "nowhere.invalid:8128 -v");
    compute.log.lines("away: address nowhere.invalid:8128: ", 3);
    compute.signal(Signal::SIGTERM);
    assert_eq!(compute.wait_gone(), 0);
}

#[test]
fn what_is_no_manage_is_76() {
    let answers = ["HTTP/1.1 400 Bad Request\r\n\r\n", "<welcome version='2' method='trial' at='1'/>\n", "\0\n"];
    for (answer, options) in answers.iter().flat_map(|answer| [(answer, ""), (answer, "--count 2")]) {
        let (scene, manage) = (Scene::new(), FakeManage::new());
        let compute = scene.start("compute", &format!("{} {options}", manage.address));
        manage.answer_all(answer);
        assert_eq!(compute.wait_gone(), 76, "{answer:?} {options}");
    }
}

/// A manage that speaks another version says so, and the compute says it to its user.
#[test]
fn another_version_is_76() {
    let (scene, manage) = (Scene::new(), FakeManage::new());
    let compute = scene.start("compute", &manage.address.to_string());
    manage.answer_all("<error code='wrong-version'>1:8: attribute version is not 2, which is spoken here</error>\n");
    assert_eq!(compute.wait_gone(), 76);
    compute.log.line("attribute version is not 2, which is spoken here");
}

/// The next message that isn't a sign of life, which is answered.
fn next(peer: &mut Peer) -> Message {
    loop {
        match peer.hear() {
            Message::Alive(_) => peer.say("<alive/>"),
            message => return message,
        }
    }
}

fn next_result(peer: &mut Peer) -> Found {
    match next(peer) {
        Message::Found(found) => found,
        other => panic!("{other:?} instead of a result"),
    }
}

#[test]
fn a_result_is_held_until_it_is_answered() {
    let (scene, manage) = (Scene::new(), FakeManage::new());
    let compute = scene.start("compute", &manage.address.to_string());
    let (mut peer, _control) = manage.welcome();
    assert!(matches!(next(&mut peer), Message::Speed(_)));
    assert!(matches!(next(&mut peer), Message::Request(_)));
    peer.tell(Range { lease: 7, first: 1, last: 10_000 });
    let found = next_result(&mut peer);
    assert_eq!((found.lease, found.first, found.last, found.tested), (7, 1, 10_000, 10_000));
    assert_eq!(found.perfect.0, [6, 28, 496, 8_128]);
    for _ in 0..2 {
        // Manage dies before it has answered, as often as it likes.
        drop(peer);
        peer = manage.welcome().0;
        assert!(matches!(next(&mut peer), Message::Speed(_)), "the speed is known: no second timing loop");
        assert_eq!(next_result(&mut peer), found);
    }
    peer.tell(Accepted { lease: 7 });
    assert!(matches!(next(&mut peer), Message::Request(_)));
    drop(peer);
    peer = manage.welcome().0;
    assert!(matches!(next(&mut peer), Message::Speed(_)));
    assert!(matches!(next(&mut peer), Message::Request(_)), "what was answered isn't handed in again");
    compute.signal(Signal::SIGTERM);
    assert_eq!(compute.wait_gone(), 0);
}

#[test]
fn it_computes_on_while_manage_is_away() {
    let (scene, manage) = (Scene::new(), FakeManage::new());
    let compute = scene.start("compute", &format!("{} -v", manage.address));
    let (mut peer, _control) = manage.welcome();
    assert!(matches!(next(&mut peer), Message::Speed(_)));
    assert!(matches!(next(&mut peer), Message::Request(_)));
    peer.tell(Range { lease: 1, first: 1, last: 5_000_000 });
    compute.log.line("lease 1: 1 to 5000000");
    drop(peer);
    compute.log.line(" is away: ");
    // A connection that it gets while it works is told which lease it works on, or what has come of it.
    let mut peer = manage.welcome().0;
    assert!(matches!(next(&mut peer), Message::Speed(_)));
    let found = next_result(&mut peer);
    assert_eq!((found.lease, found.tested), (1, 5_000_000));
    peer.tell(Accepted { lease: 1 });
    compute.signal(Signal::SIGTERM);
    assert_eq!(compute.wait_gone(), 0);
}

/// A compute that works on this range and has got somewhere.
fn busy(scene: &Scene, range: &Range) -> (Rc<Process>, Peer, Vec<Peer>) {
    let manage = FakeManage::new();
    let compute = scene.start("compute", &format!("{} -v", manage.address));
    let (mut peer, control) = manage.welcome();
    assert!(matches!(next(&mut peer), Message::Speed(_)));
    assert!(matches!(next(&mut peer), Message::Request(_)));
    peer.tell(range.clone());
    until("some progress", || match peer.hear() {
        Message::Alive(alive) if alive.tested > Some(0) => Some(()),
        _ => None,
    });
    (compute, peer, control)
}

#[track_caller]
fn check_part(found: &Found, of: &Range) {
    assert_eq!((found.lease, found.first), (of.lease, of.first));
    assert!(found.tested > 0 && found.last == found.first + found.tested - 1 && found.last < of.last, "{found:?}");
    let mut sum = aliquot::divisors::ClosedForm::new(found.first, found.last);
    sum.step(u64::MAX);
    assert_eq!(sum.result(), Some(found.sum));
}

#[test]
fn the_partial_result_of_an_ending_is_exact() {
    let (scene, range) = (Scene::new(), Range { lease: 3, first: 1_000, last: 1_000_000_000 });
    let (compute, mut peer, _control) = busy(&scene, &range);
    compute.signal(Signal::SIGTERM);
    check_part(&next_result(&mut peer), &range);
    peer.tell(Accepted { lease: 3 });
    assert_eq!(compute.wait_gone(), 0);
}

#[test]
fn a_recall_brings_what_is_tested_and_the_compute_works_on() {
    let (scene, range) = (Scene::new(), Range { lease: 3, first: 1_000, last: 1_000_000_000 });
    let (compute, mut peer, _control) = busy(&scene, &range);
    // Another lease is none of its business.
    peer.tell(Recall { lease: 2 });
    peer.tell(Recall { lease: 3 });
    check_part(&next_result(&mut peer), &range);
    assert!(matches!(next(&mut peer), Message::Request(_)));
    peer.tell(Accepted { lease: 3 });
    peer.tell(Range { lease: 4, first: 1, last: 500 });
    assert_eq!(next_result(&mut peer).perfect.0, [6, 28, 496]);
    assert!(matches!(next(&mut peer), Message::Request(_)));
    peer.tell(Accepted { lease: 4 });
    compute.signal(Signal::SIGTERM);
    assert_eq!(compute.wait_gone(), 0);
}
