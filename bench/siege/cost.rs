//! What TLS costs: a handshake and a message in memory, a round trip over loopback.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use aliquot::common::keys::Secret;
use aliquot::common::message::{Alive, Message, Range, Role};
use aliquot::common::tls::{Context, Session, public, random_secret};
use nix::time::{ClockId, clock_gettime};

use super::caller::{Caller, hello};
use crate::load::master::{Cores, Keys, Master};

const ROUNDS: usize = 9;
const HANDSHAKES: u32 = 200;
const MESSAGES: u32 = 20_000;
/// Round trips of a round: what manage has used is counted in hundredths of a second.
const TRIPS: u32 = 10_000;
/// A large piece of a report, which fills a record of TLS.
const PIECE_BYTES: usize = 16 * 1024;

/// Measures all of it; Markdown.
pub fn measure() -> Result<String, String> {
    Cores::allowed().stay_on_last()?;
    let parts = [handshakes()?, messages()?, trips()?];
    Ok(parts.join("\n"))
}

/// Both sides of TLS.
struct Sides {
    client: Context,
    server: Context,
}

impl Sides {
    fn new() -> Result<Self, String> {
        let secret = || random_secret().map_err(said);
        let (own, others): (Secret, Secret) = (secret()?, secret()?);
        let client = Context::client(others, public(own).map_err(said)?).map_err(said)?;
        Ok(Self { client, server: Context::server(own).map_err(said)? })
    }

    /// Two sessions that have met, and how much processor's time that took the server's.
    fn meet(&self) -> Result<(Session, Session, Duration), String> {
        let mut client = self.client.session().map_err(said)?;
        let begin = processor_time()?;
        let mut server = self.server.session().map_err(said)?;
        let mut served = processor_time()? - begin;
        let (mut wire, mut plain) = (Vec::new(), Vec::new());
        while client.peer().is_none() || server.peer().is_none() {
            client.drain(&mut wire);
            let begin = processor_time()?;
            server.receive(&wire, &mut plain).map_err(|fault| format!("{fault:?}"))?;
            wire.clear();
            server.drain(&mut wire);
            served += processor_time()? - begin;
            client.receive(&wire, &mut plain).map_err(|fault| format!("{fault:?}"))?;
            wire.clear();
        }
        Ok((client, server, served))
    }
}

fn handshakes() -> Result<String, String> {
    let sides = Sides::new()?;
    let (mut whole, mut server) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (begin, mut served) = (processor_time()?, Duration::ZERO);
        for _ in 0..HANDSHAKES {
            served += sides.meet()?.2;
        }
        whole.push((processor_time()? - begin).as_secs_f64() / f64::from(HANDSHAKES));
        server.push(served.as_secs_f64() / f64::from(HANDSHAKES));
    }
    let (whole, server) = (median(whole), median(server));
    let row = |what: &str, seconds: f64| {
        format!("| {what} | {:.1} | {:.0} | {:.0} % |\n", seconds * 1e6, 1.0 / seconds, 100.0 * seconds / whole)
    };
    let head = "| a handshake, in memory | µs | a second, of one core | share |\n|---|---|---|---|\n";
    Ok(format!("{head}{}{}", row("both sides", whole), row("the server's side", server)))
}

fn messages() -> Result<String, String> {
    let alive = Message::from(Alive { lease: Some(123_456), tested: Some(12_345_678) }).line();
    let range = Message::from(Range { lease: 123_456, first: 1_000_000_000_001, last: 1_000_010_000_000 }).line();
    let mut table =
        "| a message, sealed and opened | bytes | with keys, ns | without, ns | with keys, ns a byte | times |\n\
                     |---|---|---|---|---|---|\n"
            .to_owned();
    for (what, bytes) in
        [("`alive`", alive.as_bytes()), ("`range`", range.as_bytes()), ("16 KiB of a report", &[b'x'; PIECE_BYTES])]
    {
        let (mut sealed, mut copied) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            sealed.push(seal(bytes)?);
            copied.push(copy(bytes)?);
        }
        let (sealed, copied) = (median(sealed), median(copied));
        let (each, times) = (sealed / bytes.len() as f64, sealed / copied);
        table += &format!("| {what} | {} | {sealed:.0} | {copied:.0} | {each:.2} | {times:.0} |\n", bytes.len());
    }
    Ok(table)
}

/// Nanoseconds that sealing and opening a message takes.
fn seal(bytes: &[u8]) -> Result<f64, String> {
    let (mut client, mut server, _) = Sides::new()?.meet()?;
    let (mut wire, mut plain) = (Vec::new(), Vec::new());
    nanoseconds(|| {
        client.send(bytes, &mut wire).map_err(|error| error.to_string())?;
        server.receive(&wire, &mut plain).map_err(|fault| format!("{fault:?}"))?;
        black_box(&plain);
        wire.clear();
        plain.clear();
        Ok(())
    })
}

/// Nanoseconds that the same takes without a session: from hand to hand.
fn copy(bytes: &[u8]) -> Result<f64, String> {
    let (mut wire, mut plain) = (Vec::new(), Vec::new());
    nanoseconds(|| {
        wire.extend_from_slice(black_box(bytes));
        plain.extend_from_slice(black_box(&wire));
        black_box(&plain);
        wire.clear();
        plain.clear();
        Ok(())
    })
}

/// Nanoseconds of the processor that a message takes.
fn nanoseconds(mut one: impl FnMut() -> Result<(), String>) -> Result<f64, String> {
    let begin = processor_time()?;
    for _ in 0..MESSAGES {
        one()?;
    }
    Ok((processor_time()? - begin).as_secs_f64() * 1e9 / f64::from(MESSAGES))
}

/// A manage, with or without keys, and one who talks to it.
struct Talk {
    master: Master,
    caller: Caller,
    /// Of each round: the median of its round trips in µs, and what one has cost manage.
    trips: Vec<f64>,
    costs: Vec<f64>,
    _folder: tempfile::TempDir,
}

impl Talk {
    fn begin(secure: bool) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let keys = if secure { Some(Keys::make(folder.path())?) } else { None };
        let mut options = vec!["--ledger".as_ref(), ":memory:".as_ref()];
        options.extend(keys.iter().flat_map(|keys| ["--keys".as_ref(), keys.0.as_os_str()]));
        let master = Master::start(&Cores::allowed(), folder.path(), &options)?;
        let to: SocketAddr = master.address.parse().map_err(|error| format!("{}: {error}", master.address))?;
        let context = keys.map(|keys| keys.client("worker")).transpose()?;
        let mut caller = Caller::connect(Ipv4Addr::LOCALHOST, to, context.as_ref())?;
        caller.say(hello(Role::Compute))?;
        caller.hear()?;
        Ok(Self { master, caller, trips: Vec::new(), costs: Vec::new(), _folder: folder })
    }

    fn round(&mut self) -> Result<(), String> {
        let mut trips = Vec::new();
        let before = self.master.used()?;
        for _ in 0..TRIPS {
            let begin = Instant::now();
            self.caller.say(Alive { lease: None, tested: None })?;
            self.caller.hear()?;
            trips.push(begin.elapsed().as_secs_f64() * 1e6);
        }
        let after = self.master.used()?;
        self.trips.push(median(trips));
        let used = after.user + after.system - before.user - before.system;
        self.costs.push(used * 1e6 / f64::from(TRIPS));
        Ok(())
    }

    /// What a round trip takes, and what it costs manage; µs.
    fn end(self) -> Result<[f64; 2], String> {
        self.master.end()?;
        Ok([median(self.trips), median(self.costs)])
    }
}

/// Round trips with and without keys, a round each in turn.
fn trips() -> Result<String, String> {
    let (mut with, mut without) = (Talk::begin(true)?, Talk::begin(false)?);
    for _ in 0..ROUNDS {
        // A round takes about a second: the other may be silent for that long.
        with.round()?;
        without.round()?;
    }
    let (with, without) = (with.end()?, without.end()?);
    let row = |what: &str, at: usize| {
        format!("| {what} | {:.1} | {:.1} | {:.2} |\n", with[at], without[at], with[at] / without[at])
    };
    let head = "| `alive` to `alive`, over loopback | with keys, µs | without, µs | times |\n|---|---|---|---|\n";
    Ok(format!("{head}{}{}", row("round trip, median", 0), row("manage's processor time for it", 1)))
}

/// The processor's time of this thread, which others that want the core too don't add to.
fn processor_time() -> Result<Duration, String> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).map_err(|errno| errno.to_string())
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The middle one, or the upper of the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
