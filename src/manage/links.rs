//! The connections of manage, and which of them a turn of its loop looks at.
//!
//! poll(2) costs a look at each of its descriptors, and half of the connections of a large search bear no news: nobody waits
//! for an answer on a control connection. So a turn looks at all others and at some of those, which take turns.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::clock::Millis;
use crate::common::limits::{CONTROL_LOOK_MIN, CONTROL_ROUND_MAX};

use super::connection::Connection;
use super::state::Peer;

/// The connections by their numbers.
#[derive(Default)]
pub struct Links {
    /// All but those of control monitors.
    data: BTreeMap<Peer, Connection>,
    control: BTreeMap<Peer, Connection>,
    /// From this number on control connections have their turn.
    next: Peer,
    /// Those for which something is left to do, whether or not more comes from them.
    busy: BTreeSet<Peer>,
}

impl Links {
    /// Takes a connection in.
    pub fn insert(&mut self, peer: Peer, link: Connection) {
        self.data.insert(peer, link);
    }

    /// The connection `peer`, to use: it is swept at the end of the turn.
    pub fn get_mut(&mut self, peer: Peer) -> Option<&mut Connection> {
        let link = self.data.get_mut(&peer).or_else(|| self.control.get_mut(&peer))?;
        self.busy.insert(peer);
        Some(link)
    }

    /// Gives the connection `peer` up.
    pub fn remove(&mut self, peer: Peer) -> Option<Connection> {
        self.busy.remove(&peer);
        self.data.remove(&peer).or_else(|| self.control.remove(&peer))
    }

    /// The connection `peer` turns out to be a control monitor's.
    pub fn set_control(&mut self, peer: Peer) {
        if let Some(link) = self.data.remove(&peer) {
            self.control.insert(peer, link);
        }
    }

    /// The connections that a turn looks at, or all.
    pub fn looked_at(&self, all: bool) -> impl Iterator<Item = (Peer, &Connection)> {
        let share = if all { self.control.len() } else { self.share() };
        self.data.iter().chain(self.round().take(share)).map(|(peer, link)| (*peer, link))
    }

    /// True if every turn looks at all.
    #[must_use]
    pub fn looks_at_all(&self) -> bool {
        self.control.len() <= self.share()
    }

    /// From now on it is the turn of the next control connections.
    pub fn move_on(&mut self) {
        let next = self.round().nth(self.share()).map_or(0, |(peer, _)| *peer);
        self.next = next;
    }

    /// How many control connections a turn looks at.
    fn share(&self) -> usize {
        self.control.len().div_ceil(CONTROL_ROUND_MAX).max(CONTROL_LOOK_MIN)
    }

    fn round(&self) -> impl Iterator<Item = (&Peer, &Connection)> {
        self.control.range(self.next..).chain(self.control.range(..self.next))
    }

    /// Those of which lines were left over for this turn.
    pub fn unheard(&self) -> impl Iterator<Item = Peer> {
        self.busy().filter(|(_, link)| link.is_unheard()).map(|(peer, _)| peer)
    }

    /// True while something that was sent isn't written yet.
    #[must_use]
    pub fn has_output(&self) -> bool {
        self.busy().any(|(_, link)| link.conn.has_output())
    }

    fn busy(&self) -> impl Iterator<Item = (Peer, &Connection)> {
        let link = |peer| self.data.get(peer).or_else(|| self.control.get(peer));
        self.busy.iter().filter_map(move |peer| Some((*peer, link(peer)?)))
    }

    /// Writes what is queued; gives the connections that are of no more use, which it has dropped.
    pub fn sweep(&mut self, now: Millis) -> Vec<(Peer, Connection)> {
        let mut over = Vec::new();
        for peer in std::mem::take(&mut self.busy) {
            let Some(link) = self.get_mut(peer) else { continue };
            if !link.sweep(now) {
                over.extend(self.remove(peer).map(|link| (peer, link)));
            } else if !link.is_busy() {
                self.busy.remove(&peer);
            }
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::net::{Listener, Stream};

    #[test]
    fn every_control_connection_has_its_turn() {
        let listener = Listener::open("127.0.0.1:0").unwrap();
        let address = listener.address().unwrap();
        let mut links = Links::default();
        let count = CONTROL_LOOK_MIN + CONTROL_LOOK_MIN / 2;
        for peer in 1..=count as Peer {
            assert_eq!(links.looks_at_all(), peer as usize <= CONTROL_LOOK_MIN + 1);
            links.insert(peer, Connection::new(Stream::connect(address).unwrap(), address));
            assert!(links.looked_at(false).any(|(looked_at, _)| looked_at == peer), "it may have something to ask");
            links.set_control(peer);
        }
        let mut seen = BTreeSet::new();
        for turn in 1..=2 {
            let now: Vec<Peer> = links.looked_at(false).map(|(peer, _)| peer).collect();
            assert_eq!(now.len(), CONTROL_LOOK_MIN, "turn {turn}");
            seen.extend(now);
            links.move_on();
        }
        assert_eq!(seen.len(), count);
        links.remove(links.next);
        assert_eq!(links.looked_at(false).count(), CONTROL_LOOK_MIN, "it goes on behind one that is gone");
        assert_eq!(links.looked_at(true).count(), count - 1);
    }
}
