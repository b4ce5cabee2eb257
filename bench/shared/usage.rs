//! What a process has, as /proc tells.

use std::fs;

use nix::unistd::Pid;

/// The unit of times in /proc, on every Linux but Alpha's.
const USER_HZ: f64 = 100.0;

/// The processor's time that a process has used, in seconds.
#[derive(Clone, Copy)]
pub struct Used {
    pub user: f64,
    pub system: f64,
}

/// The memory that it has, in bytes.
pub fn memory(pid: Pid) -> Result<u64, String> {
    let status = read(pid, "status")?;
    let size = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    size.map(|kib: u64| kib * 1024).ok_or_else(|| "no VmRSS".to_owned())
}

/// The processor's time that it has used.
pub fn used(pid: Pid) -> Result<Used, String> {
    let stat = read(pid, "stat")?;
    // The name, which may hold anything, ends with the last parenthesis. proc_pid_stat(5): utime is the 14th field.
    let fields: Vec<_> = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').collect();
    let ticks = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<f64>().ok());
    let (Some(user), Some(system)) = (ticks(14), ticks(15)) else { return Err(format!("stat: {stat}")) };
    Ok(Used { user: user / USER_HZ, system: system / USER_HZ })
}

fn read(pid: Pid, file: &str) -> Result<String, String> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
}
