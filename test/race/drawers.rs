//! Eight clients that draw from a server through whatever happens to it, and note what they were told.

use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use aliquot::loot::record::Line;
use fastrand::Rng;
use socket2::SockRef;

use super::history::{self, Drawn, run_of};
use crate::support::PATIENCE;

const CLIENTS: usize = 8;
/// The most that is drawn at once.
const WANTED_MAX: u32 = 20;

/// An answer, whole.
pub struct Answer {
    pub asked: Instant,
    pub heard: Instant,
    pub numbers: Vec<u32>,
}

/// What clients were told.
#[derive(Default)]
pub struct Seen {
    pub answers: Vec<Answer>,
    /// The numbers of answers that have broken off.
    pub pieces: Vec<u32>,
}

#[derive(Default)]
struct Shared {
    address: Mutex<Option<SocketAddr>>,
    stop: AtomicBool,
    answers: AtomicUsize,
}

/// The clients.
pub struct Drawers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Seen>>,
}

impl Drawers {
    /// Starts them. `rude`: now and then one resets its connection while it is answered.
    pub fn start(seed: u64, rude: bool) -> Self {
        let shared = Arc::<Shared>::default();
        let one = |nth: usize| {
            let (shared, random) = (Arc::clone(&shared), Rng::with_seed(seed.wrapping_add(nth as u64)));
            thread::spawn(move || Client { shared, random, rude, nth, named: 0, seen: Seen::default() }.run())
        };
        Self { threads: (0..CLIENTS).map(one).collect(), shared }
    }

    /// Where the server listens now.
    pub fn go_to(&self, address: SocketAddr) {
        *self.shared.address.lock().unwrap() = Some(address);
    }

    /// Whole answers so far.
    pub fn answers(&self) -> usize {
        self.shared.answers.load(Ordering::Relaxed)
    }

    /// Has them finish what they have begun; what they were told. The server has to run.
    pub fn end(mut self) -> Seen {
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut all = Seen::default();
        for thread in std::mem::take(&mut self.threads) {
            let seen = thread.join().expect("a client has seen nothing wrong");
            all.answers.extend(seen.answers);
            all.pieces.extend(seen.pieces);
        }
        all
    }
}

impl Drop for Drawers {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

struct Client {
    shared: Arc<Shared>,
    random: Rng,
    rude: bool,
    nth: usize,
    /// How many of its draws had an id.
    named: usize,
    seen: Seen,
}

impl Client {
    fn run(mut self) -> Seen {
        let deadline = Instant::now() + 10 * PATIENCE;
        // A draw with an id is asked for until it is answered, over as many connections as that needs.
        let mut pending: Option<(Instant, u32, String)> = None;
        while (!self.has_stopped() || pending.is_some()) && Instant::now() < deadline {
            if self.serve(&mut pending).is_err() {
                thread::sleep(Duration::from_millis(1));
            }
        }
        self.seen
    }

    fn has_stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    /// Draws over one connection, until that is lost or all is done.
    fn serve(&mut self, pending: &mut Option<(Instant, u32, String)>) -> io::Result<()> {
        let address = self.shared.address.lock().unwrap().ok_or(io::ErrorKind::NotFound)?;
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut lines = BufReader::new(stream.try_clone()?);
        while !self.has_stopped() || pending.is_some() {
            let (asked, wanted, id) = pending.take().unwrap_or_else(|| self.wish());
            let suffix = if id.is_empty() { String::new() } else { format!(" #{id}") };
            let mut numbers = Vec::new();
            if !id.is_empty() {
                *pending = Some((asked, wanted, id));
            }
            stream.write_all(format!("draw {wanted}{suffix}\n").as_bytes())?;
            if self.rude && self.random.u8(0..50) == 0 {
                SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
                return Ok(());
            }
            let outcome = hear(&mut lines, wanted, !suffix.is_empty(), &mut numbers);
            if let Err(broken) = outcome {
                // What an id has drawn will be heard again.
                if suffix.is_empty() {
                    self.seen.pieces.extend(numbers);
                }
                return Err(broken);
            }
            *pending = None;
            self.shared.answers.fetch_add(1, Ordering::Relaxed);
            self.seen.answers.push(Answer { asked, heard: Instant::now(), numbers });
        }
        Ok(())
    }

    /// The next draw: one in three has an id.
    fn wish(&mut self) -> (Instant, u32, String) {
        let wanted = if self.random.bool() { 1 } else { self.random.u32(1..=WANTED_MAX) };
        let mut id = String::new();
        if self.random.u8(0..3) == 0 {
            self.named += 1;
            id = format!("{}-{}", self.nth, self.named);
        }
        (Instant::now(), wanted, id)
    }
}

/// Reads an answer of so many numbers.
fn hear(lines: &mut impl BufRead, wanted: u32, has_id: bool, numbers: &mut Vec<u32>) -> io::Result<()> {
    let mut line = || -> io::Result<Line> {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 || line.pop() != Some('\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.parse().unwrap_or_else(|fault| panic!("{line:?}: {fault}")))
    };
    if has_id {
        let header = line()?;
        assert!(matches!(&header, Line::Named(_, _, count) if *count == wanted), "{header}");
    }
    for _ in 0..wanted {
        match line()? {
            Line::Number(number) => numbers.push(number),
            other => panic!("a number was wanted: {other}"),
        }
    }
    Ok(())
}

/// Asks a server one thing.
pub fn ask(address: SocketAddr, request: &str) -> Line {
    let stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    writeln!(&stream, "{request}").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line.trim_end().parse().unwrap_or_else(|_| Line::Error(line.clone()))
}

/// A number that a server says.
pub fn ask_number(address: SocketAddr, request: &str) -> u32 {
    match ask(address, request) {
        Line::Number(number) => number,
        other => panic!("{request}: {other}"),
    }
}

/// Ends the draw of the server at `address`, and checks all that was told by what it reveals: no number twice, no answer that
/// one counter can't have given. How many numbers were drawn, how many of them nobody has heard, and how many the server takes for
/// unheard.
pub fn check_all(address: SocketAddr, seen: &Seen) -> (u32, u32, u32) {
    ask(address, "close");
    let (unheard, drawn) = (ask_number(address, "unheard"), ask_number(address, "drawn"));
    let Line::Reveal(seed, size, also_drawn) = ask(address, "reveal") else { panic!("nothing is revealed") };
    assert_eq!(drawn, also_drawn);
    let mut index = vec![0; size as usize + 1];
    (0..).zip(&seed.list(size)).for_each(|(at, number)| index[*number as usize] = at);
    let history: Vec<_> = seen
        .answers
        .iter()
        .map(|answer| {
            let indices: Vec<_> = answer.numbers.iter().map(|number| index[*number as usize]).collect();
            Drawn { asked: answer.asked, heard: answer.heard, run: run_of(&indices).unwrap() }
        })
        .collect();
    assert!(history.iter().all(|heard| heard.run.end <= drawn), "more was told than is drawn");
    let mut once: HashSet<u32> = history.iter().flat_map(|heard| heard.run.clone()).collect();
    assert!(seen.pieces.iter().all(|number| once.insert(index[*number as usize])), "a number was told twice");
    let missing = history::missing(&history, drawn);
    assert_eq!(history::check(history), Ok(()));
    (drawn, missing, unheard)
}
