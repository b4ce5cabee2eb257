//! One connection of a hall: its buffers, and what it does in its turn.

use std::io;

use crate::common::clock::Millis;
use crate::common::epoll::Event;
use crate::common::limits::{BUFFER_KEPT_MAX_BYTES, CHUNKS_TURN_MAX, REQUESTS_TURN_MAX};
use crate::common::net::{Stream, is_pause};

use super::{Host, Moment, Taken};

/// What a connection does after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It waits: for its peer, or for an answer.
    Wait,
    /// The same, for an answer that its peer may have gone before.
    Probe,
    /// The same, with an unfinished request.
    Grace,
    /// It has more to do at once.
    Again,
    /// It is over.
    Close,
}

/// How far a connection has been told what there is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// All of it.
    All,
    /// All that was ready, but of a long answer there may be more: first it is others' turn.
    Much,
    /// Its peer has to take some of it first.
    Part,
}

/// One connection.
pub(super) struct Seat<G> {
    stream: Stream,
    pub(super) guest: G,
    /// What has come and isn't done with.
    input: Vec<u8>,
    /// What waits to be written, from `written` on.
    pub(super) output: Vec<u8>,
    written: usize,
    /// Something of an answer was written since its host was asked whether there is more of it.
    spoken: bool,
    /// There may be something to read.
    readable: bool,
    /// The other side has ended its sending, as far as is read,
    ended: bool,
    /// or as the system has told, with something still to read perhaps.
    hung_up: bool,
    /// A request is at work.
    pub(super) pending: bool,
    /// It stands in the queue of those that have something to do.
    pub(super) queued: bool,
    /// What is in `input` has been silent for its grace.
    silent: bool,
    /// The host has said that it needs more for the next request: until then nothing more is read.
    hungry: bool,
    /// It stands among those that may have gone.
    pub(super) probed: bool,
    /// It has been told all, and that nothing more comes; what it says is passed over until it ends.
    leaving: bool,
    /// When something was last read or written.
    pub(super) active: Millis,
}

impl<G> Seat<G> {
    pub(super) fn new(stream: Stream, guest: G, now: Millis) -> Self {
        Self {
            stream,
            guest,
            input: Vec::new(),
            output: Vec::new(),
            written: 0,
            spoken: false,
            readable: false,
            ended: false,
            hung_up: false,
            pending: false,
            queued: false,
            silent: false,
            hungry: true,
            probed: false,
            leaving: false,
            active: now,
        }
    }

    /// True if something waits to be written.
    pub(super) fn has_output(&self) -> bool {
        self.written < self.output.len()
    }

    /// True if nothing is asked, nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        !self.pending && !self.has_output() && !self.queued
    }

    /// Its request has been answered: its peer has from now on to take that.
    pub(super) fn be_answered(&mut self, now: Millis) {
        (self.pending, self.active) = (false, now);
    }

    /// What has come of a request has been silent for its grace; unless there is more that isn't read yet.
    pub(super) fn fall_silent(&mut self) {
        (self.silent, self.readable, self.hungry) = (true, true, true);
    }

    /// True if its request is at work, something has come since that isn't read, and it isn't watched for that yet.
    pub(super) fn begins_probing(&mut self) -> bool {
        let doubtful = self.pending && (self.hung_up || self.readable);
        doubtful && !std::mem::replace(&mut self.probed, true)
    }

    /// True if its peer may have gone without our knowing it.
    pub(super) fn may_have_gone(&self) -> bool {
        self.hung_up || self.stream.is_full()
    }

    /// Notes what has changed; true if it has something to do now and isn't queued for it.
    pub(super) fn notice(&mut self, event: Event) -> bool {
        self.readable |= event.readable;
        self.hung_up |= event.ended;
        let able = !self.pending || (event.writable && self.has_output());
        able && !std::mem::replace(&mut self.queued, true)
    }

    /// Its turn: writes, reads, has requests answered, writes.
    ///
    /// # Errors
    /// When the connection is broken.
    pub(super) fn attend<H: Host<Guest = G>>(
        &mut self,
        name: u64,
        host: &mut H,
        scratch: &mut [u8],
        now: Millis,
        ending: bool,
    ) -> io::Result<Next> {
        if self.leaving {
            return self.leave(scratch);
        }
        let mut chunks = CHUNKS_TURN_MAX;
        match self.tell(host, &mut chunks, now)? {
            Told::Part => return Ok(Next::Wait),
            Told::All if self.pending => return Ok(Next::Wait),
            Told::Much => return Ok(Next::Again),
            Told::All if ending => return self.leave(scratch),
            Told::All => {}
        }
        let read = if self.hungry { self.read(scratch, now)? } else { 0 };
        self.hungry = self.serve_all(name, host, &scratch[..read]);
        let told = self.tell(host, &mut chunks, now)?;
        Ok(match (self.pending, told, self.hungry) {
            (true, ..) if self.begins_probing() => Next::Probe,
            (true, ..) | (_, Told::Part, _) => Next::Wait,
            (_, Told::Much, _) | (_, _, false) => Next::Again,
            _ if self.ended => Next::Close,
            _ if self.readable => Next::Again,
            _ if !self.input.is_empty() => Next::Grace,
            _ => Next::Wait,
        })
    }

    /// Ends the connection. Closing it over something unread would take back what was told: the system would send a reset.
    fn leave(&mut self, scratch: &mut [u8]) -> io::Result<Next> {
        let first = !std::mem::replace(&mut self.leaving, true);
        if first {
            self.stream.shut_down_sending();
        }
        Ok(match self.pass_over(scratch)? {
            None => Next::Close,
            // Who has said nothing more has nothing unread.
            Some(0) if first => Next::Close,
            Some(passed) if passed >= CHUNKS_TURN_MAX * scratch.len() => Next::Again,
            Some(_) => Next::Wait,
        })
    }

    /// Reads what there is and drops it: how much that was, `None` at its end.
    fn pass_over(&mut self, scratch: &mut [u8]) -> io::Result<Option<usize>> {
        let mut passed = 0;
        for _ in 0..CHUNKS_TURN_MAX {
            match self.stream.read(scratch) {
                Ok(0) => return Ok(None),
                Ok(count) => passed += count,
                Err(error) if is_pause(&error) => return Ok(Some(passed)),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(passed))
    }

    /// Reads once; how much.
    fn read(&mut self, scratch: &mut [u8], now: Millis) -> io::Result<usize> {
        if !self.readable || self.ended {
            return Ok(0);
        }
        match self.stream.read(scratch) {
            Ok(0) => {
                self.ended = true;
                Ok(0)
            }
            Ok(count) => {
                // Less than there was room for is all there was; but an end that is known of has to be read as well.
                self.readable = count == scratch.len() || self.hung_up;
                self.active = now;
                self.silent = false;
                Ok(count)
            }
            Err(error) if is_pause(&error) => {
                self.readable = error.kind() == io::ErrorKind::Interrupted;
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }

    /// Has requests answered, of what was kept and what was just read; true if more is needed for the next one.
    fn serve_all<H: Host<Guest = G>>(&mut self, name: u64, host: &mut H, read: &[u8]) -> bool {
        let mut kept = std::mem::take(&mut self.input);
        let hungry = if kept.is_empty() {
            let (used, hungry) = self.serve(name, host, read);
            kept.extend_from_slice(&read[used..]);
            hungry
        } else {
            kept.extend_from_slice(read);
            let (used, hungry) = self.serve(name, host, &kept);
            kept.drain(..used);
            hungry
        };
        if kept.is_empty() && kept.capacity() > BUFFER_KEPT_MAX_BYTES {
            kept = Vec::new();
        }
        self.input = kept;
        self.silent = false;
        hungry
    }

    /// Has some requests answered; how many bytes that were, and whether more is needed for the next one.
    fn serve<H: Host<Guest = G>>(&mut self, name: u64, host: &mut H, input: &[u8]) -> (usize, bool) {
        let moment = match (self.ended, self.silent) {
            (true, _) => Moment::End,
            (_, true) => Moment::Silence,
            _ => Moment::More,
        };
        let mut used = 0;
        for _ in 0..REQUESTS_TURN_MAX {
            let rest = &input[used..];
            if rest.is_empty() {
                return (used, true);
            }
            match host.take(name, &mut self.guest, rest, moment, &mut self.output) {
                Taken::Bytes(0) => return (used, true),
                Taken::Bytes(count) | Taken::Answered(count) => used += count,
                Taken::Enough(count) => return (used + count, false),
                Taken::Later(count) => {
                    self.pending = true;
                    return (used + count, false);
                }
            }
        }
        (used, false)
    }

    /// Writes what waits, and what its host has to say further, which is so many `chunks` at most.
    fn tell<H: Host<Guest = G>>(&mut self, host: &mut H, chunks: &mut usize, now: Millis) -> io::Result<Told> {
        while self.flush(now)? {
            if self.pending || !self.spoken {
                // Not before: the next chunk of a long answer needs the same room.
                self.output.shrink_to(BUFFER_KEPT_MAX_BYTES);
                return Ok(Told::All);
            }
            if *chunks == 0 {
                return Ok(Told::Much);
            }
            self.spoken = false;
            host.go_on(&mut self.guest, &mut self.output);
            *chunks -= usize::from(self.has_output());
        }
        Ok(Told::Part)
    }

    /// Writes what waits; false if some of it still does.
    fn flush(&mut self, now: Millis) -> io::Result<bool> {
        while self.has_output() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(count) => {
                    self.written += count;
                    self.active = now;
                    // What is said while a request is at work is only the beginning of its answer.
                    self.spoken |= !self.pending;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_pause(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        self.written = 0;
        self.output.clear();
        Ok(true)
    }
}
