//! The metrics of collect itself: what it has counted, and what the system says of its process.

use std::fs;

use nix::unistd::{SysconfVar, sysconf};

use super::book::{Agent, Book};
use super::exposition::Exposition;
use super::metric::{Type, escaped};

/// Writes them.
pub fn expose(out: &mut Exposition, book: &Book, started_wall: i64) {
    let one = |value: f64| [(String::new(), value)];
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    out.own("collect_build_info", Type::Gauge, "The version of collect.", &[(version, 1.0)]);
    out.own("collect_agents", Type::Gauge, "Agents that are connected.", &one(book.connected() as f64));
    let agents = |value: &dyn Fn(&Agent) -> f64| -> Vec<_> {
        let awaited = book.agents().filter(|(_, agent)| !agent.ended);
        awaited.map(|(name, agent)| (format!("agent=\"{}\"", escaped(name)), value(agent))).collect()
    };
    let up = agents(&|agent| f64::from(u8::from(agent.link.is_some())));
    out.own("collect_agent_up", Type::Gauge, "1 while an agent is connected, 0 if it is gone without a goodbye.", &up);
    let seen = agents(&|agent| agent.seen_wall as f64);
    out.own("collect_agent_last_seen_timestamp_seconds", Type::Gauge, "When an agent has said something last.", &seen);
    out.own("collect_series", Type::Gauge, "Series of all agents.", &one(book.shelf.count() as f64));
    let stalled = f64::from(u8::from(book.stalled));
    out.own(
        "collect_store_failing",
        Type::Gauge,
        "1 while the store has no room: counters stand still.",
        &one(stalled),
    );
    let counts = &book.counts;
    out.own("collect_connections_total", Type::Counter, "Connections of agents.", &one(counts.connections as f64));
    out.own("collect_frames_total", Type::Counter, "Frames of agents.", &one(counts.frames as f64));
    let refused: Vec<_> =
        counts.refused.iter().map(|(reason, count)| (format!("reason=\"{reason}\""), *count as f64)).collect();
    out.own("collect_refused_total", Type::Counter, "What agents said and collect didn't take.", &refused);
    process(out, started_wall);
}

/// What Prometheus' client libraries say of their process; what can't be read is left out.
fn process(out: &mut Exposition, started_wall: i64) {
    let one = |value: f64| [(String::new(), value)];
    if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().and_then(|text| Stat::of(&text)) {
        let unit = |var| sysconf(var).ok().flatten().unwrap_or(1) as f64;
        let (tick, page) = (unit(SysconfVar::CLK_TCK), unit(SysconfVar::PAGE_SIZE));
        let seconds = stat.ticks as f64 / tick;
        out.own("process_cpu_seconds_total", Type::Counter, "User and system CPU time in seconds.", &one(seconds));
        let resident = stat.resident_pages as f64 * page;
        out.own("process_resident_memory_bytes", Type::Gauge, "Resident memory in bytes.", &one(resident));
        out.own(
            "process_virtual_memory_bytes",
            Type::Gauge,
            "Virtual memory in bytes.",
            &one(stat.virtual_bytes as f64),
        );
    }
    let start = "Start of the process in seconds since 1970.";
    out.own("process_start_time_seconds", Type::Gauge, start, &one(started_wall as f64));
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        out.own("process_open_fds", Type::Gauge, "Open file descriptors.", &one(open.count() as f64));
    }
    if let Ok((soft, _)) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE) {
        out.own("process_max_fds", Type::Gauge, "File descriptors at most.", &one(soft as f64));
    }
}

/// What is wanted of `/proc/self/stat` (proc(5)).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn of(text: &str) -> Option<Self> {
        // The program's name, in parentheses, may hold anything; behind it the third field comes.
        let fields: Vec<_> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self { ticks: field(14)? + field(15)?, virtual_bytes: field(23)?, resident_pages: field(24)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_is_passed_over() {
        let text = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23";
        assert_eq!(Stat::of(text), Some(Stat { ticks: 11 + 12, virtual_bytes: 20, resident_pages: 21 }));
        assert_eq!(Stat::of("7 (a) S 1 2"), None);
    }
}
