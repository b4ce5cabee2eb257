//! Which core has what: the server the first, the load the last.

use std::process::Command;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

const THIS: Pid = Pid::from_raw(0);

/// Keeps this process, and those that it forks, on the last core; until it is dropped.
pub struct Apart(CpuSet);

impl Apart {
    pub fn stay() -> Result<Self, String> {
        let before = sched_getaffinity(THIS).map_err(|errno| format!("affinity: {errno}"))?;
        set(&[*allowed(&before).last().ok_or("no core")?])?;
        Ok(Self(before))
    }

    /// A command that runs `program` on the first core.
    pub fn on_first(&self, program: &str) -> Command {
        let mut command = Command::new("taskset");
        let first = allowed(&self.0).first().copied().unwrap_or(0);
        command.args(["-c", &first.to_string(), program]);
        command
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        let _ = sched_setaffinity(THIS, &self.0);
    }
}

fn allowed(cores: &CpuSet) -> Vec<usize> {
    (0..CpuSet::count()).filter(|core| cores.is_set(*core).unwrap_or(false)).collect()
}

fn set(cores: &[usize]) -> Result<(), String> {
    let mut set = CpuSet::new();
    cores.iter().try_for_each(|core| set.set(*core)).map_err(|errno| format!("affinity: {errno}"))?;
    sched_setaffinity(THIS, &set).map_err(|errno| format!("affinity: {errno}"))
}
