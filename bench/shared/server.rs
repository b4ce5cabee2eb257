//! A server under measurement: a process of its own, which is started, loaded, asked what it has cost, and ended.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use aliquot::pow::load::drive::{Outcome, Plan, Watch, drive};
use aliquot::pow::load::exchange::Exchange;
use aliquot::pow::load::tally::What;
use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use crate::cores::Apart;

const START_MAX: Duration = Duration::from_secs(10);
/// A ledger, or redis's own file, is closed before a server has ended.
const END_MAX: Duration = Duration::from_secs(10);
const ANSWER_MAX: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(10);
/// Longest line that is asked for.
const LINE_MAX_BYTES: u64 = 1 << 16;

/// How one learns where a server listens.
#[derive(Clone, Copy)]
pub enum Ready {
    /// It logs `listening on ADDRESS`.
    Logs,
    /// It says its port on standard output.
    SaysPort,
    /// It was told to listen here, and does when it can be connected to.
    Listens(SocketAddr),
}

/// A server. It is gone when this is dropped.
pub struct Server {
    child: Child,
    /// What it logs goes on until it ends, and needs somebody to hold the pipe.
    _log: Option<BufReader<ChildStderr>>,
    address: SocketAddr,
}

/// What came of a load.
pub struct Measured {
    pub outcome: Outcome,
    /// The server's processor time for each reply, in µs.
    pub cost: f64,
}

impl Server {
    /// Runs the command, and waits until it listens.
    pub fn start(command: &mut Command, ready: Ready) -> Result<Self, String> {
        let pipe_if = |piped: bool| if piped { Stdio::piped() } else { Stdio::null() };
        command.stdin(Stdio::null());
        command.stdout(pipe_if(matches!(ready, Ready::SaysPort))).stderr(pipe_if(matches!(ready, Ready::Logs)));
        let child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        // From here on it is ended, whatever comes.
        let mut server = Self { child, _log: None, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        server.address = match ready {
            Ready::Logs => server.logged()?,
            Ready::SaysPort => server.said()?,
            Ready::Listens(address) => server.listens(address)?,
        };
        Ok(server)
    }

    /// `PROGRAM serve` with further options, on the first core or on all.
    pub fn serve(apart: Option<&Apart>, program: &str, options: &[&str]) -> Result<Self, String> {
        let mut command = apart.map_or_else(|| Command::new(program), |apart| apart.on_first(program));
        Self::start(command.args(["serve", "--listen", "127.0.0.1:0"]).args(options), Ready::Logs)
    }

    /// redis-server with further options, which may undo that it keeps nothing.
    pub fn redis(apart: &Apart, options: &[&str]) -> Result<Self, String> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.map_err(|error| error.to_string())?;
        let port = address.port().to_string();
        let mut command = apart.on_first("redis-server");
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--io-threads", "1"]);
        command.args(["--daemonize", "no", "--loglevel", "warning"]).args(options);
        Self::start(&mut command, Ready::Listens(address))
    }

    fn logged(&mut self) -> Result<SocketAddr, String> {
        let mut log = BufReader::new(self.child.stderr.take().ok_or("no log")?);
        let mut said = String::new();
        loop {
            let begin = said.len();
            if log.read_line(&mut said).map_err(|error| error.to_string())? == 0 {
                return Err(format!("it doesn't listen:\n{said}"));
            }
            if let Some((_, address)) = said[begin..].split_once("listening on ") {
                let address = address.trim().parse().map_err(|_| format!("{address:?} is no address"))?;
                self._log = Some(log);
                return Ok(address);
            }
        }
    }

    fn said(&mut self) -> Result<SocketAddr, String> {
        let mut port = String::new();
        let mut stdout = BufReader::new(self.child.stdout.take().ok_or("no output")?);
        stdout.read_line(&mut port).map_err(|error| error.to_string())?;
        let port: u16 = port.trim().parse().map_err(|_| format!("{port:?} is no port"))?;
        Ok(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    fn listens(&mut self, address: SocketAddr) -> Result<SocketAddr, String> {
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            if begin.elapsed() > START_MAX {
                return Err(format!("nobody listens on {address}"));
            }
            sleep(LOOK);
        }
        Ok(address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Loads it from one process. Every reply has to be right.
    pub fn load<E: Exchange>(
        &self,
        connections: usize,
        seconds: f64,
        make: impl Fn(usize) -> E,
    ) -> Result<Measured, String> {
        let plan = Plan { to: self.address, connections, processes: 1, seconds };
        let mut watch = Watch::open().map_err(|error| error.to_string())?;
        let before = self.used()?;
        let outcome = drive(&plan, &mut watch, make).map_err(|error| error.to_string())?;
        let cost = (self.used()? - before) * 1e6 / outcome.tally.of(What::Reply) as f64;
        let [resets, refused, wrong] = [What::Reset, What::Refused, What::Wrong].map(|what| outcome.tally.of(what));
        if outcome.interrupted {
            return Err("ended by a signal".to_owned());
        }
        if resets + refused + wrong > 0 {
            let sample = outcome.tally.sample().unwrap_or_default();
            return Err(format!("{}: {resets} resets, {refused} refused, {wrong} wrong: {sample}", self.address));
        }
        if outcome.opened < connections {
            return Err(format!("{}: {} of {connections} connections were open", self.address, outcome.opened));
        }
        Ok(Measured { outcome, cost })
    }

    /// The processor time that its threads have used, in seconds.
    fn used(&self) -> Result<f64, String> {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        let time = ClockId::pid_cpu_clock_id(pid).and_then(clock_gettime);
        time.map(|time| Duration::from(time).as_secs_f64()).map_err(|errno| format!("processor time: {errno}"))
    }

    /// The line that it answers to a line.
    pub fn ask(&self, request: &[u8]) -> Result<String, String> {
        let ask = || {
            let mut stream = TcpStream::connect(self.address)?;
            stream.set_read_timeout(Some(ANSWER_MAX))?;
            stream.write_all(request)?;
            let mut line = String::new();
            BufReader::new(stream.take(LINE_MAX_BYTES)).read_line(&mut line)?;
            Ok::<_, std::io::Error>(line.trim_end().to_owned())
        };
        ask().map_err(|error| format!("{}: {error}", request.escape_ascii()))
    }
}

impl Drop for Server {
    /// Tells it to end; what doesn't is killed.
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM);
        let begin = Instant::now();
        while begin.elapsed() < END_MAX && matches!(self.child.try_wait(), Ok(None)) {
            sleep(LOOK);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
