//! `collect` with hundreds of agents: what it takes, how fast it answers Prometheus and browsers, what stays of those who leave.
//!
//! `cargo bench --bench watch` measures all of it, in some seven minutes; `-- agents [AGENTS [SECONDS]]`,
//! `-- reconnects [CONNECTIONS]` or `-- page [AGENTS [SECONDS]]` one part. `agents` is pushes alone, then with a scrape every
//! 200 ms, then with a page open as well, SECONDS of each; `reconnects` is an hour's reconnects as fast as they go; `page` is what
//! a browser gets after SECONDS, which 600 make full charts of. collect has the first core that this process may use, and keeps its
//! store and its log in files below the target directory; agents and readers are in this process, on the last core. Each part prints
//! tables in Markdown.

#[path = "shared/arguments.rs"]
mod arguments;
#[path = "shared/cores.rs"]
mod cores;
#[path = "shared/usage.rs"]
mod usage;
mod watch {
    pub mod agent;
    pub mod agents;
    pub mod beside;
    pub mod collect;
    pub mod crowd;
    pub mod http;
    pub mod page;
    pub mod reconnects;
    pub mod sample;
    pub mod times;
    pub mod viewer;
}

use std::process::ExitCode;
use std::time::Duration;

use aliquot::common::process::raise_descriptor_limit;
use watch::{agents, page, reconnects};

const USAGE: &str =
    "watch [agents [AGENTS [SECONDS]] | reconnects [CONNECTIONS] | page [AGENTS [SECONDS]]]; see bench/watch.rs";

const AGENTS: usize = 500;
/// For each of the three measurements of `agents`,
const MEASURED: Duration = Duration::from_secs(60);
/// and until `page` is measured.
const DRAWN: Duration = Duration::from_secs(120);
/// Those of an hour, if each agent comes back every ten seconds.
const RECONNECTS: usize = AGENTS * 360;

fn main() -> ExitCode {
    arguments::run("watch", run)
}

fn run(arguments: &[&str]) -> Result<(), String> {
    raise_descriptor_limit();
    let say = |table: String| println!("{table}");
    match *arguments {
        [] => [["agents"], ["reconnects"], ["page"]].iter().try_for_each(|part| run(part))?,
        ["agents"] => say(agents::measure(AGENTS, MEASURED)?),
        ["agents", count] => say(agents::measure(number(count)?, MEASURED)?),
        ["agents", count, time] => say(agents::measure(number(count)?, seconds(time)?)?),
        ["reconnects"] => say(reconnects::measure(RECONNECTS)?),
        ["reconnects", count] => say(reconnects::measure(number(count)?)?),
        ["page"] => say(page::measure(AGENTS, DRAWN)?),
        ["page", count] => say(page::measure(number(count)?, DRAWN)?),
        ["page", count, time] => say(page::measure(number(count)?, seconds(time)?)?),
        _ => return Err(format!("usage: {USAGE}")),
    }
    Ok(())
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| format!("{text} is no number of anything"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    number(text).map(|seconds| Duration::from_secs(seconds as u64))
}
