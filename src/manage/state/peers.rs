//! Connections: who sits behind each, what each may say, and when one is dropped.

use slog::Level;

use super::{Peer, State};
use crate::common::clock::Millis;
use crate::common::limits::{GREETING_MAX_MS, REPORT_SILENCE_MAX_MS, SILENCE_MAX_MS};
use crate::common::message::{
    Acknowledged, Alive, Code, Error, Hello, Instance, Message, Role, Signal, Speed, Version, Welcome,
};
use crate::common::signal::Ending;
use crate::manage::roster::Compute;
use crate::manage::sizing::Pace;

/// One connection.
#[derive(Debug)]
pub(super) struct Seat {
    /// Who sits here, once it has said so.
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
    pub(super) fn new(now: Millis) -> Self {
        Self { guest: None, heard: now }
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

impl State {
    /// A message came: the one table of who may say what.
    pub(super) fn said(&mut self, peer: Peer, message: Message) {
        let Some(seat) = self.seats.get_mut(&peer) else { return };
        seat.heard = self.now;
        match (seat.guest, message) {
            (None, Message::Hello(hello)) => self.greet(peer, hello),
            (None, _) => self.refuse(peer, Code::Greeting, "1:1: the first message must be hello"),
            (Some(_), Message::Hello(_)) => self.refuse(peer, Code::Greeting, "1:1: hello was said already"),
            (_, Message::Error(error)) => self.hear_error(peer, &error),
            (Some(Guest::Compute(instance)), message) => self.compute_said(peer, instance, message),
            (Some(Guest::Control), Message::Alive(_)) => self.send(peer, Alive { lease: None, tested: None }),
            (Some(Guest::Report), Message::Query(_)) => self.send_report(peer),
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
        let guest = match hello.role {
            Role::Report => Guest::Report,
            Role::Compute | Role::Control => {
                let (Some(host), Some(pid), Some(instance)) = (hello.host, hello.pid, hello.instance) else {
                    let text = "1:1: a compute says its host, pid and instance";
                    return self.refuse(peer, Code::MissingAttribute, text);
                };
                if hello.role == Role::Control {
                    Guest::Control
                } else {
                    self.seat_compute(peer, instance, Compute::new(host, pid, hello.kernel, self.now));
                    Guest::Compute(instance)
                }
            }
        };
        if let Some(seat) = self.seats.get_mut(&peer) {
            seat.guest = Some(guest);
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
        self.waiting.remove(&instance);
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
        self.send(peer, Acknowledged {});
        self.actions.push(super::Action::SignalSelf(ending));
    }

    pub(super) fn send_ending(&mut self, peer: Peer) {
        self.send(peer, Signal { name: Ending::Int });
    }

    fn hear_error(&mut self, peer: Peer, error: &Error) {
        let text = error.text.escape_debug();
        self.log(Level::Warning, format!("connection {peer} complains: {}: {text}", error.code));
        self.actions.push(super::Action::Close(peer));
        self.gone(peer);
    }

    /// Tells a peer its error and closes the connection; what it held goes back when it is gone.
    pub(super) fn dismiss(&mut self, peer: Peer, error: Error) {
        if !self.seats.contains_key(&peer) {
            return;
        }
        let text = error.text.escape_debug().to_string();
        self.log(Level::Warning, format!("connection {peer} is closed: {}: {text}", error.code));
        self.send(peer, error);
        self.actions.push(super::Action::Close(peer));
        self.gone(peer);
    }

    /// A connection is gone: its compute's lease goes back, unless a result for it is just being proved.
    pub(super) fn gone(&mut self, peer: Peer) {
        let Some(Seat { guest: Some(Guest::Compute(instance)), .. }) = self.seats.remove(&peer) else { return };
        let Some(compute) = self.roster.get_mut(instance).filter(|compute| compute.data == Some(peer)) else { return };
        compute.data = None;
        self.waiting.remove(&instance);
        let line = format!("compute {} pid {} is gone", compute.host, compute.pid);
        self.log(Level::Info, line);
        self.give_back(instance);
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
