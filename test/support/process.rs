//! One program that a test has started, with all the processes that it has started in turn.

use std::cell::{Cell, RefCell};
use std::fmt::Write;
use std::fs::File;
use std::io::{Write as _, empty};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};

use nix::pty::openpty;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::family::{Member, group};
use super::output::Output;
use super::until;

/// What [`Process::wait`] gives for a process that was ended by SIGKILL.
pub const SIGKILL: i32 = -9;

/// A program that runs, or has run, in a process group of its own.
pub struct Process {
    command: String,
    pid: Pid,
    child: RefCell<Child>,
    status: Cell<Option<i32>>,
    /// Its standard output.
    pub stdout: Output,
    /// Its standard input, where that is a test's.
    input: RefCell<Option<File>>,
    /// Its standard error: its log.
    pub log: Output,
}

impl Process {
    /// Starts `command`.
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::begin(command, None)
    }

    /// Starts `command`; its standard input is what a test writes.
    pub fn start_with_input(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::begin(command, None)
    }

    /// Starts `command` with a terminal as its standard error.
    pub fn start_on_terminal(mut command: Command) -> Self {
        let terminal = openpty(None, None).expect("a terminal can be made");
        command.env("TERM", "xterm").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(terminal.slave);
        Self::begin(command, Some(terminal.master.into()))
    }

    /// Starts `command` at a terminal: what a test writes is typed, and all that comes on the screen is in `log`.
    pub fn start_at_terminal(mut command: Command) -> Self {
        let terminal = openpty(None, None).expect("a terminal can be made");
        let again = || terminal.slave.try_clone().expect("a descriptor can be copied");
        command.env("TERM", "xterm").stdin(again()).stdout(again()).stderr(again());
        let keyboard = terminal.master.try_clone().expect("a descriptor can be copied").into();
        let process = Self::begin(command, Some(terminal.master.into()));
        process.input.replace(Some(keyboard));
        process
    }

    /// `terminal` is the other side of its standard error, unless that is a pipe.
    fn begin(mut command: Command, terminal: Option<File>) -> Self {
        command.process_group(0);
        let shown = format!("{command:?}");
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
        let pid = Pid::from_raw(child.id().try_into().expect("a pid is positive"));
        let stdout = child.stdout.take().map_or_else(|| Output::of(empty()), Output::of);
        let log = match terminal {
            Some(terminal) => Output::of(terminal),
            None => Output::of(child.stderr.take().expect("it is piped")),
        };
        let input = RefCell::new(child.stdin.take().map(|stdin| File::from(OwnedFd::from(stdin))));
        Self { command: shown, pid, child: RefCell::new(child), status: Cell::new(None), stdout, log, input }
    }

    /// Writes to its standard input.
    pub fn type_in(&self, text: &str) {
        let mut input = self.input.borrow_mut();
        input.as_mut().expect("it is a test's").write_all(text.as_bytes()).expect("it is read");
    }

    /// Ends its standard input, if that is a pipe.
    pub fn end_input(&self) {
        self.input.replace(None);
    }

    /// Its pid, which is its group's as well.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends it a signal; it must not have been waited for yet.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid, signal).unwrap_or_else(|errno| panic!("kill {signal} {}: {errno}", self.command));
    }

    /// Sends it a signal, unless it has ended already.
    pub fn signal_if_running(&self, signal: Signal) {
        if self.status().is_none() {
            self.signal(signal);
        }
    }

    /// Sends a signal to the whole group at once, as a terminal does.
    pub fn signal_group(&self, signal: Signal) {
        killpg(self.pid, signal).unwrap_or_else(|errno| panic!("killpg {signal} {}: {errno}", self.command));
    }

    /// Its exit status if it has ended: the code, or the signal's number below zero.
    pub fn status(&self) -> Option<i32> {
        if self.status.get().is_none() {
            let ended = self.child.borrow_mut().try_wait().expect("it is this process's child");
            self.status.set(ended.map(|ended| ended.code().or(ended.signal().map(|n| -n)).expect("either is there")));
        }
        self.status.get()
    }

    /// Waits for its end; its exit status as in [`Self::status`].
    pub fn wait(&self) -> i32 {
        until(&format!("the end of {}", self.command), || self.status())
    }

    /// Waits until neither it nor any process that it has started is left; its exit status.
    pub fn wait_gone(&self) -> i32 {
        let status = self.wait();
        until(&format!("the end of all that was started by {}", self.command), || {
            self.members().is_empty().then_some(())
        });
        status
    }

    /// The processes of its group.
    pub fn members(&self) -> Vec<Member> {
        group(self.pid)
    }

    /// The processes that it has started itself.
    pub fn children(&self) -> Vec<Member> {
        self.members().into_iter().filter(|member| member.parent == self.pid).collect()
    }

    /// Its one child: of a compute, the control monitor.
    pub fn only_child(&self) -> Member {
        until("the one child", || <[Member; 1]>::try_from(self.children()).ok().map(|[child]| child))
    }

    /// Ends its group, and waits until that is done.
    pub fn destroy(&self) {
        let _ = killpg(self.pid, Signal::SIGKILL);
        self.wait_gone();
    }

    /// Its resident memory in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel tells");
        line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
    }

    /// What is to be known of it when a test has failed.
    pub fn evidence(&self) -> String {
        let mut evidence = format!("--- {}\n", self.command);
        let _ = match self.status() {
            Some(status) => writeln!(evidence, "status {status}"),
            None => writeln!(evidence, "still running: {:?}", self.members()),
        };
        let _ = write!(evidence, "stdout:\n{}stderr:\n{}", self.stdout.text(), self.log.text());
        evidence
    }
}
