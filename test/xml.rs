//! XML against what is written down: fixtures. In the modules: against itself (what the writer writes the reader reads)
//! and against libxml2 (`xmllint` takes and refuses the same documents).

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::mem::discriminant;
use std::path::{Path, PathBuf};

use aliquot::common::xml::{Attribute, Error, Event, Reader};

mod libxml2;
mod round_trip;

/// Variants of `ErrorKind`: each has a fixture.
const ERROR_KINDS: usize = 32;

/// Each `NAME.xml` in test/xml/ reads as `NAME.want` says: its events one a line, or its error.
#[test]
fn fixtures_read_as_written_down() {
    let mut kinds = HashSet::new();
    let mut failures = String::new();
    for path in fixtures() {
        let document = fs::read(&path).unwrap();
        let want = fs::read_to_string(path.with_extension("want")).expect("each fixture has its .want");
        let got = dump(&document).unwrap_or_else(|error| {
            kinds.insert(discriminant(error.kind()));
            format!("{error}\n")
        });
        if got != want {
            let _ = write!(failures, "{}\n--- want\n{want}--- got\n{got}", path.display());
        }
    }
    assert!(failures.is_empty(), "{failures}");
    assert_eq!(kinds.len(), ERROR_KINDS, "each kind of error has a fixture");
}

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("test/xml");
    let entries = fs::read_dir(folder).expect("the fixtures are there").map(|entry| entry.expect("a fixture").path());
    let mut fixtures: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "xml")).collect();
    fixtures.sort();
    assert!(!fixtures.is_empty());
    fixtures
}

/// The events of `document`, one a line; attributes indented, with their place.
fn dump(document: &[u8]) -> Result<String, Error> {
    let mut reader = Reader::new(document)?;
    let mut dump = String::new();
    loop {
        let event = reader.read()?;
        let _ = match &event {
            Event::Start(name) => writeln!(dump, "start {name}"),
            Event::Text(text) => writeln!(dump, "text {text:?}"),
            Event::End => writeln!(dump, "end"),
            Event::Finish => writeln!(dump, "finish"),
        };
        match event {
            Event::Start(_) => {
                for Attribute { name, value, offset } in reader.attributes() {
                    let _ = writeln!(dump, "  {} {name} {value:?}", reader.position(*offset));
                }
            }
            Event::Finish => return Ok(dump),
            _ => {}
        }
    }
}
