//! `manage --check`: a whole ledger verified, from the pages of its file to the sums of its ranges. It changes nothing.

use std::collections::BTreeSet;
use std::fmt::{self, Display};

use rusqlite::Connection;

use super::stored::{self, Accepted};
use super::{FORMAT, KIND, examine};
use crate::common::error::Result;
use crate::common::limits::{CANDIDATE_MAX, PROOF_SLICE_DIVISIONS};
use crate::common::message::Numbers;
use crate::common::store::rows::{read, rows};
use crate::common::store::{Store, damaged, refusal};
use crate::common::view::{grouped, list, percent};
use crate::divisors::{ClosedForm, Kernel, Method, Search};
use crate::manage::coverage::{Coverage, Span};
use crate::manage::state::{Restored, Settings};

/// What a sound ledger holds.
#[derive(Debug)]
pub struct Sound {
    path: String,
    settings: Settings,
    tested: u64,
    ranges: u64,
    proved: Vec<Span>,
    unproved: u64,
    perfect: Vec<u64>,
    leases: usize,
    due: usize,
}

/// Verifies the ledger at `path`: its pages and rows; that every number tested stands in exactly one accepted range,
/// and what is tested, leased and free makes up the whole; that the sums of the ranges are what the closed form gives;
/// and every perfect number, by testing it again.
///
/// # Errors
/// I/O, naming what is wrong first; also if a manage holds it.
pub fn check(path: &str) -> Result<Sound> {
    let store = Store::hold(path, &KIND)?;
    verify(&store).map_err(|error| store.explain(&error))
}

fn verify(store: &Store) -> rusqlite::Result<Sound> {
    let nothing = || refusal("there is no search in it yet".to_owned());
    match store.format()? {
        None => return Err(nothing()),
        Some(FORMAT) => {}
        Some(other) => {
            return Err(refusal(format!("its format is {other}, not {FORMAT}: start a search with it once")));
        }
    }
    let settings = examine(store)?.ok_or_else(nothing)?;
    store.examine_pages()?;
    let db = &store.connection;
    let restored = stored::search(db)?;
    let ranges = Ranges::of(db, &restored)?;
    if ranges.joined != restored.done {
        return Err(damaged("the ranges and the spans done differ"));
    }
    for run in &ranges.runs {
        prove(db, run)?;
    }
    verify_partition(settings, &restored)?;
    verify_checks(db, &restored)?;
    verify_perfect(&ranges.hits, &restored.perfect)?;
    Ok(Sound {
        path: store.path().to_owned(),
        settings,
        tested: restored.done.iter().map(|span| span.count()).sum(),
        ranges: ranges.count,
        proved: ranges.runs.iter().map(|run| run.span).collect(),
        unproved: ranges.unproved,
        perfect: restored.perfect,
        leases: restored.leases.len(),
        due: restored.due.len(),
    })
}

/// Accepted ranges, proved or checked, without a gap between them.
struct Run {
    span: Span,
    sum: u128,
}

/// All accepted ranges.
#[derive(Default)]
struct Ranges {
    count: u64,
    joined: Vec<Span>,
    runs: Vec<Run>,
    /// How many have a sum that is still to be checked.
    unproved: u64,
    hits: BTreeSet<u64>,
}

impl Ranges {
    fn of(db: &Connection, restored: &Restored) -> rusqlite::Result<Self> {
        let computes = stored::computes(db)?;
        let mut statement = db.prepare("SELECT * FROM range ORDER BY first")?;
        let mut ranges = Self::default();
        for range in rows(&mut statement, "range", &[], Accepted::of)? {
            let range = range?;
            stored::holder_of(&computes, range.compute)?;
            let first = range.span.first;
            let due = restored.due.binary_search_by_key(&first, |due| due.span.first).is_ok();
            ranges.add(range, due)?;
        }
        Ok(ranges)
    }

    fn add(&mut self, Accepted { span, sum, perfect, proved, .. }: Accepted, due: bool) -> rusqlite::Result<()> {
        if let Some(n) = perfect.iter().find(|n| !(span.first..=span.last).contains(n)) {
            return Err(damaged(&format!("the range {} to {} has {n} as a perfect number", span.first, span.last)));
        }
        self.count += 1;
        self.hits.extend(perfect);
        match self.joined.last_mut() {
            Some(before) if before.last >= span.first => {
                return Err(damaged(&format!("the range {} to {} overlaps the one before", span.first, span.last)));
            }
            Some(before) if before.last + 1 == span.first => before.last = span.last,
            _ => self.joined.push(span),
        }
        if !proved && due {
            self.unproved += 1;
            return Ok(());
        }
        match self.runs.last_mut() {
            Some(run) if run.span.last + 1 == span.first => {
                run.span.last = span.last;
                run.sum = run.sum.checked_add(sum).ok_or_else(|| damaged("a sum beyond 2^128"))?;
            }
            _ => self.runs.push(Run { span, sum }),
        }
        Ok(())
    }
}

/// Compares the sum of a run with its closed form; where they differ, names the range.
fn prove(db: &Connection, run: &Run) -> rusqlite::Result<()> {
    if closed_form(run.span) == run.sum {
        return Ok(());
    }
    let mut statement = db.prepare("SELECT * FROM range WHERE first BETWEEN ? AND ? ORDER BY first")?;
    for range in rows(&mut statement, "range", &[&run.span.first, &run.span.last], Accepted::of)? {
        let Accepted { span, sum, .. } = range?;
        let right = closed_form(span);
        if sum != right {
            let Span { first, last } = span;
            return Err(damaged(&format!("the sum of the range {first} to {last} is {right}, not {sum}")));
        }
    }
    Ok(())
}

fn closed_form(span: Span) -> u128 {
    let mut sum = ClosedForm::new(span.first, span.last);
    loop {
        sum.step(PROOF_SLICE_DIVISIONS);
        if let Some(result) = sum.result() {
            return result;
        }
    }
}

/// What is done, leased and free makes up the whole, each number once.
fn verify_partition(settings: Settings, restored: &Restored) -> rusqlite::Result<()> {
    let whole = Span { first: settings.first, last: settings.last.unwrap_or(CANDIDATE_MAX) };
    let overlap = |span: Span| damaged(&format!("{} to {} overlaps another range, or the end", span.first, span.last));
    let mut coverage = Coverage::new(whole, restored.done.iter().copied()).map_err(overlap)?;
    let mut checked = BTreeSet::new();
    for leased in &restored.leases {
        let span = leased.span;
        let fits = if leased.recheck {
            restored.due.iter().any(|due| due.span == span) && checked.insert(span.first)
        } else {
            coverage.lease(span, leased.lease)
        };
        if !fits || leased.lease >= restored.next_lease {
            return Err(damaged(&format!("lease {} of {} to {}", leased.lease, span.first, span.last)));
        }
    }
    Ok(())
}

/// What a second compute has confirmed, or shall, are accepted ranges; hosts that lied are known once.
fn verify_checks(db: &Connection, restored: &Restored) -> rusqlite::Result<()> {
    let computes = stored::computes(db)?;
    let confirmed = read(db, "agreed", "ORDER BY first", &[], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (first, by) in confirmed {
        stored::due(db, &computes, first)?;
        stored::holder_of(&computes, by)?;
        if restored.due.binary_search_by_key(&first, |due| due.span.first).is_ok() {
            return Err(damaged(&format!("the range that begins at {first} is both checked and to be checked")));
        }
    }
    Ok(())
}

/// Every number that a range has found is known, and every number known is perfect.
fn verify_perfect(hits: &BTreeSet<u64>, perfect: &[u64]) -> rusqlite::Result<()> {
    if let Some(n) = hits.iter().find(|n| !perfect.contains(n)) {
        return Err(damaged(&format!("{n}, found in a range, is missing among the perfect numbers")));
    }
    match perfect.iter().find(|n| !is_perfect(**n)) {
        Some(n) => Err(damaged(&format!("{n} is not perfect"))),
        None => Ok(()),
    }
}

fn is_perfect(n: u64) -> bool {
    if !(1..=CANDIDATE_MAX).contains(&n) {
        return false;
    }
    let mut search = Search::with_kernel(Method::Trial, Kernel::PORTABLE, n, n);
    while !search.finished() {
        search.step(PROOF_SLICE_DIVISIONS);
    }
    search.tally().perfect == [n]
}

impl Display for Sound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { method, first, last } = self.settings;
        let until = last.map_or("without end".to_owned(), |last| format!("to {}", grouped(last)));
        writeln!(f, "ledger {} is sound: {method}, {} {until}", self.path, grouped(first))?;
        let share = last.map_or_else(String::new, |last| {
            let whole = last.saturating_sub(first).saturating_add(1);
            format!(" of {} ({})", grouped(whole), percent(self.tested, whole))
        });
        let ranges = grouped(self.ranges);
        writeln!(f, "TESTED   {}{share}, each in one of {ranges} accepted ranges", grouped(self.tested))?;
        let runs: Vec<_> =
            self.proved.iter().take(SHOWN).map(|s| format!("{} … {}", grouped(s.first), grouped(s.last))).collect();
        let more = self.proved.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        writeln!(f, "SUMS     equal the closed form over {}{more}", or_dash(&runs.join(", ")))?;
        if self.unproved > 0 {
            writeln!(f, "         but for {} ranges, which wait for a second compute", grouped(self.unproved))?;
        }
        writeln!(f, "PERFECT  {}, tested again", list(&Numbers(self.perfect.clone())))?;
        writeln!(f, "OUT      {} leases, {} ranges due for a check", self.leases, self.due)
    }
}

/// How many spans are shown.
const SHOWN: usize = 3;

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}
