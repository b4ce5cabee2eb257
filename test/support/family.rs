//! Who is alive, as /proc tells.

use std::fs;

use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, getpid};

/// A process of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its pid.
    pub pid: Pid,
    /// Its program.
    pub name: String,
    /// `R`, `S`, `Z` for a zombie, …: proc(5).
    pub state: char,
    /// Its parent's pid.
    pub parent: Pid,
    /// Its process group.
    pub group: Pid,
    /// Its nice value.
    pub nice: i32,
    /// The processor time that it has used, in hundredths of a second.
    pub ticks: i32,
}

impl Member {
    /// The process `pid`, if there is one.
    pub fn of(pid: Pid) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in parentheses and may hold anything; everything behind it is numbers.
        let (head, rest) = stat.rsplit_once(") ")?;
        let fields: Vec<_> = rest.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<i32>().ok();
        Some(Self {
            pid,
            name: head.split_once('(')?.1.to_owned(),
            state: fields.first()?.chars().next()?,
            parent: Pid::from_raw(number(1)?),
            group: Pid::from_raw(number(2)?),
            nice: number(16)?,
            ticks: number(11)? + number(12)?,
        })
    }

    /// Its children.
    pub fn children(&self) -> Vec<Self> {
        group(self.group).into_iter().filter(|other| other.parent == self.pid).collect()
    }
}

/// All processes of the group `leader`, zombies included.
///
/// The test program is a subreaper (prctl(2)): whoever loses its parent becomes the test's child, and is reaped here as
/// init would do it. So a zombie in the answer is one that its own parent has forgotten.
pub fn group(leader: Pid) -> Vec<Member> {
    let Ok(listing) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = listing.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let members = pids.filter_map(|pid| Member::of(Pid::from_raw(pid))).filter(|member| member.group == leader);
    members.filter(|member| !is_reaped(member, leader)).collect()
}

fn is_reaped(member: &Member, leader: Pid) -> bool {
    let adopted = member.state == 'Z' && member.pid != leader && member.parent == getpid();
    adopted && waitpid(member.pid, Some(WaitPidFlag::WNOHANG)).is_ok()
}
