//! What each kernel reaches on one core: pairs or numbers per second, core cycles for each, and for trial division how
//! near that is to what the vector ports allow.
//!
//! `cargo bench --bench kernels`, with a part of a name (`-- trial/avx2`) to measure some. Criterion samples whole
//! searches, by the processor's time, and says what changed since the last run; before and after each sample the core's
//! clock is measured. The table after each method, in Markdown, holds the medians of the samples.

mod shared {
    pub mod clock;
    pub mod figures;
    pub mod searches;
}

use std::time::Duration;

use aliquot::divisors::{Kernel, Method};
use criterion::measurement::{Measurement, ValueFormatter};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use shared::clock::hertz;
use shared::figures::{median, scientific};
use shared::searches::{last_for, least_and_wanted, pairs, time};

const TRIAL: [u64; 8] =
    [1_000_000, 40_000_000, 1_000_000_000, 4_000_000_000, 1_000_000_000_000, 1 << 50, 1 << 52, 1 << 60];
const SIEVE: [u64; 5] = [1_000_000, 1_000_000_000, 100_000_000_000, 1_000_000_000_000, 1_000_000_000_000_000];

/// An addition and a minimum of eight 32-bit lanes test eight pairs; a core with four ports for them does two of each a
/// cycle (AMD Zen 3 to Zen 5, with AVX2).
const PAIRS_PER_CYCLE: f64 = 16.0;

/// From here on the portable kernel takes minutes for its samples.
const SLOW_START: u64 = 1 << 51;

const SAMPLES: usize = 10;
const WARM_UP: Duration = Duration::from_millis(100);
const MEASUREMENT: Duration = Duration::from_millis(1_000);

/// A search that is sampled.
#[derive(Clone, Copy)]
struct Case {
    method: Method,
    kernel: Kernel,
    n: u64,
}

/// What each sample of a case says of one pair, or of one number.
#[derive(Default)]
struct Samples {
    last: Option<u64>,
    per_second: Vec<f64>,
    cycles: Vec<f64>,
    hertz: Vec<f64>,
}

/// The medians.
struct Row {
    case: Case,
    numbers: u64,
    per_second: f64,
    cycles: f64,
    hertz: f64,
}

/// Core cycles for one pair, or for one number: what criterion compares from run to run.
struct Cycles(&'static str);

fn main() {
    for (method, places, unit) in
        [(Method::Trial, &TRIAL[..], "cycles/pair"), (Method::Sieve, &SIEVE[..], "cycles/number")]
    {
        let mut criterion = Criterion::default().with_measurement(Cycles(unit)).configure_from_args();
        let rows = sample(&mut criterion, method, places);
        if !rows.is_empty() {
            show(method, &rows);
        }
    }
}

/// Samples every kernel at every place, but for those that the command line leaves out.
fn sample(criterion: &mut Criterion<Cycles>, method: Method, places: &[u64]) -> Vec<Row> {
    let mut group = criterion.benchmark_group(method.name());
    group.sample_size(SAMPLES).sampling_mode(SamplingMode::Flat).warm_up_time(WARM_UP);
    let mut rows = Vec::new();
    for n in places {
        let (_, wanted) = least_and_wanted(method, *n);
        for kernel in Kernel::all().into_iter().filter(|kernel| *n < SLOW_START || *kernel != Kernel::PORTABLE) {
            let case = Case { method, kernel, n: *n };
            let mut samples = Samples::default();
            group.measurement_time(MEASUREMENT.max(wanted * SAMPLES as u32));
            group.bench_function(BenchmarkId::new(kernel.name(), n), |bencher| {
                // Not before criterion asks: it may leave this one out.
                let last = *samples.last.get_or_insert_with(|| last_for(method, kernel, *n));
                bencher.iter_custom(|runs| samples.take(case, last, runs));
            });
            rows.extend(samples.row(case));
        }
    }
    group.finish();
    rows
}

impl Case {
    /// The pairs (trial division) or numbers (sieve) of a search.
    fn items(self, last: u64) -> f64 {
        match self.method {
            Method::Trial => pairs(self.n, last) as f64,
            Method::Sieve => (last - self.n + 1) as f64,
        }
    }
}

impl Samples {
    /// Searches so many times; the sum of what each has taken, in cycles for each pair or number.
    fn take(&mut self, case: Case, last: u64, runs: u64) -> f64 {
        let before = hertz();
        let took: Duration = (0..runs).map(|_| time(case.method, case.kernel, case.n, last)).sum();
        let clock = f64::midpoint(before, hertz());
        let seconds = took.as_secs_f64() / case.items(last);
        self.per_second.push(runs as f64 / seconds);
        self.cycles.push(seconds * clock / runs as f64);
        self.hertz.push(clock);
        seconds * clock
    }

    /// The medians; `None` if nothing was sampled.
    fn row(self, case: Case) -> Option<Row> {
        self.last.map(|last| Row {
            case,
            numbers: last - case.n + 1,
            per_second: median(self.per_second),
            cycles: median(self.cycles),
            hertz: median(self.hertz),
        })
    }
}

fn show(method: Method, rows: &[Row]) {
    let (item, share) = match method {
        Method::Trial => ("pair", " share of the ports |"),
        Method::Sieve => ("number", ""),
    };
    println!("| {method}, n from | kernel | numbers | core, GHz | {item}s/s | cycles a {item} |{share}");
    println!("|---|---|---|---|---|---|{}", if share.is_empty() { "" } else { "---|" });
    for Row { case, numbers, per_second, cycles, hertz } in rows {
        let (kernel, rate, clock) = (case.kernel.name(), scientific(*per_second), hertz / 1e9);
        print!("| {} | {kernel} | {numbers} | {clock:.2} | {rate} | {cycles:.3} |", case.n);
        if method == Method::Trial {
            print!(" {:.0} % |", 100.0 / cycles / PAIRS_PER_CYCLE);
        }
        println!();
    }
    println!();
}

impl Measurement for Cycles {
    type Intermediate = ();
    type Value = f64;

    fn start(&self) {}

    fn end(&self, (): ()) -> f64 {
        unreachable!("every sample is taken by iter_custom")
    }

    fn add(&self, a: &f64, b: &f64) -> f64 {
        a + b
    }

    fn zero(&self) -> f64 {
        0.0
    }

    fn to_f64(&self, value: &f64) -> f64 {
        *value
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        self
    }
}

impl ValueFormatter for Cycles {
    fn scale_values(&self, _typical: f64, _values: &mut [f64]) -> &'static str {
        self.0
    }

    fn scale_throughputs(&self, _typical: f64, _throughput: &Throughput, _values: &mut [f64]) -> &'static str {
        self.0
    }

    fn scale_for_machines(&self, _values: &mut [f64]) -> &'static str {
        self.0
    }
}
