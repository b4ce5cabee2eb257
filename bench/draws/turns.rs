//! loot and redis under the same load, in alternating turns: whatever else the machine does hits both.

use crate::cores::Apart;
use crate::figures::median;

use super::asked::{Ask, Peer};
use super::stock::{Figures, Kept, Stock};

/// Numbers of a box, and of redis's list: no load here draws as many.
const SIZE: u32 = 10_000_000;
/// What is thrown away at first.
const WARM_UP_SECONDS: f64 = 0.5;

/// A load, and how long it lasts in each round.
#[derive(Clone, Copy)]
pub struct Load {
    pub connections: usize,
    pub at_once: usize,
    pub seconds: f64,
}

/// Medians of rounds.
pub struct Compared {
    pub loot: Figures,
    pub redis: Figures,
    /// loot's rate by that of redis in the same round.
    pub times: f64,
}

/// Measures both, each with a server of its own.
pub fn compare(apart: &Apart, kept: Kept, load: Load, rounds: usize) -> Result<Compared, String> {
    let ask = Ask { at_once: load.at_once, ..Ask::ONE };
    let mut stocks =
        [Stock::start(Some(apart), Peer::Loot, SIZE, kept)?, Stock::start(Some(apart), Peer::Redis, SIZE, kept)?];
    for stock in &mut stocks {
        stock.load(ask, load.connections, WARM_UP_SECONDS.min(load.seconds))?;
    }
    let mut measured = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        for turn in 0..stocks.len() {
            let nth = (round + turn) % stocks.len();
            measured[nth].push(stocks[nth].load(ask, load.connections, load.seconds)?);
        }
    }
    stocks.iter().try_for_each(Stock::check)?;
    Ok(compared(&measured))
}

/// What rounds come to in which both were measured.
pub fn compared(rounds: &[Vec<Figures>; 2]) -> Compared {
    let [loot, redis] = rounds;
    Compared {
        loot: middle(loot),
        redis: middle(redis),
        times: median(loot.iter().zip(redis).map(|(loot, redis)| loot.rate / redis.rate).collect()),
    }
}

fn middle(rounds: &[Figures]) -> Figures {
    let of = |figure: fn(&Figures) -> f64| median(rounds.iter().map(figure).collect());
    Figures {
        rate: of(|figures| figures.rate),
        cost: of(|figures| figures.cost),
        half: of(|figures| figures.half),
        late: of(|figures| figures.late),
    }
}
