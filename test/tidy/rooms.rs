//! What has one room of its own: `unsafe`, sockets. And what has none: threads in the programs that fork.

use super::source::{File, words};
use super::{allows, refuses};

const UNSAFE_ROOMS: &[&str] =
    &["src/common/process.rs", "src/divisors/kernel.rs", "src/pow/sha/kernel.rs", "src/pow/sha/ni.rs"];
const SOCKET_ROOM: &str = "src/common/net.rs";
/// What runs in a process that forks. The child of a fork has one thread, and waits for ever for what another held.
const WITHOUT_THREADS: &[&str] = &["src/common/", "src/manage/", "src/compute/", "src/report/"];

/// `unsafe` stands in its rooms only, each with its reason directly above.
pub fn unsafe_has_its_rooms(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files {
        let room = UNSAFE_ROOMS.contains(&file.path.as_str());
        let allowed = words(&file.code, "unsafe_code").map(|at| (at, true));
        for (at, lint) in words(&file.code, "unsafe").map(|at| (at, false)).chain(allowed) {
            let what = match (room, lint) {
                (false, _) => format!("unsafe (it stands in {UNSAFE_ROOMS:?} alone): call what is there"),
                (true, false) if !has_reason(file, at) => {
                    "unsafe without a reason (each has its own): say `// SAFETY: why` directly above".to_owned()
                }
                _ => continue,
            };
            violations.push(file.violation(at, &what));
        }
    }
    violations
}

/// Whether the comment directly above the line of `at` says `SAFETY:`.
fn has_reason(file: &File, at: usize) -> bool {
    let line = file.text[..at].matches('\n').count();
    let above: Vec<_> = file.text.lines().take(line).map(str::trim_start).collect();
    above.iter().rev().take_while(|line| line.starts_with("//")).any(|line| line.starts_with("// SAFETY: "))
}

/// Sockets are made in common/net and nowhere else.
pub fn sockets_are_of_one_room(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.is_source() && file.path != SOCKET_ROOM) {
        for at in words(&file.code, "socket2") {
            let what = format!("socket2 (sockets are made in {SOCKET_ROOM} alone): use its Listener and Stream");
            violations.push(file.violation(at, &what));
        }
    }
    violations
}

/// No thread is started, and nothing sleeps, in a program that forks. Asking how many could run is no thread.
pub fn roles_have_no_threads(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| WITHOUT_THREADS.iter().any(|room| file.path.starts_with(room))) {
        let paths = file.paths("std").into_iter().filter(|(at, path)| {
            path.get(1).is_some_and(|module| module == "thread")
                && path.get(2).is_none_or(|what| what != "available_parallelism")
                && !file.in_tests(*at)
        });
        let what = "a thread (a program that forks has one): do it in steps between two turns of the loop";
        violations.extend(paths.map(|(at, _)| file.violation(at, what)));
    }
    for file in files.iter().filter(|file| file.path.ends_with(".rs") || file.path == "Cargo.toml") {
        let text = if file.path.ends_with(".rs") { &file.code } else { &file.text };
        let names = words(text, "slog_async").chain(words(text, "slog-async"));
        let what = "slog-async (it starts a thread, which a forked child doesn't have): common/log is synchronous";
        violations.extend(names.map(|at| file.violation(at, what)));
    }
    violations
}

#[test]
fn unsafe_elsewhere_or_without_reason_is_refused() {
    let room = UNSAFE_ROOMS[0];
    refuses(unsafe_has_its_rooms, "src/a.rs", "fn f() {\n  // SAFETY: fine.\n  unsafe { g() }\n}\n", 3);
    refuses(unsafe_has_its_rooms, "src/a.rs", "//! A.\n#![allow(unsafe_code)]\n", 2);
    refuses(unsafe_has_its_rooms, room, "// SAFETY: not this one.\nlet a = 1;\nunsafe { g() }\n", 3);
    refuses(unsafe_has_its_rooms, room, "// SAFETY: fine.\nunsafe { g() };\nunsafe { g() }\n", 3);
    allows(unsafe_has_its_rooms, room, "#![allow(unsafe_code)]\n// SAFETY: it is\n// fine.\nmatch unsafe { g() } {}\n");
    allows(unsafe_has_its_rooms, "src/a.rs", "// unsafe\nlet a = \"unsafe { }\";\nlet unsafely = 1;\n");
}

#[test]
fn sockets_elsewhere_are_refused() {
    refuses(sockets_are_of_one_room, "src/a.rs", "\nuse socket2::Socket;\n", 2);
    allows(sockets_are_of_one_room, SOCKET_ROOM, "use socket2::Socket;\n");
    allows(sockets_are_of_one_room, "src/a.rs", "//! A raw socket2 socket.\n");
}

#[test]
fn threads_are_refused() {
    refuses(roles_have_no_threads, "src/manage/a.rs", "fn f() {\n  std::thread::sleep(PAUSE);\n}\n", 2);
    refuses(roles_have_no_threads, "src/common/a.rs", "use std::{io, thread};\n", 1);
    refuses(roles_have_no_threads, "Cargo.toml", "[dependencies]\nslog-async = \"2\"\n", 2);
    refuses(roles_have_no_threads, "src/a.rs", "use slog_async::Async;\n", 1);
    allows(roles_have_no_threads, "src/common/a.rs", "let n = std::thread::available_parallelism();\n");
    allows(roles_have_no_threads, "src/manage/a.rs", "#[cfg(test)]\nmod tests { use std::thread; }\n");
    allows(roles_have_no_threads, "src/common/log.rs", "//! slog_async starts a thread.\n");
}
