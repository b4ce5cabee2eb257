//! The connections of manage, and which of them a turn of its loop looks at.
//!
//! poll(2) costs a look at each of its descriptors, and half of the connections of a large search bear no news: nobody waits
//! for an answer on a control connection. So a turn looks at all others and at some of those, which take turns.
//!
//! Strangers, who haven't said yet who they are or were dismissed, have `STRANGERS_MAX` places and no more.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::clock::Millis;
use crate::common::keys::{Public, Role};
use crate::common::limits::{CONTROL_LOOK_MIN, CONTROL_ROUND_MAX, OUTPUT_ALL_MAX_BYTES};

use super::connection::Connection;
use super::rights::Bearer;
use super::state::{Peer, Standing};
use super::strangers::Strangers;

/// The connections by their numbers.
pub struct Links {
    /// Those of whom it isn't known whose they are, and those that were dismissed.
    pub strangers: Strangers,
    /// Of all who are known those that aren't control monitors'.
    guests: BTreeMap<Peer, Connection>,
    control: BTreeMap<Peer, Connection>,
    /// From this number on control connections have their turn.
    next: Peer,
    /// Those for which something is left to do, whether or not more comes from them.
    busy: BTreeSet<Peer>,
}

impl Links {
    /// None yet, in a process that may have so many descriptors.
    #[must_use]
    pub fn new(descriptors: usize) -> Self {
        Self {
            strangers: Strangers::new(descriptors),
            guests: BTreeMap::new(),
            control: BTreeMap::new(),
            next: 0,
            busy: BTreeSet::new(),
        }
    }

    /// Takes in a connection of which nobody knows whose it is. If that takes another's place, gives that one up.
    pub fn insert(&mut self, peer: Peer, link: Connection) -> Option<(Peer, Connection)> {
        let former = self.strangers.in_the_way(link.opened);
        let former = former.and_then(|former| Some((former, self.remove(former)?)));
        self.strangers.insert(peer, link);
        former
    }

    /// The connection `peer`, to use: it is swept at the end of the turn.
    pub fn get_mut(&mut self, peer: Peer) -> Option<&mut Connection> {
        let known = self.guests.get_mut(&peer).or_else(|| self.control.get_mut(&peer));
        let link = known.or_else(|| self.strangers.get_mut(peer))?;
        self.busy.insert(peer);
        Some(link)
    }

    /// Gives the connection `peer` up.
    pub fn remove(&mut self, peer: Peer) -> Option<Connection> {
        self.busy.remove(&peer);
        self.take(peer)
    }

    fn take(&mut self, peer: Peer) -> Option<Connection> {
        let known = self.guests.remove(&peer).or_else(|| self.control.remove(&peer));
        known.or_else(|| self.strangers.remove(peer))
    }

    /// It is known by now what the connection `peer` is: nothing more, if it was dismissed.
    pub fn set_standing(&mut self, peer: Peer, standing: Option<Standing>) {
        let right_place = match standing {
            Some(Standing::Guest | Standing::Report) => self.guests.contains_key(&peer),
            Some(Standing::Control) => self.control.contains_key(&peer),
            Some(Standing::Stranger) | None => self.is_stranger(peer),
        };
        self.strangers.note(peer);
        let Some(mut link) = (if right_place { None } else { self.take(peer) }) else { return };
        match standing {
            Some(Standing::Stranger) | None => self.strangers.insert(peer, link),
            Some(known) => {
                link.conn.set_quota(None);
                let place = if known == Standing::Control { &mut self.control } else { &mut self.guests };
                place.insert(peer, link);
            }
        }
    }

    /// True if nobody has said yet who is behind the connection `peer`, or it was dismissed.
    #[must_use]
    pub fn is_stranger(&self, peer: Peer) -> bool {
        self.strangers.get(peer).is_some()
    }

    /// The keys that are in use, and as what.
    #[must_use]
    pub fn keys(&self) -> BTreeMap<Public, Role> {
        let key =
            |link: &Connection| if let Bearer::Key(role, _, key) = link.bearer { Some((key, role)) } else { None };
        self.looked_at(true).filter_map(|(_, link)| key(link)).collect()
    }

    /// The connections of the holders of `key`.
    #[must_use]
    pub fn of_key(&self, key: Public) -> Vec<Peer> {
        self.looked_at(true).filter(|(_, link)| link.bearer.key() == Some(key)).map(|(peer, _)| peer).collect()
    }

    /// The connections that a turn looks at, or all.
    pub fn looked_at(&self, all: bool) -> impl Iterator<Item = (Peer, &Connection)> {
        let share = if all { self.control.len() } else { self.share() };
        let looked_at = self.guests.iter().chain(self.strangers.iter()).chain(self.round().take(share));
        looked_at.map(|(peer, link)| (*peer, link))
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
        let known = |peer| self.guests.get(peer).or_else(|| self.control.get(peer));
        let link = move |peer| known(peer).or_else(|| self.strangers.get(*peer));
        self.busy.iter().filter_map(move |peer| Some((*peer, link(peer)?)))
    }

    /// Where more waits to be written than `OUTPUT_ALL_MAX_BYTES`, those for whom most waits are given up.
    pub fn drop_deaf(&mut self) -> Vec<(Peer, Connection)> {
        let mut waiting: Vec<(usize, Peer)> =
            self.busy().map(|(peer, link)| (link.conn.waiting_bytes(), peer)).collect();
        let mut all: usize = waiting.iter().map(|(bytes, _)| bytes).sum();
        let mut dropped = Vec::new();
        if all > OUTPUT_ALL_MAX_BYTES {
            waiting.sort_unstable();
        }
        while all > OUTPUT_ALL_MAX_BYTES
            && let Some((bytes, peer)) = waiting.pop()
        {
            all -= bytes;
            dropped.extend(self.remove(peer).map(|link| (peer, link)));
        }
        dropped
    }

    /// Writes what is queued; gives the connections that are of no more use, which it has dropped.
    pub fn sweep(&mut self, now: Millis) -> Vec<(Peer, Connection)> {
        let mut over = Vec::new();
        for peer in std::mem::take(&mut self.busy) {
            let Some(link) = self.get_mut(peer) else { continue };
            let (stays, busy) = (link.sweep(now), link.is_busy());
            self.strangers.note(peer);
            if !stays {
                over.extend(self.remove(peer).map(|link| (peer, link)));
            } else if !busy {
                self.busy.remove(&peer);
            }
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::limits::OUTPUT_MAX_BYTES;
    use crate::common::net::{Listener, Stream};

    #[test]
    fn every_control_connection_has_its_turn() {
        let listener = Listener::open("loopback", ([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.address().unwrap();
        let mut links = Links::new(usize::MAX);
        let count = CONTROL_LOOK_MIN + CONTROL_LOOK_MIN / 2;
        for peer in 1..=count as Peer {
            assert_eq!(links.looks_at_all(), peer as usize <= CONTROL_LOOK_MIN + 1);
            links.insert(peer, Connection::new(Stream::connect(address).unwrap(), None, address, Millis(0)));
            assert!(links.looked_at(false).any(|(looked_at, _)| looked_at == peer), "it may have something to ask");
            links.set_standing(peer, Some(Standing::Control));
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

    /// Each has less than one may have, but all together more than all may.
    #[test]
    fn of_those_who_do_not_read_the_one_who_has_most_is_given_up() {
        let listener = Listener::open("loopback", ([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.address().unwrap();
        let mut links = Links::new(usize::MAX);
        let each = OUTPUT_MAX_BYTES / 2;
        let count = (OUTPUT_ALL_MAX_BYTES / each) as Peer;
        for peer in 1..=count {
            links.insert(peer, Connection::new(Stream::connect(address).unwrap(), None, address, Millis(0)));
            links.get_mut(peer).unwrap().conn.send(&vec![b'x'; each]).unwrap();
        }
        assert!(links.drop_deaf().is_empty(), "so much may wait");
        links.get_mut(7).unwrap().conn.send(b"x").unwrap();
        let dropped: Vec<Peer> = links.drop_deaf().into_iter().map(|(peer, _)| peer).collect();
        assert_eq!(dropped, [7]);
        assert!(links.drop_deaf().is_empty());
    }
}
