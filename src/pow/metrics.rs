//! What a server has done so far: numbers that only grow, and how long its answers took.

use std::fmt::Write;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::common::clock::Stopwatch;
use crate::common::error::{Error, Result, printable};
use crate::common::exit::Status;
use crate::common::push::metric::Reading;
use crate::common::view::{duration, grouped, scaled};

/// The numbers of one thread, or of all together.
#[derive(Clone, Debug)]
pub struct Counts {
    /// Requests read,
    pub requests: u64,
    /// of them answered by a proof,
    pub replies: u64,
    /// by an error because something was wrong with them,
    pub malformed: u64,
    /// because no seed fits,
    pub exhausted: u64,
    /// because it took too long,
    pub timeouts: u64,
    /// because too many wait,
    pub busy: u64,
    /// because the server ends,
    pub ended: u64,
    /// or not at all, as their client had gone.
    pub abandoned: u64,
    /// Connections that were taken,
    pub connections: u64,
    /// of them broken by the other side: reset, or not read from;
    pub resets: u64,
    /// and those for which there was no room.
    pub turned_away: u64,
    /// Hashes computed.
    pub hashes: u64,
    /// Microseconds from a request's end to its proof.
    pub latency: Histogram<u64>,
}

impl Counts {
    /// Nothing yet.
    ///
    /// # Errors
    /// Never, with the digits that are asked of the histogram.
    pub fn new() -> Result<Self> {
        let latency = Histogram::new(3).map_err(|error| Error::new(Status::Failed, "latencies", error))?;
        Ok(Self {
            requests: 0,
            replies: 0,
            malformed: 0,
            exhausted: 0,
            timeouts: 0,
            busy: 0,
            ended: 0,
            abandoned: 0,
            connections: 0,
            resets: 0,
            turned_away: 0,
            hashes: 0,
            latency,
        })
    }

    /// A request was answered by a proof.
    pub fn took(&mut self, since: Stopwatch) {
        self.replies += 1;
        // Fails where a histogram may not grow; these may.
        let _ = self.latency.record(since.nanoseconds() / 1_000);
    }

    /// Adds those of another thread.
    pub fn add(&mut self, other: &Self) {
        // All of them named, so that none can be forgotten.
        let Self {
            requests,
            replies,
            malformed,
            exhausted,
            timeouts,
            busy,
            ended,
            abandoned,
            connections,
            resets,
            turned_away,
            hashes,
            latency,
        } = other;
        self.requests += requests;
        self.replies += replies;
        self.malformed += malformed;
        self.exhausted += exhausted;
        self.timeouts += timeouts;
        self.busy += busy;
        self.ended += ended;
        self.abandoned += abandoned;
        self.connections += connections;
        self.resets += resets;
        self.turned_away += turned_away;
        self.hashes += hashes;
        let _ = self.latency.add(latency);
    }
}

/// What a server is, and how it is now.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Where it listens.
    pub listen: String,
    /// Seconds since it began.
    pub uptime_s: f64,
    /// The difficulty of a plain request,
    pub difficulty: u8,
    /// and the most that one may ask for.
    pub max_difficulty: u8,
    /// Longest line,
    pub max_line: usize,
    /// and search.
    pub timeout_s: f64,
    /// Threads.
    pub threads: usize,
    /// Its instructions,
    pub kernel: &'static str,
    /// and the hashes a second that one thread computed at the start.
    pub pace: u64,
    /// Connections now.
    pub guests: usize,
    /// Requests that wait now,
    pub waiting: usize,
    /// at most so far,
    pub waiting_most: usize,
    /// and at most at all.
    pub waiting_max: usize,
}

/// The version of the object that `pow status --json` prints.
pub const SCHEMA: u64 = 1;

/// A server's state as one JSON object.
#[must_use]
pub fn object(standing: &Standing, counts: &Counts) -> Value {
    let at = |quantile: f64| counts.latency.value_at_quantile(quantile);
    json!({
        "schema": SCHEMA,
        "listen": standing.listen,
        "uptime_s": (standing.uptime_s * 1e3).round() / 1e3,
        "difficulty": standing.difficulty,
        "max_difficulty": standing.max_difficulty,
        "max_line_bytes": standing.max_line,
        "timeout_s": standing.timeout_s,
        "threads": standing.threads,
        "kernel": standing.kernel,
        "hashes_per_s_thread": standing.pace,
        "connections": { "now": standing.guests, "taken": counts.connections, "resets": counts.resets, "turned_away": counts.turned_away },
        "queue": { "now": standing.waiting, "most": standing.waiting_most, "max": standing.waiting_max },
        "requests": counts.requests,
        "replies": counts.replies,
        "errors": {
            "malformed": counts.malformed, "exhausted": counts.exhausted, "timeouts": counts.timeouts, "busy": counts.busy,
            "ended": counts.ended, "abandoned": counts.abandoned,
        },
        "hashes": counts.hashes,
        "latency_us": {
            "mean": counts.latency.mean().round(), "p50": at(0.5), "p99": at(0.99), "p99_9": at(0.999), "max": counts.latency.max(),
        },
    })
}

/// Upper bounds of the times that are pushed to a collect, in seconds.
const REPLY_BUCKETS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What is pushed to a collect.
#[must_use]
pub fn readings(standing: &Standing, counts: &Counts) -> Vec<Reading> {
    let counter = |name, help, total| Reading::counter(name, "", help, total);
    let gauge = |name, unit, help, now: usize| Reading::gauge(name, unit, help, now as f64);
    let errors = [
        ("malformed", counts.malformed),
        ("exhausted", counts.exhausted),
        ("timeout", counts.timeouts),
        ("busy", counts.busy),
        ("ended", counts.ended),
        ("abandoned", counts.abandoned),
        ("turned_away", counts.turned_away),
    ];
    let mut readings = vec![
        counter("pow_replies_total", "Requests that were answered by a proof", counts.replies),
        counter("pow_hashes_total", "Hashes computed", counts.hashes),
        counter("pow_requests_total", "Requests read", counts.requests),
    ];
    readings.extend(errors.map(|(kind, total)| {
        let help = "Requests that were not answered by a proof, and connections that were turned away";
        counter("pow_errors_total", help, total).with("kind", kind)
    }));
    let seconds = sorted(&counts.latency);
    readings.extend([
        gauge("pow_connections", "", "Connections", standing.guests),
        gauge("pow_queue_requests", "requests", "Requests that wait", standing.waiting),
        gauge("pow_difficulty_digits", "digits", "Difficulty of a plain request", standing.difficulty.into()),
        Reading::histogram("pow_reply_seconds", "seconds", "From a request's end to its proof", REPLY_BUCKETS, seconds),
    ]);
    readings
}

/// How many of these times, in microseconds, are in which of `REPLY_BUCKETS`, and their sum in seconds.
fn sorted(latency: &Histogram<u64>) -> (Vec<u64>, f64) {
    let (mut counts, mut sum) = (vec![0; REPLY_BUCKETS.len() + 1], 0.0);
    for step in latency.iter_recorded() {
        // To the thousandth, as all that it knows.
        let seconds = latency.lowest_equivalent(step.value_iterated_to()) as f64 / 1e6;
        counts[REPLY_BUCKETS.partition_point(|bound| *bound < seconds)] += step.count_at_value();
        sum += seconds * step.count_at_value() as f64;
    }
    (counts, sum)
}

/// The same object for a person.
#[must_use]
pub fn table(object: &Value) -> String {
    let number = |path: &str| object.pointer(path).and_then(Value::as_f64).unwrap_or(0.0);
    let count = |path: &str| grouped(number(path) as u64);
    let word = |path: &str| object.pointer(path).and_then(Value::as_str).map_or("?".to_owned(), printable);
    let uptime = number("/uptime_s");
    let rate = |path: &str| scaled((number(path) / uptime.max(1e-3)) as u64);
    let ms = |path: &str| format!("{:.3} ms", number(path) / 1e3);
    let mut table = String::new();
    // Writing to a String can't fail.
    let _ = writeln!(
        table,
        "SERVER    {}, difficulty {}, {} at most, {} threads by {}, up {}",
        word("/listen"),
        count("/difficulty"),
        count("/max_difficulty"),
        count("/threads"),
        word("/kernel"),
        duration(uptime as u64)
    );
    let _ = writeln!(table, "REQUESTS  {}, {} proofs ({}/s)", count("/requests"), count("/replies"), rate("/replies"));
    let _ = writeln!(
        table,
        "ERRORS    {} malformed, {} exhausted, {} timed out, {} busy, {} at the end, {} abandoned",
        count("/errors/malformed"),
        count("/errors/exhausted"),
        count("/errors/timeouts"),
        count("/errors/busy"),
        count("/errors/ended"),
        count("/errors/abandoned")
    );
    let _ = writeln!(
        table,
        "QUEUE     {} now, {} at most, room for {}",
        count("/queue/now"),
        count("/queue/most"),
        count("/queue/max")
    );
    let _ = writeln!(
        table,
        "CLIENTS   {} now, {} in all, {} reset, {} turned away",
        count("/connections/now"),
        count("/connections/taken"),
        count("/connections/resets"),
        count("/connections/turned_away")
    );
    let _ = writeln!(
        table,
        "HASHES    {} ({}/s; one thread can do {}/s)",
        count("/hashes"),
        rate("/hashes"),
        scaled(number("/hashes_per_s_thread") as u64)
    );
    if number("/replies") > 0.0 {
        let _ = writeln!(
            table,
            "LATENCY   p50 {}, p99 {}, p99.9 {}, longest {}",
            ms("/latency_us/p50"),
            ms("/latency_us/p99"),
            ms("/latency_us/p99_9"),
            ms("/latency_us/max")
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_in_the_bucket_whose_bound_it_does_not_exceed() {
        let mut latency = Histogram::new(3).unwrap();
        for us in [0, 100, 101, 250, 9_990_000, 20_000_000] {
            latency.record(us).unwrap();
        }
        let (counts, sum) = sorted(&latency);
        assert_eq!((counts[..3].to_vec(), counts[15], counts[16]), (vec![2, 2, 0], 1, 1));
        assert!(counts.iter().sum::<u64>() == 6 && (sum - 29.990451).abs() < 0.03, "{sum}");
    }
}
