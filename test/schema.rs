//! The messages against their schema, doc/protocol.rng, as xmllint reads it, and against doc/protocol.md: what the
//! program writes is valid and reads back; what is wrong is refused by both; nothing is missing in either file.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aliquot::common::limits;
use aliquot::common::message::{Code, Error, Message, Refused};
use fastrand::Rng;

pub use maker::Maker;

mod maker;

/// Messages of each kind. Their optional attributes come and go by the bits of a counter, so four suffice for 16.
const TURNS: u32 = 64;
/// How many kinds of messages there are.
const KINDS: usize = 19;
/// Files of one call of xmllint.
const FILES_PER_CALL: usize = 500;

/// The attributes that may be missing.
const OPTIONAL: &[(&str, &str)] = &[
    ("hello", "host"),
    ("hello", "pid"),
    ("hello", "instance"),
    ("hello", "kernel"),
    ("query", "cells"),
    ("alive", "lease"),
    ("alive", "tested"),
    ("status", "last"),
    ("status", "eta_s"),
    ("status", "trouble"),
    ("compute", "first"),
    ("compute", "last"),
    ("compute", "kernel"),
];

/// Which kind a message is: whoever adds one is told by the compiler to make it here as well.
fn kind(message: &Message) -> usize {
    match message {
        Message::Hello(_) => 0,
        Message::Welcome(_) => 1,
        Message::Speed(_) => 2,
        Message::Request(_) => 3,
        Message::Range(_) => 4,
        Message::Alive(_) => 5,
        Message::Found(_) => 6,
        Message::Accepted(_) => 7,
        Message::Refused(_) => 8,
        Message::Signal(_) => 9,
        Message::Acknowledged(_) => 10,
        Message::Query(_) => 11,
        Message::Status(_) => 12,
        Message::Compute(_) => 13,
        Message::End(_) => 14,
        Message::Error(_) => 15,
        Message::Recall(_) => 16,
        Message::Distrusted(_) => 17,
        Message::Coverage(_) => 18,
    }
}

/// All messages of a test, and what to set to have them again.
fn messages() -> (Vec<Message>, String) {
    let seed = crate::seed();
    let mut maker = Maker { rng: Rng::with_seed(seed), bits: 0 };
    ((0..TURNS).flat_map(|turn| maker.all(turn)).collect(), format!("ALIQUOT_SEED={seed}"))
}

#[test]
fn what_is_written_is_valid_and_reads_back() {
    let (messages, seed) = messages();
    let lines: Vec<String> = messages.iter().map(Message::line).collect();
    let kinds: BTreeSet<usize> = messages.iter().map(kind).collect();
    assert_eq!(kinds.len(), KINDS, "one message of each kind");
    let valid = valid_by_xmllint(&lines);
    for ((message, line), valid) in messages.into_iter().zip(&lines).zip(valid) {
        assert!(valid, "the schema refuses {line}{seed}");
        let content = line.strip_suffix('\n').expect("a line ends with its LF");
        assert!(!content.contains(['\n', '\r']), "{line:?} is one line");
        assert!(line.len() <= limits::LINE_MAX_BYTES, "{line}");
        assert_eq!(Message::read(content.as_bytes()), Ok(carried(message)), "{line}{seed}");
    }
}

/// A message as it arrives: what XML can't carry is U+FFFD.
fn carried(mut message: Message) -> Message {
    let forbidden = |c| matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}');
    if let Message::Refused(Refused { text, .. }) | Message::Error(Error { text, .. }) = &mut message {
        *text = text.replace(forbidden, "\u{fffd}");
    }
    message
}

/// A line taken to pieces, values as they were written.
#[derive(Clone)]
struct Pieces {
    name: String,
    attributes: Vec<(String, String)>,
    content: String,
}

impl Pieces {
    /// Of a line that the program has written, in which `>` and `"` stand for nothing but themselves.
    fn of(line: &str) -> Self {
        let (tag, behind) = line.trim_end().strip_prefix('<').and_then(|tag| tag.split_once('>')).expect("a tag");
        let (name, attributes) = tag.trim_end_matches('/').split_once(' ').unwrap_or((tag.trim_end_matches('/'), ""));
        let quoted: Vec<&str> = attributes.split('"').collect();
        let attributes = quoted.chunks_exact(2).map(|pair| {
            let name = pair[0].trim_start().strip_suffix('=').expect("a name and its equals sign");
            (name.to_owned(), pair[1].to_owned())
        });
        let content = behind.strip_suffix(&format!("</{name}>")).unwrap_or("");
        Self { name: name.to_owned(), attributes: attributes.collect(), content: content.to_owned() }
    }

    fn line(&self) -> String {
        let attributes: String = self.attributes.iter().map(|(name, value)| format!(" {name}=\"{value}\"")).collect();
        format!("<{0}{attributes}>{1}</{0}>\n", self.name, self.content)
    }

    /// The same with one change.
    fn but(&self, change: impl FnOnce(&mut Self)) -> String {
        let mut changed = self.clone();
        change(&mut changed);
        changed.line()
    }
}

/// One thing wrong each: the line, and the code that it has to be refused with.
fn faults(of: &Pieces) -> Vec<(String, Code)> {
    let mut faults = vec![
        (of.but(|it| it.name.push('x')), Code::UnknownElement),
        (of.but(|it| it.name = it.name.to_uppercase()), Code::UnknownElement),
        (of.but(|it| it.attributes.push(("extra".to_owned(), "1".to_owned()))), Code::UnknownAttribute),
        (of.but(|it| it.content = "<extra/>".to_owned()), Code::BadContent),
        (of.but(|it| it.content = format!("<{0}/>", it.name)), Code::BadContent),
        (of.but(|it| it.content.push_str("<extra/>")), Code::BadContent),
        (of.but(|it| it.content = "<".to_owned()), Code::Malformed),
        (of.but(|it| it.content = "&unknown;".to_owned()), Code::Malformed),
    ];
    if !matches!(of.name.as_str(), "error" | "refused") {
        faults.push((of.but(|it| it.content = "text".to_owned()), Code::BadContent));
    }
    for (index, (name, _)) in of.attributes.iter().enumerate() {
        if !OPTIONAL.contains(&(&of.name, name)) {
            faults.push((of.but(|it| drop(it.attributes.remove(index))), Code::MissingAttribute));
        }
        faults.push((of.but(|it| it.attributes.extend(of.attributes.get(index).cloned())), Code::Malformed));
        let fault = if name == "version" { Code::WrongVersion } else { Code::BadValue };
        for value in wrong_values(&of.name, name) {
            faults.push((of.but(|it| it.attributes[index].1 = value), fault));
        }
    }
    faults
}

/// Values that no attribute of this name may have in this element.
fn wrong_values(element: &str, attribute: &str) -> Vec<String> {
    let is_picture = element == "coverage" && matches!(attribute, "done" | "leased");
    let wrong: &[&str] = match attribute {
        _ if is_picture => &["", "x", "A", " 0", "0 ", "0 X", "0,X", "-1", "&#10;0", "\u{661}"],
        "cells" => &["", "0", "01", "+1", "-1", " 1", "1.0", "1001", "9999", "all"],
        "version" => &["", "0", "2", "01", " 1", "1 ", "1.0"],
        "role" => &["", "Compute", "compute ", "manage", "1"],
        "method" => &["", "Trial", " trial", "trial|sieve", "0"],
        "state" => &["", "BUSY", "gone", "0"],
        "name" => &["", "int", "SIGINT", "KILL", "STOP", "2", " INT"],
        "code" => &["", "no-such-code", "Malformed", "malformed ", "1"],
        "ending" => &["", "1", "True", " true", "yes"],
        "instance" => &["", "0", "00112233445566AA", "00112233445566a", "00112233445566aa0", "0x112233445566aa"],
        "perfect" => &["x", "6,28", "6  28", " 6", "6 ", "06", "+6", "6 18446744073709551616", "6&#10;28"],
        "host" | "kernel" | "listen" | "ledger" | "trouble" => &["", "&#10;", "a&#9;b", "&#127;", "\u{85}"],
        _ => &["", "x", "00", "01", "+1", "-1", "-0", " 1", "1 ", "1.0", "1e3", "0x1", "\u{661}", "\u{ff11}", "1 2"],
    };
    let too_large = match attribute {
        _ if is_picture => Some("X".repeat(limits::CELLS_MAX + 1)),
        "pid" | "strikes" => Some("4294967296".to_owned()),
        "sum" => Some("340282366920938463463374607431768211456".to_owned()),
        "perfect" => Some((1..=17).map(|n| n.to_string()).collect::<Vec<_>>().join(" ")),
        "host" | "kernel" | "listen" | "ledger" | "trouble" => Some("x".repeat(limits::HOST_MAX_BYTES + 1)),
        "version" | "role" | "method" | "state" | "name" | "code" | "ending" | "instance" => None,
        _ => Some("18446744073709551616".to_owned()),
    };
    wrong.iter().map(|value| (*value).to_owned()).chain(too_large).collect()
}

#[test]
fn what_is_wrong_is_refused_by_both() {
    let (messages, seed) = messages();
    // The last of each kind has all its optional attributes.
    let whole = &messages[messages.len() - KINDS..];
    let faults: Vec<(String, Code)> = whole.iter().flat_map(|message| faults(&Pieces::of(&message.line()))).collect();
    let lines: Vec<String> = faults.iter().map(|(line, _)| line.clone()).collect();
    assert!(lines.len() > 500, "{} faults", lines.len());
    for ((line, code), valid) in faults.iter().zip(valid_by_xmllint(&lines)) {
        assert!(!valid, "the schema takes {line}{seed}");
        let read = Message::read(line.trim_end_matches('\n').as_bytes());
        assert_eq!(read.map_err(|malformed| malformed.code), Err(*code), "{line}{seed}");
    }
}

/// What the schema's comment says that it can't say is refused by the program.
#[test]
fn what_a_schema_cannot_say_the_program_checks() {
    let result = r#"lease="1" first="1" last="9" tested="9" sum="1" nanoseconds="1""#;
    let name = "\u{20ac}".repeat(limits::HOST_MAX_BYTES / 3 + 1);
    let lines = [
        (format!("<result {result} perfect=\"28 6\"/>\n"), Code::BadValue),
        (format!("<result {result} perfect=\"6 6\"/>\n"), Code::BadValue),
        (format!("<hello version=\"1\" role=\"report\" host=\"{name}\"/>\n"), Code::BadValue),
        ("<query> </query>\n".to_owned(), Code::BadContent),
        ("<!-- so --><query/>\n".to_owned(), Code::Malformed),
    ];
    for (line, code) in &lines {
        let read = Message::read(line.trim_end().as_bytes());
        assert_eq!(read.map_err(|malformed| malformed.code), Err(*code), "{line}");
    }
    assert_eq!(valid_by_xmllint(&lines.map(|(line, _)| line)), [true; 5], "then it need not be named there");
}

#[test]
fn nothing_is_missing_in_the_schema() {
    let schema = read("doc/protocol.rng");
    for code in Code::ALL {
        assert!(schema.contains(&format!("<value type=\"string\">{code}</value>")), "protocol.rng lacks code {code}");
    }
    for pieces in whole_messages() {
        let element = format!("<element name=\"{}\">", pieces.name);
        let (_, definition) = schema.split_once(&element).unwrap_or_else(|| panic!("protocol.rng lacks {element}"));
        let (definition, _) = definition.split_once("</element>").expect("an element ends");
        let named: BTreeSet<&str> = between(definition, "<attribute name=\"", "\"");
        assert_eq!(named, names(&pieces), "protocol.rng, element {}", pieces.name);
    }
}

#[test]
fn nothing_is_missing_in_the_document() {
    let document = read("doc/protocol.md");
    let listed: BTreeSet<&str> = between(section(&document, "## Codes"), "\n| `", "` |");
    assert_eq!(listed, Code::ALL.iter().map(|code| code.name()).collect(), "protocol.md, section Codes");
    for pieces in whole_messages() {
        let listed = between(section(&document, &format!("### `{}`", pieces.name)), "\n| `", "` |");
        assert_eq!(listed, names(&pieces), "protocol.md, attributes of {}", pieces.name);
        for (name, _) in &pieces.attributes {
            let needed = if OPTIONAL.contains(&(&pieces.name, name)) { "optional" } else { "required" };
            let row = section(&document, &format!("### `{}`", pieces.name));
            let row = row.lines().find(|line| line.starts_with(&format!("| `{name}` |"))).unwrap_or_default();
            assert!(row.contains(needed), "protocol.md, {} of {} is {needed}: {row}", name, pieces.name);
        }
    }
}

/// The bounds that protocol.md names have the values that the program has.
#[test]
fn the_document_has_the_limits_right() {
    let limits: &[(&str, u64)] = &[
        ("LINE_MAX_BYTES", limits::LINE_MAX_BYTES as u64),
        ("XML_DEPTH_MAX", limits::XML_DEPTH_MAX as u64),
        ("XML_ATTRIBUTES_MAX", limits::XML_ATTRIBUTES_MAX as u64),
        ("CELLS_MAX", limits::CELLS_MAX as u64),
        ("HITS_MAX", limits::HITS_MAX as u64),
        ("HOST_MAX_BYTES", limits::HOST_MAX_BYTES as u64),
        ("OUTPUT_MAX_BYTES", limits::OUTPUT_MAX_BYTES as u64),
        ("OUTPUT_ALL_MAX_BYTES", limits::OUTPUT_ALL_MAX_BYTES as u64),
        ("GREETING_MAX_MS", limits::GREETING_MAX_MS),
        ("GREETING_MAX_BYTES", limits::GREETING_MAX_BYTES as u64),
        ("STRANGERS_MAX", limits::STRANGERS_MAX as u64),
        ("WORKERS_OF_KEY_MAX", limits::WORKERS_OF_KEY_MAX as u64),
        ("WORKERS_OF_ADDRESS_MAX", limits::WORKERS_OF_ADDRESS_MAX as u64),
        ("REPORTS_OF_KEY_MAX", limits::REPORTS_OF_KEY_MAX as u64),
        ("REPORTS_OF_ADDRESS_MAX", limits::REPORTS_OF_ADDRESS_MAX as u64),
        ("OVERDUE_MIN_MS", limits::OVERDUE_MIN_MS),
        ("CONNECT_MAX_MS", limits::CONNECT_MAX_MS),
        ("LINGER_MAX_MS", limits::LINGER_MAX_MS),
        ("HEARTBEAT_MS", limits::HEARTBEAT_MS),
        ("CONTROL_HEARTBEAT_MS", limits::CONTROL_HEARTBEAT_MS),
        ("SILENCE_MAX_MS", limits::SILENCE_MAX_MS),
        ("REPORT_SILENCE_MAX_MS", limits::REPORT_SILENCE_MAX_MS),
        ("STARVED_MS", limits::STARVED_MS),
        ("RESTART_GRACE_MS", limits::RESTART_GRACE_MS),
        ("BACKOFF_MIN_MS", limits::BACKOFF_MIN_MS),
        ("BACKOFF_MAX_MS", limits::BACKOFF_MAX_MS),
        ("REPORT_MAX_MS", limits::REPORT_MAX_MS),
        ("HAND_IN_MAX_MS", limits::HAND_IN_MAX_MS),
        ("ENDING_MAX_MS", limits::ENDING_MAX_MS),
    ];
    let document = read("doc/protocol.md");
    let listed = between(section(&document, "## Limits and times"), "\n| `", "` |");
    assert_eq!(listed, limits.iter().map(|(name, _)| *name).collect(), "protocol.md, section Limits and times");
    for (name, value) in limits {
        let row = format!("| `{name}` | {} |", aliquot::common::view::grouped(*value));
        assert!(document.contains(&row), "protocol.md should have {row}");
    }
}

/// One message of each kind with all its attributes.
fn whole_messages() -> Vec<Pieces> {
    let mut maker = Maker { rng: Rng::with_seed(1), bits: 0 };
    maker.all(u32::MAX).iter().map(|message| Pieces::of(&message.line())).collect()
}

fn names(pieces: &Pieces) -> BTreeSet<&str> {
    pieces.attributes.iter().map(|(name, _)| name.as_str()).collect()
}

/// What stands between each `begin` and the next `end`.
fn between<'t>(text: &'t str, begin: &str, end: &str) -> BTreeSet<&'t str> {
    text.split(begin).skip(1).filter_map(|part| part.split_once(end)).map(|(found, _)| found).collect()
}

/// The section under `heading`, down to the next heading of the same or a higher level.
pub fn section<'t>(document: &'t str, heading: &str) -> &'t str {
    let begin = document.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("protocol.md lacks {heading:?}"));
    let rest = &document[begin + heading.len() + 1..];
    let level = heading.bytes().take_while(|byte| *byte == b'#').count();
    let ends = (2..=level).filter_map(|level| rest.find(&format!("\n{} ", "#".repeat(level))));
    &rest[..ends.min().unwrap_or(rest.len())]
}

fn read(path: &str) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Which of `documents` the schema takes, as xmllint says.
fn valid_by_xmllint(documents: &[String]) -> Vec<bool> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let names: Vec<String> = (0..documents.len()).map(|number| format!("{number:05}.xml")).collect();
    for (name, document) in names.iter().zip(documents) {
        fs::write(folder.path().join(name), document).expect("the folder can be written");
    }
    let valid: BTreeSet<String> = names.chunks(FILES_PER_CALL).flat_map(|it| xmllint(folder.path(), it)).collect();
    names.iter().map(|name| valid.contains(name)).collect()
}

/// The files that one call of xmllint finds valid. It must say something of each file.
fn xmllint(folder: &Path, names: &[String]) -> Vec<String> {
    let mut command = Command::new("xmllint");
    command.args(["--noout", "--nonet", "--relaxng"]).arg(root().join("doc/protocol.rng")).args(names);
    let output = command.current_dir(folder).stdin(Stdio::null()).output();
    let output = output.expect("xmllint, from the package libxml2-utils, is needed by this test");
    let said = String::from_utf8_lossy(&output.stderr);
    for name in names {
        assert!(said.contains(name.as_str()), "xmllint says nothing of {name}: {}\n{said}", output.status);
    }
    said.lines().filter_map(|line| line.strip_suffix(" validates")).map(str::to_owned).collect()
}
