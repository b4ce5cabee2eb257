//! What a metric is: its name, type, unit and buckets; and what is allowed of each, by Prometheus' data model.

use std::fmt::Write;

use crate::common::limits::{
    BUCKETS_MAX, LABEL_NAME_MAX_BYTES, LABEL_VALUE_MAX_BYTES, LABELS_MAX, METRIC_HELP_MAX_BYTES, METRIC_NAME_MAX_BYTES,
};

pub use crate::common::push::metric::Kind as Type;

/// A metric, whose series differ by their labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name; a counter's ends with `_total`.
    pub name: String,
    /// Its type.
    pub kind: Type,
    /// What it is, in a sentence.
    pub help: String,
    /// Its unit, with which its name ends; or nothing.
    pub unit: String,
    /// Upper bounds of a histogram's buckets, ascending, `+Inf` left out.
    pub buckets: Vec<f64>,
}

/// The original's gauge.
pub const UNNAMED_GAUGE: &str = "CPU_Utilization";
/// The original's counter.
pub const UNNAMED_COUNTER: &str = "A_Pressed_total";

impl Metric {
    /// The original's metrics, which its agents needn't declare.
    #[must_use]
    pub fn unnamed() -> [Self; 2] {
        let metric = |name: &str, kind, help: &str| Self {
            name: name.to_owned(),
            kind,
            help: help.to_owned(),
            unit: String::new(),
            buckets: Vec::new(),
        };
        [
            metric(UNNAMED_GAUGE, Type::Gauge, "Utilization of CPU"),
            metric(UNNAMED_COUNTER, Type::Counter, "Number of 'a' or 'A' Pressed"),
        ]
    }

    /// What is wrong with it.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), String> {
        let Self { name, kind, help, unit, buckets } = self;
        if !is_name(name, true) || name.len() > METRIC_NAME_MAX_BYTES {
            return Err(format!("no name of a metric: {METRIC_NAME_MAX_BYTES} of A-Z a-z 0-9 _ :, no digit first"));
        }
        if (*kind == Type::Counter) != name.ends_with("_total") {
            return Err("a counter's name ends with _total, and no other's".to_owned());
        }
        if !is_name(self.family(), true) {
            return Err("nothing is left of its name without _total".to_owned());
        }
        if help.len() > METRIC_HELP_MAX_BYTES {
            return Err(format!("its help is longer than {METRIC_HELP_MAX_BYTES} bytes"));
        }
        let fits = is_name(unit, false) && self.family().ends_with(&format!("_{unit}"));
        if !unit.is_empty() && !fits {
            return Err(format!("its name doesn't end with _{unit}, which is its unit"));
        }
        let bounded = buckets.iter().all(|bound| bound.is_finite()) && buckets.is_sorted_by(|a, b| a < b);
        match kind {
            Type::Histogram if buckets.is_empty() || buckets.len() > BUCKETS_MAX || !bounded => {
                Err(format!("its buckets aren't 1 to {BUCKETS_MAX} ascending numbers"))
            }
            Type::Counter | Type::Gauge | Type::Summary if !buckets.is_empty() => {
                Err("only a histogram has buckets".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Its name as OpenMetrics has it: of a counter without `_total`.
    #[must_use]
    pub fn family(&self) -> &str {
        if self.kind == Type::Counter { self.name.strip_suffix("_total").unwrap_or(&self.name) } else { &self.name }
    }

    /// The names of its samples, by which no other metric's may go; that of a counter without `_total` included.
    #[must_use]
    pub fn samples(&self) -> Vec<String> {
        let name = &self.name;
        let behind = |ends: &[&str]| ends.iter().map(|end| format!("{name}{end}")).collect();
        match self.kind {
            Type::Gauge => behind(&[""]),
            Type::Counter => vec![name.clone(), self.family().to_owned()],
            Type::Histogram => behind(&["", "_bucket", "_sum", "_count"]),
            Type::Summary => behind(&["", "_sum", "_count"]),
        }
    }

    /// How many series of Prometheus' one of its series is.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self.kind {
            Type::Counter | Type::Gauge => 1,
            Type::Histogram => self.buckets.len() + 3,
            Type::Summary => 5,
        }
    }

    /// True if `other` can have series of this metric.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        self.kind == other.kind && self.buckets == other.buckets
    }
}

fn is_name(text: &str, colon: bool) -> bool {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_' || colon && c == ':';
    text.starts_with(begins) && text.chars().all(|c| begins(c) || c.is_ascii_digit())
}

/// Labels of a series beside its agent: `name="value"` by name, commas between them, as they are exposed.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Labels(String);

impl Labels {
    /// From pairs of a name and a value.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(mut pairs: Vec<(&str, &str)>) -> Result<Self, String> {
        // An empty label is none, to Prometheus.
        pairs.retain(|(_, value)| !value.is_empty());
        pairs.sort_unstable();
        if pairs.len() > LABELS_MAX {
            return Err(format!("more than {LABELS_MAX} labels"));
        }
        if pairs.windows(2).any(|two| two[0].0 == two[1].0) {
            return Err("a label twice".to_owned());
        }
        let mut text = String::new();
        for (name, value) in pairs {
            let is_taken = name.starts_with("__") || ["agent", "le", "quantile", "endpoint", "method"].contains(&name);
            if !is_name(name, false) || name.len() > LABEL_NAME_MAX_BYTES || is_taken {
                return Err(format!("no name of a label, or one that is taken: {name:?}"));
            }
            if value.len() > LABEL_VALUE_MAX_BYTES {
                return Err(format!("the value of {name} is longer than {LABEL_VALUE_MAX_BYTES} bytes"));
            }
            let comma = if text.is_empty() { "" } else { "," };
            // Writing to a String can't fail.
            let _ = write!(text, "{comma}{name}=\"{}\"", escaped(value));
        }
        Ok(Self(text))
    }

    /// Labels as `text` of the store has them.
    #[must_use]
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// As they are exposed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// A label's value as both formats have it between its quotes.
#[must_use]
pub fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str, kind: Type) -> Metric {
        let buckets = if kind == Type::Histogram { vec![0.5, 1.0] } else { Vec::new() };
        Metric { name: name.to_owned(), kind, help: String::new(), unit: String::new(), buckets }
    }

    #[test]
    fn a_metric_has_a_name_that_fits_its_type() {
        for (name, kind) in
            [("a", Type::Gauge), ("a_total", Type::Counter), ("job:a:sum", Type::Summary), ("_1", Type::Histogram)]
        {
            assert_eq!(metric(name, kind).check(), Ok(()), "{name}");
        }
        let longest = "a".repeat(METRIC_NAME_MAX_BYTES);
        assert_eq!(metric(&longest, Type::Gauge).check(), Ok(()));
        for (name, kind) in [
            ("", Type::Gauge),
            ("1a", Type::Gauge),
            ("a-b", Type::Gauge),
            ("ä", Type::Gauge),
            ("a", Type::Counter),
            ("a_total", Type::Gauge),
            ("_total", Type::Counter),
            ("1_total", Type::Counter),
            (&format!("{longest}a"), Type::Gauge),
        ] {
            assert!(metric(name, kind).check().is_err(), "{name}");
        }
        assert!(Metric { help: "x".repeat(METRIC_HELP_MAX_BYTES + 1), ..metric("a", Type::Gauge) }.check().is_err());
    }

    #[test]
    fn a_unit_ends_the_name() {
        let with = |name: &str, kind, unit: &str| Metric { unit: unit.to_owned(), ..metric(name, kind) }.check();
        assert_eq!(with("a_seconds", Type::Gauge, "seconds"), Ok(()));
        assert_eq!(with("a_seconds_total", Type::Counter, "seconds"), Ok(()));
        assert!(with("a_ms", Type::Gauge, "seconds").is_err() && with("seconds", Type::Gauge, "seconds").is_err());
    }

    #[test]
    fn buckets_ascend() {
        let with = |buckets: &[f64]| Metric { buckets: buckets.to_vec(), ..metric("a", Type::Histogram) }.check();
        assert_eq!(with(&[-1.0, 0.0, 2.5]), Ok(()));
        let most: Vec<f64> = (0..=BUCKETS_MAX).map(|n| n as f64).collect();
        assert_eq!(with(&most[1..]), Ok(()));
        for wrong in [&[][..], &[1.0, 1.0], &[2.0, 1.0], &[f64::NAN], &[1.0, f64::INFINITY], &most] {
            assert!(with(wrong).is_err(), "{wrong:?}");
        }
        assert!(Metric { buckets: vec![1.0], ..metric("a", Type::Gauge) }.check().is_err());
    }

    #[test]
    fn labels_are_ordered_escaped_and_bounded() {
        let labels = Labels::new(vec![("b", "x\"\\\n"), ("c", ""), ("a", "1")]).unwrap();
        assert_eq!(labels.text(), r#"a="1",b="x\"\\\n""#);
        let many: Vec<String> = (0..=LABELS_MAX).map(|n| format!("l{n}")).collect();
        let pairs = |count: usize| many[..count].iter().map(|name| (name.as_str(), "v")).collect();
        assert!(Labels::new(pairs(LABELS_MAX)).is_ok() && Labels::new(pairs(LABELS_MAX + 1)).is_err());
        let long = "v".repeat(LABEL_VALUE_MAX_BYTES);
        assert!(Labels::new(vec![("a", &long)]).is_ok() && Labels::new(vec![("a", &format!("{long}v"))]).is_err());
        for name in ["", "1", "a-b", "__a", "agent", "le", "quantile", &"n".repeat(LABEL_NAME_MAX_BYTES + 1)] {
            assert!(Labels::new(vec![(name, "v")]).is_err(), "{name}");
        }
        assert!(Labels::new(vec![("a", "1"), ("a", "2")]).is_err());
    }
}
