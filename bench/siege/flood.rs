//! One attack, in a process of its own: its connections, opened again and again.

use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use aliquot::common::poll::{Ready, Set};
use aliquot::common::process::{lower_priority, raise_descriptor_limit};

use super::attack::{ATTACKS, Attack, Client, Fate, Plan};

/// How long connections are held up.
const HOLD: Duration = Duration::from_secs(10);
/// No flood takes longer.
const FLOOD_MAX: Duration = Duration::from_secs(120);
/// Connections that are opened between two looks at those that are.
const OPEN_TURN: usize = 64;
const LOOK: Duration = Duration::from_millis(5);
/// The computes on the same core come first: what they measure is manage, not this.
const NICE: i32 = 10;

/// Runs the attack `name` of the siege on a manage; a line of JSON.
pub fn run(name: &str, address: &str, keys: &Path, count: u64) -> Result<String, String> {
    raise_descriptor_limit();
    lower_priority(NICE);
    let attack = ATTACKS.iter().find(|attack| attack.name == name).ok_or_else(|| format!("no attack {name}"))?;
    let mut flood = Flood::new(attack, Plan::new(attack, address, keys)?, count);
    let begin = Instant::now();
    while begin.elapsed() < flood.time_max && !flood.is_over() {
        flood.open();
        flood.turn()?;
    }
    let Flood { opened, done, dropped, unable, .. } = flood;
    let seconds = begin.elapsed().as_secs_f64();
    Ok(format!(r#"{{"opened":{opened},"done":{done},"dropped":{dropped},"unable":{unable},"seconds":{seconds:.3}}}"#))
}

struct Flood {
    plan: Plan,
    clients: Vec<Option<Client>>,
    /// How many connections are to be opened.
    count: u64,
    time_max: Duration,
    opened: u64,
    done: u64,
    dropped: u64,
    /// Connections that couldn't even be begun.
    unable: u64,
}

impl Flood {
    fn new(attack: &Attack, plan: Plan, count: u64) -> Self {
        Self {
            plan,
            clients: (0..attack.width).map(|_| None).collect(),
            count: attack.share.map_or(u64::MAX, |share| (count / share).max(1)),
            time_max: attack.share.map_or(HOLD, |_| FLOOD_MAX),
            opened: 0,
            done: 0,
            dropped: 0,
            unable: 0,
        }
    }

    fn is_over(&self) -> bool {
        self.opened + self.unable >= self.count && self.clients.iter().all(Option::is_none)
    }

    /// Opens connections where there are none.
    fn open(&mut self) {
        let left = usize::try_from(self.count.saturating_sub(self.opened + self.unable)).unwrap_or(usize::MAX);
        for free in self.clients.iter_mut().filter(|client| client.is_none()).take(OPEN_TURN.min(left)) {
            match self.plan.open(self.opened + self.unable) {
                Ok(client) => (*free, self.opened) = (Some(client), self.opened + 1),
                Err(_) => self.unable += 1,
            }
        }
    }

    /// Has every connection go on with what it does.
    fn turn(&mut self) -> Result<(), String> {
        let mut set = Set::new();
        let open = self.clients.iter().flatten();
        let slots: Vec<_> = open.map(|client| Some(set.add(client.as_fd(), client.interest()?))).collect();
        set.wait(LOOK).map_err(|error| error.to_string())?;
        let ready = slots.into_iter().map(|slot| slot.map_or_else(Ready::default, |slot| set.ready(slot)));
        let ready: Vec<_> = ready.collect();
        let now = Instant::now();
        let open = self.clients.iter_mut().filter(|client| client.is_some());
        for (client, ready) in open.zip(ready) {
            let fate = client.as_mut().map_or(Fate::Open, |client| client.turn(ready, now));
            match fate {
                Fate::Open => continue,
                Fate::Done => self.done += 1,
                Fate::Dropped => self.dropped += 1,
            }
            *client = None;
        }
        Ok(())
    }
}
