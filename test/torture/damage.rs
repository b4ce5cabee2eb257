//! A ledger that the disk has damaged: cut, or with bits turned over. It is refused by name, or gives exactly what it
//! held; never something else.

use std::fs;
use std::ops::Range;
use std::path::Path;

use aliquot::common::exit::Status;
use aliquot::manage::ledger::{Ledger as Product, Wanted};
use fastrand::Rng;
use nix::sys::signal::Signal;

use super::victim::Victim;
use super::{cases, kept};
use crate::support::{Ledger, Scene, until};

/// What SQLite's file format says of a write-ahead log of pages of 4096 bytes.
const WAL_HEADER: usize = 32;
const PAGE: usize = 4096;
const FRAME: usize = 24 + PAGE;

/// The two files of a ledger.
#[derive(Clone)]
struct Files {
    db: Vec<u8>,
    wal: Vec<u8>,
}

/// What a ledger says to those who ask.
#[derive(Clone, Debug, PartialEq)]
struct Content {
    /// What manage would go on with.
    restored: String,
    /// Every row.
    rows: String,
}

#[derive(Clone, Copy, Debug)]
enum Damage {
    CutDb(usize),
    CutWal(usize),
    FlipDb(usize, u8),
    FlipWal(usize, u8),
}

impl Files {
    /// The ledger of a search that was killed: all in the log, all in the file, and that with the next turns in the log.
    fn of_a_search() -> [Self; 3] {
        let mut victim = Victim::new(100_000);
        let path = victim.scene.path("search.db");
        let mut run = |results| {
            let manage = victim.start();
            until("results", || (victim.crowd.heard().accepted.len() > results).then_some(()));
            manage.signal(Signal::SIGKILL);
            manage.wait_gone();
        };
        run(40);
        let young = Self::read(&path);
        fold(&path);
        let folded = Self::read(&path);
        run(60);
        [young, folded, Self::read(&path)]
    }

    fn read(path: &Path) -> Self {
        let read = |suffix| fs::read(format!("{}{suffix}", path.display()));
        Self { db: read("").expect("it is there"), wal: read("-wal").unwrap_or_default() }
    }

    fn write(&self, path: &Path) {
        for (suffix, bytes) in [("", &self.db), ("-wal", &self.wal)] {
            fs::write(format!("{}{suffix}", path.display()), bytes).expect("it can be written");
        }
    }

    fn with(&self, damage: Damage) -> Self {
        let mut files = self.clone();
        match damage {
            Damage::CutDb(length) => files.db.truncate(length),
            Damage::CutWal(length) => files.wal.truncate(length),
            Damage::FlipDb(at, bit) => files.db[at] ^= 1 << bit,
            Damage::FlipWal(at, bit) => files.wal[at] ^= 1 << bit,
        }
        files
    }

    /// Where the turns end in the log: a frame that ends one says how many pages the file then has.
    fn turns(&self) -> Vec<usize> {
        let frames = (WAL_HEADER..self.wal.len()).step_by(FRAME);
        let ends = frames.filter(|at| self.wal[at + 4..at + 8] != [0; 4]).map(|at| at + FRAME);
        std::iter::once(0).chain(ends).collect()
    }

    /// What the undamaged ledger holds.
    fn content(&self) -> Content {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let path = directory.path().join("search.db");
        self.write(&path);
        let rows = Ledger::copy_of(&path).dump(&[]);
        Content { restored: open(&path).expect("it is undamaged"), rows }
    }
}

/// Folds the log into the file, and removes it.
fn fold(path: &Path) {
    let db = rusqlite::Connection::open(path).expect("it is a ledger");
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("it can be folded");
}

/// What manage would go on with, or why it doesn't.
fn open(path: &Path) -> Result<String, String> {
    match Product::open(&path.to_string_lossy(), Wanted::default()) {
        Ok((_, settings, restored)) => Ok(format!("{settings:?} {restored:?}")),
        Err(error) if error.status() == Status::Io => Err(error.to_string()),
        Err(error) => panic!("{error} is not about damage"),
    }
}

/// A ledger, and all that it held turn by turn.
struct Patient {
    whole: Files,
    /// Where each turn ends in the log, and what the ledger holds then.
    turns: Vec<(usize, Content)>,
    scene: Scene,
    refused: usize,
    slips: Vec<String>,
}

impl Patient {
    fn all() -> [Self; 3] {
        Files::of_a_search().map(Self::new)
    }

    fn new(whole: Files) -> Self {
        let held = |end: &usize| (*end, whole.with(Damage::CutWal(*end)).content());
        let turns = whole.turns().iter().map(held).collect();
        Self { whole, turns, scene: Scene::new(), refused: 0, slips: Vec::new() }
    }

    /// What a ledger with this damage may hold: what it held, where that is still to be seen. A log that ends early
    /// is what a power loss leaves of a turn that nobody was told of.
    fn allowed(&self, damage: Damage) -> &Content {
        let (last, whole) = self.turns.last().expect("there is a turn");
        let end = match damage {
            Damage::CutDb(_) | Damage::FlipDb(..) => return whole,
            Damage::CutWal(length) => length,
            Damage::FlipWal(at, _) if at >= self.last_turn() => last - 1,
            Damage::FlipWal(..) => return whole,
        };
        &self.turns.iter().rev().find(|(turn, _)| *turn <= end).expect("the first turn ends at nothing").1
    }

    /// Where the last turn begins in the log: from there on damage looks like the end of what was written.
    fn last_turn(&self) -> usize {
        self.turns.iter().rev().nth(1).map_or(0, |(end, _)| *end).max(WAL_HEADER)
    }

    /// Opens the ledger with this damage, and checks it as a whole.
    fn try_damage(&mut self, damage: Damage) {
        let whole = self.turns.last().map(|(_, content)| content.clone()).expect("there is a turn");
        let allowed = [self.allowed(damage).clone(), whole];
        let path = self.scene.path("search.db");
        let files = self.whole.with(damage);
        files.write(&path);
        match open(&path) {
            Ok(restored) if allowed.iter().any(|content| content.restored == restored) => {}
            Err(why) if why.starts_with("ledger ") && why.contains("search.db") => self.refused += 1,
            other => self.slips.push(format!("{damage:?}: open: {other:?}")),
        }
        files.write(&path);
        self.check(damage, &allowed.map(|content| content.rows));
    }

    /// `manage --check`: true only of what holds the same rows.
    fn check(&mut self, damage: Damage, allowed: &[String]) {
        let check = self.scene.start("manage", "--check search.db");
        let (status, said) = (check.wait(), check.log.all() + &check.stdout.all());
        let as_promised = match status {
            0 => allowed.contains(&Ledger::copy_of(&self.scene.path("search.db")).dump(&[])),
            74 => said.contains("ledger search.db"),
            _ => false,
        };
        if !as_promised {
            self.slips.push(format!("{damage:?}: --check: status {status}: {said}"));
        }
        self.scene.forget(&check);
    }
}

/// What came of all damage.
#[derive(Default)]
struct Tally {
    cases: usize,
    refused: usize,
    slips: Vec<String>,
}

impl Tally {
    fn add(&mut self, patient: Patient, cases: usize) {
        self.cases += cases;
        self.refused += patient.refused;
        self.slips.extend(patient.slips);
    }

    fn end(self, fault: &str) {
        let Self { cases, refused, slips } = self;
        assert!(slips.is_empty(), "{} of {cases}:\n{}", slips.len(), slips[..slips.len().min(20)].join("\n"));
        kept(fault, "refused by name, or exactly what it held", cases, &format!("{refused} refused"));
    }
}

/// `count` of `all`, evenly spread, or all in the long form.
fn spread(all: Range<usize>, count: usize) -> impl Iterator<Item = usize> {
    let step = cases((all.len() / count).max(1), 1);
    all.step_by(step)
}

#[test]
fn a_ledger_that_is_cut_is_refused_or_whole() {
    let mut tally = Tally::default();
    for mut patient in Patient::all() {
        let (db, wal) = (patient.whole.db.len(), patient.whole.wal.len());
        let cuts: Vec<_> = spread(db - 2 * PAGE..db, 10)
            .map(Damage::CutDb)
            .chain(spread(wal.saturating_sub(3 * FRAME)..wal, 10).map(Damage::CutWal))
            .chain((0..wal).step_by(cases(wal / 10 + 1, 997)).map(Damage::CutWal))
            .collect();
        cuts.iter().for_each(|cut| patient.try_damage(*cut));
        tally.add(patient, cuts.len());
    }
    tally.end("a ledger or its log cut at any byte of the last pages");
}

#[test]
fn a_ledger_with_a_bit_turned_over_is_refused_or_whole() {
    let mut random = Rng::with_seed(crate::seed());
    let (mut tally, wanted) = (Tally::default(), cases(30, 1_000));
    for mut patient in Patient::all() {
        let (db, wal) = (patient.whole.db.len(), patient.whole.wal.len());
        for _ in 0..wanted {
            let bit = random.u8(0..8);
            // What says where the rows of a page are is hit as often as all the rest: rows may be gone without a trace.
            let frame = random.usize(0..=wal / FRAME);
            patient.try_damage(match random.u8(0..5) {
                0 => Damage::FlipDb(random.usize(0..100), bit),
                1 => Damage::FlipDb(PAGE * random.usize(0..db / PAGE) + random.usize(0..16), bit),
                2 if wal > 0 => Damage::FlipWal(random.usize(0..wal), bit),
                3 if frame > 0 => Damage::FlipWal(WAL_HEADER + (frame - 1) * FRAME + random.usize(0..24), bit),
                3 if wal > 0 => Damage::FlipWal(random.usize(0..WAL_HEADER), bit),
                _ => Damage::FlipDb(random.usize(0..db), bit),
            });
        }
        tally.add(patient, wanted);
    }
    tally.end("a bit of the ledger or its log turned over");
}
