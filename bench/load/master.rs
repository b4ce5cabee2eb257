//! A manage under measurement: a process of its own on a core of its own, and the keys that it may have.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use aliquot::common::keys::KeyFile;
use aliquot::common::tls::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::usage::{self, Used};

const START_MAX: Duration = Duration::from_secs(60);
const END_MAX: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(1);

/// The process. It is gone when this is dropped.
pub struct Master {
    child: Child,
    /// Where it listens.
    pub address: String,
    /// From its start until it listened.
    pub took: Duration,
}

impl Master {
    /// Starts manage with these options on the first core, and waits until it listens. Its log is a file in `folder`.
    pub fn start(cores: &Cores, folder: &Path, options: &[&OsStr]) -> Result<Self, String> {
        let log = folder.join("manage.log");
        let stderr = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let mut command = cores.on_first(env!("CARGO_BIN_EXE_manage"));
        command.args(["--listen", "127.0.0.1:0"]).args(options);
        let begin = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn();
        let child = child.map_err(|error| format!("{command:?}: {error}"))?;
        let mut master = Self { child, address: String::new(), took: Duration::ZERO };
        master.address = master.await_address(&log)?;
        master.took = begin.elapsed();
        Ok(master)
    }

    fn await_address(&mut self, log: &PathBuf) -> Result<String, String> {
        let begin = Instant::now();
        loop {
            let said = fs::read_to_string(log).unwrap_or_default();
            let address = said.lines().find_map(|line| line.split_once("listening on ")).map(|(_, address)| address);
            if let Some(address) = address {
                return Ok(address.trim().to_owned());
            }
            let ended = self.child.try_wait().map_or(true, |status| status.is_some());
            if ended || begin.elapsed() > START_MAX {
                return Err(format!("manage doesn't listen:\n{said}"));
            }
            sleep(LOOK);
        }
    }

    /// Its pid.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// The memory that it has, in bytes.
    pub fn memory(&self) -> Result<u64, String> {
        usage::memory(self.pid())
    }

    /// The processor's time that it has used.
    pub fn used(&self) -> Result<Used, String> {
        usage::used(self.pid())
    }

    /// Tells it to end, and waits until it has.
    pub fn end(mut self) -> Result<(), String> {
        kill(self.pid(), Signal::SIGINT).map_err(|errno| format!("manage: {errno}"))?;
        let begin = Instant::now();
        while begin.elapsed() < END_MAX {
            if let Some(status) = self.child.try_wait().map_err(|error| error.to_string())? {
                return if status.success() { Ok(()) } else { Err(format!("manage has ended with {status}")) };
            }
            sleep(LOOK);
        }
        Err("manage doesn't end".to_owned())
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The directory of a manage's keys.
pub struct Keys(pub PathBuf);

impl Keys {
    /// Has manage make keys in `folder`.
    pub fn make(folder: &Path) -> Result<Self, String> {
        let keys = folder.join("keys");
        let mut command = Command::new(env!("CARGO_BIN_EXE_manage"));
        let made = command.arg("--init-keys").arg(&keys).stdout(Stdio::null()).status();
        let made = made.map_err(|error| format!("{command:?}: {error}"))?;
        if made.success() { Ok(Self(keys)) } else { Err(format!("{command:?}: {made}")) }
    }

    /// The key `name`.
    pub fn key(&self, name: &str) -> Result<KeyFile, String> {
        KeyFile::read(&self.0.join(format!("{name}.key"))).map_err(|error| error.to_string())
    }

    /// What a client with the key `name` begins sessions by.
    pub fn client(&self, name: &str) -> Result<Context, String> {
        let key = self.key(name)?;
        Context::client(key.secret, key.server).map_err(|error| error.to_string())
    }
}

/// The cores that this process might use when it started, by number.
pub struct Cores(Vec<String>);

impl Cores {
    /// Its first and its last core; none if it has but one.
    pub fn allowed() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
        // Runs, as in 0-3,8-11, whose ends are enough.
        let ends: Vec<_> = list.trim().split([',', '-']).map(str::to_owned).collect();
        Self(if ends.len() > 1 { ends } else { Vec::new() })
    }

    /// Keeps this process on the last.
    pub fn stay_on_last(&self) -> Result<(), String> {
        let Some(core) = self.0.last() else { return Ok(()) };
        let this = std::process::id().to_string();
        let done = Command::new("taskset").args(["-p", "-c", core, &this]).stdout(Stdio::null()).status();
        let done = done.map_err(|error| format!("taskset: {error}"))?;
        if done.success() { Ok(()) } else { Err(format!("taskset: {done}")) }
    }

    /// A command that runs `program` on the first.
    fn on_first(&self, program: &str) -> Command {
        let Some(core) = self.0.first() else { return Command::new(program) };
        let mut command = Command::new("taskset");
        command.args(["-c", core, program]);
        command
    }
}
