//! What agents that push cost collect, and how long Prometheus waits meanwhile.

use std::time::{Duration, Instant};

use super::beside::{Over, beside};
use super::collect::Collect;
use super::crowd::{Pushes, during};
use super::http::{Answer, get};
use super::times::Times;
use super::viewer::Viewer;
use crate::cores::Apart;
use crate::usage::Used;

/// From the last agent's first push until memory is looked at and all else begins.
const WARM_UP: Duration = Duration::from_secs(10);
/// From one scrape to the next.
const PAUSE: Duration = Duration::from_millis(200);
/// A page that has been opened has read the whole of it.
const OPENING: Duration = Duration::from_secs(2);
const MIB: f64 = 1024.0 * 1024.0;

/// What is asked for in turns: as Prometheus does, and as the original was asked.
const FORMATS: [(&str, &[&str]); 2] = [
    (
        "OpenMetrics, gzip",
        &[
            "Accept: application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.25,*/*;q=0.1",
            "Accept-Encoding: gzip",
        ],
    ),
    ("text", &["Accept: text/plain"]),
];

/// What was seen within some time.
struct Seen {
    what: &'static str,
    took: Duration,
    used: [f64; 2],
    memory: u64,
    pushes: Times,
    late: usize,
    scrapes: [(Times, usize); 2],
}

/// Measures with so many agents, each of three situations for so long; tables.
pub fn measure(count: usize, time: Duration) -> Result<String, String> {
    let apart = Apart::stay()?;
    let collect = Collect::start(&apart, &[])?;
    let before = collect.memory()?;
    during(&collect, count, |pushes, series, over| {
        over.pause(WARM_UP)?;
        let here = collect.memory()?;
        let alone = look(&collect, pushes, "pushes alone", time, |end| over.until(end).map(|()| Default::default()))?;
        let scraped =
            look(&collect, pushes, "and a scrape every 200 ms", time, |end| scrape(&collect, count, end, over))?;
        let viewer = Viewer::default();
        let watched = beside(
            |over| viewer.read(collect.http, over),
            |over| {
                over.pause(OPENING)?;
                viewer.take();
                look(&collect, pushes, "and a page open", time, |end| scrape(&collect, count, end, over))
            },
        )?;
        let updates = viewer.take().parts;
        let plain = get(collect.http, "/metrics", &FORMATS[0].1[..1])?.bytes();
        let memory = [before, here, watched.memory];
        let seen = [alone, scraped, watched];
        let head = format!(
            "{count} agents, {series} series, a push of each agent every second, {:.0} s of each situation. collect has one core, \
             agents and readers share the other.",
            time.as_secs_f64()
        );
        let page = format!(
            "The open page gets {} updates a second, {} bytes in all.",
            per_second(updates.len(), time),
            per_second(updates.iter().sum(), time)
        );
        Ok([head, load(&seen), scrapes(&seen, plain), page, resident(memory, series)].join("\n\n") + "\n")
    })
}

/// Measures what `reads` does until the end of the time.
fn look(
    collect: &Collect,
    pushes: &Pushes,
    what: &'static str,
    time: Duration,
    reads: impl FnOnce(Instant) -> Result<[(Times, usize); 2], String>,
) -> Result<Seen, String> {
    pushes.take();
    let (begin, before) = (Instant::now(), collect.used()?);
    let scrapes = reads(begin + time)?;
    let (took, after) = (begin.elapsed(), collect.used()?);
    let (pushes, late) = pushes.take();
    let share = |of: fn(&Used) -> f64| (of(&after) - of(&before)) / took.as_secs_f64();
    let used = [share(|used| used.user), share(|used| used.system)];
    Ok(Seen { what, took, used, memory: collect.memory()?, pushes, late, scrapes })
}

/// Scrapes over and over: of each format the times, and the bytes of the last answer.
fn scrape(collect: &Collect, count: usize, end: Instant, over: &Over) -> Result<[(Times, usize); 2], String> {
    let mut scrapes: [(Times, usize); 2] = Default::default();
    let mut due = Instant::now();
    for turn in (0..FORMATS.len()).cycle() {
        due += PAUSE;
        if due > end {
            break;
        }
        over.until(due)?;
        let answer = get(collect.http, "/metrics", FORMATS[turn].1)?;
        check(turn, &answer, count)?;
        scrapes[turn].0.0.push(answer.whole);
        scrapes[turn].1 = answer.bytes();
    }
    over.until(end).map(|()| scrapes)
}

fn check(turn: usize, answer: &Answer, count: usize) -> Result<(), String> {
    let head = answer.head();
    let fits = match turn {
        0 => head.contains("application/openmetrics-text") && head.contains("content-encoding: gzip"),
        _ => answer.text()?.lines().filter(|line| line.starts_with("agent_letters_a_total{")).count() == count,
    };
    if fits { Ok(()) } else { Err(format!("{} isn't what was asked for: {head}", FORMATS[turn].0)) }
}

fn per_second(count: usize, time: Duration) -> String {
    format!("{:.1}", count as f64 / time.as_secs_f64())
}

fn load(seen: &[Seen]) -> String {
    let mut table = "| | pushes a second | answered: median, ms | p99 | longest | late | `collect`'s core | of that the system's | \
                     memory, MiB |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|"
        .to_owned();
    for Seen { what, took, used: [user, system], memory, pushes, late, .. } in seen {
        let (rate, share) = (per_second(pushes.0.len(), *took), user + system);
        table += &format!(
            "\n| {what} | {rate} | {pushes} | {late} | {:.1} % | {:.0} % | {:.1} |",
            100.0 * share,
            100.0 * system / share,
            *memory as f64 / MIB
        );
    }
    table
}

fn scrapes(seen: &[Seen], plain: usize) -> String {
    let mut table = "| `GET /metrics` | | scrapes | median, ms | p99 | longest | bytes on the wire | as they are |\n\
                     |---|---|--:|--:|--:|--:|--:|--:|"
        .to_owned();
    for Seen { what, scrapes, .. } in &seen[1..] {
        for ((format, _), (times, bytes)) in FORMATS.iter().zip(scrapes) {
            let count = times.0.len();
            let is = if *format == FORMATS[0].0 { plain } else { *bytes };
            table += &format!("\n| {format} | {what} | {count} | {times} | {bytes} | {is} |");
        }
    }
    table
}

fn resident([before, here, after]: [u64; 3], series: usize) -> String {
    let mib = |bytes: u64| bytes as f64 / MIB;
    let each = |bytes: u64| (bytes as f64 - before as f64) / series as f64;
    format!(
        "| resident memory | MiB | bytes a series |\n|---|--:|--:|\n| before the first agent | {:.1} | |\n\
         | with all, before the first scrape | {:.1} | {:.0} |\n| with all, after the last | {:.1} | {:.0} |",
        mib(before),
        mib(here),
        each(here),
        mib(after),
        each(after)
    )
}
