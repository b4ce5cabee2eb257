//! libxml2 takes and refuses the same documents as the reader: fixtures, systematic edges, and mutants by chance.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use aliquot::common::xml::{Class, Error};
use fastrand::Rng;

use super::{dump, fixtures};

/// Mutated documents that are shown to libxml2, besides the systematic ones.
const MUTANTS: usize = 4_000;
/// Files of one call of xmllint.
const FILES_PER_CALL: usize = 500;

/// Whether the reader takes a document, as far as libxml2 can judge.
enum Verdict {
    Accepted,
    /// Not well-formed.
    Refused(Error),
    /// Out of the subset or over a limit: libxml2 may take it or not.
    Beyond,
}

fn verdict(document: &[u8]) -> Verdict {
    match dump(document) {
        Ok(_) => Verdict::Accepted,
        Err(_) if ends_by_nul(document) => Verdict::Beyond,
        Err(error) if error.kind().class() == Class::Syntax => Verdict::Refused(error),
        Err(_) => Verdict::Beyond,
    }
}

/// libxml2 takes a NUL behind the root element for the end of the file, whatever follows.
fn ends_by_nul(document: &[u8]) -> bool {
    document.iter().position(|&byte| byte == 0).is_some_and(|nul| dump(&document[..nul]).is_ok())
}

#[test]
fn libxml2_takes_and_refuses_the_same_documents() {
    let seed = crate::seed();
    let documents = documents(&mut Rng::with_seed(seed));
    let folder = tempfile::tempdir().unwrap();
    let refused = refused_by_xmllint(folder.path(), &documents);
    let mut informative = 0;
    let mut accepted = 0;
    for (number, document) in documents.iter().enumerate() {
        let ours = verdict(document);
        let shown = String::from_utf8_lossy(document);
        match ours {
            Verdict::Accepted => {
                assert!(!refused.contains(&number), "only xmllint refuses {shown:?}\nALIQUOT_SEED={seed}");
                accepted += 1;
            }
            Verdict::Refused(error) => {
                assert!(refused.contains(&number), "xmllint takes {shown:?}, but: {error}\nALIQUOT_SEED={seed}");
            }
            Verdict::Beyond => continue,
        }
        informative += 1;
    }
    eprintln!("{} documents, {informative} informative, {accepted} of these accepted", documents.len());
    assert!(informative * 2 > documents.len(), "only {informative} documents tell something\nALIQUOT_SEED={seed}");
    assert!(accepted * 10 > informative, "only {accepted} documents are well-formed\nALIQUOT_SEED={seed}");
}

/// What xmllint says about many files at once agrees with its exit status for each file alone.
#[test]
fn xmllint_is_understood() {
    let documents = fixture_documents();
    let folder = tempfile::tempdir().unwrap();
    let refused = refused_by_xmllint(folder.path(), &documents);
    for number in 0..documents.len() {
        let alone = xmllint(folder.path(), &[file_name(number)]);
        assert_eq!(alone.status.success(), !refused.contains(&number), "{alone:?}");
    }
}

fn file_name(number: usize) -> String {
    format!("{number:05}.xml")
}

/// Writes `documents` into `folder` and has xmllint read them: the numbers of those that it refuses.
fn refused_by_xmllint(folder: &Path, documents: &[Vec<u8>]) -> HashSet<usize> {
    let names: Vec<_> = (0..documents.len()).map(file_name).collect();
    for (name, document) in names.iter().zip(documents) {
        fs::write(folder.join(name), document).expect("the folder can be written");
    }
    let mut refused = HashSet::new();
    for names in names.chunks(FILES_PER_CALL) {
        let before = refused.len();
        let output = xmllint(folder, names);
        refused.extend(String::from_utf8_lossy(&output.stderr).lines().filter_map(refused_file));
        assert_eq!(output.status.success(), refused.len() == before, "{}", output.status);
    }
    refused
}

fn xmllint(folder: &Path, names: &[String]) -> Output {
    let mut command = Command::new("xmllint");
    command.args(["--noout", "--nonet"]).args(names).current_dir(folder).stdin(Stdio::null());
    command.output().expect("xmllint, from the package libxml2-utils, is needed by this test")
}

/// The number of the file that a line of xmllint's refuses: `00017.xml:1: parser error : …`. Warnings and errors about
/// namespaces don't refuse it.
fn refused_file(line: &str) -> Option<usize> {
    let (number, rest) = line.split_once(".xml:")?;
    let (what, _) = rest.split_once(" : ")?;
    (what.ends_with("error") && !what.ends_with("namespace error")).then(|| number.parse().ok())?
}

fn fixture_documents() -> Vec<Vec<u8>> {
    fixtures().iter().map(|path| fs::read(path).expect("a fixture can be read")).collect()
}

/// All documents that libxml2 is shown.
fn documents(rng: &mut Rng) -> Vec<Vec<u8>> {
    let fixtures = fixture_documents();
    let mut documents = fixtures.clone();
    documents.extend(references());
    documents.extend(controls());
    let mut stock: Vec<_> = fixtures.into_iter().filter(|it| it.len() < 4_096 && dump(it).is_ok()).collect();
    for number in 0..MUTANTS {
        if number % 8 == 0 {
            stock.push(generated(rng).into_bytes());
            documents.extend(stock.last().cloned());
        }
        documents.push(mutated(rng, &stock));
    }
    documents
}

/// References at every edge, alone and in pairs, in text and in a value.
fn references() -> Vec<Vec<u8>> {
    let edges = [
        0,
        1,
        8,
        9,
        10,
        11,
        12,
        13,
        14,
        31,
        32,
        34,
        38,
        39,
        60,
        62,
        93,
        127,
        128,
        0xd7ff,
        0xd800,
        0xdfff,
        0xe000,
        0xfffd,
        0xfffe,
        0xffff,
        0x10000,
        0x1_fffe,
        0x10_ffff,
        0x11_0000,
        0xffff_ffff,
        0x1_0000_0041_u64,
    ];
    let mut references: Vec<_> =
        edges.iter().flat_map(|code| [format!("&#{code};"), format!("&#x{code:X};")]).collect();
    let odd = "& && &; &# &#; &#x &#x; &#xg; &#X41; &a &a; &lt &lt; &gt; &amp; &quot; &apos; &LT; &#65 &#065; &#x00041; &a:b; \
               &#-1; &#+1; &# 65; &#65 ; &lt ; & lt; &\u{e9}; &#x\u{661};";
    references.extend(odd.split(' ').map(str::to_owned));
    let mut bodies = references.clone();
    for first in ["&lt;", "&#13;", "&#93;", "]", "&", "&#x41", "\r"] {
        bodies.extend(references.iter().flat_map(|second| [format!("{first}{second}"), format!("{second}{first}")]));
    }
    let wrap = |body: &String| [format!("<a>{body}</a>"), format!("<a b=\"{body}\"/>")].map(String::into_bytes);
    bodies.iter().flat_map(wrap).collect()
}

/// Every ASCII control character, and some others, at every place of a small document.
fn controls() -> Vec<Vec<u8>> {
    let document = b"<a b='1'><c/>x</a>";
    let bytes = (0..32).chain(*b"\x7f :<>&\"'/=!?-.]_");
    bytes
        .flat_map(|byte| (0..=document.len()).map(move |at| [&document[..at], &[byte], &document[at..]].concat()))
        .collect()
}

/// A well-formed document with everything that the subset offers.
fn generated(rng: &mut Rng) -> String {
    let mut document = String::new();
    generate_element(rng, &mut document, 0);
    document.push_str(choose(rng, &["", "", "\n", " \r\n"]));
    document
}

fn generate_element(rng: &mut Rng, document: &mut String, depth: usize) {
    let name = choose(rng, &["a", "b", "range", "größe", "_x-1.y", "\u{10000}"]);
    document.push('<');
    document.push_str(name);
    for number in 0..rng.usize(..4) {
        let (space, equals) = (choose(rng, &[" ", "  ", "\n", "\t", "\r\n"]), choose(rng, &["=", "=", " = ", "\n=\t"]));
        let (quote, other) = if rng.bool() { ("\"", "'") } else { ("'", "\"") };
        let _ = write!(document, "{space}n{number}{equals}{quote}");
        for _ in 0..rng.usize(..4) {
            document.push_str(choose(
                rng,
                &["17", other, "]]>", ">", "\n", "\r", "\t", "é", "&lt;", "&#9;", "&quot;", "\u{ef00}"],
            ));
        }
        document.push_str(quote);
    }
    document.push_str(choose(rng, &["", "", " ", "\n"]));
    if rng.u8(..4) == 0 {
        document.push_str("/>");
        return;
    }
    document.push('>');
    for _ in 0..rng.usize(..4) {
        if depth < 5 && rng.bool() {
            generate_element(rng, document, depth + 1);
        }
        document.push_str(choose(
            rng,
            &["x", "perfect", " ", "]]", ">", "'\"", "\r\n", "\r", "&amp;", "&#x41;", "😀", "\u{fffd}"],
        ));
    }
    let _ = write!(document, "</{name}{}>", choose(rng, &["", "", " ", "\n"]));
}

fn choose<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from[rng.usize(..from.len())]
}

/// One of `stock` with one to three changes.
fn mutated(rng: &mut Rng, stock: &[Vec<u8>]) -> Vec<u8> {
    let mut document = stock[rng.usize(..stock.len())].clone();
    for _ in 0..rng.usize(1..=3) {
        let other = &stock[rng.usize(..stock.len())];
        mutate(rng, &mut document, other);
    }
    document
}

/// Changes `document` at a place of chance; `other` is what it may be spliced with.
fn mutate(rng: &mut Rng, document: &mut Vec<u8>, other: &[u8]) {
    const TOKENS: &[&str] = &[
        "<",
        ">",
        "</",
        "/>",
        "&",
        ";",
        "&amp;",
        "&#65;",
        "&#x0;",
        "\"",
        "'",
        "=",
        " ",
        "\n",
        "\r",
        "]]>",
        "<b/>",
        "<b>",
        "</a>",
        " c='1'",
        " n0=\"2\"",
        "x",
        "1",
        "-",
        "\u{0}",
        "\u{1}",
        "é",
        "\u{d7}",
        "\u{b7}",
        "\u{fffe}",
        "\u{ffff}",
        "\u{feff}",
        "<!",
    ];
    let at = rng.usize(..=document.len());
    let end = rng.usize(at..=document.len().min(at + 8));
    match rng.u8(..8) {
        0 if at < document.len() => document[at] ^= 1 << rng.u8(..8),
        1 if at < document.len() => document[at] = rng.u8(..),
        2 => document.truncate(at),
        3 => drop(document.drain(at..end)),
        4 => document.extend_from_within(at..end),
        5 => drop(document.splice(at.., other[rng.usize(..=other.len())..].iter().copied())),
        _ => drop(document.splice(at..at, choose(rng, TOKENS).bytes())),
    }
}
