//! A whole box, drawn by clients that ask for a number, wait for it and ask for the next, without ending a line: as long as that
//! takes, one after the other.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
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
/// Messages whose echo is waited for.
const ECHOES: u32 = 20_000;
/// What such a client reads at once.
const READ_BYTES: usize = 2_048;
const ANSWER_MAX: Duration = Duration::from_secs(10);
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/draws/client.py");

/// Draws so many numbers of the server there.
type Client = fn(SocketAddr, u32) -> Result<Vec<u32>, String>;

const CLIENTS: [(&str, Client); 2] = [("Rust", rust), ("Python", python)];

/// What is measured.
struct Case {
    /// Server and clients have a core each; else they are where the system puts them, as a user's are.
    is_apart: bool,
    kept: Kept,
    size: u32,
    clients: u32,
    client: (&'static str, Client),
    seconds: Vec<f64>,
}

fn cases() -> Vec<Case> {
    let kinds = [
        (false, Kept::No, SIZE),
        (false, Kept::Ahead, SIZE),
        (false, Kept::Synced, SYNCED_SIZE),
        (true, Kept::No, SIZE),
    ];
    let of = |(is_apart, kept, size)| {
        let pairs = CLIENTS.iter().flat_map(|client| [1, 2].map(|count| (*client, count)));
        pairs.map(move |(client, clients)| Case { is_apart, kept, size, clients, client, seconds: Vec::new() })
    };
    kinds.into_iter().flat_map(of).collect()
}

/// Measures in turns; a table.
pub fn measure() -> Result<String, String> {
    let mut cases = cases();
    for _ in 0..ROUNDS {
        for case in &mut cases {
            let seconds = case.drain()?;
            case.seconds.push(seconds);
        }
    }
    let rows: String = cases.iter().map(Case::row).collect();
    let echoes: Vec<_> =
        (0..ROUNDS).map(|_| echo()).collect::<std::io::Result<_>>().map_err(|error| error.to_string())?;
    Ok(format!(
        "A box of {SIZE} numbers, drawn one by one over one connection for each client, medians of {ROUNDS} rounds. Where each draw is \
         synced, {SYNCED_SIZE} were drawn; the seconds are {} times those measured:\n\n\
         | | clients | kept | cores | seconds for {SIZE} | µs a draw |\n|---|--:|---|---|--:|--:|\n{rows}\n\
         A message and its echo between two threads that do nothing else: {:.1} µs.\n",
        SIZE / SYNCED_SIZE,
        median(echoes)
    ))
}

/// What a client waits for at least: the µs of a message and its echo, each side asleep until the other has spoken.
fn echo() -> std::io::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let (mut server, _) = listener.accept()?;
    let answers = thread::spawn(move || {
        let mut room = [0; READ_BYTES];
        while let Ok(read @ 1..) = server.read(&mut room) {
            if server.write_all(&room[..read]).is_err() {
                return;
            }
        }
    });
    let (begin, mut room) = (Instant::now(), [0; READ_BYTES]);
    for _ in 0..ECHOES {
        client.write_all(b"draw 1")?;
        client.read_exact(&mut room[..b"draw 1".len()])?;
    }
    let each = begin.elapsed().as_secs_f64() * 1e6 / f64::from(ECHOES);
    drop(client);
    let _ = answers.join();
    Ok(each)
}

impl Case {
    fn row(&self) -> String {
        let kept = match self.kept {
            Kept::No => "no",
            Kept::Ahead => "ledger ahead",
            Kept::Synced => "each draw synced",
        };
        let cores = if self.is_apart { "one each" } else { "as the system has it" };
        let each = median(self.seconds.clone()) / f64::from(self.size);
        let (all, each) = (each * f64::from(SIZE), each * 1e6);
        format!("| {} | {} | {kept} | {cores} | {all:.2} | {each:.1} |\n", self.client.0, self.clients)
    }

    /// Drains a box; the seconds that it takes. Each number has to come exactly once.
    fn drain(&self) -> Result<f64, String> {
        let apart = self.is_apart.then(Apart::stay).transpose()?;
        let (size, (_, client)) = (self.size, self.client);
        let stock = Stock::start(apart.as_ref(), Peer::Loot, size, self.kept)?;
        let (address, share, begin) = (stock.server().address(), size / self.clients, Instant::now());
        let threads: Vec<_> = (0..self.clients).map(|_| thread::spawn(move || client(address, share))).collect();
        let mut numbers = Vec::new();
        for thread in threads {
            numbers.extend(thread.join().map_err(|_| "a client panicked")??);
        }
        let seconds = begin.elapsed().as_secs_f64();
        numbers.sort_unstable();
        if !numbers.into_iter().eq(1..=size) || stock.says("left")? > 0 {
            return Err(format!("{} clients didn't draw each of {size} numbers exactly once", self.clients));
        }
        Ok(seconds)
    }
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
