//! A thousand numbers in each draw: what saying them costs.

use crate::cores::Apart;

use super::asked::{Ask, Peer};
use super::stock::{Figures, Kept, Stock};
use super::turns::compared;

const CONNECTIONS: usize = 100;
const ASK: Ask = Ask { at_once: 1, count: 1_000 };
/// Rounds, of which each has servers of its own: a box lasts no longer.
const ROUNDS: usize = 5;
/// Who, of how many numbers, and for how long so that some are left.
const LOADS: [(Peer, u32, f64); 2] = [(Peer::Loot, 100_000_000, 1.0), (Peer::Redis, 10_000_000, 0.5)];
/// What is thrown away at first.
const WARM_UP_SECONDS: f64 = 0.1;

/// Measures in turns; a table.
pub fn measure() -> Result<String, String> {
    let apart = Apart::stay()?;
    let [seconds, peer_seconds] = LOADS.map(|(.., seconds)| seconds);
    let mut table = format!(
        "{CONNECTIONS} connections, {} numbers in each draw, one core for the server and one for the load, medians of {ROUNDS} rounds \
         of {seconds} s, and {peer_seconds} s for redis:\n\n\
         | | kept | million numbers a second | `loot` is so many times as fast | processor time of the server for each, ns \
         | 50 % of draws within, ms | 99 % within, ms |\n|---|---|--:|--:|--:|--:|--:|\n",
        ASK.count
    );
    for (kept, name) in [(Kept::No, "no"), (Kept::Synced, "synced")] {
        let mut rounds = [Vec::new(), Vec::new()];
        for round in 0..ROUNDS {
            for turn in 0..LOADS.len() {
                let nth = (round + turn) % LOADS.len();
                let (peer, size, seconds) = LOADS[nth];
                let mut stock = Stock::start(Some(&apart), peer, size, kept)?;
                stock.load(ASK, CONNECTIONS, WARM_UP_SECONDS)?;
                rounds[nth].push(stock.load(ASK, CONNECTIONS, seconds)?);
                stock.check()?;
            }
        }
        let compared = compared(&rounds);
        table += &row("`loot serve`, `draw 1000`", name, &compared.loot, &format!("{:.1}", compared.times));
        table += &row("redis, `LPOP box 1000`", name, &compared.redis, "");
    }
    Ok(table)
}

fn row(title: &str, kept: &str, figures: &Figures, times: &str) -> String {
    let Figures { rate, cost, half, late } = figures;
    format!("| {title} | {kept} | {:.1} | {times} | {:.0} | {half:.2} | {late:.2} |\n", rate / 1e6, cost * 1e3)
}
