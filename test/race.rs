//! No number is drawn twice, whatever the threads do: the counter itself by a model checker, the server by the histories of real
//! clients. Each check is shown a counter that isn't guarded as well, the second scenario of the original request, and has to
//! find it out.

pub mod drawers;
pub mod history;
mod model;
mod server;
mod twin;

use std::ops::Range;

/// What can be drawn from: the product's counter, or its racy twin.
pub trait Draws: Send + Sync + 'static {
    /// The indices of the next numbers, at most so many; none when all are drawn.
    fn draw(&self, wanted: u32) -> Option<Range<u32>>;
}

impl Draws for aliquot::loot::counter::Counter {
    fn draw(&self, wanted: u32) -> Option<Range<u32>> {
        Self::draw(self, wanted).ok()
    }
}
