//! The section of the search: what manage reports, and how fast it goes.

use crate::collect::chart::{Line, strip};
use crate::collect::shared::Search;
use crate::common::clock::Millis;
use crate::common::inquiry::Report;
use crate::common::limits::{COMPUTES_SHOWN_MAX, HISTORY_PARTS_MAX};
use crate::common::message::{Compute, Stage, Status};
use crate::common::view::{duration, grouped, list, percent, scaled};

use super::canvas::Canvas;
use super::html;
use super::servers::figure;

/// Draws it.
pub fn draw(canvas: &mut Canvas, search: &Search, last_word: Option<u64>, now: Millis) {
    canvas.put("<section aria-labelledby=search><h2 id=search>Search for perfect numbers</h2>");
    match (&search.manage, &search.report) {
        (None, _) => canvas.put(
            "<p class=absent>no manage given: start <code>collect</code> with <code>--manage ADDR</code> to see its search</p>",
        ),
        (Some(manage), None) => {
            let why = search.fault.as_deref().unwrap_or("it hasn't answered yet");
            canvas.part("p class=absent", "manage", &format!("manage at {}: {}", html(manage), html(why)));
        }
        (Some(_), Some((report, at))) => {
            let ended = search.fault.as_ref().and(last_word).map(|tested| last(report, tested));
            let text = match (&search.fault, &ended) {
                (None, _) => String::new(),
                (Some(_), Some(last)) if is_complete(&last.status) => "ended: all is tested".to_owned(),
                (Some(_), Some(_)) => "ended: start manage again with its ledger to go on".to_owned(),
                (Some(why), None) => {
                    let ago = duration(now.since(*at) / 1_000);
                    format!("<span class=gone>away</span>: {}; what follows is {ago} old", html(why))
                }
            };
            canvas.part("p", "manage", &text);
            known(canvas, ended.as_ref().unwrap_or(report), search);
        }
    }
    canvas.put("</section>");
}

fn is_complete(status: &Status) -> bool {
    status.whole().is_some_and(|whole| status.tested >= whole)
}

/// A report as it would be now, after manage has said at its end that so many numbers are tested.
fn last(report: &Report, tested: u64) -> Report {
    let mut last = report.clone();
    last.computes.clear();
    let status = &mut last.status;
    status.tested = status.tested.max(tested);
    (status.rate_per_s, status.eta_s, status.leased) = (0, None, 0);
    if is_complete(status) {
        status.contiguous_to = status.last.unwrap_or(status.contiguous_to);
        last.coverage = None;
    }
    last
}

fn known(canvas: &mut Canvas, report: &Report, search: &Search) {
    let status = &report.status;
    canvas.part("dl class=numbers", "sf", &figures(status));
    canvas.part("div", "sb", &bar(status));
    let strip = report
        .coverage
        .as_ref()
        .map_or_else(String::new, |coverage| strip(coverage.done.as_str(), coverage.leased.as_str()));
    canvas.part("div", "strip", &strip);
    let line = Line::new(search.rate.points(), HISTORY_PARTS_MAX, None);
    let show = |rate: f32| format!("{}/s", scaled(rate as u64));
    canvas.part("div", "rate", &line.plot("sr", "Numbers tested a second", show, " min"));
    computes(canvas, &report.computes);
}

fn figures(status: &Status) -> String {
    let whole = status.whole();
    let share =
        whole.map_or_else(String::new, |whole| format!("{} of {}", percent(status.tested, whole), grouped(whole)));
    let to_go = match (status.eta_s, whole) {
        (Some(eta), _) => duration(eta),
        (None, Some(whole)) if status.tested >= whole => "done".to_owned(),
        (None, Some(_)) => "unknown".to_owned(),
        (None, None) => "without end".to_owned(),
    };
    let state = match (&status.trouble, status.ending) {
        (Some(trouble), _) => format!("<span class=gone>{}</span>", html(trouble)),
        (None, true) => "ending".to_owned(),
        (None, false) => format!("{}, up {}", html(&status.method.to_string()), duration(status.uptime_s)),
    };
    let up_to = match (status.contiguous_to >= status.first, status.first) {
        (false, first) => format!("{} is still to be tested", grouped(first)),
        (true, 1) => format!("every number up to {}", grouped(status.contiguous_to)),
        (true, first) => format!("every number from {} to {}", grouped(first), grouped(status.contiguous_to)),
    };
    [
        figure("Perfect", &list(&status.perfect), &format!("{} found", status.perfect.0.len())),
        figure("Tested", &grouped(status.tested), &share),
        figure("Rate", &format!("{}/s", scaled(status.rate_per_s)), "numbers, last minute"),
        figure("To go", &to_go, &up_to),
        figure("Manage", &html(&format!("{} {}", status.host, status.listen)), &state),
    ]
    .concat()
}

fn bar(status: &Status) -> String {
    let bar = |whole| {
        let share = percent(status.tested, whole);
        format!("<progress max=1000 value={} aria-label=\"tested\">{share}</progress>", per_mille(status.tested, whole))
    };
    status.whole().map_or_else(String::new, bar)
}

fn per_mille(part: u64, whole: u64) -> u64 {
    (u128::from(part) * 1_000 / u128::from(whole.max(1))) as u64
}

fn computes(canvas: &mut Canvas, computes: &[Compute]) {
    if computes.is_empty() {
        canvas.put("<p class=absent>no compute is there: start <code>compute</code> on a host</p>");
        return;
    }
    canvas.put(
        "<div class=wide tabindex=0 role=region aria-label=\"Computes\"><table><caption class=quiet>Computes</caption><thead><tr>\
         <th scope=col>Host<th scope=col>State<th scope=col>Rate<th scope=col>Range<th scope=col>Seen</thead>",
    );
    canvas.part("tbody", "computes", &computes.iter().take(COMPUTES_SHOWN_MAX).map(row).collect::<String>());
    canvas.put("</table></div>");
    if let Some(more @ 1..) = computes.len().checked_sub(COMPUTES_SHOWN_MAX) {
        canvas
            .put(&format!("<p class=quiet>and {} more: <code>report</code> names them all</p>", grouped(more as u64)));
    }
}

fn row(compute: &Compute) -> String {
    let range = match (compute.first, compute.last) {
        (Some(first), Some(last)) => format!("{} … {}", grouped(first), grouped(last)),
        _ => "–".to_owned(),
    };
    let rate = if compute.rate_per_s > 0 { format!("{}/s", scaled(compute.rate_per_s)) } else { "–".to_owned() };
    let class = if compute.state == Stage::Lost { " class=gone" } else { "" };
    let strikes = if compute.strikes > 0 { format!(", {} strikes", compute.strikes) } else { String::new() };
    format!(
        "<tr><th scope=row>{} <small class=quiet>{}</small><td{class}>{}{strikes}<td class=number>{rate}<td class=number>{range}\
         <td class=number>{} ago",
        html(&compute.host),
        compute.pid,
        compute.state,
        duration(compute.seen_ms / 1_000)
    )
}
