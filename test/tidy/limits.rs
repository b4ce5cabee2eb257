//! Every bound and timeout has its place, its reason and its unit.

use super::source::{File, words};
use super::{allows, refuses};

const LIMITS: &str = "src/common/limits.rs";
/// Parts of it.
const PARTS: &str = "src/common/limits/";
const CONSTRUCTORS: &[&str] = &["from_secs", "from_millis", "from_micros", "from_nanos", "from_secs_f64", "new"];
/// A unit, or the word that makes a plain count a bound.
const UNITS: &[&str] = &["MS", "US", "BYTES", "DIVISIONS", "MAX", "MIN", "DEFAULT", "BACKLOG"];

fn is_limits(file: &File) -> bool {
    file.path == LIMITS || file.path.starts_with(PARTS)
}

/// A duration is made of a constant, which stands in limits.
pub fn durations_have_a_name(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.is_source() && !is_limits(file)) {
        let made = file.paths("Duration").into_iter().chain(file.paths("std"));
        let made = made.filter(|(_, path)| {
            let mut ends = path.iter().rev();
            ends.next().is_some_and(|name| CONSTRUCTORS.contains(&name.as_str()))
                && ends.next().is_some_and(|own| own == "Duration")
        });
        let arguments = made.filter_map(|(at, _)| Some((at, file.code[at..].split_once('(')?.1)));
        for (at, _) in arguments.filter(|(at, value)| starts_with_digit(value) && !file.in_tests(*at)) {
            let what = "a duration of so many (bounds stand in common/limits): give it a name and a reason there";
            violations.push(file.violation(at, what));
        }
    }
    violations
}

fn starts_with_digit(code: &str) -> bool {
    code.trim_start().starts_with(|c: char| c.is_ascii_digit())
}

/// Each constant of limits says why it has its value, and in what unit.
pub fn limits_have_reason_and_unit(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for (file, at) in files
        .iter()
        .filter(|file| is_limits(file))
        .flat_map(|file| words(&file.code, "const").map(move |at| (file, at)))
    {
        let name = file.code[at + 5..].split(':').next().unwrap_or("").trim();
        let line_start = file.text[..at].rfind('\n').map_or(0, |end| end + 1);
        let above = file.text[..line_start].trim_end().lines().next_back().unwrap_or("");
        if !above.starts_with("///") {
            let what = format!("{name} has no comment (a bound has its reason beside it): say why it has its value");
            violations.push(file.violation(at, &what));
        }
        if !UNITS.iter().any(|unit| name.rsplit('_').next() == Some(unit)) {
            let what = format!("{name} has no unit (a bound has its unit in its name): end it in one of {UNITS:?}");
            violations.push(file.violation(at, &what));
        }
    }
    violations
}

#[test]
fn a_duration_without_a_name_is_refused() {
    refuses(durations_have_a_name, "src/a.rs", "fn f() {\n  Duration::from_secs(5)\n}\n", 2);
    refuses(durations_have_a_name, "src/a.rs", "fn f() {\n  x(std::time::Duration::from_millis( 250 ))\n}\n", 2);
    refuses(durations_have_a_name, "src/a.rs", "const A: Duration = Duration::new(1, 0);\n", 1);
    allows(durations_have_a_name, "src/a.rs", "fn f() { Duration::from_millis(SLICE_MS) }\n");
    allows(
        durations_have_a_name,
        "src/a.rs",
        "#[cfg(test)]\nmod tests { const A: Duration = Duration::from_secs(1); }\n",
    );
    allows(durations_have_a_name, "test/a.rs", "const A: Duration = Duration::from_secs(1);\n");
}

#[test]
fn a_limit_without_reason_or_unit_is_refused() {
    refuses(limits_have_reason_and_unit, LIMITS, "/// Why.\npub const A_MS: u64 = 1;\n\npub const B_MS: u64 = 1;\n", 4);
    refuses(limits_have_reason_and_unit, LIMITS, "/// Why.\npub const PATIENCE: u64 = 1;\n", 2);
    allows(limits_have_reason_and_unit, LIMITS, "/// Why.\npub const PATIENCE_MAX_MS: u64 = 1;\n");
}
