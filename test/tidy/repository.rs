//! What the manifest says.

use super::source::{File, words};
use super::{allows, refuses};

const REASONS: &str = "CONTRIBUTING.md";
const HEADING: &str = "\n## Dependencies\n";
/// What reads or writes XML without having it in its name.
const XML_LIBRARIES: &[&str] = &["elementtree", "html5ever", "minidom", "roxmltree", "sxd-document", "sxd_document"];
/// The names of XML libraries in code; the protocol's own module is `xml`.
const XML_NAMES: &[&str] = &["quick_xml", "roxmltree", "xmlparser", "xml_rs", "libxml", "minidom", "sxd_document"];

/// Every dependency has its line in CONTRIBUTING.md, and every line there its dependency.
pub fn dependencies_have_a_reason(files: &[File]) -> Vec<String> {
    let Some(manifest) = files.iter().find(|file| file.path == "Cargo.toml") else { return Vec::new() };
    let reasons = files.iter().find(|file| file.path == REASONS);
    let listed: Vec<_> = reasons.map(|file| rows(&file.text)).unwrap_or_default();
    let used = dependencies(&manifest.text);
    let mut violations = Vec::new();
    for (at, _, name) in &used {
        if !listed.iter().any(|(_, row)| row == name) {
            let what = format!("{name} (a dependency has its reason): add a line `| `{name}` | why |` to {REASONS}");
            violations.push(manifest.violation(*at, &what));
        }
    }
    for (at, row) in listed {
        if let Some(reasons) = reasons.filter(|_| !used.iter().any(|(.., name)| *name == row)) {
            let what = format!("{row} is no dependency (the list is what there is): take the line out");
            violations.push(reasons.violation(at, &what));
        }
    }
    violations
}

/// The dependencies of a manifest: where, in which section, the name.
fn dependencies(manifest: &str) -> Vec<(usize, &str, &str)> {
    let (mut section, mut at, mut found) = ("", 0, Vec::new());
    for line in manifest.split_inclusive('\n') {
        if line.starts_with('[') {
            section = line.trim().trim_matches(['[', ']']);
        } else if section.ends_with("dependencies")
            && let Some((name, _)) = line.split_once('=').filter(|_| line.starts_with(|c: char| c.is_alphanumeric()))
        {
            found.push((at, section, name.split('.').next().unwrap_or(name).trim()));
        }
        at += line.len();
    }
    found
}

/// The rows of the tables of dependencies: where, and the name in backticks in the first cell.
fn rows(text: &str) -> Vec<(usize, &str)> {
    let begin = text.find(HEADING).map_or(text.len(), |at| at + HEADING.len());
    let end = text[begin..].find("\n## ").map_or(text.len(), |at| begin + at);
    let marks = text[..end].match_indices("\n| `").filter(|(at, _)| *at >= begin);
    let names = marks.filter_map(|(at, mark)| Some((at + 1, text[at + mark.len()..].split_once("` |")?.0)));
    names.filter(|(_, name)| is_crate(name)).collect()
}

fn is_crate(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
}

/// Only tests may use a library that reads or writes XML.
pub fn xml_is_written_by_hand(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    if let Some(manifest) = files.iter().find(|file| file.path == "Cargo.toml") {
        let products = dependencies(&manifest.text).into_iter().filter(|(_, section, _)| !section.contains("dev-"));
        for (at, _, name) in products.filter(|(.., name)| name.contains("xml") || XML_LIBRARIES.contains(name)) {
            let what =
                format!("{name} (XML is written by hand): use common::xml; a test may have it as dev-dependency");
            violations.push(manifest.violation(at, &what));
        }
    }
    for file in files.iter().filter(|file| file.is_source()) {
        let named = XML_NAMES.iter().flat_map(|name| words(&file.code, name));
        let named = named.chain(words(&file.code, "::xml").filter(|at| !file.code[..*at].ends_with(is_of_a_path)));
        for at in named {
            let what = "an XML library (XML is written by hand): use common::xml";
            violations.push(file.violation(at, what));
        }
    }
    violations
}

fn is_of_a_path(c: char) -> bool {
    c.is_alphanumeric() || "_>".contains(c)
}

#[test]
fn a_dependency_without_a_reason_is_refused() {
    let manifest = || File::new("Cargo.toml", "[package]\nname = \"a\"\n[dependencies]\nlibc = \"0.2\"\n");
    let reasons = |text: &str| File::new(REASONS, &format!("| `a` | b |{HEADING}{text}\n## Tests\n| `a` | b |\n"));
    let found = dependencies_have_a_reason(&[manifest(), reasons("\n| `nix` | poll |\n| `poll` and `fork` | - |\n")]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].starts_with("Cargo.toml:4: libc ") && found[1].starts_with("CONTRIBUTING.md:4: nix "),
        "{found:?}"
    );
    refuses(dependencies_have_a_reason, "Cargo.toml", "[dev-dependencies]\ntempfile.workspace = true\n", 2);
    assert_eq!(dependencies_have_a_reason(&[manifest(), reasons("\n| `libc` | nice |\n")]), [""; 0]);
}

#[test]
fn an_xml_library_is_refused() {
    refuses(xml_is_written_by_hand, "Cargo.toml", "[dependencies]\nquick-xml = \"1\"\n", 2);
    refuses(xml_is_written_by_hand, "Cargo.toml", "[target.'cfg(unix)'.dependencies]\nminidom = \"1\"\n", 2);
    refuses(xml_is_written_by_hand, "src/a.rs", "\nuse quick_xml::Reader;\n", 2);
    refuses(xml_is_written_by_hand, "src/a.rs", "use ::xml::Reader;\n", 1);
    allows(xml_is_written_by_hand, "Cargo.toml", "[dev-dependencies]\nquick-xml = \"1\"\n");
    allows(xml_is_written_by_hand, "src/a.rs", "use crate::common::xml::{self, Reader}; // no quick_xml\n");
}
