//! The agents' side: one poll() loop over the listener, the connections and the signals; it also writes the store.
//!
//! A turn: wait; take in signals, connections, frames; write what has changed, if it is time; send. What agents say goes into
//! the book, which other threads read.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use slog::{Logger, debug, error, info, warn};

use crate::common::clock::{self, Millis};
use crate::common::conn::Broken;
use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::keyring::{Bearer, Keyring};
use crate::common::keys::{Public, Role};
use crate::common::limits::{
    ACCEPT_PAUSE_MS, ACCEPT_TURN_MAX, AGENTS_CONNECTED_MAX, CONNECTIONS_LOGGED_MAX, GATHER_MIN, GATHER_MS, KEEP_MS,
    LEDGER_RETRY_MS, STRANGERS_MAX, TICK_MS,
};
use crate::common::net::{Listener, Stream};
use crate::common::poll::{Interest, Ready, Set};
use crate::common::signal::{Ending, Endings, Meaning, Signals};
use crate::common::store::Written;
use crate::common::trouble::Trouble;

use super::book::Link;
use super::keeper::Keeper;
use super::peer::{Peer, Who};
use super::shared::Shared;
use super::speech::{Answer, Reason};

/// What the loop owns.
pub struct Agents {
    /// Where its log goes.
    pub log: Logger,
    /// The signals of this process.
    pub signals: Signals,
    /// Where agents connect.
    pub listener: Listener,
    /// Whom it knows; without, everybody may push.
    pub keyring: Option<Keyring>,
    /// Where counters are kept.
    pub keeper: Keeper,
    /// What agents have said.
    pub shared: Arc<Shared>,
    /// Connections at once, at most.
    pub room: usize,
}

/// What changes from turn to turn.
#[derive(Default)]
struct Turns {
    peers: BTreeMap<Link, Peer>,
    next: Link,
    tick_at: Millis,
    keep_at: Millis,
    accept_from: Millis,
    /// Connections can't be taken.
    refused: Trouble,
    /// What agents say can't be understood.
    faults: Trouble,
    /// The store has no room, and the log knows.
    stalled: bool,
    /// Since when connections are counted of which the log was told, and how many came or went.
    telling: Millis,
    told: usize,
    endings: Endings,
}

impl Agents {
    /// Serves agents until a signal ends it.
    ///
    /// # Errors
    /// When the store can't be written, or the system fails; or when a second signal ends it at once.
    pub fn run(mut self) -> Result<()> {
        let mut turns = Turns::default();
        self.room = self.room.min(AGENTS_CONNECTED_MAX);
        while !turns.endings.begun() {
            self.turn(&mut turns)?;
        }
        let now = clock::now();
        for link in turns.peers.keys().copied().collect::<Vec<_>>() {
            self.part(&mut turns, link, "collect ends", now);
        }
        self.keep(&mut turns, now)?;
        self.keeper.close()?;
        let count = self.shared.book().agents().count();
        info!(self.log, "bye: {count} agents are known");
        Ok(())
    }

    fn turn(&mut self, turns: &mut Turns) -> Result<()> {
        let ready = self.wait(turns)?;
        let now = clock::now();
        if let Some(ending) = self.signals.ending() {
            return self.end(turns, ending, now);
        }
        for (link, ready) in ready {
            self.serve(turns, link, ready, now);
        }
        self.accept(turns, now);
        if turns.tick_at <= now {
            turns.tick_at = now.after(TICK_MS / 4);
            self.tick(turns, now);
        }
        if turns.keep_at <= now && self.shared.book().has_changes() {
            turns.keep_at = now.after(KEEP_MS);
            self.keep(turns, now)?;
        }
        let over = |peer: &mut Peer| !peer.flush(now);
        let over: Vec<_> = turns.peers.iter_mut().filter_map(|(link, peer)| over(peer).then_some(*link)).collect();
        over.into_iter().for_each(|link| self.part(turns, link, "closed", now));
        Ok(())
    }

    fn end(&self, turns: &mut Turns, ending: Ending, now: Millis) -> Result<()> {
        if turns.endings.take(now) == Meaning::AtOnce {
            return Err(Error::new(Status::Failed, "ending", "a second signal: ended at once"));
        }
        info!(self.log, "SIG{ending}: ending");
        Ok(())
    }

    /// Waits for something to do; gives the connections that are ready, or left over from the last turn.
    fn wait(&self, turns: &Turns) -> Result<Vec<(Link, Ready)>> {
        self.gather(turns)?;
        let now = clock::now();
        let mut set = Set::new();
        set.add(self.signals.as_fd(), Interest::Read);
        if turns.accept_from <= now && turns.peers.len() < self.room {
            set.add(self.listener.as_fd(), Interest::Read);
        }
        let slots: Vec<_> =
            turns.peers.iter().map(|(link, peer)| (*link, set.add(peer.conn.as_fd(), peer.interest()))).collect();
        let waits = turns.peers.values().any(Peer::is_unheard);
        let keep_at = if self.shared.book().has_changes() { turns.keep_at } else { turns.tick_at };
        let deadline = if waits { now } else { turns.tick_at.min(keep_at) };
        set.wait(now.until(deadline)).map_err(|error| Error::new(Status::Failed, "poll", error))?;
        let ready = slots.into_iter().map(|(link, slot)| (link, set.ready(slot)));
        Ok(ready.filter(|(link, ready)| ready.readable || ready.writable || turns.peers[link].is_unheard()).collect())
    }

    /// Where there are many connections, each look at all of them costs more than what most of them have to say: a moment later
    /// several have something.
    fn gather(&self, turns: &Turns) -> Result<()> {
        if turns.peers.len() < GATHER_MIN {
            return Ok(());
        }
        let mut set = Set::new();
        set.add(self.signals.as_fd(), Interest::Read);
        let failed = |error: io::Error| Error::new(Status::Failed, "poll", error);
        set.wait(Duration::from_millis(GATHER_MS)).map_err(failed)
    }

    fn accept(&mut self, turns: &mut Turns, now: Millis) {
        for _ in 0..ACCEPT_TURN_MAX {
            if turns.accept_from > now || turns.peers.len() >= self.room {
                return;
            }
            match self.listener.accept() {
                Ok(Some((stream, from))) => self.welcome(turns, stream, from, now),
                Ok(None) => return,
                Err(why) => self.pause(turns, &why, now),
            }
        }
    }

    fn pause(&self, turns: &mut Turns, why: &dyn std::fmt::Display, now: Millis) {
        if turns.refused.strikes(now) {
            warn!(self.log, "accept: {why}: those connected are served on, others have to wait");
        }
        turns.accept_from = now.after(ACCEPT_PAUSE_MS);
    }

    fn welcome(&mut self, turns: &mut Turns, stream: Stream, from: SocketAddr, now: Millis) {
        let session = match self.keyring.as_ref().map(Keyring::session).transpose() {
            Ok(session) => session,
            Err(why) => return self.pause(turns, &why, now),
        };
        // Of those who haven't said who they are the oldest makes room.
        let mut strangers = turns.peers.iter().filter(|(_, peer)| peer.is_stranger());
        if let Some(oldest) = strangers.next().map(|(link, _)| *link)
            && strangers.count() + 1 >= STRANGERS_MAX
        {
            self.part(turns, oldest, "it has said nothing, and makes room", now);
        }
        let link = turns.next;
        turns.next += 1;
        turns.peers.insert(link, Peer::new(stream, session, from, now));
        self.shared.book().counts.connections += 1;
        self.tell(turns, now, |active| format!("new connection {from}, active connections {active}"));
    }

    /// Reads what a connection brings, and takes in its frames.
    fn serve(&mut self, turns: &mut Turns, link: Link, ready: Ready, now: Millis) {
        let Turns { peers, faults, .. } = turns;
        let Some(peer) = peers.get_mut(&link) else { return };
        let received = if ready.readable { peer.receive() } else { Ok(()) };
        let barred = match &received {
            Err(Broken::Unencrypted) => {
                Some("it has none of the keys that this collect wants: name one by --keys FILE")
            }
            Err(Broken::Encrypted) => Some("this collect has no keys, and speaks plain text: leave --keys out"),
            _ => self.introduce(peer),
        };
        if let Some(text) = barred {
            return self.bar(peer, faults, text, now);
        }
        let heard = peer.hear(link, &mut self.shared.book(), &self.log, now);
        for fault in &heard.faults {
            debug!(self.log, "{peer}: {fault}");
        }
        if let Some(fault) = heard.faults.first()
            && faults.strikes(now)
        {
            warn!(self.log, "{peer}: {fault}: this is counted and passed over");
        }
        let is_over = received.is_err() && !peer.is_unheard();
        let why = received.err().map_or_else(String::new, |broken| broken.to_string());
        if let Some(former) = heard.former {
            self.part(turns, former, "its agent has come by another", now);
        }
        if heard.bye {
            self.part(turns, link, "goodbye", now);
        } else if is_over {
            self.part(turns, link, &why, now);
        }
    }

    /// A handshake may be over: then it is known who is there. Gives why he can't come in.
    fn introduce(&mut self, peer: &mut Peer) -> Option<&'static str> {
        let (Some(keyring), Some(key), None) = (&mut self.keyring, peer.conn.key(), &peer.bearer) else { return None };
        let bearer = keyring.bearer(key);
        debug!(self.log, "{peer}: {bearer:?}");
        let may = matches!(bearer, Bearer::Key(Role::Agent, ..));
        peer.bearer = Some(bearer);
        (!may).then_some("its key is not authorized here")
    }

    /// Turns somebody away for his key, or for want of one.
    fn bar(&self, peer: &mut Peer, faults: &mut Trouble, text: &str, now: Millis) {
        self.shared.book().refuse(Reason::Forbidden);
        peer.dismiss(&Answer::Error(Reason::Forbidden, text.to_owned()), now);
        if faults.strikes(now) {
            warn!(self.log, "{peer} is turned away: {text}");
        }
    }

    /// A connection is over.
    fn part(&self, turns: &mut Turns, link: Link, why: &str, now: Millis) {
        let Some(mut peer) = turns.peers.remove(&link) else { return };
        peer.flush(now);
        if let Who::Named(name) | Who::Unnamed(name) = &peer.who {
            self.shared.book().leave(name, link, now);
        }
        self.tell(turns, now, |active| format!("{peer} is over: {why}, active connections {active}"));
    }

    /// Tells the log of a connection, unless too many have come or gone in this second.
    fn tell(&self, turns: &mut Turns, now: Millis, text: impl FnOnce(usize) -> String) {
        if now.since(turns.telling) >= TICK_MS {
            if let Some(untold @ 1..) = turns.told.checked_sub(CONNECTIONS_LOGGED_MAX) {
                info!(
                    self.log,
                    "connections: {untold} more have come or gone, active connections {}",
                    turns.peers.len()
                );
            }
            (turns.telling, turns.told) = (now, 0);
        }
        turns.told += 1;
        if turns.told <= CONNECTIONS_LOGGED_MAX {
            info!(self.log, "{}", text(turns.peers.len()));
        }
    }

    /// Looks after what only time brings about.
    fn tick(&mut self, turns: &mut Turns, now: Millis) {
        let silent = turns.peers.iter().filter(|(_, peer)| peer.is_silent(now)).map(|(link, _)| *link);
        for link in silent.collect::<Vec<_>>() {
            self.part(turns, link, "silent for too long", now);
        }
        for key in self.revoked(turns) {
            for peer in turns.peers.values_mut().filter(|peer| peer.key() == Some(key)) {
                self.bar(peer, &mut turns.faults, "its key is not authorized any more", now);
            }
        }
        self.shared.book().tick(now);
        if turns.refused.over(now).is_some() {
            info!(self.log, "accept: connections are taken again");
        }
        if let Some(again @ 1..) = turns.faults.over(now) {
            info!(self.log, "and {again} times more something wasn't taken: collect_refused_total has it all");
        }
    }

    fn revoked(&mut self, turns: &Turns) -> Vec<Public> {
        let Some(keyring) = &mut self.keyring else { return Vec::new() };
        let in_use = turns.peers.values().filter_map(Peer::key).map(|key| (key, Role::Agent)).collect();
        keyring.revoked(&in_use)
    }

    /// Writes what has changed, if anything has: from then on it is shown.
    fn keep(&mut self, turns: &mut Turns, now: Millis) -> Result<()> {
        let batch = self.shared.book().changes();
        if batch.is_empty() {
            return Ok(());
        }
        match self.keeper.write(&batch)? {
            Written::Done => {
                let mut book = self.shared.book();
                book.keep(&batch);
                book.stalled = false;
                if std::mem::take(&mut turns.stalled) {
                    info!(self.log, "store: there is room again");
                }
            }
            Written::NoRoom(why) => {
                let mut book = self.shared.book();
                book.put_back(batch);
                book.stalled = true;
                if !std::mem::replace(&mut turns.stalled, true) {
                    error!(self.log, "{why}: counters stand still until there is");
                }
                turns.keep_at = now.after(LEDGER_RETRY_MS);
            }
        }
        // Where there is no room, agents go on, and what they say is kept when there is.
        turns.peers.values_mut().for_each(Peer::settle);
        Ok(())
    }
}
