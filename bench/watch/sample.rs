//! What an agent samples, as the real one does; but a host of its own, which nobody has, is made up for each.

use aliquot::agent::host::Host;
use aliquot::common::push::metric::{Reading, Value};

/// Letters that the real agent draws for each sample.
const LETTERS: u32 = 52;
/// How far a host's load moves within a second.
const STEP: f64 = 0.2;

/// A host that is made up.
pub struct Sample {
    readings: Vec<Reading>,
    random: fastrand::Rng,
    busy: f64,
    letters: u32,
}

impl Sample {
    /// Its readings are named and labelled as the real ones.
    pub fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        Self { readings: Host::begin().sample(), busy: random.f64(), random, letters: 0 }
    }

    /// How many series it has.
    pub fn series(&self) -> usize {
        self.readings.len()
    }

    /// The next sample.
    pub fn next(&mut self) -> &[Reading] {
        let Self { readings, random, busy, letters } = self;
        *busy = (*busy + STEP * (random.f64() - 0.5)).clamp(0.0, 1.0);
        *letters += (0..LETTERS).map(|_| u32::from(random.u8(..26) == 0)).sum::<u32>();
        for reading in readings.iter_mut() {
            let now = match &*reading.metric.name {
                "host_cpu_utilization_ratio" => *busy,
                "agent_letters_a_total" => f64::from(*letters),
                "host_memory_total_bytes" => 64e9,
                "host_memory_available_bytes" => f64::from(random.u32(8_000_000..9_000_000)) * 1024.0,
                _ => (busy.mul_add(8.0, random.f64()) * 100.0).round() / 100.0,
            };
            reading.value = Some(Value::Number(now));
        }
        readings
    }
}
