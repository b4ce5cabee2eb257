//! What files of /proc say of the host (proc(5)). Pure: texts go in, numbers come out.

/// Processor time since the host has started, in its ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticks {
    /// All processors were at work so long,
    pub busy: u64,
    /// and so long in all.
    pub total: u64,
}

impl Ticks {
    /// Reads `/proc/stat`.
    #[must_use]
    pub fn read(stat: &str) -> Option<Self> {
        let all = stat.lines().next()?.strip_prefix("cpu ")?;
        // user, nice, system, idle, iowait, irq, softirq, steal; what guests have had is in the first two.
        let ticks: Vec<u64> = all.split_whitespace().take(8).map_while(|word| word.parse().ok()).collect();
        let idle = ticks.get(3)?.saturating_add(ticks.get(4).copied().unwrap_or(0));
        let total = ticks.iter().fold(0, |sum: u64, ticks| sum.saturating_add(*ticks));
        Some(Self { busy: total - idle, total })
    }

    /// The share of the time since `before` in which the processors were at work; nothing if no time has passed.
    #[must_use]
    pub fn utilization_since(self, before: Self) -> Option<f64> {
        let total = self.total.checked_sub(before.total).filter(|total| *total > 0)?;
        // What a processor waits for a disk is taken back now and then.
        let busy = self.busy.saturating_sub(before.busy).min(total);
        Some(busy as f64 / total as f64)
    }
}

/// A line of `/proc/meminfo`, in bytes.
#[must_use]
pub fn memory(meminfo: &str, word: &str) -> Option<f64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(word)?.strip_prefix(':'))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0)
}

/// The three numbers of `/proc/loadavg`: processes that run or want to, over 1, 5 and 15 minutes.
#[must_use]
pub fn loads(loadavg: &str) -> [Option<f64>; 3] {
    let mut words = loadavg.split_whitespace();
    [(); 3].map(|()| words.next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_is_what_is_neither_idle_nor_waits() {
        let before = Ticks::read("cpu  100 10 40 800 50 5 5 0 70 1\ncpu0 1 2 3\n").unwrap();
        assert_eq!(before, Ticks { busy: 160, total: 1_010 });
        let after = Ticks::read("cpu  150 10 40 830 70 5 5 0 99 9\n").unwrap();
        assert_eq!(after.utilization_since(before), Some(0.5));
        assert_eq!(after.utilization_since(after), None);
        assert_eq!(before.utilization_since(after), None, "time went back");
        let waited = Ticks { busy: after.busy - 7, total: after.total + 10 };
        assert_eq!(waited.utilization_since(after), Some(0.0));
        let odd = Ticks { busy: after.busy + 70, total: after.total + 10 };
        assert_eq!(odd.utilization_since(after), Some(1.0));
    }

    #[test]
    fn an_old_kernel_has_fewer_numbers() {
        assert_eq!(Ticks::read("cpu 1 2 3 4"), Some(Ticks { busy: 6, total: 10 }));
        for none in ["", "cpu", "cpu 1 2 3", "cpu0 1 2 3 4", "cpu a b c d"] {
            assert_eq!(Ticks::read(none), None, "{none:?}");
        }
        assert!(Ticks::read(&format!("cpu {0} {0} {0} {0}", u64::MAX)).is_some());
    }

    #[test]
    fn memory_is_in_bytes() {
        let meminfo = "MemTotal:        8000 kB\nMemFree:  1 kB\nMemAvailable:    4 kB\nHugePages_Total:  0\n";
        assert_eq!(memory(meminfo, "MemTotal"), Some(8_192_000.0));
        assert_eq!(memory(meminfo, "MemAvailable"), Some(4_096.0));
        for none in ["Mem", "HugePages_Total", "Swap"] {
            assert_eq!(memory(meminfo, none), None, "{none}");
        }
    }

    #[test]
    fn loads_are_three() {
        assert_eq!(loads("0.50 1.25 2 3/400 5000\n"), [Some(0.5), Some(1.25), Some(2.0)]);
        assert_eq!(loads("0.50 x"), [Some(0.5), None, None]);
    }
}
