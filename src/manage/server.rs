//! The I/O of manage: one poll() loop over the listener, the connections and the signals.
//!
//! A turn: wait; take in signals, connections, lines; let the state decide; write the ledger; then, and only then, send.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use slog::{Logger, debug, error, info, trace, warn};

use crate::common::brood::{Brood, News};
use crate::common::clock::{self, Millis};
use crate::common::error::{Error as Failure, Result};
use crate::common::exit::Status;
use crate::common::limits::{
    ACCEPT_PAUSE_MS, ACCEPT_TURN_MAX, CONTROL_LOOK_MS, LEDGER_RETRY_MS, LINES_TURN_MAX, LINGER_MAX_MS,
    PROOF_SLICE_DIVISIONS, PROOFS_TURN_MAX_MS, ROUNDS_TURN_MAX, SLICE_MS, TICK_MS, WITHHELD_MAX,
};
use crate::common::log;
use crate::common::message::Message;
use crate::common::net::{Listener, Stream};
use crate::common::poll::{Interest, Ready, Set};
use crate::common::process;
use crate::common::signal::{Ending, Endings, Meaning, Received, Signals};
use crate::common::trouble::Trouble;
use crate::common::view;

use super::connection::{Connection, Life, understand};
use super::ledger::{Ledger, Written};
use super::links::Links;
use super::outbox::Outbox;
use super::progress::Progress;
use super::state::{Action, Event, Peer, State};

/// What the loop owns.
pub struct Server {
    /// Where its log goes.
    pub log: Logger,
    /// The signals of this process.
    pub signals: Signals,
    /// Where others connect.
    pub listener: Listener,
    /// The search.
    pub state: State,
    /// Where it is kept.
    pub ledger: Ledger,
    /// The computes of this host that this process has started.
    pub brood: Brood,
    /// What shows the progress.
    pub progress: Progress,
}

/// What changes from turn to turn.
#[derive(Default)]
struct Turns {
    links: Links,
    next_peer: Peer,
    next_tick: Millis,
    /// This turn has a tick: it looks at all connections first, so that nobody is taken for silent who was not heard.
    ticks: bool,
    /// When the last turn left proofs to do: the loop hasn't rested since.
    proofs_left: Option<Millis>,
    accept_from: Millis,
    /// Connections can't be taken.
    turned_away: Trouble,
    endings: Endings,
    at_once: bool,
    report: Option<String>,
    outbox: Outbox,
    /// When a ledger that had no room is tried again.
    retry_ledger: Option<Millis>,
}

impl Server {
    /// Runs until the search is over; gives the report if that is because all is tested.
    ///
    /// # Errors
    /// When the ledger can't be written, or the system fails. Nothing that isn't in the ledger was told to anybody.
    pub fn run(mut self) -> Result<Option<String>> {
        let mut turns = Turns { next_peer: 1, ..Turns::default() };
        while !self.is_over(&turns) {
            self.turn(&mut turns)?;
        }
        self.progress.close();
        self.brood.destroy();
        self.write_last(&mut turns)?;
        if turns.report.is_none() {
            self.say_goodbye();
        }
        if turns.at_once {
            return Err(Failure::new(Status::Failed, "ending", "a second signal: ended at once"));
        }
        self.ledger.close()?;
        Ok(turns.report)
    }

    fn say_goodbye(&self) {
        let status = self.state.status();
        let next = match status.ledger.as_str() {
            ":memory:" => "nothing is kept of them".to_owned(),
            path => format!("to go on, start manage with --ledger {path} again"),
        };
        info!(self.log, "ended: {} numbers are tested; {next}", view::grouped(status.tested));
    }

    fn is_over(&self, turns: &Turns) -> bool {
        let now = clock::now();
        let quiet = || self.brood.is_empty() && turns.outbox.is_empty() && !turns.links.has_output();
        let gone = self.state.is_over(now) && quiet();
        gone || turns.at_once || self.state.is_overdue(now)
    }

    fn turn(&mut self, turns: &mut Turns) -> Result<()> {
        let ready = self.wait(turns)?;
        let now = clock::now();
        self.take_signals(turns, now);
        self.accept(turns, now);
        for (peer, ready) in ready {
            self.serve(turns, peer, ready, now);
            if self.state.is_control(peer) {
                turns.links.set_control(peer);
            }
        }
        if turns.ticks {
            turns.next_tick = now.after(TICK_MS);
            self.state.handle(Event::Tick, now);
            self.tend_brood(now);
            if turns.turned_away.over(now).is_some() {
                info!(self.log, "accept: connections are taken again");
            }
        }
        self.prove(turns, now);
        self.carry_out(turns, now)?;
        self.sweep(turns, now);
        self.progress.show(&self.state, &self.log, now);
        Ok(())
    }

    /// Works on proofs: for a moment, or for as long as the rest of the loop took since. So they keep up with the results,
    /// however many connections there are.
    fn prove(&mut self, turns: &mut Turns, now: Millis) {
        let begin = clock::now();
        let rest_ms = turns.proofs_left.map_or(0, |since| begin.since(since));
        let until = begin.after(rest_ms.clamp(SLICE_MS, PROOFS_TURN_MAX_MS));
        while self.state.has_proofs() && clock::now() < until {
            self.state.prove(PROOF_SLICE_DIVISIONS, now);
        }
        turns.proofs_left = self.state.has_proofs().then(clock::now);
    }

    /// Waits for something to do; gives the connections that are ready, or left over from the last turn.
    ///
    /// With thousands of connections this costs most of a turn: what it does to each counts.
    fn wait(&self, turns: &mut Turns) -> Result<BTreeMap<Peer, Ready>> {
        let now = clock::now();
        turns.ticks = turns.next_tick <= now;
        let mut set = Set::new();
        set.add(self.signals.as_fd(), Interest::Read);
        if turns.accept_from <= now {
            set.add(self.listener.as_fd(), Interest::Read);
        }
        let slots: Vec<_> = turns
            .links
            .looked_at(turns.ticks)
            .map(|(peer, link)| (peer, set.add(link.conn.as_fd(), link.interest())))
            .collect();
        let mut ready: BTreeMap<Peer, Ready> = turns.links.unheard().map(|peer| (peer, Ready::default())).collect();
        let mut deadline = turns.next_tick.min(self.progress.due());
        let others = [Some(turns.accept_from).filter(|from| *from > now), turns.retry_ledger];
        deadline = others.into_iter().flatten().fold(deadline, Millis::min);
        if !turns.links.looks_at_all() {
            deadline = deadline.min(now.after(CONTROL_LOOK_MS));
        }
        if self.state.has_proofs() || !ready.is_empty() {
            deadline = now;
        }
        set.wait(now.until(deadline)).map_err(|error| Failure::new(Status::Failed, "poll", error))?;
        let looked_at = slots.into_iter().map(|(peer, slot)| (peer, set.ready(slot)));
        ready.extend(looked_at.filter(|(_, ready)| ready.readable || ready.writable));
        turns.links.move_on();
        Ok(ready)
    }

    fn take_signals(&mut self, turns: &mut Turns, now: Millis) {
        for received in self.signals.pending() {
            match received {
                Received::Child => self.tend_brood(now),
                Received::Ending(ending, _) => match turns.endings.take(now) {
                    Meaning::Begin => self.begin_ending(ending, now),
                    Meaning::AtOnce => turns.at_once = true,
                    Meaning::Same => {}
                },
            }
        }
    }

    fn begin_ending(&mut self, ending: Ending, now: Millis) {
        info!(self.log, "SIG{ending}: ending");
        self.state.handle(Event::Ending, now);
    }

    fn tend_brood(&mut self, now: Millis) {
        if self.state.is_ending() {
            self.brood.close();
        }
        for news in self.brood.tend(now) {
            match news {
                News::Started(pid) => debug!(self.log, "started compute, pid {pid}"),
                News::Left(pid, _) => debug!(self.log, "compute pid {pid} has left"),
                News::Died(pid, how) => warn!(self.log, "compute pid {pid} died ({how}): starting another"),
                News::NotStarted(why) => warn!(self.log, "can't start a compute: {why}: trying again"),
                News::Again(what) => debug!(self.log, "compute: again: {what}"),
                News::Steady(more) => info!(self.log, "computes run again, after {more} more failures"),
            }
        }
    }

    fn accept(&mut self, turns: &mut Turns, now: Millis) {
        if turns.accept_from > now {
            return;
        }
        for _ in 0..ACCEPT_TURN_MAX {
            match self.listener.accept() {
                Ok(Some((stream, from))) => {
                    self.welcome(turns, stream, from, now);
                }
                Ok(None) => return,
                Err(error) => {
                    if turns.turned_away.strikes(now) {
                        warn!(self.log, "accept: {error}: those connected are served on, others have to wait");
                    }
                    turns.accept_from = now.after(ACCEPT_PAUSE_MS);
                    return;
                }
            }
        }
    }

    fn welcome(&mut self, turns: &mut Turns, stream: Stream, from: SocketAddr, now: Millis) {
        let peer = turns.next_peer;
        turns.next_peer += 1;
        debug!(self.log, "connection {peer} from {from}");
        turns.links.insert(peer, Connection::new(stream, from));
        self.state.handle(Event::Opened(peer), now);
    }

    /// Reads what a ready connection brings, and passes its lines on.
    fn serve(&mut self, turns: &mut Turns, peer: Peer, ready: Ready, now: Millis) {
        let Some(link) = turns.links.get_mut(peer) else { return };
        let received = if ready.readable { link.conn.receive() } else { Ok(()) };
        let mut lines = 0;
        while link.is_open()
            && lines < LINES_TURN_MAX
            && let Some(line) = link.conn.line()
        {
            lines += 1;
            let event = understand(peer, line);
            trace!(self.log, "{event:?}");
            if matches!(event, Event::Garbled(..)) {
                link.life = Life::Lingering(now.after(LINGER_MAX_MS));
            }
            self.state.handle(event, now);
        }
        if !link.is_open() {
            link.conn.discard_input();
        } else if lines == LINES_TURN_MAX {
            // If it has ended, it says so again when its last line is heard.
            link.life = Life::Open { unheard: true };
            return;
        } else {
            link.life = Life::Open { unheard: false };
        }
        if let Err(broken) = received {
            debug!(self.log, "connection {peer} from {}: {broken}", link.from);
            link.life = Life::Ended(now.after(LINGER_MAX_MS));
            self.state.handle(Event::Gone(peer), now);
        }
    }

    /// Does what the state has decided in this turn: first the ledger, then the rest. What is then in the ledger may
    /// lead to more.
    fn carry_out(&mut self, turns: &mut Turns, now: Millis) -> Result<()> {
        for _ in 0..ROUNDS_TURN_MAX {
            self.note_completion(turns);
            turns.outbox.push(self.state.settle());
            if turns.outbox.is_empty() || (self.write(turns, now)? == 0) {
                break;
            }
        }
        Ok(())
    }

    /// Keeps the report of a search whose last range is in the ledger: its computes are still there.
    fn note_completion(&self, turns: &mut Turns) {
        if self.state.is_complete() && turns.report.is_none() {
            let (status, computes) = self.state.report();
            turns.report = Some(view::table(&status, &self.state.distrusted(), &computes));
        }
    }

    /// Writes the records that wait, and does what may then be done; gives how much that was.
    fn write(&mut self, turns: &mut Turns, now: Millis) -> Result<usize> {
        let actions = if turns.retry_ledger.is_some_and(|at| now < at) {
            turns.outbox.release_harmless()
        } else {
            match self.ledger.commit(turns.outbox.records())? {
                Written::Done => {
                    self.go_on(turns, now)?;
                    turns.outbox.release()
                }
                Written::NoRoom(why) => {
                    self.stall(turns, why, now)?;
                    turns.outbox.release_harmless()
                }
            }
        };
        let count = actions.len();
        for action in actions {
            self.perform(turns, action, now)?;
        }
        Ok(count)
    }

    /// The ledger has taken all that there was.
    fn go_on(&mut self, turns: &mut Turns, now: Millis) -> Result<()> {
        if turns.retry_ledger.take().is_some() {
            info!(self.log, "ledger: there is room again: going on");
            self.state.handle(Event::Stalled(None), now);
        }
        self.state.written();
        self.disown(now)
    }

    /// The ledger has no room. Whoever asks is told so; computes compute, and wait with what they have found.
    fn stall(&mut self, turns: &mut Turns, why: Failure, now: Millis) -> Result<()> {
        if turns.retry_ledger.is_none() {
            error!(self.log, "{why}: nothing is accepted or handed out until there is");
            self.state.handle(Event::Stalled(Some(why.to_string())), now);
        }
        turns.retry_ledger = Some(now.after(LEDGER_RETRY_MS));
        if turns.outbox.len() > WITHHELD_MAX { Err(why) } else { Ok(()) }
    }

    /// Takes back what hosts have done that have lied, as the ledger knows it.
    fn disown(&mut self, now: Millis) -> Result<()> {
        while let Some(host) = self.state.disowning() {
            let deeds = self.ledger.deeds_of(&host)?;
            self.state.handle(Event::Disowned(host, deeds), now);
        }
        Ok(())
    }

    /// Writes what still waits for room at the end, when it was told to end while there was none.
    fn write_last(&mut self, turns: &mut Turns) -> Result<()> {
        match self.ledger.commit(turns.outbox.records())? {
            Written::Done => Ok(()),
            Written::NoRoom(why) => {
                warn!(self.log, "what has come since there was no room is not kept: it will be tested again");
                Err(why)
            }
        }
    }

    fn perform(&mut self, turns: &mut Turns, action: Action, now: Millis) -> Result<()> {
        match action {
            Action::Record(_) => {}
            Action::Send(peer, message) => {
                let Some(link) = turns.links.get_mut(peer) else { return Ok(()) };
                trace!(self.log, "to {peer}: {message:?}");
                let mut sent = link.conn.send(message.line().as_bytes());
                if matches!(message, Message::Range(_)) {
                    // A compute idles for want of it: it is written before the signs of life of all others.
                    sent = sent.and_then(|()| link.conn.flush());
                }
                if let Err(broken) = sent {
                    warn!(self.log, "connection {peer} from {}: {broken}", link.from);
                    turns.links.remove(peer);
                    self.state.handle(Event::Gone(peer), now);
                }
            }
            Action::Close(peer) => {
                if let Some(link) = turns.links.get_mut(peer).filter(|link| link.is_open()) {
                    link.life = Life::Lingering(now.after(LINGER_MAX_MS));
                }
            }
            Action::SignalSelf(ending) => process::signal_self(ending)?,
            Action::Log(level, text) => log::tell(&self.log, level, &text),
        }
        Ok(())
    }

    /// Writes what is queued, and drops the connections that are of no more use.
    fn sweep(&mut self, turns: &mut Turns, now: Millis) {
        for (peer, link) in turns.links.sweep(now) {
            debug!(self.log, "connection {peer} from {} is closed", link.from);
            self.state.handle(Event::Gone(peer), now);
        }
    }
}
