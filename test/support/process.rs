//! One program that a test has started, with all the processes that it has started in turn.

use std::cell::{Cell, RefCell};
use std::fmt::Write;
use std::fs::File;
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
    /// Its standard error: its log.
    pub log: Output,
}

impl Process {
    /// Starts `command`.
    pub fn start(mut command: Command) -> Self {
        command.stderr(Stdio::piped());
        Self::begin(command, None)
    }

    /// Starts `command` with a terminal as its standard error.
    pub fn start_on_terminal(mut command: Command) -> Self {
        let terminal = openpty(None, None).expect("a terminal can be made");
        command.env("TERM", "xterm").stderr(terminal.slave);
        Self::begin(command, Some(terminal.master.into()))
    }

    /// `terminal` is the other side of its standard error, unless that is a pipe.
    fn begin(mut command: Command, terminal: Option<File>) -> Self {
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped());
        let shown = format!("{command:?}");
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
        let pid = Pid::from_raw(child.id().try_into().expect("a pid is positive"));
        let stdout = Output::of(child.stdout.take().expect("it is piped"));
        let log = match terminal {
            Some(terminal) => Output::of(terminal),
            None => Output::of(child.stderr.take().expect("it is piped")),
        };
        Self { command: shown, pid, child: RefCell::new(child), status: Cell::new(None), stdout, log }
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
