//! What the lines of another program amount to: metrics that are declared when their first value comes, series, histograms. Pure.

use std::collections::HashMap;

use crate::common::limits::{METRICS_OF_AGENT_MAX, SERIES_OF_AGENT_MAX};
use crate::common::push::metric::{Kind, Metric, Reading, Series, Value};
use crate::common::push::outbox::Outbox;

use super::lines::{self, Fault, Line};

/// Buckets of a histogram that doesn't say which: those of Prometheus, made for seconds.
const BUCKETS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What is said of the lines themselves: how many were bad, and what was dropped.
const OWN: [&str; 2] = ["agent_bad_lines_total", "agent_observations_dropped_total"];
/// What a histogram's and a summary's samples end with where others expose them.
const PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// What was said of a metric before its first value came.
#[derive(Default)]
struct About {
    kind: Option<Kind>,
    help: String,
    unit: String,
    buckets: Option<Vec<f64>>,
}

/// What the lines so far amount to.
#[derive(Default)]
pub struct Tally {
    abouts: HashMap<String, About>,
    histograms: HashMap<Series, (Vec<u64>, f64)>,
    /// There is a counter among the metrics.
    counts: bool,
    bad: u64,
}

impl Tally {
    /// Takes a line in: what it says goes into `outbox`.
    ///
    /// # Errors
    /// What is wrong with it; it is counted, and passed over.
    pub fn take(&mut self, line: Result<&[u8], Fault>, outbox: &mut Outbox) -> Result<(), Fault> {
        let taken = line.and_then(lines::read).and_then(|line| self.heed(line, outbox));
        self.bad += u64::from(taken.is_err());
        taken
    }

    /// How many lines were passed over.
    #[must_use]
    pub fn bad(&self) -> u64 {
        self.bad
    }

    /// What is to be said of the lines themselves. Collect's page draws the first counter that an agent declares: that shall be one
    /// of the lines', so these wait for it while they have nothing to say and there may be more lines.
    pub fn tell(&self, outbox: &mut Outbox, ended: bool) {
        let [bad, lost] = OWN;
        if !(ended || self.counts || self.bad > 0 || outbox.dropped() > 0 || outbox.metric(bad).is_some()) {
            return;
        }
        outbox.read(&Reading::counter(bad, "", "Lines that were passed over", self.bad));
        let help = "Observations that were dropped, as collect was away for too long";
        outbox.read(&Reading::counter(lost, "", help, outbox.dropped()));
    }

    fn heed(&mut self, line: Line, outbox: &mut Outbox) -> Result<(), Fault> {
        match line {
            Line::Nothing => Ok(()),
            Line::Sample(series, value) => self.sample(series, value, outbox),
            Line::Type(name, kind) => {
                if kind.is_some_and(|kind| (kind == Kind::Counter) != name.ends_with("_total")) {
                    return Err("a counter's name ends with _total, and no other's does");
                }
                if let Some(metric) = outbox.metric(&name) {
                    let same = kind.is_none_or(|kind| kind == metric.kind);
                    return same.then_some(()).ok_or("it has values of another type already");
                }
                self.about(name)?.kind = kind;
                Ok(())
            }
            Line::Help(name, help) => {
                self.about(name)?.help = help;
                Ok(())
            }
            Line::Unit(name, unit) => {
                let stem = name.strip_suffix("_total").unwrap_or(&name);
                if !unit.is_empty() && !stem.strip_suffix(&unit).is_some_and(|stem| stem.ends_with('_')) {
                    return Err("its name doesn't end with its unit");
                }
                self.about(name)?.unit = unit;
                Ok(())
            }
            Line::Buckets(name, buckets) => {
                if outbox.metric(&name).is_some_and(|metric| *metric.buckets != buckets[..]) {
                    return Err("it has values in other buckets already");
                }
                self.about(name)?.buckets = Some(buckets);
                Ok(())
            }
        }
    }

    fn about(&mut self, name: String) -> Result<&mut About, Fault> {
        if !self.abouts.contains_key(&name) && self.abouts.len() >= SERIES_OF_AGENT_MAX {
            return Err("there are too many names");
        }
        Ok(self.abouts.entry(name).or_default())
    }

    fn sample(&mut self, series: Series, value: f64, outbox: &mut Outbox) -> Result<(), Fault> {
        if OWN.contains(&&*series.name) {
            return Err("its name is one of the agent's own");
        }
        if outbox.metric(&series.name).is_none() {
            self.declare(&series.name, outbox)?;
        }
        let Some(metric) = outbox.metric(&series.name) else { return Ok(()) };
        let fits = match metric.kind {
            Kind::Counter if value < 0.0 => return Err("a counter is below zero"),
            Kind::Counter | Kind::Gauge => outbox.set(series, Value::Number(value)),
            Kind::Histogram => {
                let bucket = metric.buckets.iter().position(|bound| value <= *bound);
                let (all, bucket) = (metric.buckets.len() + 1, bucket.unwrap_or(metric.buckets.len()));
                self.sort(series, bucket, all, value, outbox)
            }
            Kind::Summary => {
                // What can't be kept is counted there.
                outbox.observe(series, value);
                true
            }
        };
        fits.then_some(()).ok_or("there are too many series")
    }

    /// Counts an observation of a histogram into its bucket.
    fn sort(&mut self, series: Series, bucket: usize, buckets: usize, value: f64, outbox: &mut Outbox) -> bool {
        let (counts, sum) = self.histograms.entry(series.clone()).or_insert_with(|| (vec![0; buckets], 0.0));
        counts[bucket] += 1;
        *sum += value;
        let value = Value::Histogram(counts.clone(), *sum);
        let fits = sum.is_finite() && outbox.set(series.clone(), value);
        if !fits {
            self.histograms.remove(&series);
        }
        fits
    }

    /// Declares a metric whose first value has come. The agent's own keep their place.
    fn declare(&mut self, name: &str, outbox: &mut Outbox) -> Result<(), Fault> {
        if self.is_part(name, outbox) {
            return Err(lines::PARTS_FAULT);
        }
        let kept = OWN.iter().filter(|own| outbox.metric(own).is_none()).count();
        if outbox.metrics() + kept >= METRICS_OF_AGENT_MAX {
            return Err("there are more than 200 metrics");
        }
        let metric = self.metric(name);
        self.counts |= metric.kind == Kind::Counter;
        outbox.declare(&metric);
        Ok(())
    }

    /// True if it is what another program exposes of a histogram or summary.
    fn is_part(&self, name: &str, outbox: &Outbox) -> bool {
        PARTS.iter().filter_map(|part| name.strip_suffix(part)).any(|whole| {
            let said = self.abouts.get(whole).and_then(|about| about.kind);
            let kind = outbox.metric(whole).map(|metric| metric.kind).or(said);
            matches!(kind, Some(Kind::Histogram | Kind::Summary))
        })
    }

    /// What a metric is whose first value has come.
    fn metric(&mut self, name: &str) -> Metric {
        let About { kind, help, unit, buckets } = self.abouts.remove(name).unwrap_or_default();
        let kind = kind.unwrap_or(if name.ends_with("_total") { Kind::Counter } else { Kind::Gauge });
        let buckets = match kind {
            Kind::Histogram => buckets.unwrap_or_else(|| BUCKETS.to_vec()),
            _ => Vec::new(),
        };
        Metric { name: name.to_owned().into(), kind, unit: unit.into(), help: help.into(), buckets: buckets.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::clock::Millis;
    use crate::common::push::said::{Answer, Hello};
    use serde_json::{Value as Json, json};

    fn new() -> (Tally, Outbox) {
        (Tally::default(), Outbox::new(Hello { name: "a".to_owned(), instance: 1, program: "agent" }))
    }

    /// What is declared and pushed of these lines, and how many are bad.
    fn amount(lines: &str) -> (Json, Json, u64) {
        let (mut tally, mut outbox) = new();
        lines.lines().for_each(|line| _ = tally.take(Ok(line.as_bytes()), &mut outbox));
        outbox.greet();
        outbox.hear(Answer::Welcome(0)).unwrap();
        let mut next = || serde_json::from_str::<Json>(&outbox.next(false, Millis(0)).unwrap()).unwrap();
        let mut first = next();
        let declared = first["declare"].take();
        if !declared.is_null() {
            outbox.hear(Answer::Declared(vec![])).unwrap();
            first = serde_json::from_str(&outbox.next(false, Millis(0)).unwrap()).unwrap();
        }
        (declared, first["push"].take(), tally.bad)
    }

    #[test]
    fn without_a_type_a_name_says_what_it_is() {
        let (declared, push, bad) = amount("a 1\nb_total 2\na{c=\"d\"} 3\na 4\n");
        assert_eq!(
            declared,
            json!([{"name": "a", "type": "gauge", "help": ""}, {"name": "b_total", "type": "counter", "help": ""}])
        );
        assert_eq!((&push["set"], bad), (&json!([["a", 4], ["b_total", 2], ["a", 3, {"c": "d"}]]), 0));
    }

    #[test]
    fn what_was_said_before_the_first_value_is_declared() {
        let lines = "# TYPE a_bytes_total counter\n# HELP a_bytes_total Bytes\n# UNIT a_bytes_total bytes\na_bytes_total 1\n\
                     # TYPE a_bytes_total counter\n# HELP a_bytes_total Others\n";
        let (declared, _, bad) = amount(lines);
        let want = json!([{"name": "a_bytes_total", "type": "counter", "help": "Bytes", "unit": "bytes"}]);
        assert_eq!((declared, bad), (want, 0));
    }

    #[test]
    fn observations_are_counted_into_buckets_or_passed_on() {
        let lines = "# TYPE h histogram\n# BUCKETS h 1 10\nh 1\nh 1.5\nh 11\nh{x=\"y\"} 2\n# TYPE s summary\ns 1\ns 2\n\
                     # TYPE d histogram\nd 0.3\n";
        let (declared, push, bad) = amount(lines);
        assert_eq!(declared[0]["buckets"], json!([1, 10]));
        assert_eq!(declared[2]["buckets"], json!([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]));
        let first = json!(["h", {"buckets": [1, 1, 1], "sum": 13.5}]);
        assert_eq!((&push["set"][0], &push["set"][1][1]["buckets"], bad), (&first, &json!([0, 1, 0]), 0));
        assert_eq!(push["observe"], json!([["s", [1, 2]]]));
        assert_eq!(push["set"][2][1]["buckets"], json!([0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]));
    }

    #[test]
    fn what_contradicts_is_counted_and_passed_over() {
        let lines = "# TYPE a counter\n# TYPE b_total gauge\nc 1\n# TYPE c summary\nd_total -1\n# UNIT e seconds\n\
                     # TYPE h histogram\nh 1\n# BUCKETS h 1\nnonsense\nh 1e308\nh 1e308\n";
        let (declared, push, bad) = amount(lines);
        assert_eq!((bad, declared.as_array().unwrap().len()), (8, 3));
        assert_eq!(push["set"][0], json!(["c", 1]));
    }

    /// The names that are declared, in order.
    fn declared(outbox: &mut Outbox) -> Vec<String> {
        outbox.hang_up();
        outbox.greet();
        outbox.hear(Answer::Welcome(0)).unwrap();
        let mut names = Vec::new();
        while let Some(frame) = outbox.next(false, Millis(0)) {
            let frame: Json = serde_json::from_str(&frame).unwrap();
            let Some(list) = frame["declare"].as_array() else { break };
            names.extend(list.iter().map(|metric| metric["name"].as_str().unwrap().to_owned()));
            outbox.hear(Answer::Declared(vec![])).unwrap();
        }
        names
    }

    #[test]
    fn metrics_are_bounded_and_the_agents_own_keep_their_place() {
        let (mut tally, mut outbox) = new();
        let mut take = |name: &str| tally.take(Ok(format!("{name} 1").as_bytes()), &mut outbox);
        let last = METRICS_OF_AGENT_MAX - OWN.len();
        (0..last).for_each(|nth| assert_eq!(take(&format!("g{nth}")), Ok(())));
        for nth in last..3_000 {
            assert_eq!(take(&format!("g{nth}")), Err("there are more than 200 metrics"));
        }
        assert_eq!(take("g0"), Ok(()), "the others go on");
        tally.tell(&mut outbox, false);
        let names = declared(&mut outbox);
        assert_eq!(
            (names.len(), &names[last..], tally.bad()),
            (METRICS_OF_AGENT_MAX, &OWN.map(str::to_owned)[..], 3_000 - last as u64)
        );
    }

    #[test]
    fn the_first_counter_is_one_of_the_lines_unless_they_have_none() {
        for (lines, ended, want) in [
            (&[][..], false, &[][..]),
            (&[], true, &OWN[..]),
            (&["g 1"], false, &["g"]),
            (&["g 1", "c_total 1"], false, &["g", "c_total", OWN[0], OWN[1]]),
            (&["g 1", "bad"], false, &["g", OWN[0], OWN[1]]),
        ] {
            let (mut tally, mut outbox) = new();
            for line in lines {
                let _ = tally.take(Ok(line.as_bytes()), &mut outbox);
                tally.tell(&mut outbox, false);
            }
            tally.tell(&mut outbox, ended);
            assert_eq!(declared(&mut outbox), want, "{lines:?}");
        }
    }

    #[test]
    fn what_others_expose_of_histograms_and_the_agents_own_names_are_passed_over() {
        let lines = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\n\
                     x_sum 1\nagent_bad_lines_total 1\nh 1\nh_count 1\n";
        let (declared, _, bad) = amount(lines);
        let names: Vec<_> =
            declared.as_array().unwrap().iter().map(|metric| metric["name"].as_str().unwrap()).collect();
        assert_eq!((names, bad), (vec!["x_sum", "h"], 7));
    }
}
