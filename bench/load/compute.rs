//! A compute of the crowd: what it says, and how long it waits for the answers.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use aliquot::common::conn::Conn;
use aliquot::common::message::{Alive, Found, Hello, Instance, Message, Numbers, Range, Request, Role, Speed, Version};
use aliquot::common::net::Stream;
use aliquot::common::poll::Ready;
use aliquot::common::tls::Context;
use aliquot::divisors::ClosedForm;

/// What a range takes a compute, and so how often it asks.
pub const ROUND: Duration = Duration::from_secs(15);
/// Candidates of a range: so few that the numbers stay about as large, however long a run.
pub const LENGTH: u64 = 1_000;
/// Computes on one host, which has a loopback address of its own.
const HOST_COMPUTES: u64 = 64;

/// One of a compute's two connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    Data,
    Control,
}

impl End {
    pub const BOTH: [Self; 2] = [Self::Data, Self::Control];
}

/// How long each answer took.
#[derive(Default)]
pub struct Waits {
    /// From `request` to `range`.
    pub ranges: Vec<Duration>,
    /// From `result` to `accepted`.
    pub results: Vec<Duration>,
}

/// A compute that has connected.
pub struct Compute {
    data: Conn,
    control: Conn,
    /// Those whose `hello` isn't answered yet.
    unmet: Vec<End>,
    speed: Speed,
    /// What it works on, and since when.
    range: Option<(Range, Instant)>,
    /// Since when the answers to these are waited for.
    result: Option<Instant>,
    request: Option<Instant>,
}

impl Compute {
    /// Connects the `nth` compute of the crowd, over TLS if there is a context for it.
    pub fn connect(nth: u64, address: &str, speed: Speed, context: Option<&Context>) -> Result<Self, String> {
        let address = address.parse().map_err(|error| format!("{address}: {error}"))?;
        // From one address Linux looks long for a free port when many of the ephemeral ones are taken.
        let from =
            Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + u32::try_from(nth / HOST_COMPUTES).unwrap_or(0)).into();
        let open = || {
            let stream = Stream::connect_from(from, address).map_err(|error| format!("connect: {error}"))?;
            let session = context.map(Context::session).transpose().map_err(|error| error.to_string())?;
            Ok::<_, String>(Conn::new(stream, session))
        };
        let (data, control) = (open()?, open()?);
        let (result, request) = (None, None);
        let mut compute = Self { data, control, unmet: End::BOTH.to_vec(), speed, range: None, result, request };
        for end in End::BOTH {
            compute.say(end, hello(nth, end))?;
        }
        Ok(compute)
    }

    /// The connection.
    pub fn conn(&self, end: End) -> &Conn {
        match end {
            End::Data => &self.data,
            End::Control => &self.control,
        }
    }

    fn conn_mut(&mut self, end: End) -> &mut Conn {
        match end {
            End::Data => &mut self.data,
            End::Control => &mut self.control,
        }
    }

    /// True while an answer that is timed, or has to come first, is waited for. That to `alive` is read when the next
    /// is said.
    pub fn waits(&self, end: End) -> bool {
        let asked = end == End::Data && (self.result.is_some() || self.request.is_some());
        asked || self.unmet.contains(&end) || self.conn(end).has_output()
    }

    fn say(&mut self, end: End, message: impl Into<Message>) -> Result<(), String> {
        let conn = self.conn_mut(end);
        conn.send(message.into().line().as_bytes()).and_then(|()| conn.flush()).map_err(|broken| broken.to_string())
    }

    /// Says that it lives and how far it is.
    pub fn say_alive(&mut self, end: End) -> Result<(), String> {
        let work = self.range.as_ref().filter(|_| end == End::Data);
        let tested = |since: &Instant| since.elapsed().as_nanos() * u128::from(LENGTH) / ROUND.as_nanos();
        let alive = Alive {
            lease: work.map(|(range, _)| range.lease),
            tested: work.map(|(_, since)| u64::try_from(tested(since)).unwrap_or(LENGTH).min(LENGTH)),
        };
        self.say(end, alive)
    }

    /// Hands in the result of its range, if it has one, and asks for the next, as a compute does: in one breath.
    pub fn ask(&mut self) -> Result<(), String> {
        if self.request.is_some() || !self.unmet.is_empty() {
            return Err("a round later, manage hasn't answered".to_owned());
        }
        let result = self.range.take().map(|(range, _)| result(&range));
        let handed_in = result.is_some();
        let mut lines = result.map_or_else(String::new, |found| Message::from(found).line());
        lines.push_str(&Message::from(Request {}).line());
        let now = Instant::now();
        self.request = Some(now);
        self.result = handed_in.then_some(now);
        self.data.send(lines.as_bytes()).and_then(|()| self.data.flush()).map_err(|broken| broken.to_string())
    }

    /// Writes and reads what a connection is ready for.
    pub fn turn(&mut self, end: End, ready: Ready, waits: &mut Waits) -> Result<(), String> {
        if ready.writable {
            self.conn_mut(end).flush().map_err(|broken| broken.to_string())?;
        }
        if !ready.readable {
            return Ok(());
        }
        self.conn_mut(end).receive().map_err(|broken| broken.to_string())?;
        let now = Instant::now();
        while let Some(line) = self.conn_mut(end).line() {
            let line = line.map_err(|_| "a line is too long".to_owned())?;
            let message = Message::read(line).map_err(|malformed| malformed.text)?;
            self.hear(end, message, now, waits)?;
        }
        Ok(())
    }

    fn hear(&mut self, end: End, message: Message, now: Instant, waits: &mut Waits) -> Result<(), String> {
        match message {
            Message::Alive(_) => Ok(()),
            Message::Welcome(_) => {
                self.unmet.retain(|unmet| *unmet != end);
                if end == End::Data { self.say(end, self.speed.clone()) } else { Ok(()) }
            }
            Message::Accepted(_) => {
                waits.results.extend(self.result.take().map(|since| now - since));
                Ok(())
            }
            Message::Range(range) => {
                waits.ranges.extend(self.request.take().map(|since| now - since));
                self.range = Some((range, now));
                Ok(())
            }
            other => Err(format!("manage says {other:?}")),
        }
    }
}

fn hello(nth: u64, end: End) -> Hello {
    let role = match end {
        End::Data => Role::Compute,
        End::Control => Role::Control,
    };
    Hello {
        version: Version,
        role,
        host: Some(format!("node{:04}.cluster.example", nth / HOST_COMPUTES)),
        pid: Some(1_000 + u32::try_from(nth).unwrap_or(0)),
        instance: Some(Instance(nth + 1)),
        kernel: (role == Role::Compute).then(|| "avx2".to_owned()),
    }
}

/// What a compute would have found.
fn result(range: &Range) -> Found {
    let mut form = ClosedForm::new(range.first, range.last);
    form.step(u64::MAX);
    Found {
        lease: range.lease,
        first: range.first,
        last: range.last,
        tested: range.last - range.first + 1,
        sum: form.result().unwrap_or_default(),
        nanoseconds: u64::try_from(ROUND.as_nanos()).unwrap_or(u64::MAX),
        perfect: Numbers::default(),
    }
}
