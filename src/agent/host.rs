//! Samples of this host, and of chance.

use std::fs::read_to_string;

use crate::common::push::metric::Reading;

use super::proc::{Ticks, loads, memory};

/// Letters that are drawn for each sample: each of them once, on the average.
const LETTERS: usize = 52;

/// What is sampled.
pub struct Host {
    before: Option<Ticks>,
    letters: u64,
}

impl Host {
    /// Before the first sample.
    #[must_use]
    pub fn begin() -> Self {
        Self { before: ticks(), letters: 0 }
    }

    /// How the host stands. The processors' share is that since the last sample, and not known if that was just now.
    pub fn sample(&mut self) -> Vec<Reading> {
        let now = ticks();
        let utilization = now.zip(self.before).and_then(|(now, before)| now.utilization_since(before));
        self.before = now;
        self.letters += letters_a(&std::iter::repeat_with(fastrand::alphabetic).take(LETTERS).collect::<String>());
        let meminfo = read_to_string("/proc/meminfo").unwrap_or_default();
        let loads = loads(&read_to_string("/proc/loadavg").unwrap_or_default());
        let load = |nth: usize, window| {
            let help = "Processes that run, or want to, on the average of the window";
            Reading::gauge("host_load_average", "", help, loads[nth]).with("window", window)
        };
        vec![
            Reading::gauge(
                "host_cpu_utilization_ratio",
                "ratio",
                "Share of the time in which the host's processors were at work, since the last sample",
                utilization,
            ),
            Reading::counter(
                "agent_letters_a_total",
                "",
                "Letters a and A in sequences that were drawn by chance",
                self.letters,
            ),
            Reading::gauge(
                "host_memory_available_bytes",
                "bytes",
                "Memory that programs can still have",
                memory(&meminfo, "MemAvailable"),
            ),
            Reading::gauge("host_memory_total_bytes", "bytes", "Memory of the host", memory(&meminfo, "MemTotal")),
            load(0, "1m"),
            load(1, "5m"),
            load(2, "15m"),
        ]
    }
}

fn ticks() -> Option<Ticks> {
    Ticks::read(&read_to_string("/proc/stat").ok()?)
}

/// How many of these letters are an a, large or small.
fn letters_a(letters: &str) -> u64 {
    letters.chars().filter(|letter| letter.eq_ignore_ascii_case(&'a')).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_and_small_letters_count() {
        assert_eq!(letters_a("aAbBá"), 2);
    }

    #[test]
    fn the_first_gauge_is_the_processors_and_the_first_counter_the_letters() {
        let mut host = Host::begin();
        let names: Vec<_> = host.sample().into_iter().map(|reading| reading.metric.name).collect();
        assert_eq!(names[..2], ["host_cpu_utilization_ratio", "agent_letters_a_total"]);
        let total = |host: &mut Host| host.sample()[1].value.clone();
        let first = total(&mut host);
        assert!((0..1_000).any(|_| total(&mut host) != first), "no letter is ever an a");
    }
}
