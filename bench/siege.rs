//! What TLS costs manage, and how it bears those who mean it harm.
//!
//! `cargo bench --bench siege -- cost` measures handshakes, messages and round trips, with keys and without. `-- siege [COUNT]
//! [ATTACK]` starts manage with keys and an honest crowd, and besieges it with one attack after the other, or with the one that
//! is named; floods are of COUNT connections, or 120 s. Each prints tables in Markdown. manage has the first core that this
//! process may use; the crowd and the attackers, who are a process of their own, share the last.

#[path = "shared/arguments.rs"]
mod arguments;
#[path = "shared/usage.rs"]
mod usage;
#[path = "load"]
mod load {
    pub mod compute;
    pub mod master;
}
mod siege {
    pub mod attack;
    pub mod caller;
    pub mod cost;
    pub mod crowd;
    pub mod field;
    pub mod flood;
}

use std::path::Path;
use std::process::ExitCode;

const COUNT: u64 = 100_000;
const USAGE: &str = "siege cost, or siege siege [COUNT [ATTACK]]; see bench/siege.rs";

fn main() -> ExitCode {
    arguments::run("siege", run)
}

fn run(arguments: &[&str]) -> Result<(), String> {
    let say = |line: &str| println!("{line}");
    match *arguments {
        // Nothing to do is what `cargo bench` asks for.
        [] => say(&format!("usage: {USAGE}")),
        ["cost"] => say(&siege::cost::measure()?),
        ["siege"] => siege::field::besiege(COUNT, None, say)?,
        ["siege", count] => siege::field::besiege(number(count)?, None, say)?,
        ["siege", count, attack] => siege::field::besiege(number(count)?, Some(attack), say)?,
        // What the siege starts itself with.
        ["attack", name, address, keys, count] => {
            say(&siege::flood::run(name, address, Path::new(keys), number(count)?)?);
        }
        _ => return Err(format!("usage: {USAGE}")),
    }
    Ok(())
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}
