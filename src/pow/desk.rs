//! What a server answers: the host of one thread's connections.

use std::net::SocketAddr;
use std::sync::Arc;

use slog::{Logger, debug, trace};

use crate::common::clock::{self, Millis, Stopwatch};
use crate::common::hall::framing::{Cut, Framing};
use crate::common::hall::staff::Place;
use crate::common::hall::{Host, Moment, Taken};
use crate::common::limits::{AT_ONCE_COST_MAX, BARE_GRACE_MS, LINE_GRACE_MS, SHARED_COST_MIN};
use crate::common::net::network;

use super::crew::{Crew, Outcome};
use super::metrics;
use super::pool::{Added, Job, Ticket};
use super::puzzle::{ALPHABET, HEADS, Seed, hash, write_proof};
use super::request::{Request, read};
use super::search::{Search, Step, Wanted};

/// What is remembered of a connection.
pub struct Guest {
    from: SocketAddr,
    /// Its place among those of its address, for as long as it has one.
    _place: Place,
    framing: Framing,
    asked: Option<Asked>,
}

/// A request at work.
struct Asked {
    job: Arc<Job>,
    since: Stopwatch,
    deadline: Millis,
    /// Bytes of the beginning of its answer, message and comma, that were said already.
    begun: usize,
}

impl Asked {
    /// What its answer begins with.
    fn beginning(&self) -> impl Iterator<Item = u8> {
        self.job.search.message().iter().copied().chain([b','])
    }
}

/// When a request is answered.
enum Answer {
    /// It is.
    Now,
    /// It is, and that cost more than most do.
    Dear,
    /// When its search is over.
    Later,
}

/// What is said where too many requests wait.
const BUSY: &str = "error busy: too many requests wait already";

impl Guest {
    /// From there, with a place.
    #[must_use]
    pub fn new(from: SocketAddr, place: Place) -> Self {
        Self { from, _place: place, framing: Framing::default(), asked: None }
    }
}

/// The answers of one thread.
pub struct Desk {
    crew: Arc<Crew>,
    thread: usize,
    log: Logger,
    /// The server ends: what is still searched for is due.
    ending: bool,
}

/// Any seed, each as likely as the others.
#[must_use]
pub fn any_seed() -> Seed {
    Seed { head: fastrand::u32(..HEADS), last: fastrand::usize(..ALPHABET.len()) }
}

impl Desk {
    /// Of the thread with this number.
    #[must_use]
    pub fn new(crew: Arc<Crew>, thread: usize, log: Logger) -> Self {
        Self { crew, thread, log, ending: false }
    }

    /// From now on every search is due: the server ends.
    pub fn end(&mut self) {
        self.ending = true;
    }

    /// Gives a connection what has come of its search.
    ///
    /// False, and nothing is said, if it isn't `job` that it waits for: that one's time was out, and another came after it.
    pub fn tell(&mut self, guest: &mut Guest, job: &Arc<Job>, outcome: Outcome, out: &mut Vec<u8>) -> bool {
        let Some(asked) = guest.asked.take_if(|asked| Arc::ptr_eq(&asked.job, job)) else { return false };
        let message = asked.job.search.message();
        match outcome {
            Outcome::Found(seed) => {
                let line = out.len();
                write_proof(message, seed.bytes(), &hash(seed.bytes(), message), out);
                out.drain(line..line + asked.begun);
                self.crew.counts(self.thread).took(asked.since);
            }
            Outcome::Exhausted => {
                let what = format!("error exhausted: no seed gives {} zero digits", asked.job.search.difficulty());
                self.refuse_begun(guest.from, &asked, &what, out);
                self.crew.counts(self.thread).exhausted += 1;
            }
            Outcome::Displaced => {
                self.refuse_begun(guest.from, &asked, BUSY, out);
                self.crew.counts(self.thread).busy += 1;
            }
        }
        true
    }

    /// What is begun is ended: the error stands where the seed would.
    fn refuse_begun(&self, from: SocketAddr, asked: &Asked, what: &str, out: &mut Vec<u8>) {
        if asked.begun > 0 {
            out.extend(asked.beginning().skip(asked.begun));
        }
        self.refuse(from, what, out);
    }

    fn refuse(&self, from: SocketAddr, what: &str, out: &mut Vec<u8>) {
        trace!(self.log, "{from}: {what}");
        out.extend_from_slice(what.as_bytes());
        out.push(b'\n');
    }

    /// Answers a request, or has it searched for.
    fn request(&mut self, name: u64, guest: &mut Guest, line: &[u8], out: &mut Vec<u8>) -> Answer {
        let (message, asked) = match read(line) {
            Ok(Request::Prove(message, asked)) => (message, asked),
            Ok(Request::Status) => {
                self.status(guest.from, out);
                return Answer::Dear;
            }
            Err(what) => {
                self.malformed(guest.from, &format!("error request: {what}"), out);
                return Answer::Now;
            }
        };
        let (difficulty, max) = (asked.unwrap_or(self.crew.policy.difficulty), self.crew.policy.max_difficulty);
        if difficulty > max {
            self.malformed(guest.from, &format!("error difficulty: {max} at most"), out);
            return Answer::Now;
        }
        let search = Search::new(message, difficulty, Wanted::From(any_seed()));
        if search.cost() > AT_ONCE_COST_MAX {
            return self.search_for(name, guest, search, out);
        }
        self.prove_at_once(guest.from, &search, out);
        Answer::Now
    }

    fn malformed(&mut self, from: SocketAddr, what: &str, out: &mut Vec<u8>) {
        let mut counts = self.crew.counts(self.thread);
        counts.requests += 1;
        counts.malformed += 1;
        drop(counts);
        self.refuse(from, what, out);
    }

    fn prove_at_once(&mut self, from: SocketAddr, search: &Search, out: &mut Vec<u8>) {
        let since = Stopwatch::start();
        let (mut hashes, mut found) = (0, None);
        while found.is_none() {
            let (step, tried) = search.work(self.crew.policy.kernel, 1);
            hashes += tried;
            match step {
                Step::Found(seed) => found = Some(seed),
                Step::Onward => {}
                Step::Exhausted | Step::Taken => break,
            }
        }
        let mut counts = self.crew.counts(self.thread);
        counts.requests += 1;
        counts.hashes += hashes;
        let Some(seed) = found else {
            counts.exhausted += 1;
            return self.refuse(from, "error exhausted: no seed fits", out);
        };
        write_proof(search.message(), seed.bytes(), &hash(seed.bytes(), search.message()), out);
        counts.took(since);
    }

    /// Puts a request into the pool.
    fn search_for(&mut self, name: u64, guest: &mut Guest, search: Search, out: &mut Vec<u8>) -> Answer {
        self.crew.counts(self.thread).requests += 1;
        let ticket = Ticket { thread: self.thread, guest: name };
        let shared = search.cost() >= SHARED_COST_MIN;
        let job = Arc::new(Job { ticket, address: network(guest.from.ip()), search });
        match self.crew.pool.add(Arc::clone(&job)) {
            Added::Waiting(_) if shared => self.crew.staff.wake(usize::MAX),
            Added::Waiting(1) => {}
            Added::Waiting(_) => self.crew.staff.wake(1),
            Added::Instead(other) => self.crew.finish(&other, Outcome::Displaced),
            Added::Full => {
                self.crew.counts(self.thread).busy += 1;
                self.refuse(guest.from, BUSY, out);
                return Answer::Now;
            }
        }
        let deadline = clock::now().after(self.crew.policy.timeout_ms);
        guest.asked = Some(Asked { job, since: Stopwatch::start(), deadline, begun: 0 });
        Answer::Later
    }

    fn status(&self, from: SocketAddr, out: &mut Vec<u8>) {
        match self.crew.total() {
            Ok(counts) => {
                out.extend_from_slice(metrics::object(&self.crew.standing(), &counts).to_string().as_bytes());
                out.push(b'\n');
            }
            Err(error) => self.refuse(from, &format!("error {error}"), out),
        }
    }
}

impl Host for Desk {
    type Guest = Guest;

    fn take(&mut self, name: u64, guest: &mut Guest, input: &[u8], moment: Moment, out: &mut Vec<u8>) -> Taken {
        let max = self.crew.policy.max_line;
        match guest.framing.cut(input, moment != Moment::More, max) {
            Cut::More(count) => Taken::Bytes(count),
            Cut::Line(line, count) => match self.request(name, guest, &input[..line], out) {
                Answer::Now => Taken::Answered(count),
                Answer::Dear => Taken::Enough(count),
                Answer::Later => Taken::Later(count),
            },
            Cut::TooLong(count) => {
                self.malformed(guest.from, &format!("error line: more than {max} bytes"), out);
                Taken::Answered(count)
            }
        }
    }

    fn grace_ms(&self, guest: &Guest) -> Option<u64> {
        Some(if guest.framing.is_bare() { BARE_GRACE_MS } else { LINE_GRACE_MS })
    }

    fn beginning(&mut self, guest: &mut Guest, out: &mut Vec<u8>) {
        if let Some(asked) = &mut guest.asked {
            let next = asked.beginning().nth(asked.begun);
            asked.begun += usize::from(next.is_some());
            out.extend(next);
        }
    }

    fn is_due(&mut self, guest: &mut Guest, now: Millis, out: &mut Vec<u8>) -> bool {
        let due = |asked: &mut Asked| (self.ending || asked.deadline <= now) && self.crew.cancel(&asked.job);
        let Some(asked) = guest.asked.take_if(due) else { return false };
        let mut counts = self.crew.counts(self.thread);
        if self.ending {
            counts.ended += 1;
        } else {
            counts.timeouts += 1;
        }
        drop(counts);
        let seconds = self.crew.policy.timeout_ms as f64 / 1e3;
        let timeout = format!("error timeout: nothing found within {seconds} s");
        self.refuse_begun(
            guest.from,
            &asked,
            if self.ending { "error ending: this server ends" } else { &timeout },
            out,
        );
        true
    }

    fn leave(&mut self, guest: Guest, broken: bool) {
        self.crew.staff.leave(self.thread);
        let abandoned = guest.asked.is_some();
        if let Some(asked) = guest.asked {
            self.crew.cancel(&asked.job);
        }
        let mut counts = self.crew.counts(self.thread);
        counts.resets += u64::from(broken);
        counts.abandoned += u64::from(abandoned);
        drop(counts);
        debug!(self.log, "{}: {}", guest.from, if broken { "reset" } else { "closed" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pow::crew::tests::crew;

    #[test]
    fn an_outcome_is_for_the_request_that_it_is_of() {
        let crew = crew();
        let mut desk = Desk::new(Arc::clone(&crew), 0, Logger::root(slog::Discard, slog::o!()));
        let from = SocketAddr::from(([127, 0, 0, 1], 9));
        let mut guest = Guest::new(from, crew.staff.place(from.ip()).unwrap());
        let mut out = Vec::new();
        let mut ask = |guest: &mut Guest, message: &[u8]| {
            let line = [b"\0pow 5 ", message, b"\n"].concat();
            assert!(matches!(desk.take(3, guest, &line, Moment::More, &mut Vec::new()), Taken::Later(_)));
            Arc::clone(&guest.asked.as_ref().unwrap().job)
        };
        let late = ask(&mut guest, b"late");
        let asked = ask(&mut guest, b"asked");
        let found = Outcome::Found(Seed { head: 1, last: 2 });
        assert!(!desk.tell(&mut guest, &late, found, &mut out) && out.is_empty());
        assert!(desk.tell(&mut guest, &asked, found, &mut out) && out.starts_with(b"asked,aaabc,"));
        assert!(!desk.tell(&mut guest, &asked, found, &mut out), "it is answered");
    }
}
