//! `pow load`: many connections that ask a server for proofs, check all of its replies, and count them.
//!
//! `exchange` is what is said on a connection, `wire` a connection, `caller` a process that has some of them, `drive` all
//! processes, `tally` what came of it, `shown` how that is told. A benchmark drives other protocols by an `Exchange` of its own.

pub mod exchange;

pub mod tally;

mod wire;

mod caller;

pub mod drive;

pub mod shown;

use std::net::SocketAddr;

use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::net;
use crate::common::output;
use crate::common::process;
use crate::pow::PORT;
use crate::pow::options::Load;
use crate::pow::puzzle::Difficulty;

use drive::{Outcome, Plan, Watch, drive};
use exchange::Proofs;
use shown::Column;
use tally::What;

/// Loads a server, and prints what came of it.
///
/// # Errors
/// Unreachable, if no connection could be opened; failed, if a reply was wrong or none came.
pub fn run(options: &Load) -> Result<()> {
    let address = net::with_port(&options.address, PORT)?;
    let to = reachable(&address)?;
    let mut watch = Watch::open()?;
    let plan = Plan { to, connections: options.connections, processes: options.processes, seconds: options.seconds };
    if let Some(difficulties) = options.difficulties.clone() {
        return compare(&address, &plan, difficulties, &mut watch);
    }
    let outcome = ask(&plan, options.difficulty, &mut watch)?;
    watch.clear();
    output::print(shown::summary(&address, &plan, options.difficulty, &outcome).as_bytes())?;
    judge(&address, &outcome)?;
    let silent = outcome.tally.of(What::Reply) == 0 && !outcome.interrupted;
    if silent { Err(Error::new(Status::Failed, format!("server at {address}"), "no proof came")) } else { Ok(()) }
}

/// The server's address; of several, the first at which somebody listens.
fn reachable(address: &str) -> Result<SocketAddr> {
    let to = net::dial(address)?.peer_addr();
    to.map_err(|error| Error::new(Status::Unreachable, format!("server at {address}"), error))
}

fn ask(plan: &Plan, difficulty: Option<Difficulty>, watch: &mut Watch) -> Result<Outcome> {
    let seed = fastrand::u64(..);
    drive(plan, watch, |nth| Proofs::new(seed.wrapping_add(nth as u64), difficulty))
}

/// Measures each difficulty with many connections and with one a core, and prints the table of them.
fn compare(address: &str, plan: &Plan, difficulties: impl Iterator<Item = u8>, watch: &mut Watch) -> Result<()> {
    let cores = process::cores();
    let mut columns = Vec::new();
    for difficulty in difficulties {
        let asked = Difficulty::new(difficulty);
        let many = ask(plan, asked, watch)?;
        if watch.has_ended() {
            break;
        }
        let few = ask(&Plan { connections: cores, ..*plan }, asked, watch)?;
        if watch.has_ended() {
            break;
        }
        columns.push(Column { difficulty, many, few });
    }
    watch.clear();
    if columns.is_empty() {
        return Err(Error::new(Status::Failed, "load", "ended before a difficulty was measured"));
    }
    output::print(shown::table(&columns, plan.connections, cores).as_bytes())?;
    columns.iter().flat_map(|column| [&column.many, &column.few]).try_for_each(|outcome| {
        judge(address, outcome)?;
        let refused = outcome.tally.sample().filter(|_| outcome.tally.of(What::Reply) == 0);
        refused.map_or(Ok(()), |sample| Err(Error::new(Status::Failed, format!("server at {address}"), sample)))
    })
}

/// A server that has answered wrongly has failed.
fn judge(address: &str, outcome: &Outcome) -> Result<()> {
    let fail = |cause: String| Err(Error::new(Status::Failed, format!("server at {address}"), cause));
    match outcome.tally.of(What::Wrong) {
        0 => Ok(()),
        1 => fail("a reply was wrong".to_owned()),
        wrong => fail(format!("{wrong} replies were wrong")),
    }
}
