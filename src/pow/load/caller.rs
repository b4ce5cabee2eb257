//! A process of a load: its connections, each with one request on its way, and what comes of them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::common::epoll::{Epoll, Event, Waker};
use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::limits::{
    LOAD_CONNECT_MAX_MS, LOAD_CONNECTING_MAX, LOAD_READ_MAX_BYTES, LOAD_REOPEN_MS, LOAD_REPORT_MAX_MS, LOAD_RETRY_MS,
    PROGRESS_MS,
};
use crate::common::signal::Signals;

use super::exchange::{Exchange, Verdict};
use super::tally::{self, Tally, What};
use super::wire::{Heard, State, Wire};

/// The names of what isn't a connection, in the set that is waited for.
const LIFELINE: u64 = u64::MAX - 1;
const SIGNALS: u64 = u64::MAX - 2;
/// What the parent says when all are ready.
pub const GO: u8 = b'g';

/// What a process does.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// Where the server listens.
    pub to: SocketAddr,
    /// How long the load lasts.
    pub time: Duration,
}

/// Runs a process: opens the connections, says so to the parent, waits for its word, measures, and hands in what came of
/// it. Its exit status.
pub fn run<E: Exchange>(job: Job, lifeline: &UnixStream, exchanges: impl Iterator<Item = E>) -> Status {
    let outcome = Caller::new(job, lifeline, exchanges).and_then(|mut caller| caller.live());
    match outcome {
        Ok(()) => Status::Done,
        Err(error) => {
            // The parent tells it; if there is none any more, nobody wants to know.
            let _ = (&mut &*lifeline).write_all(format!("failed {error}\n").as_bytes());
            error.status()
        }
    }
}

/// What goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Connections are opened.
    Opening,
    /// All are open that can be, and the parent knows it.
    Ready,
    /// Requests are made.
    Asking,
    /// It is over.
    Over,
}

struct Caller<'a, E> {
    job: Job,
    lifeline: &'a UnixStream,
    signals: Signals,
    epoll: Epoll,
    stage: Stage,
    wires: Vec<Wire<E>>,
    /// Those that are opened, or ask again, when their time has come; and whether one is among them.
    resting: BinaryHeap<Reverse<(Instant, usize)>>,
    rests: Vec<bool>,
    connecting: usize,
    open: usize,
    /// Attempts to connect that have failed, and why the last did.
    failed: usize,
    cause: String,
    tally: Tally,
}

impl<'a, E: Exchange> Caller<'a, E> {
    fn new(job: Job, lifeline: &'a UnixStream, exchanges: impl Iterator<Item = E>) -> Result<Self> {
        let fail = |error: io::Error| Error::new(Status::Failed, "load", error);
        let (now, signals) = (Instant::now(), Signals::open()?);
        // No other thread is there to wake this one: the set keeps no more of it than its descriptor.
        let epoll = Waker::new().and_then(|waker| Epoll::new(&waker)).map_err(fail)?;
        epoll.add(&signals, SIGNALS).and_then(|()| epoll.add(lifeline, LIFELINE)).map_err(fail)?;
        lifeline.set_write_timeout(Some(Duration::from_millis(LOAD_REPORT_MAX_MS))).map_err(fail)?;
        let wires: Vec<_> = exchanges.map(|exchange| Wire::new(exchange, now)).collect();
        Ok(Self {
            job,
            lifeline,
            signals,
            epoll,
            stage: Stage::Opening,
            resting: (0..wires.len()).map(|nth| Reverse((now, nth))).collect(),
            rests: vec![true; wires.len()],
            wires,
            connecting: 0,
            open: 0,
            failed: 0,
            cause: String::new(),
            tally: Tally::new()?,
        })
    }

    fn live(&mut self) -> Result<()> {
        let connect = Duration::from_millis(LOAD_CONNECT_MAX_MS);
        self.until(Instant::now() + connect, Stage::Opening)?;
        if self.stage == Stage::Over {
            return Ok(());
        }
        self.stage = Stage::Ready;
        self.say(&format!("ready {} {}\n", self.open, self.cause))?;
        // The others may need as long as this one might have, and the parent a moment.
        self.until(Instant::now() + connect + Duration::from_millis(LOAD_REPORT_MAX_MS), Stage::Ready)?;
        if self.stage != Stage::Asking {
            return Ok(());
        }
        let begin = Instant::now();
        (0..self.wires.len()).for_each(|nth| self.ask(nth, begin));
        self.until(begin + self.job.time, Stage::Asking)?;
        let took = begin.elapsed().as_nanos();
        let mut lines = String::new();
        self.tally.write(&mut lines);
        self.say(&format!("{lines}done {took}\n"))
    }

    fn say(&mut self, text: &str) -> Result<()> {
        self.lifeline.write_all(text.as_bytes()).map_err(|error| Error::new(Status::Failed, "life-line", error))
    }

    /// Goes on until the deadline, or until it is another stage's turn.
    fn until(&mut self, deadline: Instant, stage: Stage) -> Result<()> {
        let progress = Duration::from_millis(PROGRESS_MS);
        let (mut events, mut room) = (Vec::new(), vec![0; LOAD_READ_MAX_BYTES]);
        let mut now = Instant::now();
        let mut told = now;
        while self.stage == stage && now < deadline && !(stage == Stage::Opening && self.has_opened()) {
            self.act(now);
            let next = self.resting.peek().filter(|_| self.may_act()).map_or(deadline, |Reverse((due, _))| *due);
            let wait = next.min(deadline).min(told + progress).saturating_duration_since(now);
            let came = self.epoll.wait(wait).map_err(|error| Error::new(Status::Failed, "epoll", error))?;
            events.clear();
            events.extend(came);
            for event in &events {
                self.heed(*event, &mut room);
            }
            now = Instant::now();
            if now.saturating_duration_since(told) >= progress {
                told = now;
                self.say(&format!("now {}\n", self.tally.of(What::Reply)))?;
            }
        }
        Ok(())
    }

    /// True when nothing more is to be gained by waiting for connections.
    fn has_opened(&self) -> bool {
        self.open == self.wires.len() || self.open == 0 && self.failed >= self.wires.len()
    }

    fn may_act(&self) -> bool {
        self.connecting < LOAD_CONNECTING_MAX
    }

    /// Opens, or lets ask again, those whose time has come.
    fn act(&mut self, now: Instant) {
        while let Some(Reverse((due, nth))) = self.resting.peek().copied()
            && due <= now
            && self.may_act()
        {
            self.resting.pop();
            self.rests[nth] = false;
            match self.wires[nth].state() {
                State::Closed => self.connect(nth),
                _ => self.ask(nth, now),
            }
        }
    }

    fn connect(&mut self, nth: usize) {
        let epoll = &self.epoll;
        match self.wires[nth].open(self.job.to).and_then(|stream| epoll.add(stream, nth as u64)) {
            Ok(()) => self.connecting += 1,
            Err(error) => self.not_opened(nth, error.to_string()),
        }
    }

    fn not_opened(&mut self, nth: usize, cause: String) {
        self.failed += 1;
        self.cause = cause;
        if self.stage == Stage::Asking {
            self.tally.count(What::Unopened);
        }
        self.wires[nth].close();
        self.pause(nth, LOAD_RETRY_MS);
    }

    fn pause(&mut self, nth: usize, ms: u64) {
        if !std::mem::replace(&mut self.rests[nth], true) {
            self.resting.push(Reverse((Instant::now() + Duration::from_millis(ms), nth)));
        }
    }

    fn ask(&mut self, nth: usize, now: Instant) {
        let idle = self.stage == Stage::Asking && self.wires[nth].state() == State::Idle;
        if idle && self.wires[nth].ask(now).is_err() {
            self.lose(nth);
        }
    }

    /// The connection is gone. One that was refused, and then closed, is counted as refused.
    fn lose(&mut self, nth: usize) {
        if self.wires[nth].state() == State::Asking {
            self.tally.count(What::Reset);
        }
        self.close(nth, LOAD_REOPEN_MS);
    }

    fn close(&mut self, nth: usize, pause_ms: u64) {
        self.wires[nth].close();
        self.open -= 1;
        self.pause(nth, pause_ms);
    }

    fn heed(&mut self, event: Event, room: &mut [u8]) {
        match event.name {
            SIGNALS => self.heed_signals(),
            LIFELINE if event.readable => self.heed_parent(),
            LIFELINE => {}
            name => {
                if let Ok(nth) = usize::try_from(name) {
                    self.heed_wire(nth, event, room);
                }
            }
        }
    }

    fn heed_signals(&mut self) {
        if self.signals.ending().is_some() {
            self.stage = Stage::Over;
        }
    }

    /// The parent says that it begins; or it is gone.
    fn heed_parent(&mut self) {
        let mut word = [0];
        let go = matches!(self.lifeline.read(&mut word), Ok(1)) && word[0] == GO;
        self.stage = if go && self.stage == Stage::Ready { Stage::Asking } else { Stage::Over };
    }

    fn heed_wire(&mut self, nth: usize, event: Event, room: &mut [u8]) {
        match self.wires[nth].state() {
            State::Closed => return,
            State::Connecting if !event.writable => return,
            State::Connecting => {
                self.connecting -= 1;
                if let Err(error) = self.wires[nth].opened() {
                    return self.not_opened(nth, error.to_string());
                }
                self.open += 1;
                self.ask(nth, Instant::now());
            }
            State::Asking if event.writable && self.wires[nth].flush().is_err() => return self.lose(nth),
            _ => {}
        }
        if event.readable {
            self.hear(nth, event.ended || event.gone, room);
        }
    }

    /// Reads until there is nothing more: until a read doesn't fill the room, or, at an end, until it is reached.
    fn hear(&mut self, nth: usize, ended: bool, room: &mut [u8]) {
        while let Some((heard, more)) = self.wires[nth].hear(room) {
            match heard {
                Heard::Nothing => {}
                Heard::End => return self.lose(nth),
                Heard::Reply(verdict, reply) => self.settle(nth, verdict, reply),
            }
            if self.wires[nth].state() == State::Closed || !more && !ended {
                return;
            }
        }
    }

    fn settle(&mut self, nth: usize, verdict: Verdict, reply: &[u8]) {
        let now = Instant::now();
        match verdict {
            // Said before anything was asked: the server turns it away.
            _ if self.stage != Stage::Asking => {
                self.open -= 1;
                self.tally.fault(What::Refused, reply);
                self.not_opened(nth, tally::shown(reply));
            }
            Verdict::Right => {
                self.tally.reply(now.saturating_duration_since(self.wires[nth].since()));
                self.wires[nth].rest();
                self.ask(nth, now);
            }
            Verdict::Refused => {
                self.tally.fault(What::Refused, reply);
                self.wires[nth].rest();
                self.pause(nth, LOAD_RETRY_MS);
            }
            Verdict::Wrong => {
                self.tally.fault(What::Wrong, reply);
                self.close(nth, LOAD_RETRY_MS);
            }
        }
    }
}
