//! A collect under measurement: a process of its own, which is started, asked what it has cost, and ended.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::http;
use crate::cores::Apart;
use crate::usage::{self, Used};

/// On a disk, as a store has to be.
const DIRECTORY: &str = env!("CARGO_TARGET_TMPDIR");
const START_MAX: Duration = Duration::from_secs(10);
const END_MAX: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(5);
/// Lines of its log that say why it doesn't listen.
const LAST_LINES: usize = 10;

/// The process. It is gone when this is dropped; and when this process is gone, however that ends.
pub struct Collect {
    child: Child,
    folder: TempDir,
    /// Where it listens for agents,
    pub agents: SocketAddr,
    /// and where for Prometheus and browsers.
    pub http: SocketAddr,
}

impl Collect {
    /// Starts it with these options on the first core, and waits until it listens. Its store and its log are files.
    pub fn start(apart: &Apart, options: &[&str]) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("watch").tempdir_in(DIRECTORY);
        let folder = folder.map_err(|error| format!("{DIRECTORY}: {error}"))?;
        let log = File::create(folder.path().join("log")).map_err(|error| error.to_string())?;
        let pinned = apart.on_first(env!("CARGO_BIN_EXE_collect"));
        // It dies with its parent.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(pinned.get_program()).args(pinned.get_args());
        command.args(["--agents", "127.0.0.1:0", "--http", "127.0.0.1:0", "--store"]);
        command.arg(folder.path().join("collect.db")).args(options);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        let child = child.map_err(|error| format!("{command:?}: {error}"))?;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        // From here on it is ended, whatever comes.
        let mut collect = Self { child, folder, agents: nowhere, http: nowhere };
        (collect.agents, collect.http) = collect.places()?;
        Ok(collect)
    }

    /// Where it listens, as its log says.
    fn places(&mut self) -> Result<(SocketAddr, SocketAddr), String> {
        let begin = Instant::now();
        loop {
            let log = self.log();
            let said = log.lines().find_map(|line| line.split_once("listening on ")).map(|(_, places)| places);
            let mut places = said.unwrap_or_default().split([' ', '/']).filter_map(|word| word.parse().ok());
            if let (Some(agents), Some(http)) = (places.next(), places.next()) {
                return Ok((agents, http));
            }
            let ended = self.child.try_wait().map_or(true, |status| status.is_some());
            if ended || begin.elapsed() > START_MAX {
                let lines: Vec<_> = log.lines().collect();
                let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
                return Err(format!("collect doesn't listen:\n{last}"));
            }
            sleep(LOOK);
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn pid(&self) -> Pid {
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

    /// What it says of a sample of its own.
    pub fn value(&self, sample: &str) -> Result<u64, String> {
        let metrics = http::get(self.http, "/metrics", &[])?.text()?;
        let value = metrics.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse::<f64>().ok());
        value.map(|value| value as u64).ok_or_else(|| format!("collect says nothing of {sample}"))
    }
}

impl Drop for Collect {
    /// Tells it to end; if it doesn't it is killed.
    fn drop(&mut self) {
        let _ = kill(self.pid(), Signal::SIGTERM);
        let begin = Instant::now();
        while begin.elapsed() < END_MAX && matches!(self.child.try_wait(), Ok(None)) {
            sleep(LOOK);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
