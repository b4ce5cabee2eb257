//! The sections of `pow` and `loot`: a part for each server that pushes.

use std::sync::Arc;

use crate::collect::book::{Agent, Book};
use crate::collect::metric::Labels;
use crate::collect::series::Value;
use crate::common::view::{grouped, percent, scaled};

use super::agents::line;
use super::canvas::Canvas;
use super::{html, seconds, short};

/// What an agent has pushed last.
struct Pushed<'b> {
    book: &'b Book,
    name: &'b Arc<str>,
}

impl Pushed<'_> {
    fn value(&self, metric: &str) -> Option<&Value> {
        let family = self.book.shelf.family(metric)?;
        Some(&family.series.get(&(Arc::clone(self.name), Labels::default()))?.value)
    }

    /// A gauge's value, or a counter's; NaN if there is none.
    fn number(&self, metric: &str) -> f64 {
        match self.value(metric) {
            Some(Value::Gauge(value)) => *value,
            Some(Value::Counter(total)) => total.kept,
            _ => f64::NAN,
        }
    }

    /// A number of things.
    fn count(&self, metric: &str) -> String {
        let number = self.number(metric);
        if number.is_nan() { "–".to_owned() } else { grouped(number as u64) }
    }

    /// A quantile of a histogram over the last minute.
    fn quantile(&self, metric: &str, share: f64) -> f64 {
        let bounds = self.book.shelf.family(metric).map_or(&[][..], |family| &family.metric.buckets);
        match self.value(metric) {
            Some(Value::Histogram(totals, recent)) => recent.quantile(totals, bounds, share),
            _ => f64::NAN,
        }
    }
}

/// Draws a section with all servers of a program, or how to get one.
fn section(
    canvas: &mut Canvas,
    book: &Book,
    program: &str,
    title: &str,
    draw: impl Fn(&mut Canvas, &Pushed<'_>, &Agent, usize),
) {
    canvas.put(&format!("<section aria-labelledby={program}><h2 id={program}>{title}</h2>"));
    let servers: Vec<_> = book.agents().filter(|(_, agent)| agent.program == program).collect();
    if servers.is_empty() {
        canvas.put(&format!(
            "<p class=absent>no {program} server pushes here: start <code>{program} serve</code> with <code>--collect ADDR</code></p>"
        ));
    }
    for (nth, (name, agent)) in servers.into_iter().enumerate() {
        let gone = match (agent.link, agent.ended) {
            (Some(_), _) => "",
            (None, true) => " <span class=quiet>ended</span>",
            (None, false) => " <span class=gone>gone</span>",
        };
        canvas.put("<div class=server>");
        canvas.part("h3", &format!("{program}{nth}"), &format!("{}{gone}", html(name)));
        draw(canvas, &Pushed { book, name }, agent, nth);
        canvas.put("</div>");
    }
    canvas.put("</section>");
}

/// A number with what it is; `small` says more.
pub fn figure(what: &str, number: &str, small: &str) -> String {
    let small = if small.is_empty() { String::new() } else { format!("<small>{small}</small>") };
    format!("<div><dt>{what}<dd>{number}{small}</div>")
}

/// The plot of a metric's history, if it has one.
fn plot(agent: &Agent, metric: &str, id: &str, title: &str, rate: &str) -> String {
    let history = agent.histories.iter().find(|(own, ..)| **own == *metric);
    let show = |value: f32| format!("{}{rate}", short(f64::from(value)));
    history.map_or_else(String::new, |(_, _, history)| line(metric, history).plot(id, title, show, " min"))
}

fn rate(agent: &Agent, metric: &str) -> String {
    let history = agent.histories.iter().find(|(own, ..)| **own == *metric);
    let rate = history.map_or(f64::NAN, |(_, _, history)| history.latest());
    format!("{}/s", short(rate))
}

/// Draws the proofs.
pub fn pow(canvas: &mut Canvas, book: &Book) {
    section(canvas, book, "pow", "Proofs of work", |canvas, pushed, agent, nth| {
        let quantile = |share| seconds(pushed.quantile("pow_reply_seconds", share));
        let late = match pushed.quantile("pow_reply_seconds", 0.99) {
            late if late.is_nan() => "nothing in the last minute".to_owned(),
            late => format!("99 % within {}, last minute", seconds(late)),
        };
        let figures = [
            figure(
                "Replies",
                &rate(agent, "pow_replies_total"),
                &format!("{} in all", pushed.count("pow_replies_total")),
            ),
            figure(
                "Hashes",
                &rate(agent, "pow_hashes_total"),
                &format!("{} in all", big(pushed.number("pow_hashes_total"))),
            ),
            figure("Latency", &quantile(0.5), &late),
            figure("Difficulty", &pushed.count("pow_difficulty_digits"), "zero digits"),
            figure(
                "Connections",
                &pushed.count("pow_connections"),
                &format!("{} requests wait", pushed.count("pow_queue_requests")),
            ),
        ];
        canvas.part("dl class=numbers", &format!("pf{nth}"), &figures.concat());
        let plots = [
            plot(agent, "pow_replies_total", &format!("pr{nth}"), "Replies a second", "/s"),
            plot(agent, "pow_hashes_total", &format!("ph{nth}"), "Hashes a second", "/s"),
        ];
        canvas.part("div class=charts", &format!("pc{nth}"), &plots.concat());
    });
}

fn big(number: f64) -> String {
    if number.is_nan() { "–".to_owned() } else { scaled(number as u64) }
}

/// Draws the boxes.
pub fn loot(canvas: &mut Canvas, book: &Book) {
    section(canvas, book, "loot", "Draws", |canvas, pushed, agent, nth| {
        let (drawn, size) = (pushed.number("loot_drawn_numbers"), pushed.number("loot_size_numbers"));
        let known = drawn >= 0.0 && size > 0.0;
        let share = if known { percent(drawn as u64, size as u64) } else { String::new() };
        let state = if pushed.number("loot_closed") == 1.0 { "the draw is closed" } else { "the draw goes on" };
        let figures = [
            figure("Drawn", &pushed.count("loot_drawn_numbers"), &share),
            figure("Left", &pushed.count("loot_left_numbers"), &format!("of {}", pushed.count("loot_size_numbers"))),
            figure("Perhaps unheard", &pushed.count("loot_unheard_numbers"), "drawn, and stay so"),
            figure("Connections", &pushed.count("loot_connections"), state),
        ];
        canvas.part("dl class=numbers", &format!("lf{nth}"), &figures.concat());
        let bar = format!("<progress max={size} value={drawn} aria-label=\"drawn\">{share}</progress>");
        canvas.part("div", &format!("lb{nth}"), if known { &bar } else { "" });
        let plots = plot(agent, "loot_drawn_numbers", &format!("ld{nth}"), "Numbers drawn", "");
        canvas.part("div class=charts", &format!("lc{nth}"), &plots);
    });
}

/// How many numbers are tested, as the manage that pushes here has said at its end; nothing if it goes on, or there are several.
#[must_use]
pub fn last_word_of_manage(book: &Book) -> Option<u64> {
    let mut manages = book.agents().map(|(_, agent)| agent).filter(|agent| agent.program == "manage");
    let (Some(agent), None) = (manages.next(), manages.next()) else { return None };
    let said = agent.histories.iter().find(|(metric, ..)| **metric == *"search_tested_numbers");
    said.filter(|_| agent.link.is_none() && agent.ended).map(|(_, _, history)| history.latest() as u64)
}
