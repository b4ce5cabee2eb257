//! The connections of those who haven't said yet who they are, or were dismissed, by where they come from.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::common::clock::Millis;
use crate::common::limits::{
    ACCEPT_TURN_MAX, ACCEPTED_SHARE_MAX, HANDSHAKE_MIN_MS, STRANGERS_MAX, STRANGERS_SHARE_MAX,
};
use crate::common::net::network;

use super::connection::Connection;
use super::state::Peer;

/// All of them; there are places for so many.
pub struct Strangers {
    links: BTreeMap<Peer, Connection>,
    places: usize,
    from: BTreeMap<IpAddr, Crowd>,
}

/// Those of one address, or network.
#[derive(Default)]
struct Crowd {
    /// Those of whom nothing that could be answered has come, and those who were dismissed.
    idle: BTreeSet<Peer>,
    /// Those whose handshake goes on.
    greeting: BTreeSet<Peer>,
}

impl Crowd {
    fn count(&self) -> usize {
        self.idle.len() + self.greeting.len()
    }
}

/// How much a crowd stands in the way, by its count and its oldest.
type Weight = (usize, Reverse<Peer>);

impl Strangers {
    /// None yet, in a process that may have so many descriptors.
    #[must_use]
    pub fn new(descriptors: usize) -> Self {
        let places = STRANGERS_MAX.min(descriptors / STRANGERS_SHARE_MAX).max(1);
        Self { links: BTreeMap::new(), places, from: BTreeMap::new() }
    }

    /// How many a turn may take in: of so many nobody loses his place before he was heard.
    #[must_use]
    pub fn accepted_max(&self) -> usize {
        (self.places / ACCEPTED_SHARE_MAX).clamp(1, ACCEPT_TURN_MAX)
    }

    /// True if one more may come in, whether or not another has to go for that.
    #[must_use]
    pub fn has_place(&self, now: Millis) -> bool {
        self.links.len() < self.places || self.in_the_way(now).is_some()
    }

    /// Who has to go for one more to come in, if anybody has to and may: of the address with the most, among several that with the
    /// oldest. Who idles goes first; whose handshake goes on only after some time.
    #[must_use]
    pub fn in_the_way(&self, now: Millis) -> Option<Peer> {
        if self.links.len() < self.places {
            return None;
        }
        self.oldest_of_fullest(|crowd| &crowd.idle).or_else(|| {
            let oldest = self.oldest_of_fullest(|crowd| &crowd.greeting)?;
            self.links.get(&oldest).filter(|link| now.since(link.opened) >= HANDSHAKE_MIN_MS).map(|_| oldest)
        })
    }

    fn oldest_of_fullest(&self, of: impl Fn(&Crowd) -> &BTreeSet<Peer>) -> Option<Peer> {
        let weight = |crowd: &Crowd| -> Option<Weight> { Some((crowd.count(), Reverse(*of(crowd).first()?))) };
        self.from.values().filter_map(weight).max().map(|(_, Reverse(oldest))| oldest)
    }

    /// Takes one in.
    pub fn insert(&mut self, peer: Peer, link: Connection) {
        self.from.entry(network(link.from.ip())).or_default().idle.insert(peer);
        self.links.insert(peer, link);
        self.note(peer);
    }

    /// Gives one up.
    pub fn remove(&mut self, peer: Peer) -> Option<Connection> {
        let link = self.links.remove(&peer)?;
        let from = network(link.from.ip());
        if let Some(crowd) = self.from.get_mut(&from) {
            crowd.idle.remove(&peer);
            crowd.greeting.remove(&peer);
            if crowd.count() == 0 {
                self.from.remove(&from);
            }
        }
        Some(link)
    }

    /// Something was done with one of them.
    pub fn note(&mut self, peer: Peer) {
        let Some(link) = self.links.get(&peer) else { return };
        let Some(crowd) = self.from.get_mut(&network(link.from.ip())) else { return };
        let greets = link.is_open() && link.conn.is_answered();
        let (to, other) =
            if greets { (&mut crowd.greeting, &mut crowd.idle) } else { (&mut crowd.idle, &mut crowd.greeting) };
        other.remove(&peer);
        to.insert(peer);
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, peer: Peer) -> Option<&Connection> {
        self.links.get(&peer)
    }

    /// One of them, to use.
    pub fn get_mut(&mut self, peer: Peer) -> Option<&mut Connection> {
        self.links.get_mut(&peer)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&Peer, &Connection)> {
        self.links.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::net::{Listener, Stream};

    fn link(from: &str) -> Connection {
        let listener = Listener::open("loopback", ([127, 0, 0, 1], 0).into()).unwrap();
        let stream = Stream::connect(listener.address().unwrap()).unwrap();
        Connection::new(stream, None, from.parse().unwrap(), Millis(0))
    }

    /// The connection `peer` is answered: its handshake goes on.
    fn answer(strangers: &mut Strangers, peer: Peer) {
        let link = strangers.get_mut(peer).unwrap();
        link.conn.send(b"x").unwrap();
        let _ = link.conn.flush();
        strangers.note(peer);
    }

    #[test]
    fn the_fullest_address_loses_first_who_idles() {
        let mut strangers = Strangers::new(usize::MAX);
        let last = STRANGERS_MAX as Peer;
        for peer in 1..=last {
            assert_eq!(strangers.in_the_way(Millis(0)), None);
            strangers.insert(peer, link(if peer % 4 == 1 { "10.0.0.1:1" } else { "10.0.0.2:1" }));
        }
        assert_eq!(strangers.in_the_way(Millis(0)), Some(2));
        answer(&mut strangers, 2);
        assert_eq!(strangers.in_the_way(Millis(0)), Some(3));
        strangers.get_mut(2).unwrap().linger(Millis(0));
        strangers.note(2);
        assert_eq!(strangers.in_the_way(Millis(0)), Some(2), "who was dismissed idles");
        strangers.remove(2);
        assert_eq!(strangers.in_the_way(Millis(0)), None, "there is a place");
        strangers.insert(1_000, link("10.0.0.3:1"));
        (3..=last).for_each(|peer| _ = strangers.remove(peer));
        assert_eq!((strangers.from.len(), strangers.iter().count()), (2, 2));
    }

    #[test]
    fn who_has_begun_a_handshake_may_go_on_with_it() {
        let mut strangers = Strangers::new(usize::MAX);
        for peer in 1..=STRANGERS_MAX as Peer {
            strangers.insert(peer, link("10.0.0.1:1"));
            answer(&mut strangers, peer);
        }
        assert!(!strangers.has_place(Millis(HANDSHAKE_MIN_MS - 1)));
        assert!(strangers.has_place(Millis(HANDSHAKE_MIN_MS)));
        assert_eq!(strangers.in_the_way(Millis(HANDSHAKE_MIN_MS)), Some(1));
    }

    #[test]
    fn of_many_addresses_the_oldest_goes() {
        let mut strangers = Strangers::new(STRANGERS_MAX * STRANGERS_SHARE_MAX);
        for nth in 0..STRANGERS_MAX as Peer {
            strangers.insert(nth, link(&format!("10.{nth}.0.1:1")));
        }
        assert_eq!(strangers.in_the_way(Millis(0)), Some(0));
        strangers.remove(0);
        strangers.insert(1_000, link("10.0.1.1:1"));
        assert_eq!(strangers.in_the_way(Millis(0)), Some(1), "who comes last stays");
    }

    #[test]
    fn few_descriptors_are_few_places() {
        let mut strangers = Strangers::new(40);
        (0..10).for_each(|peer| strangers.insert(peer, link("10.0.0.1:1")));
        assert_eq!((strangers.accepted_max(), strangers.in_the_way(Millis(0))), (2, Some(0)));
    }
}
