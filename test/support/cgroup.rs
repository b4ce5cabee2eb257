//! A control group (cgroups(7), version 1) that bounds what the processes in it may have.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::unistd::{Pid, getpid};

use super::until;

/// Moves itself into the group of its first argument and becomes the rest.
const ENTER: &str = "echo $$ >\"$0/cgroup.procs\" && exec \"$@\"";

/// A group below that of the test program, so that whatever bounds the test still does. It goes when this is dropped:
/// the processes in it must have ended by then, so make it before the scene.
pub struct Cgroup(PathBuf);

impl Cgroup {
    /// A group of the controller `controller` without bounds; `None`, and a word about it, where the system has none.
    pub fn new(controller: &str) -> Option<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let own = fs::read_to_string("/proc/self/cgroup").expect("every process has its groups");
        let own = own.lines().find_map(|line| line.split_once(&format!(":{controller}:/")))?.1;
        let name = format!("aliquot-{}-{}", getpid(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = PathBuf::from("/sys/fs/cgroup").join(controller).join(own).join(name);
        let made = fs::create_dir(&path);
        if let Err(error) = &made {
            println!("skipped: no cgroup {}: {error}", path.display());
        }
        made.ok().map(|()| Self(path))
    }

    /// Sets a bound.
    pub fn set(&self, file: &str, value: &str) {
        fs::write(self.0.join(file), value).unwrap_or_else(|error| panic!("{file} = {value}: {error}"));
    }

    /// Moves a process into the group.
    pub fn take(&self, pid: Pid) {
        self.set("cgroup.procs", &pid.to_string());
    }

    /// The words that start a program in the group.
    pub fn wrapper(&self) -> [String; 4] {
        ["sh", "-c", ENTER, &self.0.display().to_string()].map(str::to_owned)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let removed = || fs::remove_dir(&self.0).ok();
        if std::thread::panicking() {
            let _ = removed();
        } else {
            until("an empty cgroup", removed);
        }
    }
}
