//! A small disk of its own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A tmpfs of so many KiB, mounted for as long as this lives.
pub struct Mount(PathBuf, u64);

impl Mount {
    /// Mounts so many KiB at `path`, which is made. Root alone may.
    pub fn new(path: PathBuf, kib: u64) -> Self {
        fs::create_dir(&path).expect("a directory can be made");
        let options = format!("size={kib}k,nr_inodes=16");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&path));
        Self(path, kib)
    }

    /// Fills it up with a file until `kib` KiB are left.
    pub fn leave(&self, kib: u64) -> PathBuf {
        let path = self.0.join("filler");
        fs::write(&path, vec![1; ((self.1 - kib) * 1024) as usize]).expect("there is room");
        path
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // What runs there may not have ended yet.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn run(command: &mut Command) {
    let status = command.status().expect("it can be run");
    assert!(status.success(), "{command:?}: {status}");
}
