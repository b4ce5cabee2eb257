//! Messages of chance, of every kind, with every combination of what may be missing.

use std::collections::BTreeSet;

use aliquot::common::limits;
use aliquot::common::message::{
    Accepted, Acknowledged, Alive, CellCount, Cells, Code, Compute, Coverage, Distrusted, End, Error, Found, Hello,
    Instance, Message, Numbers, Query, Range, Recall, Refused, Request, Role, Signal, Speed, Stage, Status, Version,
    Welcome,
};
use aliquot::common::signal::Ending;
use aliquot::divisors::Method;
use fastrand::Rng;

/// Makes messages of chance.
pub struct Maker {
    /// Where chance comes from.
    pub rng: Rng,
    /// Each bit says whether an optional attribute is there.
    pub bits: u32,
}

impl Maker {
    /// One message of each kind.
    pub fn all(&mut self, turn: u32) -> Vec<Message> {
        let mut all: Vec<Message> = vec![
            self.hello(turn).into(),
            Welcome { version: Version, method: self.one(&Method::ALL), at: self.number() }.into(),
            Speed { operations: self.number(), nanoseconds: self.number() }.into(),
            Request {}.into(),
            Range { lease: self.number(), first: self.number(), last: self.number() }.into(),
            self.alive(turn).into(),
            self.found().into(),
            Accepted { lease: self.number() }.into(),
            Refused { lease: self.number(), code: self.one(Code::ALL), text: self.text() }.into(),
        ];
        all.extend::<[Message; 10]>([
            Recall { lease: self.number() }.into(),
            Signal { name: self.one(&Ending::ALL) }.into(),
            Acknowledged {}.into(),
            self.query(turn).into(),
            self.status(turn).into(),
            self.coverage().into(),
            Distrusted { host: self.name(), taken_back: self.number() }.into(),
            self.compute(turn).into(),
            End { computes: self.number() }.into(),
            Error { code: self.one(Code::ALL), text: self.text() }.into(),
        ]);
        all
    }

    fn hello(&mut self, turn: u32) -> Hello {
        self.bits = turn;
        Hello {
            version: Version,
            role: self.one(Role::ALL),
            host: self.maybe(Self::name),
            pid: self.maybe(Self::small),
            instance: self.maybe(|it| Instance(it.number())),
            kernel: self.maybe(Self::name),
        }
    }

    fn query(&mut self, turn: u32) -> Query {
        self.bits = turn;
        Query { cells: self.maybe(|it| CellCount::new(it.small())) }
    }

    fn coverage(&mut self) -> Coverage {
        let cells = self.one(&[1, 2, 240, limits::CELLS_MAX]);
        let mut cells = || Cells::of((0..cells).map(|_| (self.rng.u64(0..=7), 7)));
        let (done, leased) = (cells(), cells());
        Coverage { first: self.number(), last: self.number(), done, leased }
    }

    fn alive(&mut self, turn: u32) -> Alive {
        self.bits = turn;
        Alive { lease: self.maybe(Self::number), tested: self.maybe(Self::number) }
    }

    fn found(&mut self) -> Found {
        Found {
            lease: self.number(),
            first: self.number(),
            last: self.number(),
            tested: self.number(),
            sum: self.sum(),
            nanoseconds: self.number(),
            perfect: self.numbers(),
        }
    }

    fn status(&mut self, turn: u32) -> Status {
        self.bits = turn;
        Status {
            host: self.name(),
            listen: self.name(),
            ledger: self.name(),
            method: self.one(&Method::ALL),
            first: self.number(),
            last: self.maybe(Self::number),
            perfect: self.numbers(),
            tested: self.number(),
            contiguous_to: self.number(),
            leased: self.number(),
            unchecked: self.number(),
            rate_per_s: self.number(),
            eta_s: self.maybe(Self::number),
            uptime_s: self.number(),
            ending: self.rng.bool(),
            trouble: self.maybe(Self::name),
        }
    }

    fn compute(&mut self, turn: u32) -> Compute {
        self.bits = turn;
        Compute {
            host: self.name(),
            pid: self.small(),
            state: self.one(Stage::ALL),
            ops_per_s: self.number(),
            rate_per_s: self.number(),
            first: self.maybe(Self::number),
            last: self.maybe(Self::number),
            seen_ms: self.number(),
            ranges: self.number(),
            strikes: self.small(),
            kernel: self.maybe(Self::name),
        }
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.rng.usize(..of.len())]
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let there = self.bits & 1 != 0;
        self.bits >>= 1;
        there.then(|| make(self))
    }

    fn small(&mut self) -> u32 {
        let any = self.rng.u32(..);
        self.one(&[0, 1, 9, 10, u32::MAX - 1, u32::MAX, any])
    }

    fn number(&mut self) -> u64 {
        let any = self.rng.u64(..) >> self.rng.u32(..64);
        self.one(&[0, 1, 33_550_336, limits::CANDIDATE_MAX, u64::MAX - 1, u64::MAX, any, any, any])
    }

    fn sum(&mut self) -> u128 {
        let any = self.rng.u128(..) >> self.rng.u32(..128);
        self.one(&[0, 1, u128::from(u64::MAX) + 1, u128::MAX - 1, u128::MAX, any, any, any])
    }

    fn numbers(&mut self) -> Numbers {
        let count = self.one(&[0, 1, 2, limits::HITS_MAX]);
        let ascending: BTreeSet<u64> = (0..count).map(|_| self.number()).collect();
        Numbers(ascending.into_iter().collect())
    }

    /// What a name may be: up to 255 bytes of any characters, but no control characters.
    fn name(&mut self) -> String {
        let length = self.one(&[1, 2, 40, limits::HOST_MAX_BYTES]);
        let mut name = String::new();
        loop {
            let c = self.character();
            if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') {
                continue;
            }
            if name.len() + c.len_utf8() > length.max(c.len_utf8()) {
                return name;
            }
            name.push(c);
        }
    }

    /// Any characters at all.
    fn text(&mut self) -> String {
        (0..self.one(&[0, 1, 30, 1_000])).map(|_| self.character()).collect()
    }

    fn character(&mut self) -> char {
        let any = self.rng.char(..);
        let plain = self.rng.char(' '..='~');
        let special = "&<>\"'\t\n\r ]\0\u{1f}\u{7f}\u{85}\u{2028}\u{fffe}\u{ffff}#;".chars().collect::<Vec<_>>();
        let special = self.one(&special);
        self.one(&[any, plain, special])
    }
}
