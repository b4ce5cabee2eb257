//! A list in a frame: it takes what it has room for.

use crate::common::push::metric::Series;
use crate::common::push::said;

/// Items with commas between, of a bounded length.
pub struct List {
    /// What is in it.
    pub text: String,
    /// How long that may get.
    pub room: usize,
}

impl List {
    /// Nothing yet.
    pub fn new(room: usize) -> Self {
        Self { text: String::new(), room }
    }

    /// Adds an item; false if there is no room for it.
    pub fn add(&mut self, item: &str) -> bool {
        let fits = self.text.len() + item.len() < self.room;
        if fits {
            if !self.text.is_empty() {
                self.text.push(',');
            }
            self.text.push_str(item);
        }
        fits
    }

    /// Adds as many of the first numbers as there is room for, and takes them; true if those are all.
    pub fn add_numbers(&mut self, series: &Series, numbers: &mut Vec<f64>) -> bool {
        // The list without its numbers, and the comma before it; each number has one behind it.
        let mut length = self.text.len() + said::observe(series, &[]).len() + 1;
        let fits = |number: &&f64| {
            length += said::number(**number).to_string().len() + 1;
            length < self.room
        };
        let count = numbers.iter().take_while(fits).count();
        if count > 0 && self.add(&said::observe(series, &numbers[..count])) {
            numbers.drain(..count);
        }
        numbers.is_empty()
    }
}
