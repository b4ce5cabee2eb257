//! The table of all agents, each with a chart of its first gauge and one of its first counter.

use crate::collect::book::{Agent, Book};
use crate::collect::chart::Line;
use crate::collect::history::History;
use crate::collect::metric::Type;
use crate::common::clock::Millis;
use crate::common::limits::{COARSE_CHARTS_MIN, FINE_CHARTS_MAX, HISTORY_PARTS_MAX};
use crate::common::view::{duration, grouped};

use super::canvas::Canvas;
use super::{html, measured};

/// Draws it.
pub fn draw(canvas: &mut Canvas, book: &Book, now: Millis) {
    canvas.put("<section aria-labelledby=agents><h2 id=agents>Agents</h2>");
    let count = book.agents().count();
    if count == 0 {
        canvas.put("<p class=absent>no agent has come yet: start <code>agent</code> on a host</p></section>");
        return;
    }
    let here = book.connected();
    canvas.part("p class=quiet", "census", &format!("{} known, {} here", grouped(count as u64), grouped(here as u64)));
    canvas.put(
        "<div class=wide tabindex=0 role=region aria-labelledby=agents><table class=agents><thead><tr><th scope=col>Agent\
         <th scope=col>Program<th scope=col>State<th scope=col>Gauge<th scope=col>Last 10 minutes<th scope=col>Counter\
         <th scope=col>Last 10 minutes</thead><tbody>",
    );
    let points = match count {
        ..=FINE_CHARTS_MAX => HISTORY_PARTS_MAX,
        COARSE_CHARTS_MIN.. => HISTORY_PARTS_MAX / 4,
        _ => HISTORY_PARTS_MAX / 2,
    };
    for (nth, (name, agent)) in book.agents().enumerate() {
        let program = if agent.program.is_empty() { "unnamed" } else { &agent.program };
        canvas.put(&format!("<tr><th scope=row>{}<td>{}", html(name), html(program)));
        canvas.part("td class=number", &format!("s{nth}"), &seen(agent, now));
        column(canvas, agent, Type::Gauge, nth, points);
        column(canvas, agent, Type::Counter, nth, points);
    }
    canvas.put("</tbody></table></div></section>");
}

fn seen(agent: &Agent, now: Millis) -> String {
    match (agent.link, agent.seen_wall) {
        (Some(_), _) => "<span class=here>here</span>".to_owned(),
        (None, wall) => {
            // Of one that was here before collect began it is known by the wall clock alone.
            let ago = crate::common::clock::wall_seconds().saturating_sub(wall).max(0).unsigned_abs();
            let how = if agent.ended { "ended" } else { "<span class=gone>gone</span>" };
            format!("{how} {} ago", duration(ago.max(now.since(agent.seen) / 1_000)))
        }
    }
}

/// Value and chart of the first gauge, or the first counter.
fn column(canvas: &mut Canvas, agent: &Agent, kind: Type, nth: usize, points: usize) {
    let Some((metric, _, history)) = agent.history(kind) else {
        canvas.put("<td class=quiet>none<td>");
        return;
    };
    let (mark, rate) = if kind == Type::Counter { ('c', "/s") } else { ('g', "") };
    let unit = metric.strip_suffix("_total").unwrap_or(metric);
    let show = |value: f64| format!("{}{rate}", measured(unit, value));
    let latest = if agent.link.is_some() || kind == Type::Counter { history.latest() } else { f64::NAN };
    canvas.put("<td class=number>");
    canvas.part("b", &format!("{mark}{nth}"), &show(latest));
    canvas.put(&format!("<br><small class=quiet>{}</small>", html(metric)));
    let line = line(metric, history).coarser(points);
    canvas.part("td class=chart", &format!("{mark}h{nth}"), &line.spark(|value| show(f64::from(value))));
}

/// A history as a line; a share goes from nothing to all.
pub fn line(metric: &str, history: &History) -> Line {
    Line::new(history.points(), HISTORY_PARTS_MAX, metric.ends_with("_ratio").then_some(1.0))
}
