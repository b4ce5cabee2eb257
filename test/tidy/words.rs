//! What is said, and what isn't.

use super::source::{File, words};
use super::{allows, refuses};

const MARKS: &[&str] = &["TODO", "FIXME", "XXX"];
const PRINTING: &[&str] = &["println!", "print!", "eprintln!", "eprint!", "dbg!"];
const UNFINISHED: &[&str] = &["todo!", "unimplemented!"];
/// Where somebody worked is no business of the product. In pieces, so that this file doesn't say it either.
const WORKPLACES: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Use", "rs/")];
/// Nor is who.
const AUTHORS: &[&str] =
    &[concat!("assis", "tant"), concat!("assis", "tants"), concat!("chat", "bot"), concat!("AI-", "generated")];

/// Every file of the source begins by saying what it is for.
pub fn files_have_a_header(files: &[File]) -> Vec<String> {
    let bare = files.iter().filter(|file| file.is_source() && !file.text.starts_with("//! "));
    let what = "no header (a file says what it is for): begin it with `//! …`";
    bare.map(|file| file.violation(0, what)).collect()
}

/// Standard output carries data and is written with its errors looked at; logs go through slog.
pub fn output_goes_through_its_door(files: &[File]) -> Vec<String> {
    let what = "printing (standard output is data, logs are slog's): write to a handle, or log";
    in_source(files, PRINTING, what)
}

/// Nothing stays unfinished.
pub fn nothing_is_left_to_do(files: &[File]) -> Vec<String> {
    let mut violations = in_source(files, UNFINISHED, "unfinished (nothing stays to be done): do it now");
    for file in files {
        for at in MARKS.iter().flat_map(|mark| words(&file.comments, mark)) {
            let what = "a mark of work left (nothing stays to be done): do it, or open an issue";
            violations.push(file.violation(at, what));
        }
    }
    violations
}

/// Errors are handled, or passed on. There is no exception: what can't fail can be written so that it shows.
pub fn errors_are_handled(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.is_source()) {
        // A method of one's own may be called expect; that of Option and Result takes a text.
        let calls = words(&file.code, "unwrap()").chain(words(&file.code, "expect").filter(|at| takes_text(file, *at)));
        let calls = calls.filter(|at| file.code[..*at].trim_end().ends_with('.') && !file.in_tests(*at));
        let what = "unwrap or expect (errors are handled): pass it on with `?`, or write it so that it can't fail";
        violations.extend(calls.map(|at| file.violation(at, what)));
    }
    violations
}

fn takes_text(file: &File, at: usize) -> bool {
    let argument = file.text[at..].split_once('(').map_or("", |(_, argument)| argument.trim_start());
    ["\"", "r\"", "r#", "&", "concat!"].iter().any(|begin| argument.starts_with(begin))
}

/// The product speaks of the product: not of where it was made, nor by whom.
pub fn the_product_speaks_of_itself(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files {
        let lower = file.text.to_ascii_lowercase();
        let author = AUTHORS.iter().map(|name| name.to_ascii_lowercase());
        let author: Vec<_> = author.flat_map(|name| words(&lower, &name).collect::<Vec<_>>()).collect();
        for at in WORKPLACES.iter().flat_map(|place| words(&file.text, place)).chain(author) {
            let what = "a workplace (the product speaks of itself alone): leave it out";
            violations.push(file.violation(at, what));
        }
    }
    violations
}

/// A violation for each of these words in the code of src.
fn in_source(files: &[File], forbidden: &[&str], what: &str) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.is_source()) {
        let found = forbidden.iter().flat_map(|word| words(&file.code, word));
        violations.extend(found.map(|at| file.violation(at, what)));
    }
    violations
}

#[test]
fn a_file_without_a_header_is_refused() {
    refuses(files_have_a_header, "src/a.rs", "use std::io;\n", 1);
    refuses(files_have_a_header, "src/a.rs", "", 1);
    allows(files_have_a_header, "src/a.rs", "//! What it is for.\n");
}

#[test]
fn printing_is_refused() {
    refuses(output_goes_through_its_door, "src/a.rs", "fn f() {\n  println!(\"a\");\n}\n", 2);
    refuses(output_goes_through_its_door, "src/a.rs", "std::eprintln!();\n", 1);
    allows(output_goes_through_its_door, "src/a.rs", "// println!\nwriteln!(out, \"print!\")\n");
    allows(output_goes_through_its_door, "bench/a.rs", "println!();\n");
}

#[test]
fn work_left_is_refused() {
    let mark = concat!("\n// TO", "DO: this\n");
    refuses(nothing_is_left_to_do, "src/a.rs", mark, 2);
    refuses(nothing_is_left_to_do, "Makefile", &mark.replace("//", "#"), 2);
    refuses(nothing_is_left_to_do, "src/a.rs", "fn f() { todo!() }\n", 1);
    allows(nothing_is_left_to_do, "src/a.rs", "// mktemp XXXXXX\nlet todo = 1;\n");
}

#[test]
fn errors_passed_over_are_refused() {
    refuses(errors_are_handled, "src/a.rs", "fn f() {\n  g().unwrap()\n}\n", 2);
    refuses(errors_are_handled, "src/a.rs", "g()\n  .expect(\"it is there\");\n", 2);
    allows(errors_are_handled, "src/a.rs", "self.expect(b'>', kind)?; g().expect_err(\"a\"); g().unwrap_err();\n");
    allows(errors_are_handled, "src/a.rs", "g().unwrap_or(0); fn expect() {} // .unwrap()\n");
    allows(errors_are_handled, "src/a.rs", "#[cfg(test)]\nmod tests { fn f() { g().unwrap() } }\n");
    allows(errors_are_handled, "src/manage/state/tests.rs", "fn f() { g().unwrap() }\n");
}

#[test]
fn workplaces_are_refused() {
    refuses(the_product_speaks_of_itself, "README.md", &format!("a\nSee {}x.\n", WORKPLACES[0]), 2);
    refuses(the_product_speaks_of_itself, "src/a.rs", &format!("// {}\n", AUTHORS[0].to_uppercase()), 1);
    allows(the_product_speaks_of_itself, "README.md", "A worker works at work, /usr/local/bin, src/homework/.\n");
}
