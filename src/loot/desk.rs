//! What a client of a thread is answered: its line is read, the memory asked, and what was drawn is said once the ledger has it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use slog::{Logger, trace};

use crate::common::clock::Millis;
use crate::common::hall::framing::{Cut, Framing};
use crate::common::hall::staff::Place;
use crate::common::hall::{Hall, Host, Moment, Taken};
use crate::common::limits::{
    ANSWER_CHUNK_BYTES, BARE_GRACE_MS, DRAW_LINE_MAX_BYTES, LEDGER_WAIT_MAX_MS, LINE_GRACE_MS,
};

use super::answer::{Answer, Form, Said};
use super::counter::Refusal;
use super::crew::Crew;
use super::memory::Refused;
use super::record::Line;
use super::request::{Bare, Id, Request, cut_bare, read};

/// What is remembered of a connection.
pub struct Guest {
    /// It comes from this host.
    is_here: bool,
    framing: Framing,
    /// Its messages have no end, and the last was a draw.
    after_draw: bool,
    /// What it is to be told next, or is being told.
    answer: Option<Answer>,
    /// Since when that waits for the ledger.
    since: Option<Millis>,
    /// Numbers that its output holds,
    numbers: u32,
    /// and the draws with an id that it holds.
    named: Vec<Id>,
    /// Where it comes from,
    from: SocketAddr,
    /// and its place among those of its address.
    _place: Place,
}

impl Guest {
    /// A connection that hasn't said anything.
    #[must_use]
    pub fn new(from: SocketAddr, is_here: bool, place: Place) -> Self {
        Self {
            is_here,
            framing: Framing::default(),
            after_draw: false,
            answer: None,
            since: None,
            numbers: 0,
            named: Vec::new(),
            from,
            _place: place,
        }
    }

    /// What it waits for, if it does.
    fn waits_for(&self) -> Wanted {
        self.answer.as_ref().map_or(Wanted::Closed, |answer| Wanted::Draw(answer.end(), answer.id().is_some()))
    }

    fn form(&self) -> Form {
        if self.framing.is_bare() { Form::Bare } else { Form::Lines }
    }
}

/// What the ledger has to have before a connection is told something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// All draws up to this index; with an id, by their own rows,
    Draw(u32, bool),
    /// or the end of the draw.
    Closed,
}

/// What a thread answers by.
pub struct Desk {
    crew: Arc<Crew>,
    thread: usize,
    log: Logger,
    /// Connections that wait for the ledger, in the order in which they came.
    waiting: VecDeque<(Wanted, u64)>,
    now: Millis,
}

impl Desk {
    /// A thread's.
    #[must_use]
    pub fn new(crew: Arc<Crew>, thread: usize, log: &Logger) -> Self {
        Self { crew, thread, log: log.clone(), waiting: VecDeque::new(), now: Millis::default() }
    }

    /// How far the ledger has to be so that the next one can be told; `None` if nobody waits.
    #[must_use]
    pub fn awaits(&self) -> Option<u32> {
        self.waiting.front().map(|(wanted, _)| match wanted {
            Wanted::Draw(end, _) => *end,
            Wanted::Closed => 0,
        })
    }

    /// True if the next one can be told.
    #[must_use]
    pub fn can_tell(&self) -> bool {
        self.waiting.front().is_some_and(|(wanted, _)| self.has(*wanted))
    }

    fn has(&self, wanted: Wanted) -> bool {
        match wanted {
            Wanted::Draw(end, has_id) => self.crew.memory.may_tell(end, has_id),
            Wanted::Closed => self.crew.memory.is_closed(),
        }
    }

    /// Tells those what they have drawn whose draws the ledger has by now.
    pub fn settle(&mut self, hall: &mut Hall<Guest>) {
        self.now = hall.now();
        while let Some((wanted, name)) = self.waiting.front().copied().filter(|(wanted, _)| self.has(*wanted)) {
            self.waiting.pop_front();
            // It may have been told that it took too long, and wait for something else by now.
            hall.answer(name, |guest, out| {
                let due = guest.since.is_some() && guest.waits_for() == wanted;
                if due {
                    guest.since = None;
                    match wanted {
                        Wanted::Draw(..) => _ = say(&self.crew, guest, out),
                        Wanted::Closed => out.extend_from_slice(CLOSED),
                    }
                }
                due
            });
        }
    }

    /// Answers one message.
    fn answer(&mut self, name: u64, guest: &mut Guest, line: &[u8], used: usize, out: &mut Vec<u8>) -> Taken {
        let memory = &self.crew.memory;
        let form = guest.form();
        let request = match read(line) {
            Ok(request) => request,
            Err(fault) => return self.error(guest, fault, used, out),
        };
        let number = |number: u32, out: &mut Vec<u8>| {
            out.extend(number.to_string().bytes());
            out.extend((form == Form::Lines).then_some(b'\n'));
        };
        match request {
            Request::Draw(wanted, id) => return self.draw(name, guest, (wanted, id), used, out),
            Request::Left => number(memory.left(), out),
            Request::Drawn => number(memory.drawn(), out),
            Request::Unheard => number(memory.unheard(), out),
            Request::Commitment => say_line(&Line::Commitment(memory.commitment(), memory.size()), out),
            Request::Reveal => match memory.reveal() {
                Some(seed) => say_line(&Line::Reveal(seed, memory.size(), memory.drawn()), out),
                None => {
                    let fault = ("reveal", "not before all is drawn, or the draw is closed".to_owned());
                    return self.error(guest, fault, used, out);
                }
            },
            Request::Close if !guest.is_here => {
                let fault = ("refused", "only the server's own host may close the draw".to_owned());
                return self.error(guest, fault, used, out);
            }
            Request::Close => {
                memory.close();
                if !memory.is_closed() {
                    return self.wait(name, guest, used);
                }
                out.extend_from_slice(CLOSED);
            }
            Request::Help => out.extend_from_slice(HELP.as_bytes()),
        }
        Taken::Answered(used)
    }

    /// Answers the first message of a client that never ends one.
    fn take_bare(&mut self, name: u64, guest: &mut Guest, input: &[u8], moment: Moment, out: &mut Vec<u8>) -> Taken {
        let used = match cut_bare(input, guest.after_draw) {
            Bare::Part if moment == Moment::More => return Taken::Bytes(0),
            Bare::Part => input.len(),
            Bare::Nothing(used) => return Taken::Bytes(used),
            Bare::Message(used) => used,
        };
        guest.after_draw = matches!(read(&input[..used]), Ok(Request::Draw(..)));
        self.answer(name, guest, &input[..used], used, out)
    }

    /// Answers by an error; nothing was drawn.
    fn error(&self, guest: &Guest, (code, text): (&str, String), used: usize, out: &mut Vec<u8>) -> Taken {
        trace!(self.log, "{}: error {code}: {text}", guest.from);
        out.extend(format!("error {code}: {text}\n").bytes());
        Taken::Answered(used)
    }

    /// What it is told has to be in the ledger first.
    fn wait(&mut self, name: u64, guest: &mut Guest, used: usize) -> Taken {
        guest.since = Some(self.now);
        self.waiting.push_back((guest.waits_for(), name));
        self.crew.bell.ring();
        Taken::Later(used)
    }

    fn draw(
        &mut self,
        name: u64,
        guest: &mut Guest,
        (wanted, id): (u32, Option<Id>),
        used: usize,
        out: &mut Vec<u8>,
    ) -> Taken {
        let (memory, form) = (&self.crew.memory, guest.form());
        if form == Form::Bare && id.is_some() {
            return self.error(guest, ("id", "who ends no lines draws without".to_owned()), used, out);
        }
        // Who ends no message prints what one read brings: one number.
        let wanted = if form == Form::Bare { 1 } else { wanted };
        let drawn = id.as_ref().map_or_else(|| memory.draw(wanted), |id| memory.draw_named(id, wanted));
        let draw = match drawn {
            Ok(draw) => draw,
            Err(refused) => return self.error(guest, reason(refused), used, out),
        };
        let answer = guest.answer.insert(Answer::new(draw, wanted, id, form));
        let (end, has_id) = (answer.end(), answer.id().is_some());
        if !memory.may_tell(end, has_id) {
            return self.wait(name, guest, used);
        }
        if memory.runs_low(end) {
            self.crew.bell.ring();
        }
        match say(&self.crew, guest, out) {
            Said::All if out.len() < ANSWER_CHUNK_BYTES => Taken::Answered(used),
            _ => Taken::Enough(used),
        }
    }
}

/// Says the next piece of what a connection is told.
fn say(crew: &Crew, guest: &mut Guest, out: &mut Vec<u8>) -> Said {
    let Some(answer) = &mut guest.answer else { return Said::All };
    let said = answer.say(&crew.memory, out);
    if said == Said::All {
        match answer.id() {
            Some(id) => guest.named.push(id.clone()),
            None => guest.numbers += answer.count(),
        }
        guest.answer = None;
    }
    said
}

fn say_line(line: &Line, out: &mut Vec<u8>) {
    out.extend(format!("{line}\n").bytes());
}

/// The code and the text of the error that a refusal is answered by.
fn reason(refused: Refused) -> (&'static str, String) {
    let (code, text) = match refused {
        Refused::Over(Refusal::Exhausted) => ("exhausted", "all numbers are drawn"),
        Refused::Over(Refusal::Closed) => ("closed", "the draw was closed"),
        Refused::OtherNumber(count) => return ("id", format!("this id has drawn {count} numbers")),
        Refused::TooManyIds => ("id", "no more draws can have an id: draw without"),
        Refused::NoRoom => ("ledger", "it has no room; nothing was drawn, try again later"),
    };
    (code, text.to_owned())
}

const CLOSED: &[u8] = b"closed\n";
/// What `help` says.
pub const HELP: &str = "\
draw N          draw N numbers, a line each
draw N #ID      the same under an ID; asked again, the same numbers
left            how many can still be drawn
drawn           how many are drawn
unheard         of them, how many were perhaps never heard by anybody
commitment      what the order was committed to before the first draw
reveal          the secret behind it, once the draw has ended
close           end the draw for good; from the server's own host alone
help            this
";

impl Host for Desk {
    type Guest = Guest;

    fn take(&mut self, name: u64, guest: &mut Guest, input: &[u8], moment: Moment, out: &mut Vec<u8>) -> Taken {
        // Who has ended a line before ends this one as well, however long it takes: he is given no grace.
        let whole = moment != Moment::More;
        let cut =
            if guest.framing.is_bare() { Cut::More(0) } else { guest.framing.cut(input, whole, DRAW_LINE_MAX_BYTES) };
        if guest.framing.is_bare() {
            return self.take_bare(name, guest, input, moment, out);
        }
        match cut {
            Cut::More(used) => Taken::Bytes(used),
            Cut::Line(line, used) => self.answer(name, guest, &input[..line], used, out),
            Cut::TooLong(used) => {
                let fault = ("line", format!("longer than {DRAW_LINE_MAX_BYTES} bytes"));
                self.error(guest, fault, used, out)
            }
        }
    }

    fn grace_ms(&self, guest: &Guest) -> Option<u64> {
        let ms = if guest.framing.is_bare() { BARE_GRACE_MS } else { LINE_GRACE_MS };
        (!guest.framing.has_lines()).then_some(ms)
    }

    fn beginning(&mut self, _: &mut Guest, _: &mut Vec<u8>) {}

    fn go_on(&mut self, guest: &mut Guest, out: &mut Vec<u8>) {
        let memory = &self.crew.memory;
        if guest.numbers > 0 {
            memory.tell(std::mem::take(&mut guest.numbers));
        }
        guest.named.drain(..).for_each(|id| memory.tell_named(&id));
        if guest.since.is_none() {
            say(&self.crew, guest, out);
        }
    }

    fn is_due(&mut self, guest: &mut Guest, now: Millis, out: &mut Vec<u8>) -> bool {
        self.now = now;
        let waits_for = guest.waits_for();
        if self.has(waits_for) {
            // It is told at the end of this turn.
            return false;
        }
        let late = guest.since.is_some_and(|since| now.since(since) >= LEDGER_WAIT_MAX_MS);
        if late {
            (guest.since, guest.answer) = (None, None);
            out.extend_from_slice(match waits_for {
                Wanted::Draw(..) => b"error ledger: it takes too long; what was drawn is lost, unless it has an id\n",
                Wanted::Closed => b"error ledger: it takes too long; close it again\n",
            });
        }
        late
    }

    fn leave(&mut self, _: Guest, _: bool) {
        self.crew.staff.leave(self.thread);
    }
}
