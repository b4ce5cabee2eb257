//! The loop of a compute, simulated after the model of `compute/worker` and `compute/wire`.

use aliquot::common::limits::HAND_IN_MAX_MS;
use aliquot::common::link::Due;
use aliquot::common::message::{Alive, Code, Message};
use aliquot::compute::duty::{Action, Event};

use super::compute::{Compute, Socket, Which, Work};
use super::events::{ConnId, End, Item, What};
use super::network::Owner;
use super::simulation::World;

impl World {
    /// Somebody starts a compute, if there is none.
    pub fn replace(&mut self, slot: usize) {
        if self.slots[slot].compute.is_some() {
            return;
        }
        let life = self.new_life();
        let mut nature = self.plan.natures[slot].clone();
        if std::mem::replace(&mut self.slots[slot].replaced, true) {
            nature.lie = None;
        }
        let (seed, now) = (self.random.u64(..), self.now());
        self.note(|| format!("compute {slot} starts as {life}: {nature:?}"));
        self.slots[slot].compute = Some(Compute::new(life, nature, seed, now));
        self.tend(slot);
    }

    /// A compute is gone; another comes in its place after a while.
    pub fn loses(&mut self, slot: usize, silently: bool) {
        let Some(compute) = self.slots[slot].compute.take() else { return };
        self.note(|| format!("compute {slot} is gone, silently: {silently}"));
        self.counts.computes_lost += 1;
        let wires = [Some(&compute.data), compute.control.as_ref()];
        for conn in wires.into_iter().flatten().filter_map(|wire| wire.socket.conn()) {
            self.network.connections[conn].mute = silently;
            self.close(conn, End::Client, silently);
        }
        let at = self.events.now + self.random.u64(200..5_000);
        self.events.at(at, What::Replace(slot));
    }

    fn compute(&mut self, slot: usize) -> Option<&mut Compute> {
        self.slots[slot].compute.as_mut()
    }

    /// Something that concerns a compute happens; kept for later if it stands still.
    fn is_still(&mut self, slot: usize, life: u64, what: What) -> bool {
        let alive = self.compute(slot).is_some_and(|compute| compute.life == life);
        if let Some(missed) = self.slots[slot].still.as_mut().filter(|_| alive) {
            missed.push(what);
            return true;
        }
        !alive
    }

    pub fn wakes(&mut self, slot: usize, life: u64) {
        if !self.is_still(slot, life, What::Wakes { slot, life }) {
            let now = self.events.now;
            if self.compute(slot).is_some_and(|compute| compute.wakes <= now) {
                self.compute(slot).unwrap().wakes = u64::MAX;
                self.tend(slot);
            }
        }
    }

    pub fn work_ends(&mut self, slot: usize, life: u64, work: u64) {
        if self.is_still(slot, life, What::WorkEnds { slot, life, work }) {
            return;
        }
        let now = self.events.now;
        let Some(compute) = self.compute(slot).filter(|it| it.work_number == work && it.work.is_some()) else { return };
        let event = match compute.work {
            Some(Work::Timing { takes }) => Some(Event::Timed(compute.speed(takes))),
            Some(Work::Range { began, takes, .. }) if now < began + takes => return,
            _ => compute.found(now).map(Event::Finished),
        };
        compute.work = None;
        if let Some(event) = event {
            self.advise(slot, event);
        }
        self.tend(slot);
    }

    /// Something reaches a connection of a compute.
    pub fn compute_hears(&mut self, owner: Owner, conn: ConnId, item: Item) {
        let (slot, which) = match owner {
            Owner::Data(slot, _) => (slot, Which::Data),
            Owner::Control(slot, _) => (slot, Which::Control),
            Owner::Report(_) | Owner::Stranger(_) => return,
        };
        match item {
            Item::SynAck => self.greets(slot, which, conn),
            Item::Line(message) => self.hears(slot, which, *message),
            Item::Refused | Item::Fin | Item::Reset => self.drops(slot, which),
            Item::Syn | Item::Ack | Item::Garbage => {}
        }
        self.tend(slot);
    }

    fn greets(&mut self, slot: usize, which: Which, conn: ConnId) {
        let Some(compute) = self.compute(slot) else { return };
        let hello = compute.hello(which);
        if let Some(wire) = compute.wire(which).filter(|wire| wire.socket == Socket::Connecting(conn)) {
            wire.socket = Socket::Open(conn);
            self.send(conn, End::Client, Item::Ack);
            self.say(conn, End::Client, hello);
        }
    }

    fn hears(&mut self, slot: usize, which: Which, message: Message) {
        let now = self.now();
        let Some(wire) = self.compute(slot).and_then(|compute| compute.wire(which)) else { return };
        match message {
            Message::Welcome(welcome) => {
                wire.link.up(now);
                if which == Which::Data {
                    self.advise(slot, Event::Up(welcome));
                }
            }
            Message::Error(error) => {
                self.drops(slot, which);
                if !matches!(error.code, Code::Silent | Code::Replaced) && which == Which::Data {
                    self.misunderstood(slot, &error.text);
                }
            }
            message => {
                wire.link.heard(now);
                match (which, message) {
                    (Which::Data, message) => self.advise(slot, Event::Said(message)),
                    (Which::Control, Message::Signal(_)) => self.ends(slot),
                    (Which::Control, _) => {}
                }
            }
        }
    }

    /// Manage has found a fault of the protocol: only a network that loses single lines can do that.
    fn misunderstood(&mut self, slot: usize, text: &str) {
        let harsh = self.plan.weather.harsh;
        self.demand(harsh, || format!("compute {slot} leaves, as manage says: {text}"));
        self.loses(slot, false);
    }

    /// The connection is gone, or couldn't be made.
    fn drops(&mut self, slot: usize, which: Which) {
        let now = self.now();
        let Some(wire) = self.compute(slot).and_then(|compute| compute.wire(which)) else { return };
        let conn = std::mem::replace(&mut wire.socket, Socket::None).conn();
        wire.link.lost(now);
        if let Some(conn) = conn {
            self.close(conn, End::Client, false);
        }
        if which == Which::Data {
            self.advise(slot, Event::Down);
        }
    }

    /// Does what is due for both connections, leaves if it is time, and sees to it that it is looked at again.
    fn tend(&mut self, slot: usize) {
        for which in [Which::Data, Which::Control] {
            let now = self.now();
            while let Some(due) =
                self.compute(slot).and_then(|compute| compute.wire(which)).and_then(|wire| wire.link.due(now))
            {
                self.does(slot, which, due);
            }
        }
        let now = self.events.now;
        let Some(compute) = self.compute(slot) else { return };
        if compute.leave_by.is_some_and(|by| by <= now) {
            return self.loses(slot, false);
        }
        let wires = [Some(&compute.data), compute.control.as_ref()];
        let deadlines = wires.into_iter().flatten().map(|wire| wire.link.deadline().0);
        let next = deadlines.chain(compute.leave_by).min().unwrap_or(u64::MAX);
        if next < compute.wakes {
            compute.wakes = next;
            let life = compute.life;
            self.events.at(next, What::Wakes { slot, life });
        }
    }

    fn does(&mut self, slot: usize, which: Which, due: Due) {
        let now = self.events.now;
        let Some(compute) = self.compute(slot) else { return };
        match (due, which) {
            (Due::Heartbeat, Which::Data) => {
                let tested = compute.tested(now);
                self.advise(slot, Event::Heartbeat(tested));
            }
            (Due::Heartbeat, Which::Control) => {
                if let Some(Socket::Open(conn)) = compute.wire(which).map(|wire| wire.socket) {
                    self.say(conn, End::Client, Alive { lease: None, tested: None });
                }
            }
            (Due::GiveUp, _) => self.drops(slot, which),
            (Due::Connect, _) => {
                let life = compute.life;
                let owner = if which == Which::Data { Owner::Data(slot, life) } else { Owner::Control(slot, life) };
                let conn = self.connect(owner);
                if let Some(wire) = self.compute(slot).and_then(|compute| compute.wire(which)) {
                    wire.socket = Socket::Connecting(conn);
                }
            }
        }
    }

    /// A compute is told to end.
    pub fn ends(&mut self, slot: usize) {
        let now = self.events.now;
        let Some(compute) = self.compute(slot).filter(|compute| compute.leave_by.is_none()) else { return };
        compute.leave_by = Some(now + HAND_IN_MAX_MS);
        let found = compute.found(now);
        compute.work = None;
        self.note(|| format!("compute {slot} ends"));
        self.advise(slot, Event::Ending(found));
        self.tend(slot);
    }

    /// Asks the duty what to do, and does it.
    fn advise(&mut self, slot: usize, event: Event) {
        let Some(compute) = self.compute(slot) else { return };
        match &event {
            Event::Finished(found) | Event::Ending(Some(found)) => compute.owed = Some(found.lease),
            Event::Said(Message::Accepted(accepted)) if compute.owed == Some(accepted.lease) => compute.owed = None,
            Event::Said(Message::Refused(refused)) if compute.owed == Some(refused.lease) => {
                compute.owed = compute.owed.filter(|_| refused.code == Code::OutOfTurn);
            }
            _ => {}
        }
        let back = matches!(event, Event::Up(_));
        let actions = compute.duty.handle(event);
        if back {
            self.says_what_it_has(slot, &actions);
        }
        for action in actions {
            self.acts(slot, action);
        }
    }

    /// A compute that is back hands in what nobody has answered, and claims what it works on.
    fn says_what_it_has(&mut self, slot: usize, actions: &[Action]) {
        let Some(compute) = self.compute(slot) else { return };
        let works_on = match &compute.work {
            Some(Work::Range { range, .. }) => Some(range.lease),
            _ => None,
        };
        let said = |is_it: &dyn Fn(&Message) -> Option<u64>| {
            actions.iter().find_map(|action| if let Action::Send(message) = action { is_it(message) } else { None })
        };
        let handed_in = said(&|message| if let Message::Found(found) = message { Some(found.lease) } else { None });
        let claimed = said(&|message| if let Message::Alive(alive) = message { alive.lease } else { None });
        let owed = compute.owed;
        self.demand(handed_in == owed, || format!("compute {slot} owes {owed:?} and hands in {handed_in:?}"));
        self.demand(claimed == works_on, || format!("compute {slot} works on {works_on:?} and claims {claimed:?}"));
    }

    fn acts(&mut self, slot: usize, action: Action) {
        let (now, slowed) = (self.events.now, self.slots[slot].slowed);
        let Some(compute) = self.compute(slot) else { return };
        match action {
            Action::Send(message) => {
                if let Socket::Open(conn) = compute.data.socket {
                    self.say(conn, End::Client, message);
                }
            }
            Action::Time(..) => {
                let (life, (work, takes)) = (compute.life, compute.begin(|takes| Work::Timing { takes }));
                self.events.at(now + takes, What::WorkEnds { slot, life, work });
            }
            Action::Test(method, range) => {
                let takes = compute.takes(method, &range, slowed);
                let (life, (work, takes)) = (compute.life, compute.begin(|_| Work::Range { range, began: now, takes }));
                self.events.at(now + takes, What::WorkEnds { slot, life, work });
            }
            Action::HandIn => {
                if let Some(found) = compute.found(now) {
                    compute.work = None;
                    self.advise(slot, Event::Finished(found));
                }
            }
            Action::Abandon => compute.work = None,
            Action::Leave => self.loses(slot, false),
            Action::Log(text) => self.note(|| format!("compute {slot}: {text}")),
        }
    }
}
