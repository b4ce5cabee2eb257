//! The siege: a manage, the honest, and the attacks one after the other; what each does to the honest and to manage.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aliquot::common::process::raise_descriptor_limit;
use serde_json::Value;

use super::attack::{ATTACKS, Attack};
use super::crowd::{Crowd, FIRST, Seen, Welcomes};
use crate::load::master::{Cores, Keys, Master};

/// What is measured before each attack, for comparison.
const QUIET: Duration = Duration::from_secs(3);
/// From the end of an attack until its traces should be gone: longer than a closing connection is borne.
const REST: Duration = Duration::from_secs(4);
/// From one look at what manage has to the next.
const LOOK: Duration = Duration::from_millis(50);
const MIB: f64 = 1024.0 * 1024.0;

const HEAD: &str = "| attack | connections | done | dropped | a second | requests | median, ms | p99 | longest | p99 before | \
                    computes lost | newcomers, own address: turned away, longest ms | the attackers' address | \
                    manage's core | memory, MiB: before, most, after | descriptors |";

/// Besieges a manage with floods of `count`, or with the one attack `only`; Markdown, row by row to `say`.
pub fn besiege(count: u64, only: Option<&str>, say: impl Fn(&str)) -> Result<(), String> {
    raise_descriptor_limit();
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let cores = Cores::allowed();
    cores.stay_on_last()?;
    let keys = Keys::make(folder.path())?;
    let first = FIRST.to_string();
    let options = ["--first", &first, "--ledger", ":memory:", "--keys"].map(AsRef::as_ref);
    let master = Master::start(&cores, folder.path(), &[&options[..], &[keys.0.as_os_str()]].concat())?;
    let crowd = Crowd::connect(&master.address, &keys)?;
    let mut field = Field { master, keys, crowd, count };
    say(HEAD);
    say(&"|---".repeat(HEAD.matches(" |").count()));
    for attack in ATTACKS.iter().filter(|attack| only.is_none_or(|only| attack.name == only)) {
        let log = || fs::read_to_string(folder.path().join("manage.log")).unwrap_or_default();
        say(&field.bear(attack).map_err(|cause| format!("{}: {cause}\n{}", attack.name, end_of(&log())))?);
    }
    drop(field.crowd);
    field.master.end()
}

fn end_of(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

struct Field {
    master: Master,
    keys: Keys,
    crowd: Crowd,
    count: u64,
}

/// What manage has.
#[derive(Clone, Copy, Default)]
struct Has {
    memory: u64,
    descriptors: usize,
}

impl Has {
    fn of(master: &Master) -> Result<Self, String> {
        let listing = format!("/proc/{}/fd", master.pid());
        let descriptors = fs::read_dir(&listing).map_err(|error| format!("{listing}: {error}"))?.count();
        Ok(Self { memory: master.memory()?, descriptors })
    }

    fn or_more(self, other: Self) -> Self {
        Self { memory: self.memory.max(other.memory), descriptors: self.descriptors.max(other.descriptors) }
    }
}

impl Field {
    /// Bears one attack; a row of the table.
    fn bear(&mut self, attack: &Attack) -> Result<String, String> {
        let quiet = self.crowd.run_until(passed(QUIET))?;
        let (before, used, begin) = (Has::of(&self.master)?, self.used()?, Instant::now());
        let mut attackers = self.send(attack)?;
        let (mut most, mut looked) = (before, begin);
        let master = &self.master;
        let seen = self.crowd.run_until(|| {
            if looked.elapsed() >= LOOK {
                (most, looked) = (most.or_more(Has::of(master)?), Instant::now());
            }
            attackers.0.try_wait().map(|status| status.is_some()).map_err(|error| error.to_string())
        });
        let seen = seen?;
        let share = (self.used()? - used) / begin.elapsed().as_secs_f64();
        let said = attackers.said()?;
        self.crowd.run_until(passed(REST))?;
        let has = [before, most, Has::of(&self.master)?];
        Ok(format!(
            "| {} | {} | {} | {:.0} % | {} |",
            attack.name,
            reached(&said)?,
            felt(quiet, seen),
            100.0 * share,
            left(has)
        ))
    }

    fn used(&self) -> Result<f64, String> {
        self.master.used().map(|used| used.user + used.system)
    }

    /// Starts the attackers: this program, on the same core.
    fn send(&self, attack: &Attack) -> Result<Attackers, String> {
        let this = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(this);
        command.args(["attack", attack.name, &self.master.address]).arg(&self.keys.0).arg(self.count.to_string());
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        child.map(Attackers).map_err(|error| format!("{command:?}: {error}"))
    }
}

/// The process of the attackers. It is gone when this is dropped.
struct Attackers(Child);

impl Attackers {
    /// What they have said at their end.
    fn said(&mut self) -> Result<Value, String> {
        let out = self.0.stdout.take().ok_or("the attackers say nothing")?;
        serde_json::from_reader(out).map_err(|error| format!("the attackers: {error}"))
    }
}

impl Drop for Attackers {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// True once so much time has passed.
fn passed(time: Duration) -> impl FnMut() -> Result<bool, String> {
    let begin = Instant::now();
    move || Ok(begin.elapsed() >= time)
}

/// Columns: connections, those that did what they came for, those that were dropped, how many a second.
fn reached(said: &Value) -> Result<String, String> {
    let number = |name: &str| said[name].as_f64().ok_or_else(|| format!("the attackers: no {name} in {said}"));
    let (opened, seconds) = (number("opened")?, number("seconds")?);
    let unable = number("unable")?;
    let unable = if unable > 0.0 { format!(" ({unable} not begun)") } else { String::new() };
    Ok(format!("{opened}{unable} | {} | {} | {:.0}", number("done")?, number("dropped")?, opened / seconds))
}

/// Columns: what the computes and the newcomers felt.
fn felt(quiet: Seen, seen: Seen) -> String {
    let requests = seen.waits.ranges.len();
    let [median, p99, longest] = quantiles(seen.waits.ranges);
    let [_, before, _] = quantiles(quiet.waits.ranges);
    let [shared, own] = seen.welcomes.map(welcomed);
    let lost = seen.lost;
    format!("{requests} | {median:.2} | {p99:.1} | {longest:.1} | {before:.1} | {lost} | {own} | {shared}")
}

fn welcomed(welcomes: Welcomes) -> String {
    let (came, refused) = (welcomes.waits.len(), welcomes.refused);
    let [_, _, longest] = quantiles(welcomes.waits);
    let longest = if came > 0 { format!(", {longest:.0}") } else { String::new() };
    format!("{refused} of {}{longest}", came + refused)
}

/// The median, the 99th percentile and the longest, in ms.
fn quantiles(waits: Vec<Duration>) -> [f64; 3] {
    let mut ms: Vec<f64> = waits.into_iter().map(|wait| wait.as_secs_f64() * 1e3).collect();
    ms.sort_by(f64::total_cmp);
    let at = |share: f64| (share * ms.len() as f64).ceil() as usize;
    [0.5, 0.99, 1.0].map(|share| ms.get(at(share).saturating_sub(1)).copied().unwrap_or(f64::NAN))
}

/// Columns: what manage had before, at most, and afterwards.
fn left(has: [Has; 3]) -> String {
    let memory = has.map(|has| format!("{:.1}", has.memory as f64 / MIB)).join(", ");
    let descriptors = has.map(|has| has.descriptors.to_string()).join(", ");
    format!("{memory} | {descriptors}")
}
