//! What a box says of itself to a collect.

use crate::common::push::metric::Reading;

use super::memory::Kept;

/// How a box stands.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Numbers in all,
    pub size: u32,
    /// drawn,
    pub drawn: u32,
    /// drawn, but perhaps never heard,
    pub unheard: u32,
    /// and drawn since the server began.
    pub taken: u32,
    /// The draw was ended.
    pub closed: bool,
    /// Connections.
    pub connections: usize,
}

impl Standing {
    /// Of a box that nobody has drawn from yet since it was opened.
    #[must_use]
    pub fn of(kept: &Kept) -> Self {
        let unheard = kept.drawn.saturating_sub(kept.told);
        Self { size: kept.size, drawn: kept.drawn, unheard, closed: kept.closed, ..Self::default() }
    }
}

/// What is pushed.
#[must_use]
pub fn readings(standing: &Standing) -> Vec<Reading> {
    let numbers = |name, help, now: u32| Reading::gauge(name, "numbers", help, f64::from(now));
    let &Standing { size, drawn, unheard, taken, closed, connections } = standing;
    vec![
        numbers("loot_drawn_numbers", "Numbers that are drawn", drawn),
        Reading::counter(
            "loot_taken_numbers_total",
            "numbers",
            "Numbers that were drawn since the server began",
            taken.into(),
        ),
        numbers("loot_left_numbers", "Numbers that can still be drawn", size.saturating_sub(drawn)),
        numbers("loot_size_numbers", "Numbers of the box", size),
        numbers("loot_unheard_numbers", "Numbers that are drawn, but were perhaps never heard", unheard),
        Reading::gauge("loot_closed", "", "1 once the draw was ended", f64::from(u8::from(closed))),
        Reading::gauge("loot_connections", "", "Connections", connections as f64),
    ]
}
