//! The ledger: whatever a search has written, a restart reads back the same, and refuses what isn't a ledger.

use aliquot::common::clock::Millis;
use aliquot::common::exit::Status;
use aliquot::common::message::{Found, Hello, Instance, Message, Numbers, Range, Request, Role, Speed, Version};
use aliquot::divisors::{Method, Search};
use aliquot::manage::coverage::Span;
use aliquot::manage::ledger::check::check;
use aliquot::manage::ledger::{Ledger, Wanted, Written};
use aliquot::manage::state::{Action, Event, Identity, Peer, Policy, Restored, State};

use crate::support;

const LAST: u64 = 30_000;
const COMPUTES: u64 = 4;

/// A manage without sockets: the state and the ledger that it writes to.
struct Manage {
    path: String,
    ledger: Ledger,
    state: State,
    ranges: std::collections::BTreeMap<Peer, Range>,
    now: Millis,
}

fn identity() -> Identity {
    Identity { host: "here".to_owned(), listen: "127.0.0.1:1".to_owned(), ledger: "ledger".to_owned() }
}

impl Manage {
    fn open(path: &str) -> Self {
        let wanted = Wanted { last: Some(LAST), ..Wanted::default() };
        let (ledger, settings, restored) = Ledger::open(path, wanted).unwrap();
        let policy = Policy { seconds: 0.5, recheck_percent: 30.0, recheck_key: 3, workers_max: usize::MAX };
        let state = State::new(settings, policy, identity(), restored, Millis(0)).unwrap();
        let mut manage = Self { path: path.to_owned(), ledger, state, ranges: Default::default(), now: Millis(0) };
        (1..=COMPUTES).for_each(|peer| manage.connect(peer));
        manage
    }

    fn connect(&mut self, peer: Peer) {
        let (host, pid, instance) = (Some(format!("h{}", peer % 2)), Some(peer as u32), Some(Instance(peer)));
        self.state.handle(support::opened(peer), self.now);
        self.say(peer, Hello { version: Version, role: Role::Compute, host, pid, instance, kernel: None });
        self.say(peer, Speed { operations: 100_000, nanoseconds: 1_000_000_000 });
        self.say(peer, Request {});
        self.turn();
    }

    fn say(&mut self, peer: Peer, message: impl Into<Message>) {
        self.state.handle(Event::Said(peer, message.into()), self.now);
    }

    fn turn(&mut self) {
        while self.state.has_proofs() {
            self.state.prove(1_000_000, self.now);
        }
        let actions = self.state.settle();
        let records = actions.iter().filter_map(|a| if let Action::Record(record) = a { Some(record) } else { None });
        assert!(matches!(self.ledger.commit(records).unwrap(), Written::Done));
        self.state.written();
        for action in &actions {
            if let Action::Send(peer, Message::Range(range)) = action {
                self.ranges.insert(*peer, range.clone());
            }
        }
    }

    /// A compute hands in the first `part` of its range, in percent, and asks for the next.
    fn hand_in(&mut self, peer: Peer, part: u64) {
        let Some(range) = self.ranges.remove(&peer) else { return };
        let last = range.first + (range.last - range.first) * part / 100;
        self.say(peer, result(&range, last));
        self.turn();
        self.say(peer, Request {});
        self.turn();
    }

    /// Closes the ledger without a word, as kill -9 would, and opens it again: it must hold what the state held.
    fn restart(self) -> Self {
        let before = self.state.status();
        let path = self.path.clone();
        drop(self.ledger);
        let (_, settings, restored) = Ledger::open(&path, Wanted::default()).unwrap();
        let state = State::new(
            settings,
            Policy { seconds: 0.5, recheck_percent: 0.0, recheck_key: 3, workers_max: usize::MAX },
            identity(),
            restored,
            Millis(0),
        );
        let after = state.unwrap().status();
        assert_eq!(
            (after.tested, after.leased, after.contiguous_to, after.unchecked, after.perfect),
            (before.tested, before.leased, before.contiguous_to, before.unchecked, before.perfect)
        );
        Self::open(&path)
    }
}

fn result(range: &Range, last: u64) -> Found {
    let mut search = Search::new(Method::Sieve, range.first, last);
    while !search.finished() {
        search.step(1_000_000);
    }
    let tally = search.tally();
    Found {
        lease: range.lease,
        first: range.first,
        last,
        tested: tally.tested,
        sum: tally.sum,
        nanoseconds: 1_000_000,
        perfect: Numbers(tally.perfect.to_vec()),
    }
}

#[test]
fn a_restart_reads_back_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("search.db");
    let mut manage = Manage::open(path.to_str().unwrap());
    let mut random = fastrand::Rng::with_seed(crate::seed());
    let mut steps = 0;
    while !manage.state.is_complete() {
        steps += 1;
        assert!(steps < 100_000, "the search doesn't end: {:?}", manage.state.status());
        let peer = random.u64(1..=COMPUTES);
        match random.u32(0..20) {
            0 => manage = manage.restart(),
            1 => {
                manage.state.handle(Event::Gone(peer), manage.now);
                manage.ranges.remove(&peer);
                manage.turn();
                manage.connect(peer);
            }
            2..5 => manage.hand_in(peer, random.u64(0..100)),
            _ => manage.hand_in(peer, 100),
        }
    }
    assert_eq!(manage.state.status().perfect, Numbers(vec![6, 28, 496, 8128]));
    let manage = manage.restart();
    assert!(manage.state.is_complete());
}

#[test]
fn a_lease_number_is_never_used_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("search.db");
    let mut manage = Manage::open(path.to_str().unwrap());
    let mut highest = 0;
    for _ in 0..5 {
        let lowest = manage.ranges.values().map(|range| range.lease).min().unwrap();
        assert!(lowest > highest, "lease {lowest} was used before");
        highest = manage.ranges.values().map(|range| range.lease).max().unwrap();
        manage = manage.restart();
    }
}

#[test]
fn what_is_no_ledger_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("notes.txt");
    std::fs::write(&text, "This is no database, but it is long enough to be looked at as one. ".repeat(20)).unwrap();
    let foreign = directory.path().join("foreign.db");
    let table = "CREATE TABLE t (a); INSERT INTO t VALUES (1);";
    rusqlite::Connection::open(&foreign).unwrap().execute_batch(table).unwrap();
    for path in [text, foreign] {
        let before = std::fs::read(&path).unwrap();
        let error = Ledger::open(path.to_str().unwrap(), Wanted::default()).err().unwrap();
        assert_eq!(error.status(), Status::Io, "{error}");
        assert!(error.to_string().contains("not a ledger"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}

#[test]
fn a_search_is_not_turned_into_another() {
    let wanted = |method, first, last| Wanted { method, first, last };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("search.db");
    let open = |wanted| Ledger::open(path.to_str().unwrap(), wanted).map(|(_, settings, _)| settings);
    let made = open(wanted(Some(Method::Sieve), Some(5), Some(100))).unwrap();
    assert_eq!(open(Wanted::default()).unwrap(), made);
    for (wanted, flag) in [
        (wanted(Some(Method::Trial), None, None), "--method"),
        (wanted(None, Some(6), None), "--first"),
        (wanted(None, None, Some(99)), "--last"),
    ] {
        let error = open(wanted).err().unwrap();
        assert_eq!(error.status(), Status::Usage);
        assert!(error.to_string().contains(flag), "{error}");
    }
    assert_eq!(open(wanted(None, None, Some(1_000))).unwrap().last, Some(1_000));
    assert_eq!(open(Wanted::default()).unwrap().last, Some(1_000), "a raised end is kept");
}

#[test]
fn an_empty_ledger_restores_to_nothing() {
    let (_, settings, restored) = Ledger::open(":memory:", Wanted::default()).unwrap();
    assert_eq!((settings.method, settings.first, settings.last), (Method::Trial, 1, None));
    let Restored { done, perfect, leases, next_lease, due, liars } = restored;
    assert!(done.is_empty() && perfect.is_empty() && leases.is_empty() && due.is_empty() && liars.is_empty());
    assert_eq!(next_lease, 1);
}

/// The tables of format 1, as the first manage made them.
const FORMAT_1: &str = "
    PRAGMA application_id = 0x616c6971; PRAGMA user_version = 1; PRAGMA journal_mode = WAL;
    CREATE TABLE setting (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
    CREATE TABLE compute (id INTEGER PRIMARY KEY, instance TEXT UNIQUE NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL);
    CREATE TABLE done (first INTEGER PRIMARY KEY, last INTEGER NOT NULL);
    CREATE TABLE range (
        first INTEGER PRIMARY KEY, last INTEGER NOT NULL, sum TEXT NOT NULL, perfect TEXT NOT NULL,
        compute INTEGER NOT NULL REFERENCES compute, nanoseconds INTEGER NOT NULL, finished INTEGER NOT NULL,
        proved INTEGER NOT NULL, recheck TEXT);
    CREATE INDEX due ON range (first) WHERE recheck = 'due';
    CREATE TABLE lease (
        id INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL,
        compute INTEGER NOT NULL REFERENCES compute, recheck INTEGER NOT NULL);
    CREATE TABLE perfect (n INTEGER PRIMARY KEY, found INTEGER NOT NULL);
    INSERT INTO setting VALUES ('next_lease', 4), ('method', 'sieve'), ('first', 1), ('last', 100);
    INSERT INTO compute VALUES (1, '00000000000000aa', 'node', 7);
    INSERT INTO done VALUES (1, 30);
    INSERT INTO range VALUES (1, 10, '32', '6', 1, 5, 9, 1, 'agreed'), (11, 20, '97', '', 1, 5, 9, 1, 'due'),
        (21, 30, '168', '28', 1, 5, 9, 1, NULL);
    INSERT INTO lease VALUES (3, 31, 50, 1, 0);
    INSERT INTO perfect VALUES (6, 9), (28, 9);
";

#[test]
fn a_ledger_of_the_first_format_is_gone_on_with() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("search.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(FORMAT_1).unwrap();
    for _ in 0..2 {
        let (_, settings, restored) = Ledger::open(path.to_str().unwrap(), Wanted::default()).unwrap();
        assert_eq!((settings.method, settings.first, settings.last), (Method::Sieve, 1, Some(100)));
        assert_eq!((restored.next_lease, restored.perfect.as_slice()), (4, &[6, 28][..]));
        assert_eq!(restored.done, [Span { first: 1, last: 30 }]);
        assert_eq!(restored.leases[0].span, Span { first: 31, last: 50 });
        assert_eq!((restored.due.len(), restored.due[0].sum), (1, 97));
    }
    check(path.to_str().unwrap()).unwrap();
}
