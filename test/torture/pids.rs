//! Pids that are given out again, and a manage that is the first process of a container.

use std::fs;

use aliquot::common::message::{Message, Signal as Order};
use aliquot::common::signal::Ending;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{cases, is_root, kept};
use crate::support::{FakeManage, Manage, Member, Process, SIGKILL, Scene, until};

/// A container whose first process starts a compute, reaps it, and then does nothing: no pid is taken but by the test.
const CONTAINER: &str = "unshare --pid --fork --mount-proc sh -c";
const INIT: &str = "\"$0\" \"$@\" & wait $!; exec sleep 1000";

/// Gives the pid of a dead compute to a stranger, which any signal would end.
const STRANGER: &str = "echo $(($0 - 1)) >/proc/sys/kernel/ns_last_pid; sleep 1000; exit 3";

/// The pid of a process as it is known in its innermost namespace.
fn inner_pid(pid: Pid) -> i32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    pids.and_then(|pids| pids.split_whitespace().last()?.parse().ok()).expect("a process has a pid")
}

/// A compute in a container, beside a manage that says what the test says.
struct Container {
    scene: Scene,
    outer: std::rc::Rc<Process>,
    manage: FakeManage,
    first: Member,
    compute: Member,
    monitor: Member,
}

impl Container {
    fn new() -> Self {
        let (scene, manage) = (Scene::new(), FakeManage::new());
        let words = CONTAINER.split_whitespace().chain([INIT]);
        let outer = scene.start_by(words, "compute", &manage.address.to_string());
        let first = outer.only_child();
        let [compute, monitor] = [&first, &first].map(Member::clone);
        let mut container = Self { scene, outer, manage, first, compute, monitor };
        container.compute = until("the compute", || container.first.children().into_iter().next());
        container.monitor = until("its monitor", || container.compute.children().into_iter().next());
        container
    }

    /// Ends the compute, and gives its pid to a process that has nothing to do with it.
    fn give_pid_away(&self) -> Member {
        let pid = inner_pid(self.compute.pid);
        kill(self.compute.pid, Signal::SIGKILL).expect("it lives");
        until("the compute's end", || Member::of(self.compute.pid).is_none().then_some(()));
        let first = self.first.pid.to_string();
        let words = ["nsenter", "--target", &first, "--pid", "--mount", "sh", "-c", STRANGER, &pid.to_string()];
        let stranger = self.scene.start_command(&words);
        let has_pid = |member: &Member| member.name == "sleep" && inner_pid(member.pid) == pid;
        until("a stranger with its pid", || stranger.members().into_iter().find(has_pid))
    }

    /// The monitor leaves, and has left the stranger alone.
    fn check(&self, stranger: &Member) {
        until("the monitor's end", || {
            Member::of(self.monitor.pid).is_none_or(|monitor| monitor.state == 'Z').then_some(())
        });
        assert_eq!(
            Member::of(stranger.pid).map(|stranger| stranger.name),
            Some("sleep".to_owned()),
            "it was signalled"
        );
        self.outer.signal(Signal::SIGKILL);
        kill(self.first.pid, Signal::SIGKILL).expect("it lives");
        assert_eq!(self.outer.wait_gone(), SIGKILL);
    }

    /// Connections of the compute and its monitor, both welcomed.
    fn connections(&self) -> Vec<crate::support::Peer> {
        let (data, mut control) = self.manage.welcome();
        if control.is_empty() {
            let mut peer = self.manage.accept();
            assert!(matches!(peer.hear(), Message::Hello(_)));
            peer.say("<welcome version='1' method='trial' at='1'/>");
            control.push(peer);
        }
        control.push(data);
        control
    }
}

/// The monitor stands still while its compute dies, and finds both the order to signal and the end of its life-line.
fn hold_by_stop() {
    let container = Container::new();
    let mut connections = container.connections();
    kill(container.monitor.pid, Signal::SIGSTOP).expect("it lives");
    connections[0].tell(Order { name: Ending::Term });
    let stranger = container.give_pid_away();
    kill(container.monitor.pid, Signal::SIGCONT).expect("it lives");
    container.check(&stranger);
}

/// The monitor is held in the very system call that signals, after it has made sure of its parent.
fn hold_in_the_call() {
    let container = Container::new();
    let mut connections = container.connections();
    let monitor = container.monitor.pid.to_string();
    let calls = "kill,pidfd_send_signal";
    let (trace, delay) = (format!("trace={calls}"), format!("inject={calls}:delay_enter=2s"));
    let strace = container.scene.start_command(&["strace", "-p", &monitor, "-e", &trace, "-e", &delay]);
    strace.log.line("attached");
    connections[0].tell(Order { name: Ending::Term });
    until("the call", || is_signalling(container.monitor.pid).then_some(()));
    let stranger = container.give_pid_away();
    assert!(is_signalling(container.monitor.pid), "it was held for too short a time");
    container.check(&stranger);
}

/// True while a process is within kill(2) or pidfd_send_signal(2).
fn is_signalling(pid: Pid) -> bool {
    let call = fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
    let number = call.split_whitespace().next().and_then(|number| number.parse().ok());
    [nix::libc::SYS_kill, nix::libc::SYS_pidfd_send_signal].map(Some).contains(&number)
}

#[test]
fn a_stranger_with_the_pid_of_the_parent_is_never_signalled() {
    if !is_root("a PID namespace") {
        return;
    }
    let cases = cases(1, 25);
    (0..cases).for_each(|_| hold_by_stop());
    (0..cases).for_each(|_| hold_in_the_call());
    kept("a dead compute's pid is given to another", "its monitor never signals a stranger", 2 * cases, "");
}

/// Who is first in a container becomes the parent of those whose own has died.
#[test]
fn the_first_process_of_a_container_keeps_no_zombies() {
    if !is_root("a PID namespace") {
        return;
    }
    let cases = cases(3, 100);
    let scene = Scene::new();
    let words = ["unshare", "--pid", "--fork", "--mount-proc"];
    let manage = scene.manage_by(words, "--seconds 1000 --computes 1");
    let first = manage.only_child();
    for _ in 0..cases {
        check_orphan(&manage, &first);
    }
    kill(first.pid, Signal::SIGTERM).expect("it lives");
    assert_eq!(manage.wait_gone(), 0);
    kept("kill -9 of computes of a manage that is pid 1", "no zombies", cases, "");
}

/// A compute dies before its monitor, which is left to the first process.
fn check_orphan(manage: &Manage, first: &Member) {
    let compute = until("a compute", || first.children().into_iter().find(|child| !child.children().is_empty()));
    let monitor = compute.children().remove(0);
    kill(compute.pid, Signal::SIGKILL).expect("it lives");
    until("another compute, and no zombie", || {
        let members = manage.members();
        let gone = members.iter().all(|m| m.pid != compute.pid && m.pid != monitor.pid && m.state != 'Z');
        (gone && members.len() >= 4).then_some(())
    });
}
