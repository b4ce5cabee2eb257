//! Rates by connections, and their plot.

use crate::cores::Apart;
use crate::plot::draw;

use super::stock::{Figures, Kept};
use super::turns::{Compared, Load, compare};

const CONNECTIONS: [usize; 4] = [1, 10, 100, 1_000];
const ROUNDS: usize = 3;
const SECONDS: f64 = 2.0;
const PLOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/draws/plot.py");
const DRAWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/draws.svg");

/// Measures, draws; the table.
pub fn measure() -> Result<String, String> {
    let apart = Apart::stay()?;
    let heads: Vec<_> = CONNECTIONS.iter().map(|connections| format!(" {connections} |")).collect();
    let mut table = format!("| connections |{}\n|---|{}\n", heads.concat(), "--:|".repeat(CONNECTIONS.len()));
    for (kept, loot, redis) in [
        (Kept::No, "loot, in memory", Some("redis, without AOF")),
        (Kept::Synced, "loot, each draw synced", Some("redis, AOF synced always")),
        (Kept::Ahead, "loot, ledger synced ahead", None),
    ] {
        let load = |connections| Load { connections, at_once: 1, seconds: SECONDS };
        let columns = CONNECTIONS.iter().map(|connections| compare(&apart, kept, load(*connections), ROUNDS));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        table += &rows(loot, &columns, |compared| &compared.loot);
        if let Some(redis) = redis {
            table += &rows(redis, &columns, |compared| &compared.redis);
        }
    }
    draw(PLOT, table.as_bytes(), DRAWN)?;
    Ok(format!("One core for the server and one for the load, medians of {ROUNDS} rounds of {SECONDS} s:\n\n{table}"))
}

fn rows(name: &str, columns: &[Compared], of: fn(&Compared) -> &Figures) -> String {
    let row = |title: String, show: &dyn Fn(&Figures) -> String| {
        let cells: Vec<_> = columns.iter().map(|column| format!(" {} |", show(of(column)))).collect();
        format!("| {title} |{}\n", cells.concat())
    };
    row(format!("**{name}**: draws a second"), &|figures| format!("**{:.0}**", figures.rate))
        + &row("50 % within, ms".to_owned(), &|figures| format!("{:.3}", figures.half))
        + &row("99 % within, ms".to_owned(), &|figures| format!("{:.3}", figures.late))
}
