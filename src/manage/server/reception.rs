//! Taking connections, and reading what they bring.

use std::net::SocketAddr;

use slog::{debug, trace, warn};

use crate::common::clock::{self, Millis};
use crate::common::conn::Broken;
use crate::common::limits::{
    ACCEPT_PAUSE_MS, GREETING_MAX_BYTES, LINES_TURN_MAX, LINGER_MAX_MS, STRANGERS_TURN_MAX_MS,
};
use crate::common::message::{Code, Error, Message};
use crate::common::net::Stream;
use crate::common::poll::Ready;
use crate::manage::connection::{Connection, Life, understand};
use crate::manage::rights::Bearer;
use crate::manage::state::{Event, Peer, Standing};

use super::{Server, Turns};

impl Server {
    pub(super) fn accept(&mut self, turns: &mut Turns, now: Millis) {
        if turns.accept_from > now || turns.strangers_wait {
            return;
        }
        let until = clock::now().after(STRANGERS_TURN_MAX_MS);
        for _ in 0..turns.links.strangers.accepted_max() {
            if clock::now() >= until || !turns.links.strangers.has_place(now) {
                return;
            }
            match self.listener.accept() {
                Ok(Some((stream, from))) => self.welcome(turns, stream, from, now),
                Ok(None) => return,
                Err(error) => return self.turn_away(turns, &error, now),
            }
        }
    }

    fn turn_away(&self, turns: &mut Turns, why: &dyn std::fmt::Display, now: Millis) {
        if turns.turned_away.strikes(now) {
            warn!(self.log, "accept: {why}: those connected are served on, others have to wait");
        }
        turns.accept_from = now.after(ACCEPT_PAUSE_MS);
    }

    fn welcome(&mut self, turns: &mut Turns, stream: Stream, from: SocketAddr, now: Millis) {
        let session = match self.keyring.as_ref().map(super::Keyring::session).transpose() {
            Ok(session) => session,
            Err(error) => return self.turn_away(turns, &error, now),
        };
        let peer = turns.next_peer;
        turns.next_peer += 1;
        debug!(self.log, "connection {peer} from {from}");
        let bearer = if session.is_some() { Bearer::Unknown } else { Bearer::Anyone };
        if let Some((former, link)) = turns.links.insert(peer, Connection::new(stream, session, from, now)) {
            debug!(self.log, "connection {former} from {} makes room for another", link.from);
            self.state.handle(Event::Gone(former), now);
        }
        self.state.handle(Event::Opened(peer, from.ip(), bearer), now);
    }

    /// Reads what a ready connection brings, and passes its lines on.
    pub(super) fn serve(&mut self, turns: &mut Turns, peer: Peer, ready: Ready, now: Millis) {
        let Some(link) = turns.links.get_mut(peer) else { return };
        if ready.readable && link.is_deaf() {
            // Both sides have closed it, and nobody reads on to see that.
            link.life = Life::Ended(now);
            return;
        }
        let received = if ready.readable { link.conn.receive() } else { Ok(()) };
        self.introduce(peer, link, now);
        if let Err(broken) = &received
            && let Some(error) = misunderstanding(broken)
        {
            self.state.handle(Event::Garbled(peer, error), now);
            link.linger(now);
        }
        let more = self.hear(peer, link, now);
        let standing = self.state.standing(peer);
        if link.is_open() && standing == Some(Standing::Stranger) && link.conn.is_exhausted() {
            let text = format!("1:1: {GREETING_MAX_BYTES} bytes have come, and no hello");
            self.state.handle(Event::Garbled(peer, Error::new(Code::TooLong, text)), now);
            link.linger(now);
        }
        if !link.is_open() {
            link.conn.discard_input();
        } else {
            link.life = Life::Open { unheard: more };
        }
        // If it has ended, it says so again when its last line is heard.
        if let Err(broken) = received
            && !more
            && misunderstanding(&broken).is_none()
        {
            debug!(self.log, "connection {peer} from {}: {broken}", link.from);
            link.life = Life::Ended(now.after(LINGER_MAX_MS));
            self.state.handle(Event::Gone(peer), now);
        }
        turns.links.set_standing(peer, self.state.standing(peer));
    }

    /// A handshake may be over: then it is known who is there.
    fn introduce(&mut self, peer: Peer, link: &mut Connection, now: Millis) {
        if let Some(keyring) = &mut self.keyring
            && link.bearer == Bearer::Unknown
            && let Some(key) = link.conn.key()
        {
            link.bearer = keyring.bearer(key).into();
            debug!(self.log, "connection {peer} from {}: {:?}", link.from, link.bearer);
            self.state.handle(Event::Known(peer, link.bearer.clone()), now);
        }
    }

    /// Passes on the lines that have come, some a turn; true if more of them wait. A question may have a long answer: it is the
    /// last of its turn.
    fn hear(&mut self, peer: Peer, link: &mut Connection, now: Millis) -> bool {
        for _ in 0..LINES_TURN_MAX {
            if !link.is_open() {
                return false;
            }
            let Some(line) = link.conn.line() else { return false };
            let event = understand(peer, line);
            trace!(self.log, "{event:?}");
            if matches!(event, Event::Garbled(..)) {
                link.linger(now);
            }
            let question = matches!(event, Event::Said(_, Message::Query(_)));
            self.state.handle(event, now);
            if question {
                break;
            }
        }
        link.is_open()
    }

    /// Closes the connections of those whose keys were taken off the list.
    pub(super) fn revoke(&mut self, turns: &Turns, now: Millis) {
        let Some(keyring) = &mut self.keyring else { return };
        for key in keyring.revoked(&turns.links.keys()) {
            for peer in turns.links.of_key(key) {
                let text = "1:1: this key is not authorized here any more";
                self.state.handle(Event::Garbled(peer, Error::new(Code::Unauthorized, text)), now);
            }
        }
    }
}

/// What one is told that speaks TLS to a manage without keys, or plain text to one that has some.
fn misunderstanding(broken: &Broken) -> Option<Error> {
    let text = match broken {
        Broken::Encrypted => "1:1: this manage has no keys, and speaks plain text: leave --keys out",
        Broken::Unencrypted => "1:1: this manage speaks to holders of keys alone: name yours by --keys FILE",
        _ => return None,
    };
    Some(Error::new(Code::Keys, text))
}
