//! A manage to try decisions on: events go in, what it says and records is kept.

use super::super::*;
use crate::common::message::{Found, Hello, Instance, Numbers, Range, Request, Role, Speed, Stage, Version};
use crate::divisors::Search;
use crate::manage::recheck::Due;
use crate::manage::rights::Bearer;

/// A manage, the time, and what it has said to whom.
pub struct World {
    pub state: State,
    pub now: Millis,
    pub said: Vec<(Peer, Message)>,
    pub records: Vec<Record>,
    pub closed: Vec<Peer>,
    /// How often the log was warned.
    pub warnings: usize,
}

pub const POLICY: Policy = Policy { seconds: 15.0, recheck_percent: 0.0, recheck_key: 1, workers_max: usize::MAX };

impl World {
    pub fn new(last: u64, policy: Policy) -> Self {
        Self::restored(last, policy, Restored { next_lease: 1, ..Restored::default() })
    }

    pub fn restored(last: u64, policy: Policy, restored: Restored) -> Self {
        Self::of(Settings { method: Method::Trial, first: 1, last: Some(last) }, policy, restored)
    }

    pub fn of(settings: Settings, policy: Policy, restored: Restored) -> Self {
        let identity = Identity { host: "here".to_owned(), listen: "127.0.0.1:1".to_owned(), ledger: "l".to_owned() };
        let state = State::new(settings, policy, identity, restored, Millis(0)).unwrap();
        Self { state, now: Millis(0), said: Vec::new(), records: Vec::new(), closed: Vec::new(), warnings: 0 }
    }

    pub fn handle(&mut self, event: Event) {
        self.state.handle(event, self.now);
        self.settle();
    }

    pub fn settle(&mut self) {
        while self.state.has_proofs() {
            self.state.prove(1_000_000, self.now);
        }
        loop {
            let actions = self.state.settle();
            if actions.is_empty() {
                break;
            }
            for action in actions {
                match action {
                    Action::Send(peer, message) => self.said.push((peer, message)),
                    Action::Close(peer) => self.closed.push(peer),
                    Action::Record(record) => self.records.push(record),
                    Action::Log(Level::Warning, _) => self.warnings += 1,
                    Action::SignalSelf(_) | Action::Log(..) => {}
                }
            }
            self.state.written();
            while let Some(host) = self.state.disowning() {
                let deeds = self.deeds_of(&host);
                self.state.handle(Event::Disowned(host, deeds), self.now);
            }
        }
    }

    /// What a host has done, as a ledger would know it.
    fn deeds_of(&self, host: &str) -> Deeds {
        let mut deeds = Deeds::default();
        for record in &self.records {
            match record {
                Record::Accepted { found, holder, .. } if holder.host == host => {
                    deeds.done.push(Span { first: found.first, last: found.last });
                }
                Record::Confirmed { first, holder, .. } if holder.host == host => {
                    let accepted = |record: &Record| match record {
                        Record::Accepted { found, holder, .. } if found.first == *first => {
                            Some(Due::new(found, holder))
                        }
                        _ => None,
                    };
                    deeds.confirmed.extend(self.records.iter().rev().find_map(accepted));
                }
                _ => {}
            }
        }
        deeds
    }

    pub fn say(&mut self, peer: Peer, message: impl Into<Message>) {
        self.handle(Event::Said(peer, message.into()));
    }

    pub fn tick(&mut self, ms: u64) {
        self.now = self.now.after(ms);
        self.handle(Event::Tick);
    }

    /// A compute connects as `peer`, says its speed, and asks for a range.
    pub fn compute(&mut self, peer: Peer, host: &str) {
        self.greet(peer, host, Role::Compute);
        self.say(peer, Speed { operations: 1_000_000, nanoseconds: 1_000_000_000 });
        self.say(peer, Request {});
    }

    /// Somebody connects, of whom no key is asked.
    pub fn open(&mut self, peer: Peer) {
        self.handle(Event::Opened(peer, IpAddr::from([127, 0, 0, 1]), Bearer::Anyone));
    }

    pub fn greet(&mut self, peer: Peer, host: &str, role: Role) {
        self.open(peer);
        let (host, pid, instance) = (Some(host.to_owned()), Some(peer as u32), Some(Instance(peer % 100)));
        self.say(peer, Hello { version: Version, role, host, pid, instance, kernel: None });
    }

    /// The latest range that `peer` was given.
    pub fn range(&self, peer: Peer) -> Option<Range> {
        self.said.iter().rev().find_map(|(to, message)| match message {
            Message::Range(range) if *to == peer => Some(range.clone()),
            _ => None,
        })
    }

    pub fn last_said(&self, peer: Peer) -> &Message {
        &self.said.iter().rev().find(|(to, _)| *to == peer).expect("nothing was said").1
    }

    pub fn refusals(&self, peer: Peer) -> Vec<Code> {
        let code = |(to, message): &(Peer, Message)| match message {
            Message::Refused(refused) if *to == peer => Some(refused.code),
            Message::Error(error) if *to == peer => Some(error.code),
            _ => None,
        };
        self.said.iter().filter_map(code).collect()
    }

    pub fn finish(&mut self, peer: Peer) {
        let range = self.range(peer).expect("no range");
        self.say(peer, truth(&range, range.last));
        self.say(peer, Request {});
    }

    pub fn stage(&self, instance: u64) -> Stage {
        self.state.roster.stage(self.state.roster.get(Instance(instance)).unwrap())
    }
}

/// The right result for the part of `range` up to `last`.
pub fn truth(range: &Range, last: u64) -> Found {
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
        nanoseconds: 1_000_000_000,
        perfect: Numbers(tally.perfect.to_vec()),
    }
}
