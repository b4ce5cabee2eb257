//! What answers: `pow serve`, redis-server or the server in Python.

use aliquot::pow::load::exchange::Proofs;
use aliquot::pow::puzzle::Difficulty;

use crate::cores::Apart;
use crate::server::{self, Measured, Ready};

use super::ping::Ping;

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/proofs/threading_server.py");

/// A server. It is gone when this is dropped.
pub struct Server {
    server: server::Server,
    /// It speaks redis's protocol.
    pings: bool,
}

impl Server {
    /// `pow serve` with further options.
    pub fn pow(apart: Option<&Apart>, options: &[&str]) -> Result<Self, String> {
        Ok(Self { server: server::Server::serve(apart, env!("CARGO_BIN_EXE_pow"), options)?, pings: false })
    }

    /// redis-server, which keeps nothing.
    pub fn redis(apart: &Apart) -> Result<Self, String> {
        Ok(Self { server: server::Server::redis(apart, &[])?, pings: true })
    }

    /// The server in Python.
    pub fn python(apart: &Apart) -> Result<Self, String> {
        let server = server::Server::start(apart.on_first("python3").arg(PYTHON), Ready::SaysPort)?;
        Ok(Self { server, pings: false })
    }

    pub fn address(&self) -> String {
        self.server.address().to_string()
    }

    /// Loads it from one process.
    pub fn load(&self, connections: usize, seconds: f64, difficulty: Option<u8>) -> Result<Measured, String> {
        if self.pings {
            return self.server.load(connections, seconds, |_| Ping);
        }
        let (seed, difficulty) = (fastrand::u64(..), difficulty.and_then(Difficulty::new));
        self.server.load(connections, seconds, |nth| Proofs::new(seed.wrapping_add(nth as u64), difficulty))
    }

    /// The hashes that `pow serve` has computed.
    pub fn hashes(&self) -> Result<f64, String> {
        let status: Option<serde_json::Value> = serde_json::from_str(&self.server.ask(b"\0status\n")?).ok();
        status.and_then(|status| status["hashes"].as_f64()).ok_or_else(|| "status: no hashes".to_owned())
    }
}
