//! A ledger as it stands on the disk.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use aliquot::divisors::ClosedForm;
use rusqlite::types::FromSql;
use rusqlite::{Connection, Row};
use tempfile::TempDir;

/// The perfect numbers that a test can come to.
const PERFECT: [u64; 5] = [6, 28, 496, 8_128, 33_550_336];

/// An independent copy of a ledger: looking at it disturbs nobody.
pub struct Ledger {
    db: Connection,
    _directory: TempDir,
}

impl Ledger {
    /// Copies the ledger at `path`, its write-ahead log included.
    pub fn copy_of(path: &Path) -> Self {
        let directory = TempDir::with_prefix("aliquot-ledger-").expect("a directory can be made");
        let copy = directory.path().join("ledger.db");
        for suffix in ["", "-wal"] {
            let from = format!("{}{suffix}", path.display());
            if Path::new(&from).exists() {
                fs::copy(&from, format!("{}{suffix}", copy.display())).expect("a ledger can be copied");
            }
        }
        let db = Connection::open(copy).expect("a copy can be opened");
        Self { db, _directory: directory }
    }

    /// The done spans: first and last candidate.
    pub fn done(&self) -> Vec<(u64, u64)> {
        self.rows("SELECT first, last FROM done ORDER BY first", |row| (get(row, 0), get(row, 1)))
    }

    /// The accepted ranges: first and last candidate.
    pub fn ranges(&self) -> Vec<(u64, u64)> {
        self.rows("SELECT first, last FROM range ORDER BY first", |row| (get(row, 0), get(row, 1)))
    }

    /// The leases that are out: first and last candidate.
    pub fn leases(&self) -> Vec<(u64, u64)> {
        self.rows("SELECT first, last FROM lease ORDER BY first", |row| (get(row, 0), get(row, 1)))
    }

    /// How many leases were ever given.
    pub fn leases_given(&self) -> u64 {
        self.rows("SELECT value FROM setting WHERE name = 'next_lease'", |row| get::<u64>(row, 0))[0] - 1
    }

    /// When each range was accepted, in seconds since 1970 by the clock of manage.
    pub fn finished(&self) -> Vec<i64> {
        self.rows("SELECT finished FROM range ORDER BY first", |row| get(row, 0))
    }

    /// The perfect numbers.
    pub fn perfect(&self) -> Vec<u64> {
        self.rows("SELECT n FROM perfect ORDER BY n", |row| get(row, 0))
    }

    /// Σ s(n) over all accepted ranges.
    pub fn sum(&self) -> u128 {
        let sums = self.rows("SELECT sum FROM range", |row| get::<String>(row, 0));
        sums.iter().map(|sum| sum.parse::<u128>().expect("a sum is a number")).sum()
    }

    /// The first candidates of the ranges that a second compute has confirmed.
    pub fn confirmed(&self) -> Vec<u64> {
        self.rows("SELECT first FROM agreed ORDER BY first", |row| get(row, 0))
    }

    /// How many candidates are tested, after checking that each of them stands in exactly one accepted range.
    pub fn tested(&self) -> u64 {
        let (mut tested, mut spans): (u64, Vec<(u64, u64)>) = (0, Vec::new());
        for (first, last) in self.ranges() {
            tested += last - first + 1;
            match spans.last_mut() {
                Some(span) if span.1 + 1 == first => span.1 = last,
                before => {
                    assert!(before.is_none_or(|span| span.1 < first), "{first} to {last} overlaps the range before");
                    spans.push((first, last));
                }
            }
        }
        assert_eq!(spans, self.done(), "the ranges and the done spans differ");
        tested
    }

    /// How many candidates are tested, after checking that each is counted once, that no hit is missing, and that the
    /// sums are those of the closed form.
    pub fn verify(&self) -> u64 {
        let done = self.done();
        let is_done = |n: &u64| done.iter().any(|(first, last)| (first..=last).contains(&n));
        assert_eq!(self.perfect(), PERFECT.into_iter().filter(is_done).collect::<Vec<_>>());
        assert_eq!(self.sum(), done.iter().map(|(first, last)| sum_of(*first, *last)).sum::<u128>());
        self.tested()
    }

    /// Every row of every table of `tables`, or of all tables if none is named.
    pub fn dump(&self, tables: &[&str]) -> String {
        let all =
            self.rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name", |row| get::<String>(row, 0));
        let mut dump = String::new();
        for table in all.iter().filter(|table| tables.is_empty() || tables.contains(&table.as_str())) {
            let _ = writeln!(dump, "{table}");
            for row in self.rows(&format!("SELECT * FROM {table} ORDER BY 1"), show) {
                let _ = writeln!(dump, "  {row}");
            }
        }
        dump
    }

    fn rows<T>(&self, query: &str, mut take: impl FnMut(&Row<'_>) -> T) -> Vec<T> {
        let mut statement = self.db.prepare(query).expect("the ledger has its tables");
        let rows = statement.query_map([], |row| Ok(take(row))).expect("a query runs");
        rows.map(|row| row.expect("a row can be read")).collect()
    }
}

/// Σ s(n) from `first` to `last`.
fn sum_of(first: u64, last: u64) -> u128 {
    let mut sum = ClosedForm::new(first, last);
    sum.step(u64::MAX);
    sum.result().expect("it is done")
}

fn get<T: FromSql>(row: &Row<'_>, index: usize) -> T {
    row.get(index).expect("a column has its type")
}

fn show(row: &Row<'_>) -> String {
    let columns = row.as_ref().column_count();
    let cells: Vec<_> = (0..columns).map(|index| format!("{:?}", row.get_ref(index).expect("a column"))).collect();
    cells.join(" ")
}
