//! What came of a load, as a person reads it: a few lines; or a table, beside the measurements of the program that came first.

use std::fmt::Write;

use crate::common::view::grouped;
use crate::pow::puzzle::Difficulty;

use super::drive::{Outcome, Plan};
use super::tally::What;

/// What the first program of this kind did, in Python 3.5 with hashlib and a thread for each connection, as its report says:
/// replies a second by difficulty, and how often a connection was reset ("Error 104"); on an unknown machine.
struct Original {
    rates: [f64; 7],
    resets: [u64; 7],
}

/// With 100 connections.
const ORIGINAL_MANY: Original =
    Original { rates: [42_011.45, 10_581.717, 523.083, 37.667, 2.383, 0.167, 0.0], resets: [4, 3, 1, 0, 0, 0, 0] };
/// With one connection for each core.
const ORIGINAL_FEW: Original =
    Original { rates: [36_747.50, 8_906.117, 497.017, 28.7, 2.850, 0.200, 0.0], resets: [4, 3, 2, 0, 0, 0, 0] };

/// What came of one load.
#[must_use]
pub fn summary(address: &str, plan: &Plan, difficulty: Option<Difficulty>, outcome: &Outcome) -> String {
    let Outcome { tally, seconds, .. } = outcome;
    let asked = difficulty.map_or_else(String::new, |difficulty| format!(", difficulty {difficulty}"));
    let early = if outcome.interrupted { ", ended early" } else { "" };
    let opened = if outcome.opened < plan.connections { format!("{} of ", outcome.opened) } else { String::new() };
    let connections = counted(plan.connections, "connection", "connections");
    let processes = counted(plan.processes, "process", "processes");
    let ms = |seconds: f64| format!("{} ms", number(seconds * 1e3));
    let mut out = String::new();
    let _ = writeln!(out, "pow load {address}: {opened}{connections}, {processes}, {seconds:.1} s{asked}{early}");
    let replies = grouped(tally.of(What::Reply));
    let _ = writeln!(out, "replies     {replies}   {} a second", number(outcome.rate()));
    if tally.of(What::Reply) > 0 {
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| ms(tally.quantile(share)));
        let longest = ms(tally.longest());
        let _ = writeln!(out, "latency     p50 {p50}   p99 {p99}   p99.9 {p999}   longest {longest}");
    }
    let _ = writeln!(out, "failed      {}", failures(outcome));
    out
}

fn failures(outcome: &Outcome) -> String {
    let count = |what: What| grouped(outcome.tally.of(what));
    let mut text =
        format!("{} resets, {} refused, {} wrong", count(What::Reset), count(What::Refused), count(What::Wrong));
    if outcome.tally.of(What::Unopened) > 0 {
        let _ = write!(text, ", {} not opened", count(What::Unopened));
    }
    if let Some(sample) = outcome.tally.sample() {
        let _ = write!(text, "; the first: {sample}");
    }
    text
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count as u64), if count == 1 { one } else { many })
}

/// A number with three digits at least: `12,345.6`, `12.3`, `0.167`.
fn number(value: f64) -> String {
    let decimals = if value < 9.9995 { 3 } else { 1 };
    let shown = format!("{value:.decimals$}");
    let (whole, part) = shown.split_once('.').unwrap_or((&shown, "0"));
    format!("{}.{part}", whole.parse().map_or_else(|_| whole.to_owned(), grouped))
}

/// Both measurements of one difficulty.
pub struct Column {
    /// The difficulty.
    pub difficulty: u8,
    /// With many connections.
    pub many: Outcome,
    /// With one for each core.
    pub few: Outcome,
}

/// The table of some difficulties, in Markdown: a column for each.
#[must_use]
pub fn table(columns: &[Column], connections: usize, cores: usize) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "| difficulty |{}", cells(columns, |column| column.difficulty.to_string()));
    let _ = writeln!(out, "|---|{}", "--:|".repeat(columns.len()));
    let many = counted(connections, "connection", "connections");
    section(&mut out, columns, (&many, "100 connections"), |column| &column.many, &ORIGINAL_MANY);
    let few = format!("{}, one a core", counted(cores, "connection", "connections"));
    section(&mut out, columns, (&few, "one a core"), |column| &column.few, &ORIGINAL_FEW);
    let _ = writeln!(out, "\n{ORIGINAL}");
    out
}

/// What the figures beside ours are.
const ORIGINAL: &str = "The original: a server in Python 3.5 with hashlib and 100 threads, on a host that its report doesn't name. \
                        Error 104: connections reset.";

/// The rows of one number of connections: what was measured, and beside it what the original's report says.
fn section(
    out: &mut String,
    columns: &[Column],
    (ours, theirs): (&str, &str),
    of: impl Fn(&Column) -> &Outcome,
    original: &Original,
) {
    let at = |column: &Column| usize::from(column.difficulty);
    let known = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
    let their_rate = |column: &Column| original.rates.get(at(column)).copied();
    let ms = |column: &Column, share: f64| {
        let replied = of(column).tally.of(What::Reply) > 0;
        known(replied.then(|| number(of(column).tally.quantile(share) * 1e3)))
    };
    let times = |column: &Column| {
        let rate = their_rate(column).filter(|rate| *rate > 0.0);
        known(rate.map(|rate| number(of(column).rate() / rate)))
    };
    let mut row = |name: &str, cell: &dyn Fn(&Column) -> String| {
        let _ = writeln!(out, "| {name} |{}", cells(columns, cell));
    };
    row(&format!("**{ours}**: replies a second"), &|column| format!("**{}**", number(of(column).rate())));
    row(&format!("the original, {theirs}"), &|column| known(their_rate(column).map(number)));
    row("times the original", &times);
    row("Error 104", &|column| grouped(of(column).tally.of(What::Reset)));
    row("refused", &|column| grouped(of(column).tally.of(What::Refused)));
    row("Error 104 of the original", &|column| known(original.resets.get(at(column)).copied().map(grouped)));
    row("median of the replies, ms", &|column| ms(column, 0.5));
    row("99 % of them within, ms", &|column| ms(column, 0.99));
}

fn cells(columns: &[Column], cell: impl Fn(&Column) -> String) -> String {
    columns.iter().map(|column| format!(" {} |", cell(column))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tally::Tally;
    use super::*;
    use std::time::Duration;

    fn outcome(replies: u32) -> Outcome {
        let mut tally = Tally::new().unwrap();
        (0..replies).for_each(|_| tally.reply(Duration::from_micros(800)));
        Outcome { tally, seconds: 2.0, opened: 100, interrupted: false }
    }

    fn plan(connections: usize, processes: usize) -> Plan {
        let to = "127.0.0.1:20000".parse().unwrap();
        Plan { to, connections, processes, seconds: 2.0 }
    }

    #[test]
    fn numbers_have_three_digits_at_least() {
        let forms = [
            (0.0, "0.000"),
            (0.1667, "0.167"),
            (2.383, "2.383"),
            (9.9999, "10.0"),
            (12.34, "12.3"),
            (42_011.45, "42,011.4"),
            (1_234_567.89, "1,234,567.9"),
        ];
        for (value, want) in forms {
            assert_eq!(number(value), want);
        }
    }

    #[test]
    fn a_summary_is_four_lines() {
        let difficulty = Difficulty::new(3);
        let shown = summary("127.0.0.1:20000", &plan(100, 2), difficulty, &outcome(2_469));
        let want = "pow load 127.0.0.1:20000: 100 connections, 2 processes, 2.0 s, difficulty 3\n\
                    replies     2,469   1,234.5 a second\n\
                    latency     p50 0.800 ms   p99 0.800 ms   p99.9 0.800 ms   longest 0.800 ms\n\
                    failed      0 resets, 0 refused, 0 wrong\n";
        assert_eq!(shown, want);
    }

    #[test]
    fn a_summary_says_what_went_wrong() {
        let mut failed = Outcome { opened: 0, interrupted: true, ..outcome(0) };
        failed.tally.count(What::Reset);
        failed.tally.count(What::Unopened);
        failed.tally.fault(What::Refused, b"error busy\n");
        let want = "pow load host:1: 0 of 1 connection, 1 process, 2.0 s, ended early\n\
                    replies     0   0.000 a second\n\
                    failed      1 resets, 1 refused, 0 wrong, 1 not opened; the first: error busy\n";
        assert_eq!(summary("host:1", &plan(1, 1), None, &failed), want);
    }

    #[test]
    fn the_table_stands_beside_the_originals() {
        let column = |difficulty| Column { difficulty, many: outcome(1_000), few: outcome(0) };
        let table = table(&[column(5), column(6), column(7)], 100, 2);
        let want = [
            "| difficulty | 5 | 6 | 7 |",
            "|---|--:|--:|--:|",
            "| **100 connections**: replies a second | **500.0** | **500.0** | **500.0** |",
            "| the original, 100 connections | 0.167 | 0.000 | – |",
            "| times the original | 2,994.0 | – | – |",
            "| Error 104 | 0 | 0 | 0 |",
            "| refused | 0 | 0 | 0 |",
            "| Error 104 of the original | 0 | 0 | – |",
            "| median of the replies, ms | 0.800 | 0.800 | 0.800 |",
            "| 99 % of them within, ms | 0.800 | 0.800 | 0.800 |",
            "| **2 connections, one a core**: replies a second | **0.000** | **0.000** | **0.000** |",
            "| the original, one a core | 0.200 | 0.000 | – |",
            "| times the original | 0.000 | – | – |",
        ];
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines[..want.len()], want);
        assert_eq!(lines[16], "| median of the replies, ms | – | – | – |");
        assert_eq!(lines[18..], ["", ORIGINAL]);
    }
}
