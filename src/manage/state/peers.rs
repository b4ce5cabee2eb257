//! Connections: who sits behind each, what each may say, and when one is dropped.

use std::net::IpAddr;

use slog::Level;

use super::{Peer, Standing, State};
use crate::common::clock::Millis;
use crate::common::error::printable;
use crate::common::limits::{GREETING_MAX_MS, REPORT_SILENCE_MAX_MS, SILENCE_MAX_MS, TURNED_AWAY_LOG_MS};
use crate::common::message::{
    Acknowledged, Alive, Code, Error, Hello, Instance, Message, Role, Signal, Speed, Version, Welcome,
};
use crate::common::net::network;
use crate::common::signal::Ending;
use crate::manage::gate::{Origin, Pass};
use crate::manage::rights::Bearer;
use crate::manage::roster::Compute;
use crate::manage::sizing::Pace;

/// One connection.
#[derive(Debug)]
pub(super) struct Seat {
    from: IpAddr,
    /// By what right.
    bearer: Bearer,
    /// Who sits here, once it has said so and was let in.
    guest: Option<Guest>,
    heard: Millis,
}

/// Who sits behind a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guest {
    Compute(Instance),
    Control,
    Report,
}

impl Seat {
    pub(super) fn new(from: IpAddr, bearer: Bearer, now: Millis) -> Self {
        Self { from, bearer, guest: None, heard: now }
    }

    pub(super) fn standing(&self) -> Standing {
        match self.guest {
            None => Standing::Stranger,
            Some(Guest::Control) => Standing::Control,
            Some(Guest::Report) => Standing::Report,
            Some(_) => Standing::Guest,
        }
    }

    /// The compute whose data connection it is.
    pub(super) fn compute(&self) -> Option<Instance> {
        if let Some(Guest::Compute(instance)) = self.guest { Some(instance) } else { None }
    }

    /// For the log.
    fn called(&self, peer: Peer) -> String {
        format!("connection {peer} from {}{}", self.from.to_canonical(), self.bearer)
    }

    /// Whose it is: what is counted together.
    pub(super) fn origin(&self) -> Origin {
        (self.bearer.key(), network(self.from))
    }

    /// What the gate counts it as, as this guest.
    fn pass(&self, guest: Guest) -> Pass {
        Pass { worker: guest != Guest::Report, origin: self.origin() }
    }

    pub(super) fn is_control(&self) -> bool {
        self.guest == Some(Guest::Control)
    }

    /// True for both connections of a compute.
    pub(super) fn is_computes(&self) -> bool {
        matches!(self.guest, Some(Guest::Compute(_) | Guest::Control))
    }

    fn silence_max_ms(&self) -> u64 {
        match self.guest {
            None => GREETING_MAX_MS,
            Some(Guest::Report) => REPORT_SILENCE_MAX_MS,
            Some(_) => SILENCE_MAX_MS,
        }
    }
}

/// Those who were turned away before they were known, since the log was last told.
#[derive(Debug, Default)]
pub(super) struct TurnedAway {
    told: Option<Millis>,
    count: u64,
    last: String,
}

impl State {
    /// It is known who is behind a connection.
    pub(super) fn introduce(&mut self, peer: Peer, bearer: Bearer) {
        if let Some(seat) = self.seats.get_mut(&peer) {
            seat.bearer = bearer;
        }
    }

    /// A message came. Whether its bearer has the right to say it stands in `rights`; what each kind of connection may
    /// say, here.
    pub(super) fn said(&mut self, peer: Peer, message: Message) {
        let Some(seat) = self.seats.get_mut(&peer) else { return };
        seat.heard = self.now;
        if let Err((code, text)) = seat.bearer.check(&message) {
            return self.refuse(peer, code, text);
        }
        match (seat.guest, message) {
            (None, Message::Hello(hello)) => self.greet(peer, hello),
            (None, _) => self.refuse(peer, Code::Greeting, "1:1: the first message must be hello"),
            (Some(_), Message::Hello(_)) => self.refuse(peer, Code::Greeting, "1:1: hello was said already"),
            (_, Message::Error(error)) => self.hear_error(peer, &error),
            (Some(Guest::Compute(instance)), message) => self.compute_said(peer, instance, message),
            (Some(Guest::Control), Message::Alive(_)) => self.send(peer, Alive { lease: None, tested: None }),
            (Some(Guest::Report), Message::Query(query)) => self.send_report(peer, query.cells),
            (Some(Guest::Report), Message::Signal(signal)) => self.take_signal(peer, signal.name),
            (Some(_), message) => self.refuse_role(peer, &message),
        }
    }

    fn compute_said(&mut self, peer: Peer, instance: Instance, message: Message) {
        if let Some(compute) = self.roster.get_mut(instance) {
            compute.seen = self.now;
        }
        match message {
            Message::Speed(speed) => self.take_speed(peer, instance, &speed),
            Message::Request(_) => self.take_request(peer, instance),
            Message::Alive(alive) => self.take_alive(peer, instance, &alive),
            Message::Found(found) => self.take_result(instance, found),
            message => self.refuse_role(peer, &message),
        }
    }

    fn refuse_role(&mut self, peer: Peer, message: &Message) {
        self.refuse(peer, Code::WrongRole, format!("1:1: {} is not for this role to say", message.name()));
    }

    fn greet(&mut self, peer: Peer, hello: Hello) {
        let Some(seat) = self.seats.get(&peer) else { return };
        let host = match hello.host.map(|host| seat.bearer.name_of(host)).transpose() {
            Ok(host) => host,
            Err(text) => return self.refuse(peer, Code::BadValue, text),
        };
        let (guest, compute) = match (hello.role, host, hello.pid, hello.instance) {
            (Role::Report, ..) => (Guest::Report, None),
            (Role::Control, Some(_), Some(_), Some(_)) => (Guest::Control, None),
            (Role::Compute, Some(host), Some(pid), Some(instance)) => {
                (Guest::Compute(instance), Some((instance, Compute::new(host, pid, hello.kernel, self.now))))
            }
            _ => {
                let text = "1:1: a compute says its host, pid and instance";
                return self.refuse(peer, Code::MissingAttribute, text);
            }
        };
        let Some(seat) = self.seats.get_mut(&peer) else { return };
        if let Err(text) = self.gate.enter(seat.pass(guest), self.policy.workers_max) {
            return self.refuse(peer, Code::Busy, text);
        }
        seat.guest = Some(guest);
        if let Some((instance, compute)) = compute {
            self.seat_compute(peer, instance, compute);
        }
        let at = self.coverage.next_free().map_or(self.settings.first, |span| span.first);
        self.send(peer, Welcome { version: Version, method: self.settings.method, at });
        if self.is_ending() && guest == Guest::Control {
            self.send_ending(peer);
        }
    }

    /// A compute has connected, for the first time or again.
    fn seat_compute(&mut self, peer: Peer, instance: Instance, new: Compute) {
        let (host, pid, kernel) = (new.host.clone(), new.pid, new.kernel.clone());
        let compute = self.roster.admit(instance, new);
        // The ledger, which knows it after a restart, doesn't keep this.
        compute.kernel = kernel;
        let former = compute.data.replace(peer);
        compute.seen = self.now;
        self.waiting.remove(instance);
        self.log(Level::Info, format!("compute {host} pid {pid} is here"));
        if let Some(former) = former {
            self.refuse(former, Code::Replaced, "1:1: the same compute has connected again");
        }
    }

    fn take_speed(&mut self, peer: Peer, instance: Instance, speed: &Speed) {
        let Some(pace) = Pace::timed(speed.operations, speed.nanoseconds) else {
            return self.refuse(peer, Code::BadValue, "1:1: a speed of nothing");
        };
        if let Some(compute) = self.roster.get_mut(instance) {
            // Who connects again repeats its timing loop's; what its ranges have really taken since is worth more.
            compute.pace.get_or_insert(pace);
        }
    }

    fn take_signal(&mut self, peer: Peer, ending: Ending) {
        let Some(seat) = self.seats.get(&peer) else { return };
        self.log(Level::Info, format!("{} asks for SIG{ending}", seat.called(peer)));
        self.send(peer, Acknowledged {});
        self.actions.push(super::Action::SignalSelf(ending));
    }

    pub(super) fn send_ending(&mut self, peer: Peer) {
        self.send(peer, Signal { name: Ending::Int });
    }

    fn hear_error(&mut self, peer: Peer, error: &Error) {
        let text = printable(&error.text);
        self.log(Level::Warning, format!("connection {peer} complains: {}: {text}", error.code));
        self.actions.push(super::Action::Close(peer));
        self.gone(peer);
    }

    /// Tells a peer its error and closes the connection; what it held goes back when it is gone.
    pub(super) fn dismiss(&mut self, peer: Peer, error: Error) {
        let Some(seat) = self.seats.get(&peer) else { return };
        let text = printable(&error.text);
        let line = format!("{} is closed: {}: {text}", seat.called(peer), error.code);
        if seat.guest.is_some() {
            self.log(Level::Warning, line);
        } else {
            self.note_turned_away(line);
        }
        self.send(peer, error);
        self.actions.push(super::Action::Close(peer));
        self.gone(peer);
    }

    /// A connection is gone: its compute's lease goes back, unless a result for it is just being proved.
    pub(super) fn gone(&mut self, peer: Peer) {
        let Some(seat) = self.seats.remove(&peer) else { return };
        let Some(guest) = seat.guest else { return };
        self.gate.leave(seat.pass(guest));
        let Guest::Compute(instance) = guest else { return };
        let Some(compute) = self.roster.get_mut(instance).filter(|compute| compute.data == Some(peer)) else { return };
        compute.data = None;
        self.waiting.remove(instance);
        let line = format!("compute {} pid {} is gone", compute.host, compute.pid);
        self.log(Level::Info, line);
        self.give_back(instance);
    }

    /// The first of those who are turned away is told to the log at once, the others are counted for a while: whoever wants
    /// to fill a disk with them can't.
    fn note_turned_away(&mut self, line: String) {
        if self.turned_away.told.is_none() {
            self.turned_away.told = Some(self.now);
            return self.log(Level::Warning, line);
        }
        self.log(Level::Debug, line.clone());
        self.turned_away.count += 1;
        self.turned_away.last = line;
    }

    pub(super) fn tell_of_turned_away(&mut self) {
        if self.turned_away.told.is_none_or(|told| self.now.since(told) < TURNED_AWAY_LOG_MS) {
            return;
        }
        let TurnedAway { count, last, .. } = std::mem::take(&mut self.turned_away);
        if count > 0 {
            self.turned_away.told = Some(self.now);
            self.log(Level::Warning, format!("{count} more were turned away before they were known; the last: {last}"));
        }
    }

    /// Drops who has said nothing for too long.
    pub(super) fn drop_silent(&mut self) {
        let silent = |seat: &Seat| self.now.since(seat.heard) > seat.silence_max_ms();
        let silent: Vec<_> = self.seats.iter().filter(|(_, seat)| silent(seat)).map(|(peer, _)| *peer).collect();
        for peer in silent {
            self.refuse(peer, Code::Silent, "1:1: nothing was heard for too long");
        }
    }
}
