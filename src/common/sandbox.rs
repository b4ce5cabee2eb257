//! Giving up what a program doesn't need: root's rights, files, connections, system calls. What was given up can't be had
//! back, by this process or by any that it starts; who gets into one of them gets little with it.
//!
//! Landlock bounds files, TCP connections and signals, a seccomp filter refuses calls that neither program ever makes.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, Scope, path_beneath_rules,
};
use nix::unistd::{Gid, Uid, User, initgroups, setgid, setuid};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use super::error::{Error, Result};
use super::exit::Status;

/// The newest rules that are asked for; an older kernel gets those that it knows. Later ones would also bar the sockets
/// through which names are looked up.
const NEWEST: ABI = ABI::V6;

/// What looking up a name and starting a program read: settings, libraries, the state of processes. No homes, no data, and no
/// programs: the loader that starts one would start any that it can read.
const SYSTEM_FILES: &[&str] = &[
    "/etc",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share/zoneinfo",
    "/nix/store",
    "/run",
    "/proc",
    "/sys",
    "/dev/null",
    "/dev/urandom",
];

/// Where a name server listens when an answer is too long for a datagram.
const DNS_PORT: u16 = 53;

/// What a program goes on to need.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Files, or whole directories, that it reads and writes.
    pub writes: Vec<PathBuf>,
    /// The directory in which it removes files.
    pub removes: Option<PathBuf>,
    /// What it reads beside the system's own files.
    pub reads: Vec<PathBuf>,
    /// The program that it starts, if any.
    pub starts: Option<PathBuf>,
    /// The TCP ports that it, or what it starts, connects to.
    pub connects: Vec<u16>,
    /// Whom it may signal is settled already, by `enclose`.
    pub is_enclosed: bool,
}

/// Bounds whom this process, and all that it starts from here on, may signal: each other, and nobody else. A child that is forked
/// before `enter` could else not be signalled by its parent: not killed, nor by the parent's death.
///
/// # Errors
/// When the kernel has the means and refuses it.
pub fn enclose() -> Result<()> {
    let restrict = || {
        let scopes = Scope::from_all(NEWEST);
        Ruleset::default().scope(scopes)?.create()?.restrict_self()
    };
    restrict().map(drop).map_err(|error: RulesetError| Error::new(Status::Failed, "sandbox", error))
}

/// Gives up all that isn't needed; says what was put up, and what this kernel lacks.
///
/// # Errors
/// When the kernel has a means and refuses it.
pub fn enter(needs: &Needs) -> Result<String> {
    let failed = |cause: &dyn std::fmt::Display| Error::new(Status::Failed, "sandbox", cause);
    nix::sys::prctl::set_no_new_privs().map_err(|errno| failed(&errno))?;
    let files = restrict_files(needs).map_err(|error| failed(&error))?;
    let calls = restrict_calls(needs.starts.is_none()).map_err(|error| failed(&error))?;
    let writes: Vec<_> = needs.writes.iter().map(|path| path.display().to_string()).collect();
    let starts = needs.starts.as_ref().map_or("nothing".to_owned(), |path| path.display().to_string());
    let ports: Vec<_> = needs.connects.iter().map(|port| format!("to port {port}")).collect();
    let connects = if ports.is_empty() { "nowhere".to_owned() } else { ports.join(" and ") };
    let writes = if writes.is_empty() { "nowhere".to_owned() } else { writes.join(" and ") };
    Ok(format!("sandbox: writes {writes}, starts {starts}, connects {connects}; no new privileges, {files}, {calls}"))
}

/// Files, TCP connections, signals and abstract sockets: Landlock.
fn restrict_files(needs: &Needs) -> std::result::Result<String, RulesetError> {
    let (read, execute) = (AccessFs::from_read(NEWEST) & !AccessFs::Execute, BitFlags::from(AccessFs::Execute));
    let write = AccessFs::from_all(NEWEST) & !AccessFs::Execute;
    let started = needs.starts.iter().cloned().chain(needs.starts.as_ref().and_then(|path| loader_of(path)));
    let ports = needs.connects.iter().copied().chain(needs.connects.first().map(|_| DNS_PORT));
    let rules =
        Ruleset::default().handle_access(AccessFs::from_all(NEWEST))?.handle_access(AccessNet::from_all(NEWEST))?;
    let rules = if needs.is_enclosed { rules } else { rules.scope(Scope::from_all(NEWEST))? };
    let status = rules
        .create()?
        .add_rules(path_beneath_rules(SYSTEM_FILES, read))?
        .add_rules(path_beneath_rules(&needs.reads, read))?
        .add_rules(path_beneath_rules(&needs.writes, write))?
        .add_rules(path_beneath_rules(&needs.removes, AccessFs::ReadDir | AccessFs::RemoveFile))?
        .add_rules(path_beneath_rules(started, read | execute))?
        .add_rules(ports.map(|port| Ok::<_, RulesetError>(NetPort::new(port, AccessNet::ConnectTcp))))?
        .restrict_self()?;
    Ok(match status.landlock {
        LandlockStatus::Available { effective_abi, .. } if effective_abi >= NEWEST => "Landlock".to_owned(),
        LandlockStatus::Available { effective_abi, .. } => {
            let lacks = if effective_abi < ABI::V4 { "connections and signals are" } else { "signals are" };
            format!("Landlock of ABI {}: {lacks} NOT bound by this kernel", effective_abi as i32)
        }
        _ => "NO Landlock in this kernel: files, connections and signals are not bound".to_owned(),
    })
}

/// The dynamic loader that `program` names in its headers (elf(5), `PT_INTERP`): starting the one starts the other.
fn loader_of(program: &Path) -> Option<PathBuf> {
    let mut head = Vec::new();
    File::open(program).ok()?.take(HEADERS_MAX_BYTES).read_to_end(&mut head).ok()?;
    let number = |at: usize, bytes: usize| {
        let field = head.get(at..at.checked_add(bytes)?)?;
        Some(field.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    };
    let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    let headers = (0..count).map(|nth| table.saturating_add(nth * size));
    let loader = headers.into_iter().find(|at| number(*at, 4) == Some(PT_INTERP))?;
    let (begin, length) = (number(loader + 8, 8)?, number(loader + 32, 8)?);
    let path = head.get(begin..begin.checked_add(length)?)?.strip_suffix(&[0])?;
    Some(OsStr::from_bytes(path).into())
}

/// System calls: seccomp. Without `exec` a program can start no other, by whatever way.
fn restrict_calls(without_exec: bool) -> std::result::Result<String, String> {
    let Ok(arch) = std::env::consts::ARCH.try_into() else {
        return Ok("NO seccomp filter for this processor".to_owned());
    };
    let exec = EXEC_CALLS.iter().filter(|_| without_exec);
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = CALLS.iter().chain(exec).map(|call| (*call, Vec::new())).collect();
    rules.insert(nix::libc::SYS_socket, vec![other_sockets().map_err(|error| error.to_string())?]);
    let refused = SeccompAction::Errno(nix::libc::EPERM as u32);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, arch);
    let program: BpfProgram = filter.and_then(TryInto::try_into).map_err(|error| error.to_string())?;
    match seccompiler::apply_filter(&program) {
        Ok(()) => Ok("seccomp".to_owned()),
        Err(seccompiler::Error::Seccomp(error)) if error.raw_os_error() == Some(nix::libc::EINVAL) => {
            Ok("NO seccomp in this kernel".to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Sockets of other families than those that looking up a name and TCP need.
fn other_sockets() -> std::result::Result<SeccompRule, seccompiler::BackendError> {
    let needed = [nix::libc::AF_UNIX, nix::libc::AF_INET, nix::libc::AF_INET6, nix::libc::AF_NETLINK];
    let is_not = |family: i32| {
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, u64::from(family.unsigned_abs()))
    };
    SeccompRule::new(needed.into_iter().map(is_not).collect::<std::result::Result<_, _>>()?)
}

/// Where the headers of a program end at the latest, its loader's name included; linkers put them first.
const HEADERS_MAX_BYTES: u64 = 4096;
/// The type of the header that says where the loader's name stands.
const PT_INTERP: usize = 3;

/// Ways to become another program.
const EXEC_CALLS: &[i64] = &[nix::libc::SYS_execve, nix::libc::SYS_execveat];

/// Calls that neither program makes once it runs: into other processes, the kernel, mounts, namespaces, clocks, keys; and
/// listening on anything more.
const CALLS: &[i64] = {
    use nix::libc::*;
    &[
        SYS_acct,
        SYS_add_key,
        SYS_adjtimex,
        SYS_bpf,
        SYS_chroot,
        SYS_clock_adjtime,
        SYS_clock_settime,
        SYS_delete_module,
        SYS_finit_module,
        SYS_fsconfig,
        SYS_fsmount,
        SYS_fsopen,
        SYS_fspick,
        SYS_init_module,
        SYS_io_uring_enter,
        SYS_io_uring_register,
        SYS_io_uring_setup,
        SYS_kcmp,
        SYS_kexec_load,
        SYS_keyctl,
        SYS_listen,
        SYS_memfd_create,
        SYS_mount,
        SYS_mount_setattr,
        SYS_move_mount,
        SYS_name_to_handle_at,
        SYS_open_by_handle_at,
        SYS_open_tree,
        SYS_perf_event_open,
        SYS_personality,
        SYS_pidfd_getfd,
        SYS_pivot_root,
        SYS_process_madvise,
        SYS_process_vm_readv,
        SYS_process_vm_writev,
        SYS_ptrace,
        SYS_quotactl,
        SYS_reboot,
        SYS_request_key,
        SYS_setdomainname,
        SYS_sethostname,
        SYS_setns,
        SYS_settimeofday,
        SYS_swapoff,
        SYS_swapon,
        SYS_umount2,
        SYS_unshare,
        SYS_userfaultfd,
    ]
};

/// True if this process has root's rights.
#[must_use]
pub fn is_root() -> bool {
    Uid::effective().is_root()
}

/// Becomes `name` for good: its user, group and further groups.
///
/// # Errors
/// Usage, if there is no such user, or this process isn't root and so can't become anybody.
pub fn become_user(name: &str) -> Result<()> {
    let (uid, gid) = user(name)?;
    if Uid::current() == uid && Uid::effective() == uid {
        return Ok(());
    }
    if !is_root() {
        return Err(Error::new(Status::Usage, format!("--user {name}"), "only root can become another user"));
    }
    let failed = |errno: nix::Error| Error::new(Status::Failed, format!("--user {name}"), errno);
    let cname = CString::new(name).map_err(|error| Error::new(Status::Usage, "--user", error))?;
    initgroups(&cname, gid).and_then(|()| setgid(gid)).and_then(|()| setuid(uid)).map_err(failed)
}

/// The user `name` and its group.
///
/// # Errors
/// Usage, if there is none.
pub fn user(name: &str) -> Result<(Uid, Gid)> {
    let usage = |cause: String| Error::new(Status::Usage, format!("--user {name}"), cause);
    let found = User::from_name(name).map_err(|errno| usage(errno.to_string()))?;
    found.map(|user| (user.uid, user.gid)).ok_or_else(|| usage("there is no such user".to_owned()))
}
