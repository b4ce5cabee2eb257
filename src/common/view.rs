//! A report as a person reads it: numbers, durations, the table.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::message::{Compute, Distrusted, Numbers, Stage, Status};

/// `1234567` as `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A rate with three digits and its unit's prefix: `3.94 M`.
#[must_use]
pub fn scaled(rate: u64) -> String {
    let (mut value, mut prefix) = (rate as f64, "");
    for next in ["k", "M", "G", "T", "P"] {
        if value < 999.5 {
            break;
        }
        (value, prefix) = (value / 1e3, next);
    }
    let decimals = if prefix.is_empty() || value >= 99.95 { 0 } else { 1 + usize::from(value < 9.995) };
    format!("{value:.decimals$} {prefix}").trim_end().to_owned()
}

/// A duration in its two largest units: `3h 12m`.
#[must_use]
pub fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, ..) => format!("{hours}h {minutes}m"),
        (0..365, ..) => format!("{days}d {hours}h"),
        _ => format!("{}y {}d", days / 365, days % 365),
    }
}

/// How much of a bounded search is tested: `48.2 %`. It says 100 only when that is so.
#[must_use]
pub fn percent(done: u64, whole: u64) -> String {
    let tenths = (u128::from(done) * 1000 / u128::from(whole.max(1))) as u64;
    if tenths == 1000 { "100 %".to_owned() } else { format!("{}.{} %", tenths / 10, tenths % 10) }
}

/// Numbers, two spaces between them; a dash if there are none.
#[must_use]
pub fn list(numbers: &Numbers) -> String {
    let shown: Vec<_> = numbers.0.iter().map(|n| grouped(*n)).collect();
    if shown.is_empty() { "none yet".to_owned() } else { shown.join("  ") }
}

/// The whole report.
#[must_use]
pub fn table(status: &Status, distrusted: &[Distrusted], computes: &[Compute]) -> String {
    let mut out = String::new();
    head(&mut out, status);
    for Distrusted { host, taken_back } in distrusted {
        let again = grouped(*taken_back);
        let _ = writeln!(
            out,
            "LIAR     {host} has hidden a perfect number: {again} numbers that it had tested are done again"
        );
    }
    if !computes.is_empty() {
        out.push('\n');
        rows(&mut out, computes);
    }
    let _ = writeln!(out, "{}", census(computes));
    out
}

fn head(out: &mut String, s: &Status) {
    let ending = if s.ending { "   ending" } else { "" };
    let _ = writeln!(
        out,
        "manage {} {}   {}   up {}   ledger {}{ending}",
        s.host,
        s.listen,
        s.method,
        duration(s.uptime_s),
        s.ledger
    );
    let of =
        s.whole().map_or_else(String::new, |whole| format!(" of {} ({})", grouped(whole), percent(s.tested, whole)));
    let up_to = match (s.contiguous_to >= s.first, s.first) {
        (false, first) => format!("{} is still to be tested", grouped(first)),
        (true, 1) => format!("every number up to {}", grouped(s.contiguous_to)),
        (true, first) => format!("every number from {} to {}", grouped(first), grouped(s.contiguous_to)),
    };
    let _ = writeln!(out, "TESTED   {}{of}   {up_to}", grouped(s.tested));
    if s.unchecked > 0 {
        let _ = writeln!(out, "CHECK    {} of these wait for a second compute", grouped(s.unchecked));
    }
    let to_go = s.eta_s.map_or_else(String::new, |eta| format!("   about {} to go", duration(eta)));
    let _ = writeln!(out, "RATE     {} numbers/s (last 60 s){to_go}", scaled(s.rate_per_s));
    let _ = writeln!(out, "PERFECT  {}", list(&s.perfect));
    if let Some(trouble) = &s.trouble {
        let _ = writeln!(out, "TROUBLE  {trouble}: nothing goes on until there is");
    }
}

/// The table of computes; a column of strikes only if there are any.
fn rows(out: &mut String, computes: &[Compute]) {
    let strikes = computes.iter().any(|compute| compute.strikes > 0);
    let mut lines = vec![["HOST", "PID", "STATE", "RANGE", "RATE", "SEEN", "STRIKES"].map(str::to_owned)];
    lines.extend(computes.iter().map(cells));
    let columns = if strikes { 7 } else { 6 };
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for line in &lines {
        let mut row = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            let _ = write!(row, "{cell:width$}   ");
        }
        let _ = writeln!(out, "{}", row.trim_end());
    }
}

fn cells(c: &Compute) -> [String; 7] {
    let dash = || "-".to_owned();
    let range = match (c.first, c.last) {
        (Some(first), Some(last)) => format!("{} … {}", grouped(first), grouped(last)),
        _ => dash(),
    };
    let rate = if c.rate_per_s > 0 { format!("{}/s", scaled(c.rate_per_s)) } else { dash() };
    let seen = duration(c.seen_ms / 1000);
    [c.host.clone(), c.pid.to_string(), c.state.to_string(), range, rate, seen, c.strikes.to_string()]
}

/// `3 computes: 2 busy, 1 lost`.
fn census(computes: &[Compute]) -> String {
    let mut counts = BTreeMap::new();
    for compute in computes {
        let order = Stage::ALL.iter().position(|stage| *stage == compute.state);
        counts.entry(order).or_insert((0, compute.state)).0 += 1;
    }
    let parts: Vec<_> = counts.values().map(|(count, stage)| format!("{count} {stage}")).collect();
    match computes.len() {
        0 => "no computes".to_owned(),
        1 => format!("1 compute: {}", parts.join(", ")),
        many => format!("{} computes: {}", grouped(many as u64), parts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let forms = [(0, "0"), (999, "999"), (1_000, "1,000"), (33_550_336, "33,550,336")];
        for (number, want) in forms {
            assert_eq!(grouped(number), want);
        }
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn rates_have_three_digits() {
        let forms = [(0, "0"), (999, "999"), (1_000, "1.00 k"), (3_941_000, "3.94 M"), (12_345, "12.3 k")];
        for (rate, want) in forms {
            assert_eq!(scaled(rate), want);
        }
        assert_eq!(scaled(999_600), "1.00 M");
        assert_eq!(scaled(250_000_000), "250 M");
    }

    #[test]
    fn durations_have_two_units() {
        let forms = [(0, "0s"), (59, "59s"), (131, "2m 11s"), (11_520, "3h 12m"), (90_000, "1d 1h")];
        for (seconds, want) in forms {
            assert_eq!(duration(seconds), want);
        }
    }

    #[test]
    fn a_share_is_never_rounded_up_to_all() {
        assert_eq!(percent(999_999, 1_000_000), "99.9 %");
        assert_eq!(percent(1_000_000, 1_000_000), "100 %");
        assert_eq!(percent(u64::MAX / 2, u64::MAX), "49.9 %");
    }
}
