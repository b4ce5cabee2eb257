//! What stays of agents that come and go.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use aliquot::common::frame::{self, DISCONNECT};
use aliquot::common::poll::{Interest, Set};

use super::agent::Agent;
use super::collect::Collect;
use crate::cores::Apart;

/// Agents that come back again and again,
const AGENTS: usize = 500;
/// of whom so many are here at a time.
const AT_ONCE: usize = 32;
/// Connections of named agents for each one of an unnamed.
const NAMED_FOR_UNNAMED: usize = 10;
/// Unnamed agents that come in a second: in five seconds fewer than collect knows at most.
const UNNAMED_A_SECOND: f64 = 1_000.0;
/// After so many seconds collect forgets unnamed agents,
const EXPIRE: &str = "5";
/// and by then it has.
const EXPIRED: Duration = Duration::from_secs(8);
const ANSWER_MAX: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(10);
const MIB: f64 = 1024.0 * 1024.0;

/// What collect has when some of the connections are over.
struct Mark {
    when: String,
    took: Duration,
    memory: u64,
    series: u64,
}

/// So many connections of named agents, and a tenth of that of unnamed ones; tables.
pub fn measure(connections: usize) -> Result<String, String> {
    let apart = Apart::stay()?;
    let collect = Collect::start(&apart, &[])?;
    let marks = named(&collect, connections)?;
    let rate = connections as f64 / marks[marks.len() - 1].took.as_secs_f64();
    let named = format!(
        "{connections} connections of {AGENTS} named agents, {AT_ONCE} at once: hello, declare, a push, goodbye. {rate:.0} \
         connections a second.\n\n{}\n",
        table(&marks)
    );
    drop(collect);
    let collect = Collect::start(&apart, &["--expire", EXPIRE])?;
    let count = connections.div_ceil(NAMED_FOR_UNNAMED);
    let marks = unnamed(&collect, count)?;
    let unnamed = format!(
        "{count} connections of unnamed agents, each from an endpoint of its own, {UNNAMED_A_SECOND} a second: a gauge, a counter, \
         goodbye. `--expire {EXPIRE}`, so that their counters go after five seconds.\n\n{}\n",
        table(&marks)
    );
    Ok(named + "\n" + &unnamed)
}

fn table(marks: &[Mark]) -> String {
    let mut table = "| | seconds | resident memory, MiB | series |\n|---|--:|--:|--:|".to_owned();
    for Mark { when, took, memory, series } in marks {
        let (seconds, memory) = (took.as_secs_f64(), *memory as f64 / MIB);
        table += &format!("\n| {when} | {seconds:.1} | {memory:.1} | {series} |");
    }
    table
}

/// Looks at what collect has, at the beginning and after 10, 50 and 100 %.
struct Marks<'c> {
    collect: &'c Collect,
    begin: Instant,
    count: usize,
    marks: Vec<Mark>,
}

impl<'c> Marks<'c> {
    fn begin(collect: &'c Collect, count: usize) -> Result<Self, String> {
        let mut marks = Self { collect, begin: Instant::now(), count, marks: Vec::new() };
        marks.mark("before the first".to_owned())?;
        Ok(marks)
    }

    /// So many connections are over.
    fn over(&mut self, so_far: usize) -> Result<(), String> {
        let percent = [10, 50, 100].into_iter().find(|percent| so_far == (self.count * percent).div_ceil(100));
        percent.map_or(Ok(()), |percent| self.mark(format!("after {percent} %")))
    }

    fn mark(&mut self, when: String) -> Result<(), String> {
        let (took, memory) = (self.begin.elapsed(), self.collect.memory()?);
        self.marks.push(Mark { when, took, memory, series: self.collect.value("collect_series")? });
        Ok(())
    }
}

fn named(collect: &Collect, count: usize) -> Result<Vec<Mark>, String> {
    let mut agents: Vec<_> = (0..AGENTS).map(Agent::new).collect();
    let mut marks = Marks::begin(collect, count)?;
    let (mut begun, mut over) = (0, 0);
    let mut here: Vec<usize> = Vec::new();
    while over < count {
        while begun < count && here.len() < AT_ONCE {
            let nth = begun % AGENTS;
            agents[nth].sample();
            agents[nth].connect(collect.agents).map_err(|cause| format!("agent {nth}: {cause}"))?;
            here.push(nth);
            begun += 1;
        }
        for nth in ready(&agents, &here)? {
            if turn(&mut agents[nth]).map_err(|cause| format!("agent {nth}: {cause}"))? {
                here.retain(|other| *other != nth);
                over += 1;
                if over == count {
                    settle(collect, count)?;
                }
                marks.over(over)?;
            }
        }
    }
    Ok(marks.marks)
}

/// Waits until collect has heard all that was said, and nothing else: of each connection hello, declare, push, goodbye.
fn settle(collect: &Collect, count: usize) -> Result<(), String> {
    let begin = Instant::now();
    loop {
        let seen = ["collect_connections_total", "collect_frames_total"].map(|sample| collect.value(sample));
        let seen = seen.into_iter().collect::<Result<Vec<_>, _>>()?;
        if seen == [count as u64, 4 * count as u64] {
            return Ok(());
        }
        if begin.elapsed() > ANSWER_MAX {
            return Err(format!("collect has counted {seen:?} connections and frames, of {count} connections"));
        }
        sleep(LOOK);
    }
}

/// Waits for answers.
fn ready(agents: &[Agent], here: &[usize]) -> Result<Vec<usize>, String> {
    let mut set = Set::new();
    let slot = |nth: &usize| agents[*nth].fd().map(|fd| (*nth, set.add(fd, Interest::Read)));
    let slots: Vec<_> = here.iter().filter_map(slot).collect();
    set.wait(ANSWER_MAX).map_err(|error| error.to_string())?;
    let ready: Vec<_> = slots.into_iter().filter(|(_, slot)| set.ready(*slot).readable).map(|(nth, _)| nth).collect();
    if ready.is_empty() { Err(format!("no answer within {ANSWER_MAX:?}")) } else { Ok(ready) }
}

/// Goes on behind an answer; true if the agent has pushed, and gone.
fn turn(agent: &mut Agent) -> Result<bool, String> {
    match agent.hear()? {
        None => Ok(false),
        Some((true, _)) => agent.leave().map(|()| true),
        Some((false, _)) => agent.go_on().map(|()| false),
    }
}

fn unnamed(collect: &Collect, count: usize) -> Result<Vec<Mark>, String> {
    let mut said = Vec::new();
    for content in [&br#"{"CPU_Utilization": 0.25}"#[..], br#"{"A_Pressed": "1"}"#, DISCONNECT] {
        frame::put(content, &mut said);
    }
    let mut marks = Marks::begin(collect, count)?;
    for nth in 0..count {
        let due = marks.begin + Duration::from_secs_f64(nth as f64 / UNNAMED_A_SECOND);
        sleep(due.saturating_duration_since(Instant::now()));
        come_and_go(collect, &said).map_err(|error| format!("unnamed agent {nth}: {error}"))?;
        marks.over(nth + 1)?;
    }
    sleep(EXPIRED);
    marks.mark(format!("{} s later", EXPIRED.as_secs()))?;
    Ok(marks.marks)
}

/// An unnamed agent says all that it has to say, and waits until collect has closed the connection: then that was heard.
fn come_and_go(collect: &Collect, said: &[u8]) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(collect.agents)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.write_all(said)?;
    stream.read_to_end(&mut Vec::new()).map(|_| ())
}
