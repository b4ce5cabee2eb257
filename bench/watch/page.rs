//! What a browser waits for and gets.

use std::time::Duration;

use aliquot::common::limits::{HISTORY_PART_MS, HISTORY_PARTS_MAX};

use super::beside::{Over, beside};
use super::collect::Collect;
use super::crowd::during;
use super::http::{Answer, get};
use super::times::Times;
use super::viewer::{Seen, Viewer};
use crate::cores::Apart;

/// How often the page is asked for,
const ASKED: usize = 100;
/// and after what pause each time.
const PAUSE: Duration = Duration::from_millis(100);
/// For how long the page stays open.
const OPEN: Duration = Duration::from_secs(30);
const BROWSER: [&str; 2] = [
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Encoding: gzip, deflate, br, zstd",
];
/// What the page wants beside itself.
const ASSETS: [&str; 3] = ["/page.css", "/page.js", "/icon.svg"];

/// Measures the page of so many agents that have pushed for so long; tables.
pub fn measure(count: usize, time: Duration) -> Result<String, String> {
    let apart = Apart::stay()?;
    let collect = Collect::start(&apart, &[])?;
    during(&collect, count, |_, _, over| {
        over.pause(time)?;
        let points = (time.as_millis() as usize / HISTORY_PART_MS as usize).min(HISTORY_PARTS_MAX);
        let asked = (0..ASKED).map(|_| over.pause(PAUSE).and_then(|()| page(&collect, &BROWSER)));
        let asked = asked.collect::<Result<Vec<_>, _>>()?;
        let plain = page(&collect, &BROWSER[..1])?;
        let weights = weights(&collect, &asked[ASKED - 1], &plain)?;
        let viewer = Viewer::default();
        let seen =
            beside(|over| viewer.read(collect.http, over), |over: &Over| over.pause(OPEN).map(|()| viewer.take()))?;
        let head = format!(
            "{count} agents that push every second, for {:.0} s so far: {points} of the {HISTORY_PARTS_MAX} points of a whole chart.",
            time.as_secs_f64()
        );
        Ok([head, waits(&asked), weights, updates(&seen)].join("\n\n") + "\n")
    })
}

fn page(collect: &Collect, headers: &[&str]) -> Result<Answer, String> {
    let answer = get(collect.http, "/", headers)?;
    let head = answer.head();
    let zipped = head.contains("content-encoding: gzip");
    let fits = head.contains("content-type: text/html") && zipped == (headers.len() == BROWSER.len());
    if fits { Ok(answer) } else { Err(format!("not what a browser asks for: {head}")) }
}

fn waits(asked: &[Answer]) -> String {
    let first = Times(asked.iter().map(|answer| answer.first).collect());
    let whole = Times(asked.iter().map(|answer| answer.whole).collect());
    format!(
        "| `GET /`, {} times | median, ms | p99 | longest |\n|---|--:|--:|--:|\n| to the first byte | {first} |\n\
         | to the last | {whole} |",
        asked.len()
    )
}

/// Everything that a browser loads; the page as the last of many answers was.
fn weights(collect: &Collect, page: &Answer, plain: &Answer) -> Result<String, String> {
    let mut table = "| | bytes on the wire, gzip | as they are |\n|---|--:|--:|".to_owned();
    let mut all = [0, 0];
    let mut row = |what: &str, bytes: [usize; 2]| {
        all = [all[0] + bytes[0], all[1] + bytes[1]];
        table += &format!("\n| `{what}` | {} | {} |", bytes[0], bytes[1]);
    };
    row("/", [page.bytes(), plain.bytes()]);
    for asset in ASSETS {
        let bytes = |headers| get(collect.http, asset, headers).map(|answer| answer.bytes());
        row(asset, [bytes(&BROWSER[1..])?, bytes(&[])?]);
    }
    Ok(table + &format!("\n| all | {} | {} |", all[0], all[1]))
}

fn updates(Seen { whole, parts }: &Seen) -> String {
    let mut sorted = parts.clone();
    sorted.sort_unstable();
    let at = |share: f64| sorted.get((share * sorted.len().saturating_sub(1) as f64) as usize).copied().unwrap_or(0);
    let wholes: Vec<_> = whole.iter().map(usize::to_string).collect();
    format!(
        "| `/events`, open for {:.0} s | bytes |\n|---|--:|\n| whole pages: {} | {} |\n| an update, median of {} | {} |\n\
         | the longest | {} |\n| updates, each second | {:.0} |",
        OPEN.as_secs_f64(),
        whole.len(),
        wholes.join(", "),
        parts.len(),
        at(0.5),
        at(1.0),
        parts.iter().sum::<usize>() as f64 / OPEN.as_secs_f64()
    )
}
