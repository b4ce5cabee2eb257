//! The simulated disk: what is on it, and how it fails.

use aliquot::manage::coverage::Span;
use aliquot::manage::state::Record;

use super::image::{Image, Summary};

/// A disk with one ledger.
pub struct Disk {
    pub image: Image,
    /// What it held when the turn began, and holds now: what was asked for between is true of one of them.
    pub summaries: [Summary; 2],
    /// The image before the latest transaction: for a disk that doesn't sync.
    pub before: Option<Image>,
    /// The next commit fails; manage is away for so long then.
    pub fails: Option<u64>,
    /// It has no room until then.
    pub full_until: u64,
    /// Every transaction that is on it.
    pub written: Vec<Vec<Record>>,
}

impl Disk {
    pub fn new(whole: Span) -> Self {
        let image = Image::new(whole);
        let summaries = [image.summary(), image.summary()];
        Self { image, summaries, before: None, fails: None, full_until: 0, written: Vec::new() }
    }

    /// A turn of manage begins.
    pub fn begin_turn(&mut self) {
        if self.summaries[0] != self.summaries[1] {
            self.summaries[0] = self.summaries[1].clone();
        }
    }

    /// Writes a transaction, all of it.
    pub fn write(&mut self, records: &[Record]) -> Result<(), String> {
        self.written.push(records.to_vec());
        records.iter().try_for_each(|record| self.image.apply(record))?;
        self.summaries[1] = self.image.summary();
        self.image.check()
    }

    /// Forgets the latest transaction, if it is one that does.
    pub fn forget(&mut self) {
        if let Some(before) = self.before.take() {
            self.image = before;
            self.summaries[1] = self.image.summary();
        }
    }
}
