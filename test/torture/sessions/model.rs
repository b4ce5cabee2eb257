//! What manage has to answer, by doc/protocol.md: a candidate at a time, a message at a time, as simple as can be.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::grammar::{Element, Grammar};
use super::truth::Truth;

mod shown;
mod work;

/// A connection.
pub type Conn = u64;

/// What somebody has to be told.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Welcome {
        at: u64,
    },
    Alive,
    Accepted(u64),
    /// Of several faults any may be named.
    Refused(u64, Vec<&'static str>),
    /// The same, of a connection that is closed behind it.
    Error(Vec<String>),
    /// The connection is closed.
    Closed,
    Acknowledged,
    Signal,
    Status {
        kept: Kept,
        ending: bool,
    },
    Coverage {
        whole: (u64, u64),
        done: String,
        leased: String,
    },
    Compute {
        host: String,
        pid: u32,
        state: &'static str,
        range: Option<(u64, u64)>,
        ranges: u64,
        strikes: u32,
    },
    End(u64),
}

/// How far the search is by what is in the ledger.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    pub tested: u64,
    pub contiguous_to: u64,
    pub leased: u64,
    pub perfect: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Candidate {
    /// Free; with the number of the lease that it was in last, if any.
    Free(u64),
    Leased(u64),
    Done,
}

/// A lease: `held`, or given back and perhaps still to be claimed.
#[derive(Clone, Debug, PartialEq)]
struct Lease {
    first: u64,
    last: u64,
    holder: u64,
    held: bool,
    given: u64,
}

#[derive(Clone, Debug)]
struct Compute {
    host: String,
    pid: u32,
    conn: Option<Conn>,
    timed: bool,
    waits: bool,
    proving: bool,
    lease: Option<u64>,
    ranges: u64,
    seen: u64,
}

#[derive(Clone, Debug)]
struct Seat {
    role: Option<&'static str>,
    instance: u64,
    heard: u64,
}

/// A result that waits for its proof.
#[derive(Clone, Debug)]
struct Claim {
    instance: u64,
    lease: u64,
    first: u64,
    last: u64,
    sum: u128,
    perfect: Vec<u64>,
}

/// What is in the ledger.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Books {
    /// The leases that are out: first, last, whose.
    pub leases: BTreeMap<u64, (u64, u64, u64)>,
    /// The accepted ranges: first, last, sum.
    pub accepted: Vec<(u64, u64, u128)>,
    /// The perfect numbers.
    pub perfect: BTreeSet<u64>,
}

/// A manage on paper.
pub struct Model<'a> {
    grammar: &'a Grammar,
    truth: &'a Truth,
    first: u64,
    candidates: Vec<Candidate>,
    leases: BTreeMap<u64, Lease>,
    latest_lease: u64,
    computes: BTreeMap<u64, Compute>,
    seats: BTreeMap<Conn, Seat>,
    strikes: BTreeMap<String, u32>,
    proofs: VecDeque<Claim>,
    ending: bool,
    now: u64,
    kept: Kept,
    /// What its ledger holds.
    pub books: Books,
    /// What is to be said, and to whom, since this was last emptied.
    pub answers: Vec<(Conn, Answer)>,
}

impl<'a> Model<'a> {
    /// A search from `first` on.
    pub fn new(grammar: &'a Grammar, truth: &'a Truth, first: u64, count: u64) -> Self {
        Self {
            grammar,
            truth,
            first,
            candidates: vec![Candidate::Free(0); count as usize],
            leases: BTreeMap::new(),
            latest_lease: 0,
            computes: BTreeMap::new(),
            seats: BTreeMap::new(),
            strikes: BTreeMap::new(),
            proofs: VecDeque::new(),
            ending: false,
            now: 0,
            kept: Kept { contiguous_to: first - 1, ..Kept::default() },
            books: Books::default(),
            answers: Vec::new(),
        }
    }

    /// Somebody connects.
    pub fn open(&mut self, conn: Conn) {
        self.seats.insert(conn, Seat { role: None, instance: 0, heard: self.now });
    }

    /// Somebody says something.
    pub fn hear(&mut self, conn: Conn, said: &Element) {
        let faults = self.grammar.faults(said);
        let Some(seat) = self.seats.get_mut(&conn) else { return };
        if !faults.is_empty() {
            return self.dismiss(conn, faults);
        }
        seat.heard = self.now;
        let instance = seat.instance;
        match (seat.role, said.name.as_str()) {
            (None, "hello") => self.greet(conn, said),
            (None, _) | (_, "hello") => self.dismiss(conn, vec!["greeting".to_owned()]),
            (Some(_), "error") => {
                self.answers.push((conn, Answer::Closed));
                self.gone(conn);
            }
            (Some(role), name) => {
                if let Some(compute) = self.computes.get_mut(&instance).filter(|_| role == "compute") {
                    compute.seen = self.now;
                }
                if !self.grammar.may_say(role, name) {
                    return self.dismiss(conn, vec!["wrong-role".to_owned()]);
                }
                match name {
                    "speed" => self.speed(conn, instance, said),
                    "request" => self.request(conn, instance),
                    "alive" if role == "compute" => self.alive(conn, instance, said),
                    "alive" => self.answers.push((conn, Answer::Alive)),
                    "result" => self.result(instance, said),
                    "query" => self.report(conn, said.number("cells")),
                    "signal" => self.answers.push((conn, Answer::Acknowledged)),
                    _ => panic!("the page lets {role} say {name}, which the model doesn't know"),
                }
            }
        }
    }

    fn greet(&mut self, conn: Conn, hello: &Element) {
        let role = ["compute", "control", "report"].into_iter().find(|role| hello.get("role") == Some(role));
        let says = |name: &str| hello.get(name).is_some();
        if role != Some("report") && !(says("host") && says("pid") && says("instance")) {
            return self.dismiss(conn, vec!["missing-attribute".to_owned()]);
        }
        let instance = u64::from_str_radix(hello.get("instance").unwrap_or("0"), 16).unwrap();
        let seat = self.seats.get_mut(&conn).unwrap();
        (seat.role, seat.instance) = (role, instance);
        if role == Some("compute") {
            let new = Compute {
                host: hello.get("host").unwrap().to_owned(),
                pid: hello.number("pid").unwrap() as u32,
                conn: None,
                timed: false,
                waits: false,
                proving: false,
                lease: None,
                ranges: 0,
                seen: 0,
            };
            let compute = self.computes.entry(instance).or_insert(new);
            let former = compute.conn.replace(conn);
            (compute.seen, compute.waits) = (self.now, false);
            if let Some(former) = former {
                self.dismiss(former, vec!["replaced".to_owned()]);
            }
        }
        self.answers.push((conn, Answer::Welcome { at: self.lowest_free().unwrap_or(self.first) }));
        if self.ending && role == Some("control") {
            self.answers.push((conn, Answer::Signal));
        }
    }

    fn speed(&mut self, conn: Conn, instance: u64, said: &Element) {
        if said.get("operations") == Some("0") || said.get("nanoseconds") == Some("0") {
            return self.dismiss(conn, vec!["bad-value".to_owned()]);
        }
        self.compute(instance).timed = true;
    }

    fn request(&mut self, conn: Conn, instance: u64) {
        if !self.compute(instance).timed {
            return self.dismiss(conn, vec!["out-of-turn".to_owned()]);
        }
        self.compute(instance).waits = true;
        self.give_back(instance);
    }

    fn alive(&mut self, conn: Conn, instance: u64, said: &Element) {
        self.answers.push((conn, Answer::Alive));
        if let Some(lease) = said.number("lease").filter(|lease| !self.claim(instance, *lease)) {
            self.answers.push((conn, Answer::Refused(lease, vec!["not-leased"])));
        }
    }

    /// A connection is gone.
    pub fn gone(&mut self, conn: Conn) {
        let Some(seat) = self.seats.remove(&conn) else { return };
        if let Some(compute) = self.computes.get_mut(&seat.instance).filter(|compute| compute.conn == Some(conn)) {
            (compute.conn, compute.waits) = (None, false);
            self.give_back(seat.instance);
        }
    }

    fn dismiss(&mut self, conn: Conn, codes: Vec<String>) {
        self.answers.push((conn, Answer::Error(codes)));
        self.answers.push((conn, Answer::Closed));
        self.gone(conn);
    }

    /// So many milliseconds pass.
    pub fn wait(&mut self, ms: u64) {
        self.now += ms;
        let patience = |role| if role == Some("report") { 120_000 } else { 10_000 };
        let bound = |seat: &Seat| if seat.role.is_none() { 5_000 } else { patience(seat.role) };
        let now = self.now;
        let silent = self.seats.iter().filter(|(_, seat)| now - seat.heard > bound(seat)).map(|(conn, _)| *conn);
        for conn in silent.collect::<Vec<_>>() {
            self.dismiss(conn, vec!["silent".to_owned()]);
        }
        let kept = |it: &Compute| it.conn.is_some() || it.lease.is_some() || it.proving || now - it.seen < 600_000;
        self.computes.retain(|_, compute| kept(compute));
    }

    /// Manage is told to end, or has nothing left to do.
    pub fn end(&mut self) {
        if std::mem::replace(&mut self.ending, true) {
            return;
        }
        let monitors = self.seats.iter().filter(|(_, seat)| seat.role == Some("control"));
        self.answers.extend(monitors.map(|(conn, _)| (*conn, Answer::Signal)));
    }

    /// Whether all candidates are tested.
    pub fn is_complete(&self) -> bool {
        self.candidates.iter().all(|it| *it == Candidate::Done)
    }

    /// The role that this connection has taken.
    pub fn role(&self, conn: Conn) -> Option<&'static str> {
        self.seats.get(&conn).and_then(|seat| seat.role)
    }

    fn compute(&mut self, instance: u64) -> &mut Compute {
        self.computes.get_mut(&instance).expect("a compute that the model knows")
    }

    fn lowest_free(&self) -> Option<u64> {
        let at = self.candidates.iter().position(|it| matches!(it, Candidate::Free(_)))?;
        Some(self.first + at as u64)
    }

    fn index(&self, candidate: u64) -> Option<usize> {
        let at = candidate.checked_sub(self.first)? as usize;
        (at < self.candidates.len()).then_some(at)
    }

    fn part(&mut self, first: u64, last: u64) -> &mut [Candidate] {
        let (first, last) = (self.index(first).unwrap(), self.index(last).unwrap());
        &mut self.candidates[first..=last]
    }
}
