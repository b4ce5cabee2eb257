//! Who may use whom: bin, then the roles, then common and divisors, never upward and never sideways between roles.

use super::source::{File, identifier, words};
use super::{allows, refuses};

/// The system's side of common: it moves bytes and knows nothing of what they mean.
const SYSTEM_SIDE: &[&str] = &["brood", "clock", "conn", "log", "net", "poll", "process", "signal", "store"];

/// bin → role → common, divisors; in common, the system's side never uses messages.
pub fn run_downward(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.is_source() && file.path != "src/lib.rs") {
        for (at, to) in uses(file) {
            if let Some(way_out) = upward(&file.path, &to) {
                let what = format!("names {} (imports run downward): {way_out}", to.join("::"));
                violations.push(file.violation(at, &what));
            }
        }
    }
    violations
}

/// A list of modules that says it is in the order of dependency is: lib.rs and common/mod.rs. Limits are only numbers.
/// What `run_downward` refuses is not said twice.
pub fn stand_in_order(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for (list, depth) in [("src/lib.rs", 0), ("src/common/mod.rs", 1)] {
        let Some(list) = files.iter().find(|file| file.path == list) else { continue };
        let order: Vec<_> = words(&list.code, "mod").map(|at| identifier(list.code[at + 3..].trim_start())).collect();
        let place = |path: &[String]| order.iter().position(|name| path.get(depth).is_some_and(|own| own == name));
        for file in files.iter().filter(|file| file.is_source() && place(&module(&file.path)).is_some()) {
            let own = module(&file.path);
            for (at, to) in uses(file).into_iter().filter(|(_, to)| to.starts_with(&own[..depth])) {
                let fine = to.join("::").starts_with("common::limits") || upward(&file.path, &to).is_some();
                if place(&to) > place(&own) && !fine {
                    let what = format!(
                        "uses {}, which {} lists further down (the order of dependency): change the list",
                        to.join("::"),
                        list.path
                    );
                    violations.push(file.violation(at, &what));
                }
            }
        }
    }
    violations
}

/// Why a file may not use what is at `to`, as the way out; `None` if it may.
fn upward(path: &str, to: &[String]) -> Option<String> {
    let own = module(path);
    let to: Vec<_> = to.iter().map(String::as_str).collect();
    match (own[0].as_str(), &to[..]) {
        ("bin", [role, ..]) => {
            (own[1] != *role).then(|| "a program calls the main of its own role, nothing else".to_owned())
        }
        ("divisors", ["divisors", ..] | ["common", "limits", ..]) => None,
        ("divisors", _) => Some("number theory is pure: pass in what it needs".to_owned()),
        ("common", ["common", "message", ..]) if SYSTEM_SIDE.contains(&own[1].as_str()) => {
            Some("what knows messages belongs above the system's side: into a role, or into message".to_owned())
        }
        (_, ["common" | "divisors", ..]) => None,
        ("common", _) => Some("common knows no role: move it there, or pass in what is needed".to_owned()),
        (role, [other, ..]) if role == *other => None,
        (_, _) => Some("no role uses another: what both need moves to common".to_owned()),
    }
}

/// The module that a file is: `src/manage/state/mod.rs` is manage, state.
fn module(path: &str) -> Vec<String> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    let path = path.trim_end_matches("/mod").trim_start_matches("lib");
    path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// What a file uses of the crate, from the crate's root on.
fn uses(file: &File) -> Vec<(usize, Vec<String>)> {
    let own = |at| {
        let mut own = module(&file.path);
        own.extend(file.inner_modules(at).into_iter().map(str::to_owned));
        own
    };
    let rooted = ["crate", "aliquot"].into_iter().flat_map(|root| file.paths(root));
    let mut uses: Vec<_> = rooted.map(|(at, path)| (at, path[1..].to_vec())).collect();
    for (at, path) in file.paths("super") {
        let ups = path.iter().take_while(|segment| *segment == "super").count();
        let mut whole = own(at);
        whole.truncate(whole.len().saturating_sub(ups));
        whole.extend_from_slice(&path[ups..]);
        uses.push((at, whole));
    }
    uses
}

#[test]
fn upward_imports_are_refused() {
    refuses(run_downward, "src/manage/mod.rs", "use std::io;\nuse crate::report::json;\n", 2);
    refuses(run_downward, "src/manage/state/mod.rs", "use super::super::report;\n", 1);
    refuses(
        run_downward,
        "src/manage/state/view.rs",
        "use crate::{common::{clock, error}, divisors,\n  compute};\n",
        2,
    );
    refuses(run_downward, "src/report/mod.rs", "fn f() {\n  crate::manage::main()\n}\n", 2);
    refuses(run_downward, "src/report/mod.rs", "use crate::*;\n", 1);
    refuses(run_downward, "src/common/view.rs", "mod tests {\n  use super::super::super::manage::State;\n}\n", 2);
    refuses(run_downward, "src/divisors/cost.rs", "use crate::common::clock;\n", 1);
    refuses(run_downward, "src/common/conn.rs", "use super::message::Message;\n", 1);
    refuses(run_downward, "src/common/brood.rs", "use super::{clock,\nmessage::Message};\n", 2);
    refuses(run_downward, "src/bin/report.rs", "fn main() { aliquot::manage::main() }\n", 1);
}

#[test]
fn downward_imports_are_allowed() {
    allows(run_downward, "src/manage/state/mod.rs", "use super::coverage; use crate::common::{self, clock};\n");
    allows(run_downward, "src/manage/state/mod.rs", "use crate::divisors::{self, Method};\n");
    allows(run_downward, "src/manage/mod.rs", "// use crate::report;\nlet s = \"crate::report::x\";\n");
    allows(run_downward, "src/common/view.rs", "use super::message::Status;\nmod tests { use super::*; }\n");
    allows(run_downward, "src/divisors/cost.rs", "use crate::common::limits::CANDIDATE_MAX; use super::sums;\n");
    allows(run_downward, "src/bin/report.rs", "fn main() { aliquot::report::main() }\n");
}

#[test]
fn modules_are_listed_in_the_order_of_dependency() {
    let list = || File::new("src/common/mod.rs", "pub mod error;\npub mod log;\n");
    let found = stand_in_order(&[list(), File::new("src/common/error.rs", "use std::io;\nuse super::log::Screen;\n")]);
    assert!(found.len() == 1 && found[0].starts_with("src/common/error.rs:2: "), "{found:?}");
    assert_eq!(stand_in_order(&[list(), File::new("src/common/log.rs", "use super::error::Error;\n")]), [""; 0]);
}
