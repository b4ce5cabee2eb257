//! What a process has written, synced and said, as strace has recorded it.

use std::fs;
use std::path::Path;

use aliquot::common::message::Message;

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
    Said(Vec<Message>),
}

/// The options of strace that record what [`read`] takes.
pub const OPTIONS: &str = "-qq -y -xx -s 1000000 -e trace=openat,pwrite64,ftruncate,fsync,fdatasync,unlink,sendto";

/// Reads a record: the steps that have succeeded, of files in `directory` and of sockets.
pub fn read(path: &Path, directory: &Path) -> Vec<Step> {
    let directory = fs::canonicalize(directory).expect("it is there").to_string_lossy().into_owned();
    let text = fs::read_to_string(path).expect("strace has written it");
    text.lines().filter_map(|line| step(line, &directory)).collect()
}

fn step(line: &str, directory: &str) -> Option<Step> {
    let (call, rest) = line.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(") = ")?;
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
        "sendto" => {
            let sent = &strings[1][..number(result)?];
            let lines = sent.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            Step::Said(lines.filter_map(|line| Message::read(line).ok()).collect())
        }
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
