//! What fits a screen and a head.

use super::source::File;
use super::{allows, refuses};

const FILE_MAX_LINES: usize = 400;
const FUNCTION_MAX_LINES: usize = 70;
/// The median of all functions stays below this.
const FUNCTION_MEDIAN_LINES: usize = 10;

/// No file of code is longer than 400 lines.
pub fn files_are_short(files: &[File]) -> Vec<String> {
    let long = files.iter().filter(|file| file.path.ends_with(".rs") && file.text.lines().count() > FILE_MAX_LINES);
    long.map(|file| {
        let what = format!(
            "{} lines (a file has {FILE_MAX_LINES} at most): cut it where its subject changes",
            file.text.lines().count()
        );
        file.violation(0, &what)
    })
    .collect()
}

/// No function is longer than 70 lines.
pub fn functions_are_short(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files {
        for long in file.functions().iter().filter(|function| function.lines > FUNCTION_MAX_LINES) {
            let what = format!(
                "{} has {} lines (a function has {FUNCTION_MAX_LINES} at most): give its steps names",
                long.name, long.lines
            );
            violations.push(file.violation(long.at, &what));
        }
    }
    violations
}

/// Half of all functions in src have fewer than 10 lines.
pub fn functions_do_one_thing(files: &[File]) -> Vec<String> {
    let mut lengths = Vec::new();
    for file in files.iter().filter(|file| file.is_source()) {
        lengths.extend(file.functions().iter().filter(|found| !file.in_tests(found.at)).map(|found| found.lines));
    }
    lengths.sort_unstable();
    let median = lengths.get(lengths.len() / 2).copied().unwrap_or(0);
    let fine = median < FUNCTION_MEDIAN_LINES;
    let what = format!(
        "src:1: the median of {} functions is {median} lines (below {FUNCTION_MEDIAN_LINES}): \
         a function does one thing, and calls others for the rest",
        lengths.len()
    );
    if fine { Vec::new() } else { vec![what] }
}

#[test]
fn a_long_file_is_refused() {
    refuses(files_are_short, "src/a.rs", &"\n".repeat(FILE_MAX_LINES + 1), 1);
    allows(files_are_short, "src/a.rs", &"\n".repeat(FILE_MAX_LINES));
    allows(files_are_short, "doc/a.md", &"\n".repeat(FILE_MAX_LINES + 1));
}

#[test]
fn a_long_function_is_refused() {
    let function = |lines: usize| format!("\nfn f() {{\n{}}}\n", "let c = '}';\n".repeat(lines - 2));
    refuses(functions_are_short, "test/a.rs", &function(FUNCTION_MAX_LINES + 1), 2);
    allows(functions_are_short, "test/a.rs", &function(FUNCTION_MAX_LINES));
}

#[test]
fn long_functions_on_the_whole_are_refused() {
    let (long, short) = (format!("fn f() {{{}}}\n", "\n".repeat(9)), "fn f() {}\n".to_owned());
    refuses_as_a_whole(&format!("{long}{long}{short}"));
    allows(functions_do_one_thing, "src/a.rs", &format!("{short}{short}{long}"));
    allows(functions_do_one_thing, "src/a.rs", &format!("#[cfg(test)]\nmod tests {{ {long} }}\n"));
}

#[track_caller]
fn refuses_as_a_whole(text: &str) {
    let found = functions_do_one_thing(&[File::new("src/a.rs", text)]);
    assert!(found.len() == 1 && found[0].contains("of 3 functions is 10 lines"), "{found:?}");
}
