//! A whole box, drawn by clients that ask for a number, wait for it and ask for the next, without ending a line: as long as that
//! takes, one after the other.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::cores::Apart;
use crate::figures::median;

use super::asked::Peer;
use super::stock::{Kept, Stock};

const ROUNDS: usize = 3;
/// Numbers that `Kept::No` is drained of, and what the table is about.
const SIZE: u32 = 100_000;
/// The same for `Kept::Synced`: each draw waits for the disk.
const SYNCED_SIZE: u32 = 5_000;
/// What such a client reads at once.
const READ_BYTES: usize = 2_048;
const ANSWER_MAX: Duration = Duration::from_secs(10);
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/draws/client.py");

/// Draws so many numbers of the server there.
type Client = fn(SocketAddr, u32) -> Result<Vec<u32>, String>;

const CLIENTS: [(&str, Client); 2] = [("Rust", rust), ("Python", python)];

/// Measures in turns; a table.
pub fn measure() -> Result<String, String> {
    let apart = Apart::stay()?;
    let mut table = format!(
        "A box of {SIZE} numbers, drawn one by one over one connection for each client, all clients on one core, medians of {ROUNDS} \
         rounds. Synced, {SYNCED_SIZE} were drawn; the seconds are {} times those measured:\n\n\
         | | clients | kept | seconds for {SIZE} | µs a draw |\n|---|--:|---|--:|--:|\n",
        SIZE / SYNCED_SIZE
    );
    let kinds =
        [(Kept::No, "no", SIZE), (Kept::Ahead, "ledger ahead", SIZE), (Kept::Synced, "each draw synced", SYNCED_SIZE)];
    for (kept, name, size) in kinds {
        let cases = CLIENTS.iter().flat_map(|client| [1, 2].map(|count| (client, count)));
        let mut cases: Vec<_> = cases.map(|(client, count)| (client, count, Vec::new())).collect();
        for _ in 0..ROUNDS {
            for ((_, client), count, rounds) in &mut cases {
                rounds.push(drain(&apart, kept, size, *count, *client)?);
            }
        }
        for ((language, _), count, rounds) in cases {
            let each = median(rounds) / f64::from(size);
            let (all, each) = (each * f64::from(SIZE), each * 1e6);
            table += &format!("| {language} | {count} | {name} | {all:.2} | {each:.1} |\n");
        }
    }
    Ok(table)
}

/// Drains a box by so many clients; the seconds that it takes. Each number has to come exactly once.
fn drain(apart: &Apart, kept: Kept, size: u32, clients: u32, client: Client) -> Result<f64, String> {
    let stock = Stock::start(apart, Peer::Loot, size, kept)?;
    let (address, begin) = (stock.server().address(), Instant::now());
    let threads: Vec<_> = (0..clients).map(|_| thread::spawn(move || client(address, size / clients))).collect();
    let mut numbers = Vec::new();
    for thread in threads {
        numbers.extend(thread.join().map_err(|_| "a client panicked")??);
    }
    let seconds = begin.elapsed().as_secs_f64();
    numbers.sort_unstable();
    if !numbers.into_iter().eq(1..=size) || stock.says("left")? > 0 {
        return Err(format!("{clients} clients didn't draw each of {size} numbers exactly once"));
    }
    Ok(seconds)
}

fn rust(address: SocketAddr, count: u32) -> Result<Vec<u32>, String> {
    let fail = |error: std::io::Error| format!("drain: {error}");
    let mut stream = TcpStream::connect(address).map_err(fail)?;
    stream.set_read_timeout(Some(ANSWER_MAX)).map_err(fail)?;
    let mut room = [0; READ_BYTES];
    (0..count)
        .map(|_| {
            stream.write_all(b"draw 1").map_err(fail)?;
            let read = stream.read(&mut room).map_err(fail)?;
            number(&room[..read])
        })
        .collect()
}

fn python(address: SocketAddr, count: u32) -> Result<Vec<u32>, String> {
    let fail = |error: std::io::Error| format!("{PYTHON}: {error}");
    let mut command = Command::new("python3");
    command.args([PYTHON, &address.port().to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut client = command.spawn().map_err(fail)?;
    if let Some(mut input) = client.stdin.take() {
        writeln!(input, "draw {count}").map_err(fail)?;
    }
    let done = client.wait_with_output().map_err(fail)?;
    if !done.status.success() {
        return Err(format!("{PYTHON}: {}", done.status));
    }
    done.stdout.trim_ascii_end().split(|byte| *byte == b'\n').map(number).collect()
}

/// A number and nothing else.
fn number(text: &[u8]) -> Result<u32, String> {
    let digits = text.iter().all(u8::is_ascii_digit);
    let number = str::from_utf8(text).ok().filter(|_| digits).and_then(|text| text.parse().ok());
    number.ok_or_else(|| format!("{} is no number", text.escape_ascii()))
}
