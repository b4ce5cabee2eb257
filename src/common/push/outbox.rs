//! What an agent has to say, and how far it has got with that. Pure: answers go in, frames come out, one at a time.
//!
//! Of a counter, a gauge and a histogram the latest value waits, of a summary all that it has seen. A push that isn't answered is
//! kept, and said again on the next connection under its number, unless collect has it; and all else is set again. So it is now and
//! then on a connection that stands: collect forgets what it hears nothing of.

use std::collections::HashMap;

use crate::common::clock::Millis;
use crate::common::limits::{
    FRAME_MAX_BYTES, METRICS_OF_AGENT_MAX, OBSERVATIONS_MAX, PUSH_PAUSE_MS, PUSH_REPEAT_MS, SERIES_OF_AGENT_MAX,
};

use super::metric::{Metric, Reading, Series, Value};
use super::said::{self, Answer, Hello, Refused};

mod list;

use list::List;

/// What a push holds beside the items of its two lists, at most.
const PUSH_FRAME_BYTES: usize = 80;

/// What has become of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Collect knows who this is.
    Welcome,
    /// It has taken the declarations, all but these.
    Declared(Refused),
    /// It has taken the push, all but this.
    Taken(Refused),
    /// It ends the connection.
    Error(said::Code, String),
}

/// What the next answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    /// Nothing was said.
    Nothing,
    Welcome,
    /// To all declarations up to this one.
    Declared(usize),
    Taken,
}

struct Declared {
    metric: Metric,
    /// Collect doesn't take it.
    refused: bool,
}

struct Slot {
    series: Series,
    metric: usize,
    value: Option<Value>,
    /// The value isn't said yet; of a summary, that it is there is to be said again.
    waits: bool,
    /// It has seen something.
    has_seen: bool,
    /// What it has seen and hasn't said yet.
    seen: Vec<f64>,
}

impl Slot {
    /// Says what was seen, as far as there is room; true if that is all.
    fn tell_seen(&mut self, observe: &mut List) -> bool {
        if !self.seen.is_empty() {
            return observe.add_numbers(&self.series, &mut self.seen);
        }
        let told = !self.waits || self.value.is_some() || observe.add(&said::observe(&self.series, &[]));
        self.waits &= !told || self.value.is_some();
        told
    }

    /// Says how it stands, if that waits and there is room; true if it doesn't wait any more.
    fn tell_value(&mut self, set: &mut List) -> bool {
        let Some(value) = self.value.as_ref().filter(|_| self.waits) else { return true };
        self.waits = !set.add(&said::set(&self.series, value));
        !self.waits
    }
}

/// What an agent has to say.
pub struct Outbox {
    hello: Hello,
    metrics: Vec<Declared>,
    by_name: HashMap<String, usize>,
    slots: Vec<Slot>,
    by_series: HashMap<Series, usize>,
    /// Observations in all slots.
    seen: usize,
    /// Observations that were dropped.
    dropped: u64,
    awaited: Awaited,
    /// So many metrics are declared on this connection.
    declared: usize,
    /// The number of the latest push,
    seq: u64,
    /// which is this one while collect hasn't said that it has it.
    unanswered: Option<String>,
    /// On this connection a push was taken.
    proved: bool,
    pushed: Option<Millis>,
    /// When all was said, whether it was new or not.
    repeated: Option<Millis>,
    /// The slots whose turn it is: to say how they stand, and what they have seen.
    turns: (usize, usize),
}

impl Outbox {
    /// Nothing to say but who speaks.
    #[must_use]
    pub fn new(hello: Hello) -> Self {
        Self {
            hello,
            metrics: Vec::new(),
            by_name: HashMap::new(),
            slots: Vec::new(),
            by_series: HashMap::new(),
            seen: 0,
            dropped: 0,
            awaited: Awaited::Nothing,
            declared: 0,
            seq: 0,
            unanswered: None,
            proved: false,
            pushed: None,
            repeated: None,
            turns: (0, 0),
        }
    }

    /// Who speaks.
    #[must_use]
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// The metric of this name, if it is declared.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<&Metric> {
        self.by_name.get(name).map(|at| &self.metrics[*at].metric)
    }

    /// How many metrics are declared.
    #[must_use]
    pub fn metrics(&self) -> usize {
        self.metrics.len()
    }

    /// Declares a metric; one that is declared already stays as it is. False if there are too many.
    pub fn declare(&mut self, metric: &Metric) -> bool {
        let is_new = !self.by_name.contains_key(&*metric.name);
        let fits = !is_new || self.metrics.len() < METRICS_OF_AGENT_MAX;
        if is_new && fits {
            self.by_name.insert(metric.name.to_string(), self.metrics.len());
            self.metrics.push(Declared { metric: metric.clone(), refused: false });
        }
        fits
    }

    /// Declares a series' metric and sets the series.
    pub fn read(&mut self, reading: &Reading) {
        if !self.declare(&reading.metric) {
            return;
        }
        match &reading.value {
            Some(value) => _ = self.set(reading.series(), value.clone()),
            // It has its place before those that come behind it.
            None => _ = self.slot(reading.series()),
        }
    }

    /// Sets a series of a declared metric; false if there are too many series.
    pub fn set(&mut self, series: Series, value: Value) -> bool {
        let Some(at) = self.slot(series) else { return false };
        let slot = &mut self.slots[at];
        if value == Value::Unknown && slot.value.is_none() {
            // Nobody knows it anyhow.
            return true;
        }
        slot.value = Some(value);
        slot.waits = true;
        true
    }

    /// A series of a declared summary has seen this; false if that can't be kept.
    pub fn observe(&mut self, series: Series, number: f64) -> bool {
        let room = self.seen < OBSERVATIONS_MAX;
        let slot = self.slot(series).filter(|at| room && !self.metrics[self.slots[*at].metric].refused);
        match slot {
            Some(at) => {
                self.slots[at].has_seen = true;
                self.slots[at].seen.push(number);
                self.seen += 1;
            }
            None => self.dropped += 1,
        }
        slot.is_some()
    }

    /// How many observations were dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// True if more observations wait than one would keep by choice.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.seen > OBSERVATIONS_MAX / 2
    }

    fn slot(&mut self, series: Series) -> Option<usize> {
        if let Some(at) = self.by_series.get(&series) {
            return Some(*at);
        }
        let metric = *self.by_name.get(&*series.name)?;
        if self.slots.len() >= SERIES_OF_AGENT_MAX {
            return None;
        }
        self.by_series.insert(series.clone(), self.slots.len());
        self.slots.push(Slot { series, metric, value: None, waits: false, has_seen: false, seen: Vec::new() });
        Some(self.slots.len() - 1)
    }

    /// True while something was set or seen that isn't on its way yet.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.slots.iter().any(|slot| !self.metrics[slot.metric].refused && (slot.waits || !slot.seen.is_empty()))
    }

    /// True if collect has taken everything.
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        let said = self.declared == self.metrics.len() && self.unanswered.is_none();
        said && self.awaited == Awaited::Nothing && self.proved && !self.has_news()
    }

    /// A connection stands: the first frame.
    pub fn greet(&mut self) -> String {
        self.awaited = Awaited::Welcome;
        said::hello(&self.hello)
    }

    /// The connection is gone.
    pub fn hang_up(&mut self) {
        (self.awaited, self.declared, self.proved) = (Awaited::Nothing, 0, false);
    }

    /// When `next` has something to say, if it knows.
    #[must_use]
    pub fn due(&self) -> Option<Millis> {
        let due = self.proved && self.awaited == Awaited::Nothing && self.has_news();
        due.then(|| self.pushed.map_or(Millis(0), |at| at.after(PUSH_PAUSE_MS)))
    }

    /// The next frame, if there is one to be said now. `beat`: it is time to say something.
    pub fn next(&mut self, beat: bool, now: Millis) -> Option<String> {
        if self.awaited != Awaited::Nothing {
            return None;
        }
        if self.declared < self.metrics.len() {
            return Some(self.declaration());
        }
        self.repeat(now);
        let again = self.unanswered.is_some();
        if !again && self.proved && !beat && self.due().is_none_or(|due| due > now) {
            return None;
        }
        if !again {
            self.seq = self.seq.saturating_add(1);
            self.unanswered = Some(self.push());
            self.pushed = Some(now);
        }
        self.awaited = Awaited::Taken;
        self.unanswered.clone()
    }

    /// All that there is waits to be said again, if the last time is long ago.
    fn repeat(&mut self, now: Millis) {
        let first = *self.repeated.get_or_insert(now);
        if now.since(first) >= PUSH_REPEAT_MS {
            self.repeated = Some(now);
            self.slots.iter_mut().for_each(|slot| slot.waits = slot.value.is_some() || slot.has_seen);
        }
    }

    /// Declares as many metrics as one frame takes.
    fn declaration(&mut self) -> String {
        let mut list = List::new(FRAME_MAX_BYTES - PUSH_FRAME_BYTES);
        let mut upto = self.declared;
        while upto < self.metrics.len() && list.add(&said::metric(&self.metrics[upto].metric)) {
            upto += 1;
        }
        self.awaited = Awaited::Declared(upto);
        format!("{{\"declare\":[{}]}}", list.text)
    }

    /// Says of what waits as much as one frame takes. Who doesn't get in is the first the next time.
    fn push(&mut self) -> String {
        // How things stand has half of the frame, and so has what was seen, so that neither keeps the other waiting; and each what
        // the other leaves.
        let room = FRAME_MAX_BYTES - PUSH_FRAME_BYTES;
        let (mut set, mut observe) = (List::new(room / 2), List::new(0));
        let (mut value, mut seen) = self.turns;
        value = self.each(value, |slot| slot.tell_value(&mut set));
        observe.room = room - set.text.len();
        seen = self.each(seen, |slot| slot.tell_seen(&mut observe));
        set.room = room - observe.text.len();
        value = self.each(value, |slot| slot.tell_value(&mut set));
        self.turns = (value, seen);
        self.seen = self.slots.iter().map(|slot| slot.seen.len()).sum();
        format!("{{\"push\":{{\"seq\":{},\"set\":[{}],\"observe\":[{}]}}}}", self.seq, set.text, observe.text)
    }

    /// Does this to all slots that collect takes, from the one whose turn it is; behind the first for which it is false none is
    /// looked at, and it is that one's turn.
    fn each(&mut self, turn: usize, mut does: impl FnMut(&mut Slot) -> bool) -> usize {
        let count = self.slots.len();
        let left = (0..count).map(|nth| (turn + nth) % count).find(|at| {
            let slot = &mut self.slots[*at];
            !self.metrics[slot.metric].refused && !does(slot)
        });
        left.unwrap_or(turn)
    }

    /// Takes an answer in.
    ///
    /// # Errors
    /// When nothing was said that it could belong to.
    pub fn hear(&mut self, answer: Answer) -> Result<Heard, &'static str> {
        let awaited = std::mem::replace(&mut self.awaited, Awaited::Nothing);
        match (answer, awaited) {
            (Answer::Error(code, text), _) => Ok(Heard::Error(code, text)),
            (Answer::Welcome(taken), Awaited::Welcome) => {
                self.begin(taken);
                Ok(Heard::Welcome)
            }
            (Answer::Declared(refused), Awaited::Declared(upto)) => {
                self.declared = upto;
                self.strike(&refused);
                Ok(Heard::Declared(refused))
            }
            (Answer::Taken(seq, refused), Awaited::Taken) if seq == self.seq => {
                (self.unanswered, self.proved) = (None, true);
                Ok(Heard::Taken(refused))
            }
            _ => Err("its answer is to nothing that was said"),
        }
    }

    /// On a new connection all is declared and set again; the push on its way only if collect doesn't have it.
    fn begin(&mut self, taken: u64) {
        if taken >= self.seq {
            (self.seq, self.unanswered) = (taken, None);
        }
        (self.declared, self.proved) = (0, false);
        self.metrics.iter_mut().for_each(|declared| declared.refused = false);
        self.slots.iter_mut().for_each(|slot| slot.waits |= slot.value.is_some());
    }

    /// Collect doesn't take these: nothing of them is said on this connection.
    fn strike(&mut self, refused: &Refused) {
        for at in refused.iter().filter_map(|(name, _)| self.by_name.get(name)) {
            self.metrics[*at].refused = true;
        }
        for slot in self.slots.iter_mut().filter(|slot| self.metrics[slot.metric].refused) {
            self.seen -= slot.seen.len();
            self.dropped += slot.seen.len() as u64;
            slot.seen.clear();
        }
    }
}

#[cfg(test)]
mod tests;
