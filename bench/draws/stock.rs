//! A server with numbers to draw, and an account of those that were.

use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use tempfile::TempDir;

use aliquot::pow::load::tally::What;

use crate::cores::Apart;
use crate::server::Server;

use super::asked::{Ask, Draws, Peer};
use super::redis;

/// Where cargo lets benchmarks write: on the disk that the build is on.
const DIRECTORY: &str = env!("CARGO_TARGET_TMPDIR");

/// Whether a draw outlives its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    No,
    /// It is synced to a file before it is answered.
    Synced,
    /// By loot its ledger, synced, is ahead of the draws: nobody waits for it. By redis as `Synced`.
    Ahead,
}

/// Far more than is drawn while a sync lasts.
pub const AHEAD: &str = "10000";

/// A server, and what it should have handed out.
pub struct Stock {
    server: Server,
    peer: Peer,
    size: u32,
    /// Numbers that have come,
    answered: u64,
    /// and those that may have been on their way when a load ended.
    unheard: u64,
    _directory: Option<TempDir>,
}

/// How a load went; of each number, but for the latencies, which are those of whole replies.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Numbers a second.
    pub rate: f64,
    /// The server's processor time for each, in µs.
    pub cost: f64,
    /// Half of the replies came within so many ms,
    pub half: f64,
    /// and 99 % of them.
    pub late: f64,
}

impl Stock {
    /// On the first core, or, without `apart`, wherever the system puts it.
    pub fn start(apart: Option<&Apart>, peer: Peer, size: u32, kept: Kept) -> Result<Self, String> {
        let directory = (kept != Kept::No).then(directory).transpose()?;
        let path = directory.as_ref().map(|directory| directory.path().display().to_string());
        let server = match peer {
            Peer::Loot => {
                let ledger = path.map_or_else(|| ":memory:".to_owned(), |path| format!("{path}/draws.ledger"));
                let size = size.to_string();
                let ahead = if kept == Kept::Ahead { AHEAD } else { "0" };
                let options = ["--threads", "1", "--size", &size, "--ledger", &ledger, "--ahead", ahead];
                Server::serve(apart, env!("CARGO_BIN_EXE_loot"), &options)?
            }
            Peer::Redis => redis::start(apart.ok_or("redis wants a core of its own")?, size, path.as_deref())?,
        };
        Ok(Self { server, peer, size, answered: 0, unheard: 0, _directory: directory })
    }

    /// Draws from it.
    pub fn load(&mut self, ask: Ask, connections: usize, seconds: f64) -> Result<Figures, String> {
        let measured = self.server.load(connections, seconds, |_| Draws::new(self.peer, ask, self.size))?;
        let (outcome, numbers) = (measured.outcome, ask.numbers());
        self.answered += outcome.tally.of(What::Reply) * numbers as u64;
        self.unheard += (connections * numbers) as u64;
        Ok(Figures {
            rate: outcome.rate() * numbers as f64,
            cost: measured.cost / numbers as f64,
            half: outcome.tally.quantile(0.5) * 1e3,
            late: outcome.tally.quantile(0.99) * 1e3,
        })
    }

    /// Compares what came with what the server has handed out; and it must not have run empty.
    pub fn check(&self) -> Result<(), String> {
        let drawn = match self.peer {
            Peer::Loot => self.says("drawn")?,
            Peer::Redis => self.size - redis::left(&self.server)?,
        };
        let (answered, most) = (self.answered, self.answered + self.unheard);
        if !(answered..=most).contains(&u64::from(drawn)) {
            return Err(format!("{:?}: {drawn} numbers drawn, {answered} to {most} expected", self.peer));
        }
        if drawn == self.size {
            return Err(format!("{:?}: all {drawn} numbers are drawn, before the end", self.peer));
        }
        Ok(())
    }

    /// The number that `loot serve` says to a word.
    pub fn says(&self, word: &str) -> Result<u32, String> {
        let reply = self.server.ask(format!("{word}\n").as_bytes())?;
        reply.parse().map_err(|_| format!("{word}: {reply}"))
    }

    pub fn server(&self) -> &Server {
        &self.server
    }
}

/// One of its own, in which a sync reaches a disk.
fn directory() -> Result<TempDir, String> {
    let kind = statfs(DIRECTORY).map_err(|errno| format!("{DIRECTORY}: {errno}"))?.filesystem_type();
    if kind == TMPFS_MAGIC {
        return Err(format!("{DIRECTORY} is in memory, where a sync costs nothing: set CARGO_TARGET_DIR"));
    }
    tempfile::Builder::new().prefix("draws").tempdir_in(DIRECTORY).map_err(|error| format!("{DIRECTORY}: {error}"))
}
