//! Whom collect knows and what they have said: it decides, and touches neither sockets nor files nor the clock.

mod agent;
mod kept;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::SocketAddr;
use std::ops::Bound;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::common::clock::Millis;
use crate::common::limits::{
    AGENT_NAME_MAX_BYTES, AGENT_YIELD_MS, AGENTS_KNOWN_MAX, EXPIRE_LOOK_MS, METRICS_OF_AGENT_MAX, REFUSED_SHOWN_MAX,
    UNNAMED_KNOWN_MAX,
};

use super::metric::{Labels, Metric, Type, UNNAMED_COUNTER, UNNAMED_GAUGE};
use super::shelf::Shelf;
use super::speech::{Amount, Answer, Hello, News, Reason, VERSION, loose_number};

pub use agent::Agent;
pub use kept::{Batch, Known};

/// A connection, by its number.
pub type Link = u64;

/// How the name of an unnamed agent begins, and no other's: it is the endpoint, as the original writes it.
const ENDPOINT: &str = "('";

/// What was counted since the start.
#[derive(Clone, Debug)]
pub struct Counts {
    /// Connections of agents.
    pub connections: u64,
    /// Frames of theirs.
    pub frames: u64,
    /// What wasn't taken, by the reason.
    pub refused: BTreeMap<&'static str, u64>,
}

/// All of it.
#[derive(Debug)]
pub struct Book {
    /// The metrics.
    pub shelf: Shelf,
    /// What was counted.
    pub counts: Counts,
    /// The store has no room: what is shown of counters stands still.
    pub stalled: bool,
    agents: BTreeMap<Arc<str>, Agent>,
    expire_ms: u64,
    expire_at: Millis,
    /// Agents that are to be kept, and those that aren't any more.
    met: BTreeSet<Arc<str>>,
    forgotten: Vec<Arc<str>>,
}

/// An agent is welcome.
pub struct Welcome {
    /// Its name, by which it is known from now on.
    pub agent: Arc<str>,
    /// What it is told.
    pub answer: Answer,
    /// Its connection until now, which is over.
    pub former: Option<Link>,
}

impl Book {
    /// An empty one. Summaries look back so far; what nothing is said of goes after so long.
    #[must_use]
    pub fn new(window_ms: u64, expire_ms: u64) -> Self {
        let refused = Reason::ALL.iter().map(|reason| (reason.name(), 0)).collect();
        Self {
            shelf: Shelf::new(window_ms, expire_ms),
            counts: Counts { connections: 0, frames: 0, refused },
            stalled: false,
            agents: BTreeMap::new(),
            expire_ms,
            expire_at: Millis(0),
            met: BTreeSet::new(),
            forgotten: Vec::new(),
        }
    }

    /// The agents, by name.
    pub fn agents(&self) -> impl Iterator<Item = (&Arc<str>, &Agent)> {
        self.agents.iter()
    }

    /// How many of them are connected.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.agents.values().filter(|agent| agent.link.is_some()).count()
    }

    /// Something wasn't taken.
    pub fn refuse(&mut self, reason: Reason) {
        *self.counts.refused.entry(reason.name()).or_default() += 1;
    }

    /// True if a name is an endpoint: its agent has said none.
    #[must_use]
    pub fn is_unnamed(name: &str) -> bool {
        name.starts_with(ENDPOINT)
    }

    /// An agent says who it is.
    ///
    /// # Errors
    /// Why it can't come in.
    pub fn hello(&mut self, hello: Hello, link: Link, now: Millis, wall: i64) -> Result<Welcome, Answer> {
        let refuse = |reason, text: String| Err(Answer::Error(reason, text));
        let Hello { version, name, instance, program } = hello;
        if version != VERSION {
            return refuse(Reason::Version, format!("this collect speaks version {VERSION}"));
        }
        let is_name = (1..=AGENT_NAME_MAX_BYTES).contains(&name.len()) && !name.contains('\0');
        if !is_name || Self::is_unnamed(&name) || program.len() > AGENT_NAME_MAX_BYTES {
            let text =
                format!("a name has 1 to {AGENT_NAME_MAX_BYTES} bytes, no NUL, and doesn't begin with {ENDPOINT}");
            return refuse(Reason::Name, text);
        }
        if let Some(agent) = self.agents.get(name.as_str()) {
            let quiet = now.since(agent.seen);
            if agent.link.is_some() && agent.instance != instance && quiet < AGENT_YIELD_MS {
                return refuse(Reason::Name, format!("another agent has this name; it was heard {quiet} ms ago"));
            }
        }
        let Some(name) = self.enter(&name, now) else {
            return refuse(Reason::Busy, format!("there are {AGENTS_KNOWN_MAX} agents already"));
        };
        let Some(agent) = self.agents.get_mut(&name) else {
            return refuse(Reason::Busy, "there is no room".to_owned());
        };
        if agent.instance != instance {
            (agent.instance, agent.taken, agent.kept) = (instance, 0, 0);
            // Another process's, whose end wasn't seen.
            self.shelf.drop_gauges(&name, &mut agent.share);
        }
        (agent.program, agent.ended) = (program, false);
        agent.declared.clear();
        let former = agent.link.replace(link);
        (agent.seen, agent.seen_wall) = (now, wall);
        let answer = Answer::Welcome(agent.kept);
        self.met.insert(Arc::clone(&name));
        Ok(Welcome { agent: name, answer, former })
    }

    /// One of the original's agents has begun to speak; its name, unless there are too many.
    pub fn meet(&mut self, from: SocketAddr, link: Link, now: Millis, wall: i64) -> Option<Arc<str>> {
        let name = self.enter(&format!("{ENDPOINT}{}', {})", from.ip().to_canonical(), from.port()), now)?;
        let agent = self.agents.get_mut(&name)?;
        (agent.link, agent.ended) = (Some(link), false);
        (agent.seen, agent.seen_wall) = (now, wall);
        agent.draw(&UNNAMED_GAUGE.into(), Type::Gauge, now);
        agent.draw(&UNNAMED_COUNTER.into(), Type::Counter, now);
        self.met.insert(Arc::clone(&name));
        Some(name)
    }

    /// A place for an agent, its own if it has one; the one that is gone for longest makes room for a new one. Of the original's
    /// agents there are few places, so that they can't push others out: each of their connections takes one.
    fn enter(&mut self, name: &str, now: Millis) -> Option<Arc<str>> {
        if let Some((name, _)) = self.agents.get_key_value(name) {
            return Some(Arc::clone(name));
        }
        let unnamed = self
            .agents
            .range::<str, _>((Bound::Included(ENDPOINT), Bound::Unbounded))
            .take_while(|(name, _)| Self::is_unnamed(name));
        let oldest = if Self::is_unnamed(name) && unnamed.clone().count() >= UNNAMED_KNOWN_MAX {
            Some(gone_for_longest(unnamed)?)
        } else if self.agents.len() >= AGENTS_KNOWN_MAX {
            Some(gone_for_longest(unnamed).or_else(|| gone_for_longest(self.agents.iter()))?)
        } else {
            None
        };
        if let Some(oldest) = oldest {
            self.shelf.forget(&oldest);
            self.agents.remove(&oldest);
            self.forgotten.push(oldest);
        }
        let name: Arc<str> = name.into();
        self.agents.insert(Arc::clone(&name), Agent::new(now));
        Some(name)
    }

    /// An agent declares metrics.
    pub fn declare(&mut self, agent: &str, metrics: Vec<Result<Metric, (String, String)>>, now: Millis) -> Answer {
        let (mut count, mut refused) = (0, Vec::new());
        for metric in metrics {
            let has = self.agents.get(agent).map_or(0, |agent| agent.declared.len());
            let declared = metric.and_then(|metric| {
                if has >= METRICS_OF_AGENT_MAX {
                    return Err((metric.name, format!("an agent has {METRICS_OF_AGENT_MAX} metrics at most")));
                }
                let (name, kind) = (metric.name.clone(), metric.kind);
                let of = self.shelf.declare(metric, now).map_err(|text| (name, text))?;
                Ok((of, kind))
            });
            match declared {
                Ok((name, kind)) => {
                    count += 1;
                    if let Some(agent) = self.agents.get_mut(agent) {
                        agent.draw(&name, kind, now);
                        agent.declared.insert(name);
                    }
                }
                Err(fault) => {
                    self.refuse(Reason::Metric);
                    refused.push(fault);
                }
            }
        }
        refused.truncate(REFUSED_SHOWN_MAX);
        Answer::Declared(count, refused)
    }

    /// An agent pushes. Gives what it is told; and true if that has to wait until what it said is written.
    pub fn push(&mut self, name: &Arc<str>, seq: u64, news: Vec<News>, now: Millis, wall: i64) -> (Answer, bool) {
        let mut refused = Vec::new();
        let Some(agent) = self.agents.get_mut(name) else { return (Answer::Taken(seq, refused), false) };
        (agent.seen, agent.seen_wall) = (now, wall);
        if seq <= agent.taken {
            return (Answer::Taken(agent.taken, refused), seq > agent.kept);
        }
        let is_settled = agent.kept == std::mem::replace(&mut agent.taken, seq);
        let is_kept = |news: &News| self.shelf.family(&news.name).is_some_and(|own| own.metric.kind != Type::Gauge);
        let waits = news.iter().any(is_kept);
        if waits {
            self.met.insert(Arc::clone(name));
        } else if is_settled {
            // Nothing of it would be missed.
            agent.kept = seq;
        }
        for News { name: metric, labels, amount } in news {
            if let Err((reason, text)) = self.take(name, &metric, &labels, &amount, now) {
                self.refuse(reason);
                if refused.len() < REFUSED_SHOWN_MAX {
                    refused.push((metric, text));
                }
            }
        }
        (Answer::Taken(seq, refused), waits)
    }

    fn take(
        &mut self,
        name: &Arc<str>,
        metric: &str,
        labels: &[(String, String)],
        amount: &Amount,
        now: Millis,
    ) -> Result<(), (Reason, String)> {
        let Some(agent) = self.agents.get_mut(name) else { return Ok(()) };
        if !agent.declared.contains(metric) {
            return Err((Reason::Metric, "it isn't declared".to_owned()));
        }
        let pairs = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let labels = Labels::new(pairs).map_err(|text| (Reason::Labels, text))?;
        let plain = labels.text().is_empty();
        let of = (agent.instance, &mut agent.share);
        let value = self.shelf.set(metric, (Arc::clone(name), labels), of, amount, now)?;
        agent.say(metric, value.filter(|_| plain), now);
        Ok(())
    }

    /// True if something in this is what the original's agents say.
    #[must_use]
    pub fn knows_key_of(said: &Map<String, Json>) -> bool {
        said.keys().any(|key| ["CPU_Utilization", "A_Pressed"].contains(&key.as_str()))
    }

    /// One of the original's agents says something; what of it isn't taken.
    pub fn hear(&mut self, name: &Arc<str>, said: &Map<String, Json>, now: Millis, wall: i64) -> Vec<(Reason, String)> {
        let Some(agent) = self.agents.get_mut(name) else { return Vec::new() };
        (agent.seen, agent.seen_wall) = (now, wall);
        let mut faults = Vec::new();
        for (key, value) in said {
            let own = (Arc::clone(name), Labels::default());
            let of = (agent.instance, &mut agent.share);
            let number = loose_number(value);
            let taken = match (key.as_str(), number) {
                ("CPU_Utilization", Some(number)) => {
                    let value = self.shelf.set(UNNAMED_GAUGE, own, of, &Amount::Number(number), now);
                    value.map(|value| (UNNAMED_GAUGE, value))
                }
                ("A_Pressed", Some(more)) if more >= 0.0 => {
                    self.shelf.add(UNNAMED_COUNTER, own, of, more, now).map(|value| (UNNAMED_COUNTER, value))
                }
                ("CPU_Utilization" | "A_Pressed", _) => {
                    Err((Reason::Value, format!("{key}: {value} is no number for it")))
                }
                _ => Err((Reason::Key, format!("{key}: no known key"))),
            };
            match taken {
                Ok((metric, value)) => agent.say(metric, value, now),
                Err(fault) => faults.push(fault),
            }
        }
        faults.iter().for_each(|(reason, _)| self.refuse(*reason));
        faults
    }

    /// The agent of a connection says that it goes.
    pub fn end(&mut self, name: &str) {
        if let Some(agent) = self.agents.get_mut(name) {
            agent.ended = true;
        }
    }

    /// A connection is over; its agent is gone, unless it has come back by another.
    pub fn leave(&mut self, name: &Arc<str>, link: Link, now: Millis) {
        let Some(agent) = self.agents.get_mut(name).filter(|agent| agent.link == Some(link)) else { return };
        agent.link = None;
        agent.ended |= Self::is_unnamed(name);
        agent.declared.clear();
        agent.expires = now.after(self.expire_ms);
        self.shelf.drop_gauges(name, &mut agent.share);
        self.met.insert(Arc::clone(name));
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Millis) {
        if now < self.expire_at {
            return;
        }
        self.expire_at = now.after(EXPIRE_LOOK_MS);
        for (name, share) in self.shelf.expire(now) {
            if let Some(agent) = self.agents.get_mut(&name) {
                agent.share.take(share);
            }
        }
        let empty = self.shelf.empty(now);
        if !empty.is_empty() {
            let needed: HashSet<&Arc<str>> = self.agents.values().flat_map(|agent| &agent.declared).collect();
            empty.into_iter().filter(|name| !needed.contains(name)).for_each(|name| self.shelf.remove(name));
        }
        let forgotten = &mut self.forgotten;
        self.agents.retain(|name, agent| {
            agent.histories.iter_mut().for_each(|(.., history)| history.move_on(now));
            let stays = agent.link.is_some() || agent.share.series > 0 || agent.expires > now;
            if !stays {
                forgotten.push(Arc::clone(name));
            }
            stays
        });
    }
}

/// Of these the agent that is gone for longest.
fn gone_for_longest<'a>(agents: impl Iterator<Item = (&'a Arc<str>, &'a Agent)>) -> Option<Arc<str>> {
    let gone = agents.filter(|(_, agent)| agent.link.is_none());
    gone.min_by_key(|(_, agent)| agent.seen).map(|(name, _)| Arc::clone(name))
}

#[cfg(test)]
mod tests;
