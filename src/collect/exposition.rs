//! Metrics as Prometheus reads them: its text format 0.0.4, and OpenMetrics 1.0.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>,
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>.

use std::fmt::Write;

use super::book::Book;
use super::metric::{Metric, Type, escaped};
use super::series::{Total, Value};
use super::shelf::{Family, Key};

/// The quantiles of a summary.
const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];

/// Which of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text, 0.0.4.
    Text,
    /// OpenMetrics, 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The content type that it goes by.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What is being written.
pub struct Exposition {
    format: Format,
    out: String,
}

impl Exposition {
    /// Nothing yet.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self { format, out: String::new() }
    }

    /// All that agents have pushed.
    pub fn book(&mut self, book: &Book) {
        book.shelf.families().filter(|family| !family.series.is_empty()).for_each(|family| self.family(family));
    }

    /// A metric of collect's own: samples by their labels, as they are exposed.
    pub fn own(&mut self, name: &str, kind: Type, help: &str, samples: &[(String, f64)]) {
        let metric =
            Metric { name: name.to_owned(), kind, help: help.to_owned(), unit: String::new(), buckets: Vec::new() };
        self.head(&metric);
        for (labels, value) in samples {
            self.sample(name, labels, "", *value);
        }
    }

    /// The end.
    #[must_use]
    pub fn end(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.out += "# EOF\n";
        }
        self.out
    }

    fn head(&mut self, metric: &Metric) {
        let name = match self.format {
            Format::Text => metric.name.as_str(),
            Format::OpenMetrics => metric.family(),
        };
        let help = metric.help.replace('\\', "\\\\").replace('\n', "\\n");
        let help = if self.format == Format::OpenMetrics { help.replace('"', "\\\"") } else { help };
        // Writing to a String can't fail.
        let _ = writeln!(self.out, "# HELP {name} {help}");
        let _ = writeln!(self.out, "# TYPE {name} {}", metric.kind);
        if self.format == Format::OpenMetrics && !metric.unit.is_empty() {
            let _ = writeln!(self.out, "# UNIT {name} {}", metric.unit);
        }
    }

    fn family(&mut self, family: &Family) {
        let metric = &family.metric;
        self.head(metric);
        for (key, series) in family.series.iter().filter(|(_, series)| series.is_shown) {
            let labels = labels(key);
            match &series.value {
                Value::Gauge(value) => self.sample(&metric.name, &labels, "", *value),
                Value::Counter(total) => self.sample(&metric.name, &labels, "", total.kept),
                Value::Histogram(totals, _) => self.histogram(metric, &labels, totals),
                Value::Summary([count, sum], window) => {
                    for share in QUANTILES {
                        self.sample(&metric.name, &labels, &format!("quantile=\"{share}\""), window.quantile(share));
                    }
                    self.sample(&format!("{}_sum", metric.name), &labels, "", sum.kept);
                    self.sample(&format!("{}_count", metric.name), &labels, "", count.kept);
                }
            }
        }
    }

    fn histogram(&mut self, metric: &Metric, labels: &str, totals: &[Total]) {
        let Some((sum, counts)) = totals.split_last() else { return };
        let (bucket, mut count) = (format!("{}_bucket", metric.name), 0.0);
        let bounds = metric.buckets.iter().copied().chain([f64::INFINITY]);
        for (bound, own) in bounds.zip(counts) {
            count += own.kept;
            self.sample(&bucket, labels, &format!("le=\"{}\"", number(bound)), count);
        }
        self.sample(&format!("{}_sum", metric.name), labels, "", sum.kept);
        self.sample(&format!("{}_count", metric.name), labels, "", count);
    }

    fn sample(&mut self, name: &str, labels: &str, more: &str, value: f64) {
        let comma = if labels.is_empty() || more.is_empty() { "" } else { "," };
        let value = number(value);
        let _ = if labels.is_empty() && more.is_empty() {
            writeln!(self.out, "{name} {value}")
        } else {
            writeln!(self.out, "{name}{{{labels}{comma}{more}}} {value}")
        };
    }
}

/// The labels of a series; those of the original's agents are the original's.
fn labels((agent, labels): &Key) -> String {
    let own = if Book::is_unnamed(agent) {
        format!("endpoint=\"{}\",method=\"\"", escaped(agent))
    } else {
        format!("agent=\"{}\"", escaped(agent))
    };
    if labels.text().is_empty() { own } else { format!("{own},{}", labels.text()) }
}

/// A number as both formats have it; a whole one with `.0`, as a bound in OpenMetrics has to be.
fn number(value: f64) -> String {
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => format!("{value:?}"),
    }
}
