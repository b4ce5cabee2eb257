//! One agent, as the book has it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::collect::history::History;
use crate::collect::metric::Type;
use crate::collect::shelf::Share;
use crate::common::clock::Millis;
use crate::common::limits::HISTORIES_OF_KIND_MAX;

use super::Link;

/// An agent that has said who it is, now or before.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Its program; empty for the original's.
    pub program: String,
    /// The connection that it has.
    pub link: Option<Link>,
    /// It said that it goes, or it is none that could come back: nobody waits for it.
    pub ended: bool,
    /// When it has said something last,
    pub seen: Millis,
    /// in seconds since 1970 as well.
    pub seen_wall: i64,
    /// What is drawn of it: metrics, each with its type and its last ten minutes.
    pub histories: Vec<(Arc<str>, Type, History)>,
    pub(super) instance: u64,
    /// How far its process's pushes are taken.
    pub(super) taken: u64,
    /// How far they are written.
    pub(super) kept: u64,
    pub(super) declared: BTreeSet<Arc<str>>,
    pub(super) share: Share,
    /// When it is forgotten, if it has gone and its series have.
    pub(super) expires: Millis,
}

impl Agent {
    pub(super) fn new(now: Millis) -> Self {
        Self {
            program: String::new(),
            link: None,
            ended: false,
            seen: now,
            seen_wall: 0,
            histories: Vec::new(),
            instance: 0,
            taken: 0,
            kept: 0,
            declared: BTreeSet::new(),
            share: Share::default(),
            expires: now,
        }
    }

    /// What is drawn first of its gauges, or of its counters.
    #[must_use]
    pub fn history(&self, kind: Type) -> Option<&(Arc<str>, Type, History)> {
        self.histories.iter().find(|(_, own, _)| *own == kind)
    }

    /// Of its first gauges and counters there are charts.
    pub(super) fn draw(&mut self, name: &Arc<str>, kind: Type, now: Millis) {
        self.histories.retain(|(own, of, _)| own != name || *of == kind);
        let is_drawn = self.histories.iter().any(|(own, ..)| own == name);
        let alike = self.histories.iter().filter(|(_, own, _)| *own == kind).count();
        if matches!(kind, Type::Gauge | Type::Counter) && !is_drawn && alike < HISTORIES_OF_KIND_MAX {
            self.histories.push((Arc::clone(name), kind, History::new(kind == Type::Counter, now)));
        }
    }

    /// What a chart is to show.
    pub(super) fn say(&mut self, name: &str, value: Option<f64>, now: Millis) {
        if let (Some(value), Some((.., history))) = (value, self.histories.iter_mut().find(|(own, ..)| **own == *name))
        {
            history.say(value, now);
        }
    }
}
