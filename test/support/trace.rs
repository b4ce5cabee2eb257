//! What a process has written, synced and said, as strace has recorded it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// One step of a process that outlives it, or that somebody else has seen.
#[derive(Clone, Debug)]
pub enum Step {
    /// A file was opened, and made if it wasn't there.
    Open(String),
    /// Bytes were written into a file at this offset.
    Write(String, usize, Vec<u8>),
    /// A file was cut, or extended, to this length.
    Resize(String, usize),
    /// A file was synced, or a directory.
    Sync(String),
    /// A file was removed.
    Remove(String),
    /// Something was sent to somebody.
    Said(Vec<u8>),
}

/// The options of strace that record what [`read`] takes.
pub const OPTIONS: &str = "-qq -y -xx -s 1000000 -e trace=openat,pwrite64,ftruncate,fsync,fdatasync,unlink,sendto";

/// Reads a record: the steps that have succeeded, of files in `directory` and of sockets.
pub fn read(path: &Path, directory: &Path) -> Vec<Step> {
    let directory = fs::canonicalize(directory).expect("it is there").to_string_lossy().into_owned();
    let text = fs::read_to_string(path).expect("strace has written it");
    whole(text.lines()).iter().filter_map(|line| step(line, &directory)).collect()
}

/// The calls of several threads, one a line: where another thread has made one meanwhile, strace writes a call's beginning and its
/// end apart. It counts as made at its end, but for what is sent, which may be heard before.
fn whole<'t>(lines: impl Iterator<Item = &'t str>) -> Vec<String> {
    const BEGUN: &str = " <unfinished ...>";
    let (mut begun, mut calls) = (HashMap::new(), Vec::new());
    for line in lines {
        // With `-f` each line begins with the thread that it is of.
        let (thread, call) =
            line.split_once(' ').filter(|(thread, _)| thread.parse::<u32>().is_ok()).unwrap_or(("", line));
        let call = call.trim_start();
        if let Some(begin) = call.strip_suffix(BEGUN) {
            begun.insert(thread, (calls.len(), begin));
            calls.push(String::new());
        } else if let Some((_, end)) = call.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
            let Some((at, begin)) = begun.remove(thread) else { continue };
            let call = format!("{begin}{end}");
            if begin.starts_with("sendto(") { calls[at] = call } else { calls.push(call) }
        } else {
            calls.push(call.to_owned());
        }
    }
    calls
}

fn step(line: &str, directory: &str) -> Option<Step> {
    let (call, rest) = line.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let arguments = arguments.trim_end().strip_suffix(')')?;
    if result.starts_with('-') {
        return None;
    }
    let strings: Vec<Vec<u8>> = strings(arguments);
    let file = |index: usize| {
        let path = String::from_utf8(strings.get(index)?.clone()).ok()?;
        path.strip_prefix(directory).map(|name| name.trim_start_matches('/').to_owned())
    };
    let number = |text: &str| text.trim().parse::<usize>().ok();
    let last = number(arguments.rsplit(',').next()?);
    Some(match call {
        "openat" if arguments.contains("O_CREAT") => Step::Open(file(1)?),
        "pwrite64" => {
            let mut data = strings[1].clone();
            data.truncate(number(result)?);
            Step::Write(file(0)?, last?, data)
        }
        "ftruncate" => Step::Resize(file(0)?, last?),
        "fsync" | "fdatasync" => Step::Sync(file(0)?),
        "unlink" => Step::Remove(file(0)?),
        "sendto" => Step::Said(strings[1][..number(result)?].to_vec()),
        _ => return None,
    })
}

/// The strings and the paths of file descriptors among the arguments of a call, every byte of them in hexadecimal.
fn strings(arguments: &str) -> Vec<Vec<u8>> {
    let mut strings = Vec::new();
    let mut rest = arguments;
    while let Some(begin) = rest.find(['"', '<']) {
        let end = if rest[begin..].starts_with('"') { '"' } else { '>' };
        let Some(length) = rest[begin + 1..].find(end) else { break };
        let text = &rest[begin + 1..begin + 1 + length];
        strings.push(text.split("\\x").skip(1).filter_map(|digits| u8::from_str_radix(digits, 16).ok()).collect());
        rest = &rest[begin + 2 + length..];
    }
    strings
}
