//! Hashes a second of a server that searches, beside those of its kernel alone on the same core in the same round.

use std::hint::black_box;
use std::time::Instant;

use aliquot::pow::load::tally::What;
use aliquot::pow::puzzle::Difficulty;
use aliquot::pow::sha::kernel::{Kernel, Part};
use aliquot::pow::sha::template::Template;

use crate::cores::Apart;
use crate::figures::median;

use super::server::Server;

const CONNECTIONS: usize = 100;
const ROUNDS: usize = 7;
const KERNEL_SECONDS: f64 = 1.0;
/// Difficulties, and how long each is loaded in a round.
const LOADS: [(u8, f64); 3] = [(3, 2.0), (4, 2.0), (5, 4.0)];
/// The same with one connection at a time, for the mean time of a reply.
const ALONE: (u8, f64) = (5, 30.0);
/// As long as what `pow load` asks about.
const MESSAGE: &[u8] = b"70NVO";
/// What a scan tries at once: some milliseconds.
const HEADS: u32 = 2_000;

/// A round of one difficulty.
struct Round {
    rate: f64,
    hashes: f64,
    share: f64,
}

/// Measures in rounds; tables.
pub fn measure() -> Result<String, String> {
    let apart = Apart::stay()?;
    let server = Server::pow(Some(&apart), &["--threads", "1", "-d", "0"])?;
    let mut rounds: [Vec<Round>; LOADS.len()] = Default::default();
    let mut alone = Vec::new();
    for _ in 0..ROUNDS {
        for (rounds, (difficulty, seconds)) in rounds.iter_mut().zip(LOADS) {
            let kernel = kernel_alone(&apart)?;
            let before = server.hashes()?;
            let outcome = server.load(CONNECTIONS, seconds, Some(difficulty))?.outcome;
            let hashes = (server.hashes()? - before) / outcome.seconds;
            rounds.push(Round { rate: outcome.rate(), hashes, share: hashes / kernel });
            alone.push(kernel);
        }
    }
    let mut table = format!(
        "{CONNECTIONS} connections, one core for the server and one for the load, medians of {ROUNDS} rounds. The kernel alone, {}: \
         {:.1} million hashes a second.\n\n\
         | difficulty | replies a second | million hashes a second | of the kernel's |\n|--:|--:|--:|--:|\n",
        Kernel::best().name(),
        median(alone) / 1e6
    );
    for (rounds, (difficulty, _)) in rounds.iter().zip(LOADS) {
        let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure).collect());
        table += &format!(
            "| {difficulty} | {:.1} | {:.2} | {:.1} % |\n",
            of(|round| round.rate),
            of(|round| round.hashes) / 1e6,
            of(|round| round.share) * 100.0
        );
    }
    Ok(table + &one_at_a_time(&apart, &server)?)
}

/// The mean time of a reply, for one client.
fn one_at_a_time(apart: &Apart, server: &Server) -> Result<String, String> {
    let (difficulty, seconds) = ALONE;
    let kernel = kernel_alone(apart)?;
    let before = server.hashes()?;
    let outcome = server.load(1, seconds, Some(difficulty))?.outcome;
    let replies = outcome.tally.of(What::Reply) as f64;
    let hashes = (server.hashes()? - before) / replies;
    let expected = Difficulty::new(difficulty).map_or(0.0, Difficulty::expected);
    Ok(format!(
        "\nOne connection, difficulty {difficulty}, {replies} replies: {:.1} ms each on average, {hashes:.0} hashes; \
         expected 16^{difficulty} = {expected:.0}, for which the kernel alone needs {:.1} ms.\n",
        outcome.seconds * 1e3 / replies,
        expected / kernel * 1e3
    ))
}

fn kernel_alone(apart: &Apart) -> Result<f64, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let this = this.to_str().ok_or("a path that is no text")?;
    let done = apart.on_first(this).args(["kernel", &KERNEL_SECONDS.to_string()]).output();
    let said = done.map_err(|error| format!("kernel: {error}"))?.stdout;
    String::from_utf8_lossy(&said).trim().parse().map_err(|_| "kernel: no number".to_owned())
}

/// Hashes a second of the fastest kernel, here.
pub fn kernel(seconds: f64) -> f64 {
    let (kernel, template) = (Kernel::best(), Template::new(MESSAGE));
    let (mut tried, begin) = (0, Instant::now());
    loop {
        let part = Part { first: black_box(5), heads: HEADS, turn: 0 };
        tried += kernel.scan(&template, part, u32::MAX).tried;
        let elapsed = begin.elapsed().as_secs_f64();
        if elapsed >= seconds {
            return tried as f64 / elapsed;
        }
    }
}
