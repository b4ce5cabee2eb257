//! The loop of manage, simulated after the model of `manage/server`: it hears, and decides.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use aliquot::common::limits::{LINES_TURN_MAX, LINGER_MAX_MS, TICK_MS};
use aliquot::common::message::{Alive, Code, Error, Found, Message};
use aliquot::manage::coverage::Span;
use aliquot::manage::outbox::Outbox;
use aliquot::manage::state::{Event, Identity, State};

use crate::support;

use super::Broken;
use super::events::{ConnId, End, Item, What};
use super::simulation::World;
use super::writing::Doom;

/// How much a proof may do at once: all of it, as candidates are small here.
const ALL: u64 = u64::MAX;

/// A connection of manage.
#[derive(Default)]
pub struct Desk {
    unheard: VecDeque<Item>,
    /// This side has said its last word, and waits until then.
    pub lingers: Option<u64>,
    /// The other side has said its last word.
    pub ended: bool,
    /// The lease that it has claimed last, and when.
    pub claim: Option<(u64, u64)>,
}

impl Desk {
    /// Notes what the message claims.
    fn note_claim(&mut self, message: &Message, now: u64) {
        match message {
            Message::Alive(Alive { lease: Some(lease), .. }) => self.claim = Some((*lease, now)),
            Message::Found(_) | Message::Request(_) => self.claim = None,
            _ => {}
        }
    }
}

/// One life of manage.
pub struct Manage {
    pub life: u64,
    pub state: State,
    pub desks: BTreeMap<ConnId, Desk>,
    accepts: Vec<ConnId>,
    ready: BTreeSet<ConnId>,
    next_tick: u64,
    turns_at: u64,
    proves_at: Option<u64>,
    pub told_to_end: bool,
    pub outbox: Outbox,
    /// When a disk that had no room is tried again.
    pub retries_at: Option<u64>,
    /// The leases that it knows: those of the disk when it started, and its own.
    pub known: BTreeMap<u64, Span>,
    /// Where in the next turn with records it crashes, and for how long it is away.
    pub doom: Option<Doom>,
    /// The latest result of each lease: for what is broken on purpose.
    pub results: BTreeMap<u64, Found>,
}

impl World {
    /// Somebody starts manage, on the disk as it is.
    pub fn restart(&mut self) {
        if self.manage.is_some() {
            return;
        }
        self.host_up = true;
        let mut restored = self.disk.image.restored();
        match self.broken {
            Some(Broken::ForgetsLeases) => restored.leases.clear(),
            Some(Broken::ForgetsNumbers) => restored.next_lease = 1,
            Some(Broken::ForgetsChecks) => restored.due.clear(),
            _ => {}
        }
        let name = |text: &str| text.to_owned();
        let identity = Identity { host: name("here"), listen: name("127.0.0.1:1"), ledger: name("l") };
        let (now, life) = (self.now(), self.new_life());
        let known = restored.leases.iter().map(|leased| (leased.lease, leased.span)).collect();
        self.note(|| format!("manage starts: {restored:?}"));
        match State::new(self.plan.settings, self.plan.policy, identity, restored, now) {
            Err(damage) => self.violate(format!("a restart finds damage: {damage}")),
            Ok(state) => {
                self.manage = Some(Box::new(Manage {
                    life,
                    state,
                    desks: BTreeMap::new(),
                    accepts: Vec::new(),
                    ready: BTreeSet::new(),
                    next_tick: 0,
                    turns_at: u64::MAX,
                    proves_at: None,
                    told_to_end: false,
                    outbox: Outbox::default(),
                    retries_at: None,
                    known,
                    doom: None,
                    results: BTreeMap::new(),
                }));
                self.turn_by(now.0);
            }
        }
    }

    /// Manage turns at that time, or sooner.
    pub fn turn_by(&mut self, at: u64) {
        let at = at.max(self.stopped_until).max(self.events.now);
        if let Some(manage) = self.manage.as_mut().filter(|manage| at < manage.turns_at) {
            manage.turns_at = at;
            self.events.at(at, What::Turn { life: manage.life });
        }
    }

    /// Something reaches manage's end of a connection, or its host.
    pub fn reaches_manage(&mut self, conn: ConnId, item: Item) {
        let life = self.manage.as_ref().map(|manage| manage.life);
        let answered = |item: &Item| !matches!(item, Item::Reset | Item::Fin);
        if matches!(item, Item::Syn) {
            let connection = &mut self.network.connections[conn];
            connection.offered = connection.offered.or(life);
            return match life {
                Some(_) => self.send(conn, End::Server, Item::SynAck),
                None if self.host_up => self.send(conn, End::Server, Item::Refused),
                None => {}
            };
        }
        if life.is_some() && !self.network.connections[conn].taken && self.network.connections[conn].offered == life {
            self.network.take(conn);
            let manage = self.manage.as_mut().unwrap();
            manage.accepts.push(conn);
            manage.desks.insert(conn, Desk::default());
        }
        if !self.network.is_open(conn, End::Server) {
            return if self.host_up && answered(&item) {
                self.send(conn, End::Server, Item::Reset)
            };
        }
        if matches!(item, Item::Reset) {
            self.close(conn, End::Server, true);
        }
        let slack = if self.random.u8(..) < 32 { self.random.u64(..50) } else { 0 };
        let Some(manage) = &mut self.manage else { return };
        if let Some(desk) = manage.desks.get_mut(&conn) {
            desk.unheard.push_back(item);
            manage.ready.insert(conn);
        }
        self.turn_by(self.events.now + slack);
    }

    /// One turn of the loop.
    pub fn turn(&mut self, life: u64) {
        let now = self.now();
        let Some(mut manage) = self.manage.take_if(|manage| manage.life == life && manage.turns_at == now.0) else {
            return;
        };
        if now.0 < self.stopped_until {
            manage.turns_at = u64::MAX;
            self.manage = Some(manage);
            return self.turn_by(self.stopped_until);
        }
        manage.turns_at = u64::MAX;
        if std::mem::take(&mut manage.told_to_end) {
            manage.state.handle(Event::Ending, now);
        }
        for conn in std::mem::take(&mut manage.accepts) {
            manage.state.handle(support::opened(conn as u64), now);
        }
        for conn in std::mem::take(&mut manage.ready) {
            self.serve(&mut manage, conn);
        }
        let ticked = manage.next_tick <= now.0;
        if ticked {
            manage.next_tick = now.0 + TICK_MS;
            if self.broken != Some(Broken::NeverTicks) {
                manage.state.handle(Event::Tick, now);
            }
        }
        self.prove(&mut manage);
        let Ok(wrote) = self.carry_out(&mut manage) else { return };
        self.sweep(&mut manage);
        let next = manage.next_tick.min(manage.proves_at.unwrap_or(u64::MAX));
        let next = if manage.ready.is_empty() && !manage.told_to_end { next } else { now.0 };
        let over = manage.state.is_over(now) && manage.outbox.is_empty() || manage.state.is_overdue(now);
        self.manage = Some(manage);
        self.manage_agrees_with_disk(wrote || ticked);
        self.turn_by(next);
        if over {
            self.leave();
        }
    }

    /// Hears what a connection brings.
    fn serve(&mut self, manage: &mut Manage, conn: ConnId) {
        let (now, peer) = (self.now(), conn as u64);
        let Some(desk) = manage.desks.get_mut(&conn) else { return };
        for heard in 0.. {
            if heard == LINES_TURN_MAX {
                manage.ready.insert(conn);
                break;
            }
            let Some(item) = desk.unheard.pop_front() else { break };
            match item {
                Item::Fin | Item::Reset => {
                    desk.ended = true;
                    self.note(|| format!("connection {conn} has ended"));
                    manage.state.handle(Event::Gone(peer), now);
                }
                _ if desk.lingers.is_some() || desk.ended => {}
                Item::Garbage => {
                    desk.lingers = Some(now.after(LINGER_MAX_MS).0);
                    manage.state.handle(Event::Garbled(peer, Error::new(Code::Malformed, "1:1: rubbish")), now);
                }
                Item::Line(message) => {
                    desk.note_claim(&message, now.0);
                    if let Message::Found(found) = &*message {
                        manage.results.insert(found.lease, found.clone());
                    }
                    manage.state.handle(Event::Said(peer, *message), now);
                }
                _ => {}
            }
        }
    }

    /// Manage keeps no more than there is: its memory doesn't grow with time.
    pub fn is_bounded(&mut self) {
        let Some(manage) = &self.manage else { return };
        let (seats, desks) = (format!("{:?}", manage.state).matches("Seat {").count(), manage.desks.len());
        self.demand(seats <= desks, || format!("manage keeps {seats} connections, of which {desks} are there"));
    }

    /// Proves what waits for it, now or after a while.
    fn prove(&mut self, manage: &mut Manage) {
        let now = self.now();
        if !manage.state.has_proofs() {
            return;
        }
        let proves_at = *manage.proves_at.get_or_insert_with(|| match self.random.u8(..) {
            ..192 => now.0,
            192..248 => now.0 + self.random.u64(..300),
            _ => now.0 + self.random.u64(..5_000),
        });
        if proves_at <= now.0 {
            manage.proves_at = None;
            while manage.state.has_proofs() {
                manage.state.prove(ALL, now);
            }
        }
    }

    /// Drops the connections that are of no more use.
    fn sweep(&mut self, manage: &mut Manage) {
        let now = self.now();
        let over =
            manage.desks.extract_if(.., |_, desk| desk.ended || desk.lingers.is_some_and(|until| until <= now.0));
        for (conn, _) in over {
            manage.state.handle(Event::Gone(conn as u64), now);
            self.network.close(conn, End::Server, false, &mut self.events);
        }
        for (conn, _) in manage.desks.iter_mut().filter(|(_, desk)| desk.lingers.is_some()) {
            // It says that nothing more will come, once all is said.
            self.network.send(*conn, End::Server, Item::Fin, &mut self.events);
        }
    }

    /// Manage is gone, and comes back after a while.
    pub fn dies(&mut self, manage: &mut Manage, silently: bool, away: u64) {
        self.counts.crashes += 1;
        self.host_up = !silently;
        self.disk.forget();
        self.accepted_is_there();
        for conn in std::mem::take(&mut manage.desks).into_keys() {
            self.close(conn, End::Server, silently);
        }
        manage.life = 0;
        self.back_after(away);
    }

    fn back_after(&mut self, away: u64) {
        let latest = self.plan.heals.max(self.events.now) + 1_000;
        self.events.at((self.events.now + away).min(latest), What::Restart);
    }

    /// Manage has ended by itself.
    fn leave(&mut self) {
        let Some(mut manage) = self.manage.take() else { return };
        self.write_last(&mut manage);
        let complete = manage.state.is_complete();
        self.note(|| format!("manage leaves, complete: {complete}"));
        if complete {
            self.finished = true;
            self.manage = Some(manage);
            self.is_bounded();
            return self.all_is_there();
        }
        self.dies(&mut manage, false, 1_000);
    }
}
