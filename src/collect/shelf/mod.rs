//! All metrics and their series, by name: what may be declared, what may be pushed, what is still to be kept. Pure.

mod kept;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::common::clock::Millis;
use crate::common::limits::{FAMILIES_MAX, SERIES_EACH_MAX, SERIES_MAX, SUMMARIES_MAX, SUMMARIES_OF_AGENT_MAX};

use super::metric::{Labels, Metric, Type};
use super::series::{Recent, Total, Value};
use super::speech::{Amount, Reason};

pub use kept::{Changes, Row};

/// Whose a series is, and by which labels it differs from that agent's others.
pub type Key = (Arc<str>, Labels);

/// A series.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its value.
    pub value: Value,
    /// The process that its totals are of.
    instance: u64,
    /// When it goes if nothing more is said of it.
    expires: Millis,
    /// It has changed since it was kept.
    dirty: bool,
    /// It can be shown: it was kept once, or is a gauge.
    pub is_shown: bool,
}

/// A metric with its series.
#[derive(Clone, Debug)]
pub struct Family {
    /// What it is.
    pub metric: Metric,
    /// Its series, by agent and labels.
    pub series: BTreeMap<Key, Series>,
    expires: Millis,
}

impl Family {
    /// Which of its series are an agent's.
    fn keys_of(&self, agent: &Arc<str>) -> Vec<Key> {
        let own = self.series.range((Arc::clone(agent), Labels::default())..).map(|(key, _)| key);
        own.take_while(|key| key.0 == *agent).cloned().collect()
    }
}

/// How many series there are, of an agent or of all, as Prometheus counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// All of them,
    pub series: usize,
    /// and the summaries among them.
    pub summaries: usize,
}

impl Share {
    /// What one series of a metric takes.
    fn of(metric: &Metric) -> Self {
        Self { series: metric.weight(), summaries: usize::from(metric.kind == Type::Summary) }
    }

    /// More of them.
    pub fn add(&mut self, more: Self) {
        self.series += more.series;
        self.summaries += more.summaries;
    }

    /// Fewer of them.
    pub fn take(&mut self, less: Self) {
        self.series -= less.series;
        self.summaries -= less.summaries;
    }
}

/// All of them.
#[derive(Debug)]
pub struct Shelf {
    families: BTreeMap<Arc<str>, Family>,
    /// Which metric has samples of a name.
    samples: HashMap<String, Arc<str>>,
    held: Share,
    window_ms: u64,
    expire_ms: u64,
    changes: Changes,
    dirty: Vec<(Arc<str>, Key)>,
}

type Refusal = (Reason, String);

fn refuse<T>(reason: Reason, text: impl Into<String>) -> Result<T, Refusal> {
    Err((reason, text.into()))
}

impl Shelf {
    /// The original's metrics alone. Summaries look back so far; what nothing is said of goes after so long.
    #[must_use]
    pub fn new(window_ms: u64, expire_ms: u64) -> Self {
        let mut shelf = Self {
            families: BTreeMap::new(),
            samples: HashMap::new(),
            held: Share::default(),
            window_ms,
            expire_ms,
            changes: Changes::default(),
            dirty: Vec::new(),
        };
        Metric::unnamed().into_iter().for_each(|metric| shelf.insert(metric, Millis(u64::MAX)));
        shelf
    }

    /// The metrics, by name.
    pub fn families(&self) -> impl Iterator<Item = &Family> {
        self.families.values()
    }

    /// A metric.
    #[must_use]
    pub fn family(&self, name: &str) -> Option<&Family> {
        self.families.get(name)
    }

    /// How many series there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.held.series
    }

    /// A metric is declared; its name, if it is taken.
    ///
    /// # Errors
    /// Why it isn't.
    pub fn declare(&mut self, metric: Metric, now: Millis) -> Result<Arc<str>, String> {
        metric.check()?;
        if metric.name.starts_with("collect_") || metric.name.starts_with("process_") {
            return Err("names that begin with collect_ or process_ are collect's own".to_owned());
        }
        let expires = now.after(self.expire_ms);
        if let Some((name, family)) = self.families.get_key_value(metric.name.as_str()) {
            if Metric::unnamed().iter().any(|own| own.name == metric.name) || !family.metric.agrees(&metric) {
                return Err(format!("{name} is a {} already, of other agents", family.metric.kind));
            }
            let name = Arc::clone(name);
            if let Some(family) = self.families.get_mut(&name) {
                family.expires = family.expires.max(expires);
            }
            return Ok(name);
        }
        if let Some(other) = metric.samples().iter().find_map(|sample| self.samples.get(sample)) {
            return Err(format!("its samples would be named as those of {other}"));
        }
        if self.families.len() >= FAMILIES_MAX {
            return Err(format!("there are {FAMILIES_MAX} metrics already"));
        }
        self.changes.metrics.push(metric.clone());
        let name = Arc::from(metric.name.as_str());
        self.insert(metric, expires);
        Ok(name)
    }

    fn insert(&mut self, metric: Metric, expires: Millis) {
        let name: Arc<str> = metric.name.as_str().into();
        self.samples.extend(metric.samples().into_iter().map(|sample| (sample, Arc::clone(&name))));
        self.families.insert(name, Family { metric, series: BTreeMap::new(), expires });
    }

    /// A process says something of a series. Gives its value for a chart, if it is one number.
    ///
    /// # Errors
    /// Why it isn't taken.
    pub fn set(
        &mut self,
        name: &str,
        key: Key,
        (instance, share): (u64, &mut Share),
        amount: &Amount,
        now: Millis,
    ) -> Result<Option<f64>, Refusal> {
        let Some((name, family)) = self.families.get_key_value(name) else {
            return refuse(Reason::Metric, "it isn't declared");
        };
        let (name, wanted, is_new) = (Arc::clone(name), Share::of(&family.metric), !family.series.contains_key(&key));
        check(&family.metric, amount)?;
        if *amount == Amount::Unknown {
            self.withdraw(&name, &key, share);
            return Ok(None);
        }
        if is_new {
            self.make_room(wanted, share)?;
        }
        let (window_ms, expires) = (self.window_ms, now.after(self.expire_ms));
        let Some(family) = self.families.get_mut(&name) else { return Ok(None) };
        let series = family.series.entry(key.clone()).or_insert_with(|| {
            let value = fresh(&family.metric, window_ms);
            let is_shown = value.totals().is_empty();
            Series { value, instance, expires, dirty: false, is_shown }
        });
        series.expires = expires;
        let anew = std::mem::replace(&mut series.instance, instance) != instance;
        series.value.say(amount, anew, now);
        if !series.value.totals().is_empty() && !std::mem::replace(&mut series.dirty, true) {
            self.dirty.push((name, key));
        }
        Ok(series.value.number())
    }

    /// A gauge isn't known any more.
    fn withdraw(&mut self, name: &Arc<str>, key: &Key, share: &mut Share) {
        let gone = self.families.get_mut(name).and_then(|family| family.series.remove(key));
        if gone.is_some() {
            let one = Share { series: 1, summaries: 0 };
            self.held.take(one);
            share.take(one);
        }
    }

    /// A place for one more series of an agent.
    fn make_room(&mut self, wanted: Share, share: &mut Share) -> Result<(), Refusal> {
        let full = |text: String| refuse(Reason::Series, text);
        if share.series + wanted.series > SERIES_EACH_MAX {
            return full(format!("an agent has {SERIES_EACH_MAX} series at most, each bucket counted"));
        }
        if self.held.series + wanted.series > SERIES_MAX {
            return full(format!("there are {SERIES_MAX} series already"));
        }
        if share.summaries + wanted.summaries > SUMMARIES_OF_AGENT_MAX {
            return full(format!("an agent has {SUMMARIES_OF_AGENT_MAX} summaries at most"));
        }
        if self.held.summaries + wanted.summaries > SUMMARIES_MAX {
            return full(format!("there are {SUMMARIES_MAX} summaries already"));
        }
        share.add(wanted);
        self.held.add(wanted);
        Ok(())
    }

    /// What the original's agents say: so much more.
    ///
    /// # Errors
    /// Why it isn't taken.
    pub fn add(
        &mut self,
        name: &str,
        key: Key,
        share: (u64, &mut Share),
        more: f64,
        now: Millis,
    ) -> Result<Option<f64>, Refusal> {
        let series = self.families.get(name).and_then(|family| family.series.get(&key));
        let total = series.and_then(|series| series.value.totals().first()).map_or(0.0, |total| total.last);
        self.set(name, key, share, &Amount::Number(total + more), now)
    }

    /// An agent has gone: its gauges go, too.
    pub fn drop_gauges(&mut self, agent: &Arc<str>, share: &mut Share) {
        for family in self.families.values_mut().filter(|family| family.metric.kind == Type::Gauge) {
            for key in family.keys_of(agent) {
                family.series.remove(&key);
                let one = Share { series: 1, summaries: 0 };
                self.held.take(one);
                share.take(one);
            }
        }
    }

    /// An agent is forgotten, with all that it has said.
    pub fn forget(&mut self, agent: &Arc<str>) {
        for (name, family) in &mut self.families {
            for key in family.keys_of(agent) {
                family.series.remove(&key);
                self.held.take(Share::of(&family.metric));
                if family.metric.kind != Type::Gauge {
                    self.changes.gone.push((Arc::clone(name), key));
                }
            }
        }
    }

    /// Time has passed: what nothing was said of for long goes. Gives whose series have gone, and what each had of its share.
    pub fn expire(&mut self, now: Millis) -> Vec<(Arc<str>, Share)> {
        let mut whose = Vec::new();
        for (name, family) in &mut self.families {
            let share = Share::of(&family.metric);
            family.series.retain(|key, series| {
                if let Value::Summary(_, window) = &mut series.value {
                    window.forget(now);
                }
                let stays = series.expires > now;
                if !stays {
                    whose.push((Arc::clone(&key.0), share));
                    if !series.value.totals().is_empty() {
                        self.changes.gone.push((Arc::clone(name), key.clone()));
                    }
                }
                stays
            });
        }
        whose.iter().for_each(|(_, share)| self.held.take(*share));
        whose
    }

    /// Metrics without series of which nothing was said for long: those could go.
    #[must_use]
    pub fn empty(&self, now: Millis) -> Vec<Arc<str>> {
        let is_empty = |family: &Family| family.series.is_empty() && family.expires <= now;
        self.families.iter().filter(|(_, family)| is_empty(family)).map(|(name, _)| Arc::clone(name)).collect()
    }

    /// A metric goes.
    pub fn remove(&mut self, name: Arc<str>) {
        if let Some(family) = self.families.remove(&name) {
            family.metric.samples().iter().for_each(|sample| _ = self.samples.remove(sample));
            self.changes.forgotten.push(name);
        }
    }
}

fn fresh(metric: &Metric, window_ms: u64) -> Value {
    match metric.kind {
        Type::Gauge => Value::Gauge(0.0),
        Type::Counter => Value::Counter(Total::default()),
        Type::Histogram => Value::Histogram(vec![Total::default(); metric.buckets.len() + 2], Recent::default()),
        Type::Summary => Value::summary(window_ms),
    }
}

/// That an amount is one of its metric's type.
fn check(metric: &Metric, amount: &Amount) -> Result<(), Refusal> {
    let is_count = |count: &f64| *count >= 0.0 && count.is_finite();
    let fits = match (metric.kind, amount) {
        (Type::Gauge, Amount::Number(number)) => number.is_finite(),
        (Type::Gauge, Amount::Unknown) => true,
        (Type::Counter, Amount::Number(number)) => is_count(number),
        (Type::Histogram, Amount::Histogram(totals)) => match totals.split_last() {
            Some((sum, counts)) => {
                counts.len() == metric.buckets.len() + 1 && counts.iter().all(is_count) && sum.is_finite()
            }
            None => false,
        },
        (Type::Summary, Amount::Observed(values)) => values.iter().all(|value| value.is_finite()),
        _ => false,
    };
    if fits { Ok(()) } else { refuse(Reason::Value, format!("it is no value of a {}", metric.kind)) }
}
