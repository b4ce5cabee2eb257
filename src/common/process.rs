//! Processes: fork, wait, kill, priority. The one home of `unsafe` beside the kernels.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigHandler, Signal, kill as kill_pid, signal as signal_action};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{ForkResult, getpid, getppid};

use super::clock;
use super::error::{Error, Result};
use super::exit::Status;
use super::limits::CHILD_EXIT_LOOK_MS;
use super::poll::{Interest, Set};
use super::signal::Ending;

pub use nix::unistd::Pid;

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this status.
    Exited(i32),
    /// A signal, by its number, ended it.
    Signalled(i32),
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "status {status}"),
            Self::Signalled(number) => write!(f, "signal {number}"),
        }
    }
}

/// Forks. The child keeps standard input, output and error and the descriptors in `keep`, runs `body`, and leaves
/// with its value by `_exit`: nothing of the parent's is flushed, dropped or unwound in it.
///
/// # Errors
/// When the system refuses another process, or when this process has threads, which a child would be without.
pub fn fork(keep: &[BorrowedFd<'_>], body: impl FnOnce() -> Status) -> Result<Pid> {
    if threads() != 1 {
        return Err(Error::new(Status::Failed, "fork", "this process has threads"));
    }
    // SAFETY: with one thread, no lock can be held by another at the moment of the fork.
    match unsafe { nix::unistd::fork() } {
        Err(errno) => Err(Error::new(Status::Failed, "fork", errno)),
        Ok(ForkResult::Parent { child }) => Ok(child),
        Ok(ForkResult::Child) => {
            close_all_but(keep);
            let status = body();
            // SAFETY: always sound; it ends the process without running anything of the parent's.
            unsafe { libc::_exit(status as i32) }
        }
    }
}

/// How many threads this process has, as /proc tells; 1 where it can't be read.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}

/// Closes what a child has inherited: a copy of a socket kept open would hide its owner's death from the other side.
fn close_all_but(keep: &[BorrowedFd<'_>]) {
    let close = |fd: RawFd| {
        if fd > 2 && !keep.iter().any(|kept| kept.as_raw_fd() == fd) {
            // SAFETY: the child never touches the parent's owners of these descriptors again: it leaves by `_exit`.
            unsafe { libc::close(fd) };
        }
    };
    let open = descriptors().or_else(|| {
        // They have run out, and none is left to list them with: of so many, one at least is closed.
        (0..=3 + keep.len()).filter_map(|fd| fd.try_into().ok()).for_each(close);
        descriptors()
    });
    open.into_iter().flatten().for_each(close);
}

/// The numbers of this process's descriptors, as /proc tells.
fn descriptors() -> Option<Vec<RawFd>> {
    let listing = std::fs::read_dir("/proc/self/fd").ok()?;
    Some(listing.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// Undoes a parent's `trap '' CHLD`, which exec(2) keeps: the system would then reap children itself, and nobody would
/// learn how they ended.
pub fn keep_ended_children() {
    // SAFETY: the default disposition runs no code of this program.
    let _ = unsafe { signal_action(Signal::SIGCHLD, SigHandler::SigDfl) };
}

/// Takes the end of `child` if it has ended; `None` while it lives.
pub fn reap(child: Pid) -> Option<Ended> {
    match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::Exited(_, status)) => Some(Ended::Exited(status)),
        Ok(WaitStatus::Signaled(_, signal, _)) => Some(Ended::Signalled(signal as i32)),
        Err(Errno::ECHILD) => Some(Ended::Exited(Status::Failed as i32)),
        _ => None,
    }
}

/// Takes the ends of all children but `own`, which their owners look after.
pub fn reap_all_but(own: &[Pid]) {
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    while let Some(pid) = waitid(Id::All, look).ok().and_then(|status| status.pid()).filter(|pid| !own.contains(pid)) {
        let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
    }
}

/// Waits until `child`, which was killed, is gone.
pub fn wait(child: Pid) {
    let _ = waitpid(child, None);
}

/// Waits until `child` has left, of which the hang-up of `line` is the first sign; kills it if it hasn't within `max_ms`.
pub fn await_end(child: Pid, line: BorrowedFd<'_>, max_ms: u64) {
    let deadline = clock::now().after(max_ms);
    while reap(child).is_none() {
        let now = clock::now();
        if now >= deadline {
            destroy(child);
            return wait(child);
        }
        let mut set = Set::new();
        set.add(line, Interest::End);
        let _ = set.wait(now.until(deadline).min(Duration::from_millis(CHILD_EXIT_LOOK_MS)));
    }
}

/// Sends `ending` to this process itself: the one path of all endings.
pub fn signal_self(ending: Ending) -> Result<()> {
    kill_pid(getpid(), ending.signal()).map_err(|errno| Error::new(Status::Failed, "kill", errno))
}

/// The process that has forked this one, whoever has its number by now.
#[derive(Debug)]
pub struct Parent {
    pid: Pid,
    /// A pidfd, where the system has them.
    itself: Option<OwnedFd>,
}

impl Parent {
    /// The parent of this process, which had the pid `pid` when it forked.
    #[must_use]
    pub fn new(pid: Pid) -> Self {
        Self { pid, itself: pidfd(pid) }
    }

    /// Sends it `ending`; false if it is gone. getppid(2) changes at once when a parent dies, so a process that has
    /// got its number before the call is never signalled; and none that gets it after the call, thanks to the pidfd.
    pub fn signal(&self, ending: Ending) -> bool {
        if getppid() != self.pid {
            return false;
        }
        match &self.itself {
            Some(pidfd) => signal_by_pidfd(pidfd, ending),
            None => kill_pid(self.pid, ending.signal()).is_ok(),
        }
    }
}

/// What names the process `pid` even when its number is another's.
#[cfg(target_os = "linux")]
fn pidfd(pid: Pid) -> Option<OwnedFd> {
    // SAFETY: pidfd_open(2) takes two numbers and touches no memory.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    // SAFETY: the descriptor is new, so nobody else owns it.
    RawFd::try_from(fd).ok().filter(|fd| *fd >= 0).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(target_os = "linux")]
fn signal_by_pidfd(pidfd: &OwnedFd, ending: Ending) -> bool {
    let (fd, signal, info) = (pidfd.as_raw_fd(), ending.signal() as i32, std::ptr::null::<libc::siginfo_t>());
    // SAFETY: pidfd_send_signal(2) allows its third argument, what it would tell of the signal, to be null.
    unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, info, 0) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn pidfd(_: Pid) -> Option<OwnedFd> {
    None
}

#[cfg(not(target_os = "linux"))]
fn signal_by_pidfd(_: &OwnedFd, _: Ending) -> bool {
    false
}

/// Sends `ending` to `child`, which must not have been reaped yet.
pub fn signal(child: Pid, ending: Ending) {
    let _ = kill_pid(child, ending.signal());
}

/// True if `pid` is the parent of this process.
#[must_use]
pub fn is_parent(pid: i32) -> bool {
    getppid().as_raw() == pid
}

/// Ends `child`, which must not have been reaped yet, with SIGKILL.
pub fn destroy(child: Pid) {
    let _ = kill_pid(child, Signal::SIGKILL);
}

/// This process's pid.
#[must_use]
pub fn this() -> Pid {
    getpid()
}

/// Lowers this process's priority by `increment` (nice(1)); the children inherit it.
pub fn lower_priority(increment: i32) {
    // SAFETY: nice(2) takes a number and touches no memory. That it may fail is of no consequence.
    unsafe { libc::nice(increment) };
}

/// This host's name, as gethostname(2) has it.
#[must_use]
pub fn host_name() -> String {
    nix::unistd::gethostname().map_or_else(|_| "localhost".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// How many processes can run at once here: affinity and the cgroup's quota are respected.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Lets this process have as many descriptors as the system allows it, and says how many that are.
pub fn raise_descriptor_limit() -> usize {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
    getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft.try_into().unwrap_or(usize::MAX))
}
