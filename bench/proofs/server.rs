//! A server under measurement: `pow serve`, redis-server or the one in Python.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use aliquot::pow::load::drive::{Outcome, Plan, Watch, drive};
use aliquot::pow::load::exchange::{Exchange, Proofs};
use aliquot::pow::load::tally::What;
use aliquot::pow::puzzle::Difficulty;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::cores::Apart;
use super::ping::Ping;

const START_MAX: Duration = Duration::from_secs(10);
const ANSWER_MAX: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(10);
/// The unit of times in /proc, on every Linux but Alpha's.
const USER_HZ: f64 = 100.0;
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/proofs/threading_server.py");

/// A server. It is gone when this is dropped.
pub struct Server {
    child: Child,
    /// What it logs goes on until it ends, and needs somebody to hold the pipe.
    _log: Option<BufReader<ChildStderr>>,
    address: SocketAddr,
    /// It speaks redis's protocol.
    pings: bool,
}

/// What came of a load.
pub struct Measured {
    pub outcome: Outcome,
    /// The server's processor time for each reply, in µs.
    pub cost: f64,
}

impl Server {
    /// `pow serve` with further options.
    pub fn pow(apart: Option<&Apart>, options: &[&str]) -> Result<Self, String> {
        let program = env!("CARGO_BIN_EXE_pow");
        let mut command = apart.map_or_else(|| Command::new(program), |apart| apart.on_first(program));
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(options).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = spawn(&mut command)?;
        let mut log = BufReader::new(child.stderr.take().ok_or("no log")?);
        let mut said = String::new();
        loop {
            let begin = said.len();
            if log.read_line(&mut said).map_err(|error| error.to_string())? == 0 {
                return Err(format!("pow serve doesn't listen:\n{said}"));
            }
            if let Some((_, address)) = said[begin..].split_once("listening on ") {
                let address = parse(address)?;
                return Ok(Self { child, _log: Some(log), address, pings: false });
            }
        }
    }

    /// redis-server, which keeps nothing.
    pub fn redis(apart: &Apart) -> Result<Self, String> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.map_err(|error| error.to_string())?;
        let port = address.port().to_string();
        let mut command = apart.on_first("redis-server");
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--io-threads", "1"]);
        let child = spawn(
            command.args(["--daemonize", "no", "--loglevel", "warning"]).stdout(Stdio::null()).stderr(Stdio::null()),
        )?;
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            if begin.elapsed() > START_MAX {
                return Err("redis-server doesn't listen".to_owned());
            }
            sleep(LOOK);
        }
        Ok(Self { child, _log: None, address, pings: true })
    }

    /// The server in Python.
    pub fn python(apart: &Apart) -> Result<Self, String> {
        let mut child = spawn(apart.on_first("python3").arg(PYTHON).stdout(Stdio::piped()).stderr(Stdio::null()))?;
        let mut port = String::new();
        let mut stdout = BufReader::new(child.stdout.take().ok_or("no output")?);
        stdout.read_line(&mut port).map_err(|error| error.to_string())?;
        Ok(Self { child, _log: None, address: parse(&format!("127.0.0.1:{}", port.trim()))?, pings: false })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Loads it from one process.
    pub fn load(&self, connections: usize, seconds: f64, difficulty: Option<u8>) -> Result<Measured, String> {
        let before = self.used()?;
        let outcome = if self.pings {
            self.drive(connections, seconds, |_| Ping)?
        } else {
            let (seed, difficulty) = (fastrand::u64(..), difficulty.and_then(Difficulty::new));
            self.drive(connections, seconds, |nth| Proofs::new(seed.wrapping_add(nth as u64), difficulty))?
        };
        let [resets, refused, wrong] = [What::Reset, What::Refused, What::Wrong].map(|what| outcome.tally.of(what));
        if outcome.interrupted {
            return Err("ended by a signal".to_owned());
        }
        if resets + refused + wrong > 0 {
            return Err(format!("{}: {resets} resets, {refused} refused, {wrong} wrong", self.address));
        }
        let cost = (self.used()? - before) * 1e6 / outcome.tally.of(What::Reply) as f64;
        Ok(Measured { outcome, cost })
    }

    fn drive<E: Exchange>(
        &self,
        connections: usize,
        seconds: f64,
        make: impl Fn(usize) -> E,
    ) -> Result<Outcome, String> {
        let plan = Plan { to: self.address, connections, processes: 1, seconds };
        let mut watch = Watch::open().map_err(|error| error.to_string())?;
        drive(&plan, &mut watch, make).map_err(|error| error.to_string())
    }

    /// The processor time that it has used, in seconds.
    fn used(&self) -> Result<f64, String> {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        // The name, which may hold anything, ends with the last parenthesis. proc_pid_stat(5): utime is the 14th field.
        let fields: Vec<_> = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').collect();
        let ticks = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<f64>().ok());
        let (Some(user), Some(system)) = (ticks(14), ticks(15)) else { return Err(format!("stat: {stat}")) };
        Ok((user + system) / USER_HZ)
    }

    /// The hashes that `pow serve` has computed.
    pub fn hashes(&self) -> Result<f64, String> {
        let ask = || {
            let mut stream = TcpStream::connect(self.address)?;
            stream.set_read_timeout(Some(ANSWER_MAX))?;
            stream.write_all(b"\0status\n")?;
            let mut line = Vec::new();
            BufReader::new(stream.take(1 << 16)).read_until(b'\n', &mut line)?;
            Ok::<_, std::io::Error>(line)
        };
        let line = ask().map_err(|error| format!("status: {error}"))?;
        let status: Option<serde_json::Value> = serde_json::from_slice(&line).ok();
        status.and_then(|status| status["hashes"].as_f64()).ok_or_else(|| "status: no hashes".to_owned())
    }
}

impl Drop for Server {
    /// Tells it to end; what doesn't is killed.
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM);
        let begin = Instant::now();
        while begin.elapsed() < START_MAX && matches!(self.child.try_wait(), Ok(None)) {
            sleep(LOOK);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(command: &mut Command) -> Result<Child, String> {
    // What isn't piped already is of no interest.
    command.stdin(Stdio::null());
    command.spawn().map_err(|error| format!("{command:?}: {error}"))
}

fn parse(address: &str) -> Result<SocketAddr, String> {
    address.trim().parse().map_err(|_| format!("{address:?} is no address"))
}
