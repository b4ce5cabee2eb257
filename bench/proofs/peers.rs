//! Replies a second at difficulty 0, where nothing is searched: what a server costs beside the hash.

use crate::cores::Apart;
use crate::figures::median;

use super::server::Server;

const CONNECTIONS: usize = 100;
const ROUNDS: usize = 9;
const SECONDS: f64 = 2.0;
/// What is thrown away at first.
const WARM_UP_SECONDS: f64 = 0.5;

/// Measures all in turns, so that whatever else the machine does hits each of them; a table.
pub fn measure() -> Result<String, String> {
    let apart = Apart::stay()?;
    let servers = [
        ("`pow serve --threads 1 -d 0`", Server::pow(Some(&apart), &["--threads", "1", "-d", "0"])?),
        ("`redis-server`, PING", Server::redis(&apart)?),
        ("Python, `ThreadingTCPServer`", Server::python(&apart)?),
    ];
    for (_, server) in &servers {
        server.load(CONNECTIONS, WARM_UP_SECONDS, None)?;
    }
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let mut row = servers.each_ref().map(|_| None);
        for turn in 0..servers.len() {
            let nth = (round + turn) % servers.len();
            row[nth] = Some(servers[nth].1.load(CONNECTIONS, SECONDS, None)?);
        }
        rounds.push(row);
    }
    let of = |figure: &dyn Fn(usize, usize) -> f64, nth: usize| {
        median((0..ROUNDS).map(|round| figure(round, nth)).collect())
    };
    let at = |round: usize, nth: usize| rounds[round][nth].as_ref();
    let rate = |round: usize, nth: usize| at(round, nth).map_or(0.0, |measured| measured.outcome.rate());
    let cost = |round: usize, nth: usize| at(round, nth).map_or(0.0, |measured| measured.cost);
    let late =
        |round: usize, nth: usize| at(round, nth).map_or(0.0, |measured| measured.outcome.tally.quantile(0.99) * 1e3);
    let times = |round: usize, nth: usize| rate(round, 0) / rate(round, nth);
    let mut table = format!(
        "{CONNECTIONS} connections, one core for the server and one for the load, medians of {ROUNDS} rounds of {SECONDS} s:\n\n\
         | | replies a second | `pow` is so many times as fast | processor time of the server for each, µs | 99 % within, ms |\n\
         |---|--:|--:|--:|--:|\n"
    );
    for (nth, (name, _)) in servers.iter().enumerate() {
        table += &format!(
            "| {name} | {:.0} | {:.2} | {:.1} | {:.2} |\n",
            of(&rate, nth),
            of(&times, nth),
            of(&cost, nth),
            of(&late, nth)
        );
    }
    Ok(table)
}
