//! `pow serve` beside its peers, and beside what its kernel can do alone.
//!
//! `cargo bench --bench proofs` measures all of it, in some six minutes; `-- peers`, `-- search` or `-- table` one part. `peers`
//! is replies a second at difficulty 0, in turns with redis-server's PING and with a server in Python; `search` is hashes a
//! second, beside those of the kernel in the same round; `table` is `pow load --difficulties 0-6` on all cores, which
//! bench/proofs/plot.py draws as bench/proofs.svg. In the first two the server has the first core that this process may use,
//! and the load the last. Each prints tables in Markdown.

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
#[path = "shared/server.rs"]
mod server;
mod proofs {
    pub mod peers;
    pub mod ping;
    pub mod search;
    pub mod server;
    pub mod table;
}

use std::process::ExitCode;

const USAGE: &str = "proofs [peers | search | table]; see bench/proofs.rs";

fn main() -> ExitCode {
    arguments::run("proofs", run)
}

fn run(arguments: &[&str]) -> Result<(), String> {
    match *arguments {
        [] => {
            println!("{}", proofs::peers::measure()?);
            println!("{}", proofs::search::measure()?);
            println!("{}", proofs::table::measure()?);
        }
        ["peers"] => println!("{}", proofs::peers::measure()?),
        ["search"] => println!("{}", proofs::search::measure()?),
        ["table"] => println!("{}", proofs::table::measure()?),
        // What `search` starts itself with.
        ["kernel", seconds] => println!("{}", proofs::search::kernel(number(seconds)?)),
        _ => return Err(format!("usage: {USAGE}")),
    }
    Ok(())
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}
