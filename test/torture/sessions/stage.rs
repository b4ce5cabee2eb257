//! A session as it is played: who says what, and whether manage answers as the model does.

use std::collections::BTreeMap;

use aliquot::common::message::Message;
use fastrand::Rng;

use super::grammar::{Element, Grammar};
use super::hall::{Hall, Heard};
use super::liar::{Given, Speaker, utter};
use super::model::{Answer, Conn, Model};
use super::truth::Truth;

/// How many liars there are, and behind them how many honest computes.
pub const LIARS: usize = 5;
/// See [`LIARS`].
pub const HONEST: usize = 2;
/// An honest compute hands its range in at each multiple of this, at the latest.
const HONEST_MS: u64 = 90_000;

/// What somebody does. Whatever it is, it can be left out.
#[derive(Clone, Debug)]
pub enum Act {
    /// A liar says something; what, depends on this seed.
    Say(usize, u64),
    /// A liar goes without a word.
    Leave(usize),
    /// An honest compute does what comes next.
    Honest(usize, u64),
    /// So many milliseconds pass, so often; the honest ones say that they live.
    Wait(u64, u32),
    /// Manage's turn is over; whether it has come to the end of its proofs.
    Turn(bool),
}

struct Place {
    conn: Option<Conn>,
    speaker: Speaker,
    /// Results handed in, and accepted.
    results: (usize, usize),
}

/// What is played, and before whom.
pub struct Stage<'a, H> {
    /// Where.
    pub hall: H,
    /// What should come of it.
    pub model: Model<'a>,
    grammar: &'a Grammar,
    truth: &'a Truth,
    places: Vec<Place>,
    given: Vec<Given>,
    next_conn: Conn,
    now: u64,
    /// Over a socket nothing is said that would change what is tested, or end manage.
    tame: bool,
    /// How often each code was said, each acceptance and the like by the name of its message.
    pub verdicts: BTreeMap<String, u64>,
    /// What was said, if anybody wants to know.
    pub trace: Option<Vec<String>>,
}

impl<'a, H: Hall> Stage<'a, H> {
    /// An empty stage.
    pub fn new(hall: H, model: Model<'a>, grammar: &'a Grammar, truth: &'a Truth, tame: bool) -> Self {
        let mut stage = Self {
            hall,
            model,
            grammar,
            truth,
            places: Vec::new(),
            given: Vec::new(),
            next_conn: 1,
            now: 0,
            tame,
            verdicts: BTreeMap::new(),
            trace: None,
        };
        let place = || Place { conn: None, speaker: Speaker::default(), results: (0, 0) };
        stage.places = (0..LIARS + HONEST).map(|_| place()).collect();
        (LIARS..LIARS + HONEST).for_each(|honest| stage.dress(honest, 1, &format!("honest{honest}")));
        stage
    }

    /// The liars of another session: others than before.
    pub fn dress_liars(&mut self, session: u64) {
        for liar in 0..LIARS {
            self.dress(liar, 16 * (session + 1), &format!("host{}-{session}", liar % 3));
        }
    }

    fn dress(&mut self, place: usize, base: u64, host: &str) {
        let instance = base + place as u64;
        self.places[place].speaker = Speaker { instance, host: host.to_owned(), ..Speaker::default() };
    }

    /// Does one thing.
    pub fn act(&mut self, act: &Act) -> Result<(), String> {
        match *act {
            Act::Say(liar, seed) => self.lie(liar, seed),
            Act::Leave(liar) => self.leave(liar)?,
            Act::Honest(honest, seed) => return self.be_honest(LIARS + honest, seed),
            Act::Turn(prove) => return self.turn(prove),
            Act::Wait(ms, times) => {
                for _ in 0..times {
                    self.wait(ms)?;
                }
            }
        }
        if self.tame { self.turn(true) } else { Ok(()) }
    }

    fn lie(&mut self, liar: usize, seed: u64) {
        let mut rng = Rng::with_seed(seed);
        let mut speaker = self.places[liar].speaker.clone();
        if rng.u8(..16) == 0 {
            // As if he were another of them.
            speaker.instance = speaker.instance - liar as u64 + rng.u64(..LIARS as u64);
        }
        let names = self.grammar.names();
        let mut said = utter(&mut rng, &speaker, &self.given, &names, self.truth);
        if self.tame {
            self.tame(&mut rng, &mut said);
        }
        self.say(liar, &said);
    }

    /// Takes from what is said what would get far: a right sum, a high speed, the end of manage.
    fn tame(&self, rng: &mut Rng, said: &mut Element) {
        if !self.grammar.faults(said).is_empty() {
            return;
        }
        let is = |name: &str| said.name == name;
        if is("result") {
            said.set("sum", u128::MAX);
        } else if is("speed") && said.get("nanoseconds") != Some("0") && said.get("operations") != Some("0") {
            said.set("operations", rng.u64(1..10_000));
            said.set("nanoseconds", 1_000_000_000);
        } else if is("signal") {
            said.set("name", "KILL");
        }
    }

    /// Somebody says something, over a new connection if he has none.
    fn say(&mut self, place: usize, said: &Element) {
        let conn = self.places[place].conn.unwrap_or_else(|| {
            let conn = self.next_conn;
            self.next_conn += 1;
            self.places[place].conn = Some(conn);
            self.hall.open(conn);
            self.model.open(conn);
            conn
        });
        let line = said.line();
        self.note(|| format!("{conn} says {}", shown(&line)));
        self.model.hear(conn, said);
        self.hall.say(conn, &line);
        let speaker = &mut self.places[place].speaker;
        speaker.timed |= said.name == "speed";
        if said.name == "hello" && said.get("role") == Some("control") {
            speaker.timed = false;
        }
    }

    fn leave(&mut self, place: usize) -> Result<(), String> {
        let Some(conn) = self.places[place].conn.take() else { return Ok(()) };
        self.note(|| format!("{conn} leaves"));
        self.places[place].speaker.role = None;
        self.model.gone(conn);
        let unheard = self.hall.leave(conn);
        if unheard.is_empty() { Ok(()) } else { Err(format!("{conn} was told more: {unheard:?}")) }
    }

    fn wait(&mut self, ms: u64) -> Result<(), String> {
        self.turn(false)?;
        // An honest one doesn't have a range for ten times as long as it should take: manage would give it to another.
        if self.now / HONEST_MS != (self.now + ms) / HONEST_MS {
            for honest in LIARS..LIARS + HONEST {
                if let (Some(_), Some(given)) = (self.places[honest].conn, self.places[honest].speaker.given) {
                    self.hand_in(honest, given, false);
                }
            }
            self.turn(true)?;
        }
        self.now += ms;
        self.note(|| format!("{ms} ms pass"));
        self.model.wait(ms);
        self.hall.wait(self.now);
        self.turn(false)?;
        for honest in LIARS..LIARS + HONEST {
            if self.places[honest].conn.is_some() {
                self.say(honest, &Element::new("alive", &[]));
            }
        }
        self.turn(false)
    }

    /// The next that an honest compute has to do.
    fn be_honest(&mut self, place: usize, seed: u64) -> Result<(), String> {
        let mut rng = Rng::with_seed(seed);
        let Place { conn, speaker, .. } = &self.places[place];
        match (conn, speaker.given) {
            (None, _) => {
                let instance = format!("{:016x}", speaker.instance);
                let who: [(&str, &dyn ToString); 5] = [
                    ("version", &1),
                    ("role", &"compute"),
                    ("host", &speaker.host),
                    ("pid", &1),
                    ("instance", &instance),
                ];
                let hello = Element::new("hello", &who);
                let speed = rng.u64(200..5_000);
                self.say(place, &hello);
                self.say(place, &Element::new("speed", &[("operations", &speed), ("nanoseconds", &1_000_000_000)]));
                self.say(place, &Element::new("request", &[]));
            }
            (Some(_), Some((lease, first, last))) if rng.bool() || self.tame => {
                let tested = rng.u64(0..=last - first);
                self.say(place, &Element::new("alive", &[("lease", &lease), ("tested", &tested)]));
            }
            (Some(_), Some(given)) => self.hand_in(place, given, rng.u8(..4) == 0),
            (Some(_), None) => self.say(place, &Element::new("alive", &[])),
        }
        if self.tame { self.turn(true) } else { Ok(()) }
    }

    fn hand_in(&mut self, place: usize, (lease, first, last): Given, part: bool) {
        let last = if part { first + (last - first) / 2 } else { last };
        let perfect: Vec<String> = self.truth.perfect(first, last).iter().map(u64::to_string).collect();
        let (tested, sum, perfect) = (last - first + 1, self.truth.sum(first, last), perfect.join(" "));
        let range: [(&str, &dyn ToString); 3] = [("lease", &lease), ("first", &first), ("last", &last)];
        let found: [(&str, &dyn ToString); 4] =
            [("tested", &tested), ("sum", &sum), ("nanoseconds", &1_000_000_000), ("perfect", &perfect)];
        self.say(place, &Element::new("result", &[&range[..], &found[..]].concat()));
        self.places[place].speaker.given = None;
        self.places[place].results.0 += 1;
        if !self.tame {
            self.say(place, &Element::new("request", &[]));
        }
    }

    /// Everybody goes; the honest ones hand in before what they have, and it must have been taken.
    pub fn end(&mut self) -> Result<(), String> {
        self.turn(true)?;
        for honest in LIARS..LIARS + HONEST {
            if let (Some(_), Some(given)) = (self.places[honest].conn, self.places[honest].speaker.given) {
                self.hand_in(honest, given, false);
                self.turn(true)?;
            }
            let (handed_in, accepted) = self.places[honest].results;
            if handed_in != accepted {
                return Err(format!("of {handed_in} honest results {accepted} were accepted"));
            }
        }
        (0..LIARS + HONEST).try_for_each(|place| self.leave(place))?;
        self.turn(true)
    }

    /// The liars go.
    pub fn end_liars(&mut self) -> Result<(), String> {
        (0..LIARS).try_for_each(|place| self.leave(place))?;
        self.turn(true)
    }

    /// The end of a turn of manage: all that was said must be what the model says.
    pub fn turn(&mut self, prove: bool) -> Result<(), String> {
        if prove {
            self.model.prove();
        }
        if self.model.is_complete() {
            self.model.end();
        }
        let heard = self.hall.turn(prove, &self.model);
        let mut ended = false;
        for (conn, heard) in heard {
            self.note(|| format!("{conn} hears {heard:?}"));
            ended |= matches!(heard, Heard::SignalSelf);
            self.judge(conn, &heard).map_err(|fault| format!("{conn} hears {heard:?}: {fault}"))?;
        }
        if let Some((conn, answer)) = self.model.answers.first() {
            return Err(format!("{conn} doesn't hear {answer:?}"));
        }
        self.model.settle()?;
        if let Some(books) = self.hall.books()?.filter(|books| **books != self.model.books) {
            return Err(format!("the ledger holds {books:?}, not {:?}", self.model.books));
        }
        if ended {
            self.model.end();
            self.hall.end();
            return self.turn(false);
        }
        Ok(())
    }

    /// Whether this is what the model expects; and what the one who hears it makes of it.
    fn judge(&mut self, conn: Conn, heard: &Heard) -> Result<(), String> {
        let place = self.places.iter().position(|place| place.conn == Some(conn));
        match heard {
            Heard::SignalSelf => return Ok(()),
            Heard::Message(message) => match &**message {
                Message::Recall(recall) if self.model.may_recall(conn, recall.lease) => return Ok(()),
                Message::Range(range) => {
                    self.model.range(conn, range.lease, range.first, range.last)?;
                    let given = (range.lease, range.first, range.last);
                    self.given.push(given);
                    if let Some(place) = place {
                        self.places[place].speaker.given = Some(given);
                    }
                    return Ok(());
                }
                _ => {}
            },
            Heard::Closed => {}
        }
        let at = self.model.answers.iter().position(|(to, _)| *to == conn).ok_or("nothing is to be said")?;
        let (_, answer) = self.model.answers.remove(at);
        let verdict = fits(&answer, heard).ok_or_else(|| format!("not {answer:?}"))?;
        *self.verdicts.entry(verdict).or_default() += 1;
        if let Some(place) = place {
            self.learn(place, heard)?;
        }
        Ok(())
    }

    fn learn(&mut self, place: usize, heard: &Heard) -> Result<(), String> {
        let honest = place >= LIARS;
        let Place { conn, speaker, results } = &mut self.places[place];
        match heard {
            Heard::Message(message) => match &**message {
                Message::Accepted(_) => results.1 += 1,
                Message::Error(_) | Message::Refused(_) if honest => return Err("he was honest".to_owned()),
                _ => {}
            },
            Heard::Closed => (*conn, speaker.role) = (None, None),
            Heard::SignalSelf => {}
        }
        if let Some(conn) = *conn {
            speaker.role = self.model.role(conn);
        }
        Ok(())
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(what());
        }
    }
}

/// Whether what is heard is this answer: then its name, or its code.
fn fits(answer: &Answer, heard: &Heard) -> Option<String> {
    let Heard::Message(message) = heard else {
        return (matches!(heard, Heard::Closed) && *answer == Answer::Closed).then(|| "closed".to_owned());
    };
    let fits = match (answer, &**message) {
        (Answer::Error(codes), Message::Error(said)) => {
            let code = said.code.to_string();
            return codes.contains(&code).then_some(code);
        }
        (Answer::Refused(lease, codes), Message::Refused(said)) => {
            let code = said.code.to_string();
            return (*lease == said.lease && codes.contains(&code.as_str())).then_some(code);
        }
        (Answer::Welcome { at }, Message::Welcome(said)) => *at == said.at,
        (Answer::Alive, Message::Alive(said)) => said.lease.is_none() && said.tested.is_none(),
        (Answer::Accepted(lease), Message::Accepted(said)) => *lease == said.lease,
        (Answer::Signal, Message::Signal(said)) => said.name.to_string() == "INT",
        (Answer::Acknowledged, Message::Acknowledged(_)) => true,
        (Answer::End(computes), Message::End(said)) => *computes == said.computes,
        (Answer::Status { kept, ending }, Message::Status(said)) => {
            let counts = (said.tested, said.contiguous_to, said.leased, said.unchecked, said.ending);
            counts == (kept.tested, kept.contiguous_to, kept.leased, 0, *ending) && said.perfect.0 == kept.perfect
        }
        (Answer::Coverage { whole, done, leased }, Message::Coverage(said)) => {
            let same = (said.done.as_str(), said.leased.as_str()) == (done, leased);
            same && (said.first, said.last) == *whole
        }
        (Answer::Compute { host, pid, state, range, ranges, strikes }, Message::Compute(said)) => {
            let same = (&said.host, said.pid, said.state.name()) == (host, *pid, *state);
            same && (said.first.zip(said.last), said.ranges, said.strikes) == (*range, *ranges, *strikes)
        }
        _ => false,
    };
    fits.then(|| message.name().to_owned())
}

/// A line as a person can read it.
fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(300)]).into_owned();
    if line.len() > 300 { format!("{text}… ({} bytes)", line.len()) } else { text }
}
