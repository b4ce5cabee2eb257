//! Metrics, their series, and readings of both: what is said of a program, not how.

use std::borrow::Cow;

use crate::common::named::named;

named! {
    /// What a metric's numbers mean.
    Kind {
        /// A total that never falls.
        Counter = "counter",
        /// How something stands now.
        Gauge = "gauge",
        /// How many of all that was seen were below which bound.
        Histogram = "histogram",
        /// What was seen: collect makes quantiles of it.
        Summary = "summary",
    }
}

/// What a metric is.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name, which ends with its unit, and a counter's with `_total` behind that.
    pub name: Cow<'static, str>,
    /// What its numbers mean.
    pub kind: Kind,
    /// Its unit; empty if it has none.
    pub unit: Cow<'static, str>,
    /// A sentence for a person.
    pub help: Cow<'static, str>,
    /// A histogram's upper bounds, ascending, without `+Inf`.
    pub buckets: Cow<'static, [f64]>,
}

/// What is said of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of a gauge how it stands; of a counter the total since this process began.
    Number(f64),
    /// Of a histogram, since this process began: how many were in each bucket by itself, a last number for those above all, and
    /// the sum of all.
    Histogram(Vec<u64>, f64),
    /// Of a gauge that it isn't known any more.
    Unknown,
}

/// A metric's name, and labels that tell one of its series from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// The metric's name.
    pub name: Cow<'static, str>,
    /// Names and values of labels.
    pub labels: Vec<(Cow<'static, str>, Cow<'static, str>)>,
}

/// A series as it stands, with what its metric is.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Its metric,
    pub metric: Metric,
    /// its labels,
    pub labels: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    /// and how it stands, if that is known.
    pub value: Option<Value>,
}

impl Reading {
    /// A total. `unit` is empty if it has none.
    #[must_use]
    pub fn counter(name: &'static str, unit: &'static str, help: &'static str, total: u64) -> Self {
        Self::new(Kind::Counter, name, (unit, help), &[], Some(Value::Number(total as f64)))
    }

    /// How something stands, if that is known.
    #[must_use]
    pub fn gauge(name: &'static str, unit: &'static str, help: &'static str, now: impl Into<Option<f64>>) -> Self {
        let now = now.into().filter(|now| now.is_finite());
        Self::new(Kind::Gauge, name, (unit, help), &[], now.map(Value::Number))
    }

    /// How many were in which bucket, and their sum.
    #[must_use]
    pub fn histogram(
        name: &'static str,
        unit: &'static str,
        help: &'static str,
        buckets: &'static [f64],
        (counts, sum): (Vec<u64>, f64),
    ) -> Self {
        Self::new(Kind::Histogram, name, (unit, help), buckets, Some(Value::Histogram(counts, sum)))
    }

    fn new(
        kind: Kind,
        name: &'static str,
        (unit, help): (&'static str, &'static str),
        buckets: &'static [f64],
        value: Option<Value>,
    ) -> Self {
        let (name, unit, help, buckets) = (name.into(), unit.into(), help.into(), buckets.into());
        Self { metric: Metric { name, kind, unit, help, buckets }, labels: Vec::new(), value }
    }

    /// The same with a label.
    #[must_use]
    pub fn with(mut self, label: &'static str, text: &'static str) -> Self {
        self.labels.push((label.into(), text.into()));
        self
    }

    /// The series that it is of.
    #[must_use]
    pub fn series(&self) -> Series {
        Series { name: self.metric.name.clone(), labels: self.labels.clone() }
    }
}
