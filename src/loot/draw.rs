//! `loot draw ADDR N`: draws numbers under an id, so that a draw whose answer is lost is asked for again, not made again.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crate::common::error::{Error, Result, printable};
use crate::common::exit::Status;
use crate::common::limits::{BACKOFF_MAX_MS, BACKOFF_MIN_MS, DRAW_START_MAX_MS, RECORD_LINE_MAX_BYTES};
use crate::common::net;
use crate::common::output;
use crate::common::poll::{Interest, Set};
use crate::common::signal::{Ending, Signals};

use super::options::Draw;
use super::record::Line;
use super::request::Id;
use super::talk;
use super::wire::{Fault, Wire};

/// Draws and prints, or lets a person do so by hand.
///
/// # Errors
/// Unreachable, failed or protocol, by what kept it from drawing; failed as well if fewer were left; I/O if what was drawn
/// can't be written: the error then says how it is drawn again.
pub fn run(options: &Draw) -> Result<()> {
    if options.number.is_none() && options.address.parse::<u64>().is_ok() {
        return Err(Error::new(Status::Usage, "draw", format!("{} is no address: loot draw ADDR N", options.address)));
    }
    let address = net::with_port(&options.address, super::PORT)?;
    let mut signals = Signals::open()?;
    // Opened before anything is drawn: a file that can't be written must not cost a draw.
    let out = options.out.as_deref().map(|path| (path, open(path)));
    let out = out.map(|(path, file)| file.map(|file| (path, file))).transpose()?;
    let Some(wanted) = options.number else { return talk::run(&address, out, &mut signals) };
    let id = options.id.clone().map_or_else(any_id, Ok)?;
    let recorded = out.as_ref().map(|(path, _)| first_commitment(path)).transpose()?.flatten();
    let asking = Asking { address: &address, id: &id, wanted, recorded };
    let drawn = asking.until(options.timeout, &mut signals)?;
    let written = match out {
        None => print(&drawn.numbers),
        Some((path, file)) => drawn.record(file).map_err(|error| Error::new(Status::Io, path, error)),
    };
    written.map_err(|error| asking.again(error, true))?;
    let got = drawn.numbers.len();
    if got < wanted as usize {
        let cause = format!("only {got} of {wanted} were left");
        return Err(Error::new(Status::Failed, format!("server at {address}"), cause));
    }
    Ok(())
}

fn open(path: &str) -> Result<File> {
    File::options().append(true).create(true).open(path).map_err(|error| Error::new(Status::Io, path, error))
}

/// The commitment that a record begins with, if it has begun.
fn first_commitment(path: &str) -> Result<Option<Line>> {
    let failed = |error| Error::new(Status::Io, path, error);
    let mut line = String::new();
    let file =
        BufReader::new(File::open(path).map_err(failed)?.take(RECORD_LINE_MAX_BYTES as u64)).read_line(&mut line);
    file.map_err(failed)?;
    Ok(line.trim_end().parse().ok().filter(|line| matches!(line, Line::Commitment(..))))
}

/// 128 bits by chance: no two draws have it.
fn any_id() -> Result<Id> {
    let mut bytes = [0; 16];
    getrandom::getrandom(&mut bytes).map_err(|error| Error::new(Status::Failed, "randomness", error))?;
    let name = format!("{:032x}", u128::from_be_bytes(bytes));
    Id::new(&name).ok_or_else(|| Error::new(Status::Failed, "id", name))
}

fn print(numbers: &[u32]) -> Result<()> {
    let lines: String = numbers.iter().map(|number| format!("{number}\n")).collect();
    // Who has drawn wants to have it, all of it.
    output::write(lines.as_bytes()).map_err(|error| Error::new(Status::Io, "standard output", error))
}

/// What was drawn.
struct Drawn {
    commitment: Line,
    id: Id,
    first: u32,
    numbers: Vec<u32>,
}

impl Drawn {
    /// Writes all that `loot verify` needs, but what the server reveals at the end.
    fn record(&self, mut file: File) -> io::Result<()> {
        let count = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        let mut text = format!("{}\n{}\n", self.commitment, Line::Named(self.id.clone(), self.first, count));
        self.numbers.iter().for_each(|number| text.push_str(&format!("{number}\n")));
        let before = file.metadata()?.len();
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        if written.is_err() {
            // Not half a draw.
            file.set_len(before)?;
        }
        written
    }
}

/// A draw that is asked for until it is answered.
struct Asking<'a> {
    address: &'a str,
    id: &'a Id,
    wanted: u32,
    /// What its record says of the box, if it does already.
    recorded: Option<Line>,
}

impl Asking<'_> {
    /// Asks until it is answered, or for so long.
    fn until(&self, seconds: f64, signals: &mut Signals) -> Result<Drawn> {
        let patience = Duration::from_secs_f64(seconds);
        let deadline = Instant::now() + patience;
        // A server that was just started may need a moment.
        let start = Instant::now() + patience.min(Duration::from_millis(DRAW_START_MAX_MS));
        let (mut pause_ms, mut has_reached, mut has_asked) = (BACKOFF_MIN_MS, false, false);
        loop {
            let fault = match Wire::dial(self.address, patience, signals) {
                Ok(mut wire) => {
                    has_reached = true;
                    match self.ask(&mut wire, &mut has_asked) {
                        Ok(drawn) => return drawn,
                        Err(Fault::Lost(error)) => Fault::Lost(error).about(self.address),
                        Err(fault) => return Err(self.again(fault.about(self.address), has_asked)),
                    }
                }
                Err(error) if !has_reached && Instant::now() >= start => return Err(error),
                Err(error) => error,
            };
            if Instant::now() >= deadline {
                return Err(self.again(fault, has_asked));
            }
            if let Some(ending) = rest(signals, Duration::from_millis(fastrand::u64(pause_ms / 2..=pause_ms)))? {
                return Err(self.again(Error::new(Status::Failed, "ended", format!("SIG{ending}")), has_asked));
            }
            pause_ms = (2 * pause_ms).min(BACKOFF_MAX_MS);
        }
    }

    /// How the draw is asked for once more, where it may have been made.
    fn again(&self, error: Error, has_asked: bool) -> Error {
        if !has_asked {
            return error;
        }
        Error::new(
            error.status(),
            "draw",
            format!("{error}; repeat with --id {} to get what it has drawn", self.id.name()),
        )
    }

    /// Asks once. The inner error is the server's word.
    fn ask(&self, wire: &mut Wire<'_>, has_asked: &mut bool) -> std::result::Result<Result<Drawn>, Fault> {
        // The server has committed itself before it hears of the draw.
        wire.say("commitment\n")?;
        let commitment = read(wire)?;
        let Line::Commitment(..) = commitment else { return self.refused(&commitment) };
        if self.recorded.as_ref().is_some_and(|recorded| *recorded != commitment) {
            let cause = "its box is not the one that the record is of: take another file";
            return Ok(Err(Error::new(Status::Failed, format!("server at {}", self.address), cause)));
        }
        wire.say(&format!("draw {} #{}\n", self.wanted, self.id.name()))?;
        *has_asked = true;
        let header = read(wire)?;
        let (first, count) = match header {
            Line::Named(id, first, count) if id == *self.id && count <= self.wanted => (first, count),
            other => return self.refused(&other),
        };
        let mut numbers = Vec::with_capacity(count as usize);
        for _ in 0..count {
            match read(wire)? {
                Line::Number(number) => numbers.push(number),
                other => return Err(foreign(&other.to_string())),
            }
        }
        Ok(Ok(Drawn { commitment, id: self.id.clone(), first, numbers }))
    }

    /// What a server says that doesn't draw now, or won't.
    fn refused(&self, line: &Line) -> std::result::Result<Result<Drawn>, Fault> {
        let Line::Error(text) = line else { return Err(foreign(&line.to_string())) };
        if ["busy", "ledger", "ending"].iter().any(|passing| text.starts_with(passing)) {
            return Err(Fault::Lost(io::Error::other(printable(text))));
        }
        let subject = format!("server at {}", self.address);
        Ok(Err(Error::new(Status::Failed, subject, printable(text))))
    }
}

fn foreign(line: &str) -> Fault {
    Fault::Foreign(format!("what answered is no loot server: {}", printable(line)))
}

/// Waits for so long, or until a signal comes.
fn rest(signals: &mut Signals, pause: Duration) -> Result<Option<Ending>> {
    let mut set = Set::new();
    set.add(signals.as_fd(), Interest::Read);
    set.wait(pause).map_err(|error| Error::new(Status::Failed, "poll", error))?;
    Ok(signals.ending())
}

fn read(wire: &mut Wire<'_>) -> std::result::Result<Line, Fault> {
    let line = wire.line()?;
    line.parse().map_err(|_| foreign(&line))
}
