//! `loot serve` beside redis, whose LPOP draws from a list of the same numbers.
//!
//! `cargo bench --bench draws` measures all of it, in some twenty minutes; `-- peers`, `-- many`, `-- drain` or `-- table` one
//! part. `peers` is draws of one number, in turns with redis-server, neither keeping anything, then both syncing what they
//! answer; `many` is a thousand numbers in each draw; `drain` is a whole box, by one client that waits for each number, and by
//! two, in Rust and in Python; `table` is rates by connections, which bench/draws/plot.py draws as bench/draws.svg. The server
//! has the first core that this process may use, and the load the last. Each prints tables in Markdown.

#[path = "shared/arguments.rs"]
mod arguments;
#[path = "shared/cores.rs"]
mod cores;
// One of its functions is of use here.
#[allow(dead_code)]
#[path = "shared/figures.rs"]
mod figures;
#[path = "shared/plot.rs"]
mod plot;
// What says its port is not measured here.
#[allow(dead_code)]
#[path = "shared/server.rs"]
mod server;
mod draws {
    pub mod asked;
    pub mod drain;
    pub mod many;
    pub mod peers;
    pub mod redis;
    pub mod stock;
    pub mod table;
    pub mod turns;
}

use std::process::ExitCode;

const USAGE: &str = "draws [peers | many | drain | table]; see bench/draws.rs";

/// Measures; tables.
type Part = fn() -> Result<String, String>;

fn main() -> ExitCode {
    arguments::run("draws", run)
}

fn run(arguments: &[&str]) -> Result<(), String> {
    let parts: [(&str, Part); 4] = [
        ("peers", draws::peers::measure),
        ("many", draws::many::measure),
        ("drain", draws::drain::measure),
        ("table", draws::table::measure),
    ];
    let wanted: Vec<_> = parts.iter().filter(|(name, _)| arguments.is_empty() || arguments == [*name]).collect();
    if wanted.is_empty() {
        return Err(format!("usage: {USAGE}"));
    }
    wanted.into_iter().try_for_each(|(_, measure)| measure().map(|table| println!("{table}")))
}
