//! Draws of one number each: what a server costs around its counter.

use crate::cores::Apart;

use super::stock::{Figures, Kept};
use super::turns::{Load, compare};

const ROUNDS: usize = 7;
const LOADS: [Load; 3] = [
    Load { connections: 100, at_once: 1, seconds: 2.0 },
    Load { connections: 1_000, at_once: 1, seconds: 2.0 },
    // Shorter, or redis's list would be empty before the last round.
    Load { connections: 100, at_once: 16, seconds: 0.5 },
];

/// Measures each load in turns; tables.
pub fn measure() -> Result<String, String> {
    let apart = Apart::stay()?;
    let mut tables = format!(
        "One core for the server and one for the load, medians of {ROUNDS} rounds. redis is asked in RESP, as its clients do it. \
         With 16 requests at once, times are those until the last reply.\n"
    );
    for (kept, title) in [
        (Kept::No, "Nothing is kept: `--ledger :memory:`, and redis without AOF."),
        (Kept::Synced, "Each draw is synced before it is answered: `--ledger FILE`, and `--appendfsync always`."),
        (Kept::Ahead, "The same, but `loot`'s ledger is ahead: `--ahead 10000`."),
    ] {
        tables += &format!(
            "\n{title}\n\n| connections | requests at once | | draws a second | `loot` is so many times as fast \
             | processor time of the server for each, µs | 50 % within, ms | 99 % within, ms |\n\
             |--:|--:|---|--:|--:|--:|--:|--:|\n"
        );
        for load in LOADS {
            let compared = compare(&apart, kept, load, ROUNDS)?;
            tables += &row(&load, "`loot serve`", &compared.loot, &format!("{:.2}", compared.times));
            tables += &row(&load, "redis, LPOP", &compared.redis, "");
        }
    }
    Ok(tables)
}

fn row(load: &Load, name: &str, figures: &Figures, times: &str) -> String {
    let (Load { connections, at_once, .. }, Figures { rate, cost, half, late }) = (load, figures);
    format!("| {connections} | {at_once} | {name} | {rate:.0} | {times} | {cost:.2} | {half:.2} | {late:.2} |\n")
}
