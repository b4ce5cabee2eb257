//! What XML costs: the reader beside quick-xml and roxmltree, the same work by each in alternating rounds of one run;
//! time per byte as documents grow; the writer.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use aliquot::common::xml::{Element, Event, Reader};

/// A result with one hit: what manage reads most.
const RESULT: &str = concat!(
    r#"<result lease="17" first="48210000001" last="48250000000" tested="40000000" sum="1585274934123456789012" "#,
    r#"nanoseconds="15012345678" perfect="28"/>"#
);
/// Rounds of each comparison; the median is shown.
const ROUNDS: usize = 201;
/// How long one measurement of a round should take: far above the clock's grain, far below a scheduler's slice.
const MEASUREMENT_NS: u128 = 200_000;
/// Longest document of the table of growth, in bytes.
const GROWN_MAX_BYTES: usize = 64 * 1024 - 1;

/// A walk over a document that returns how many bytes of attribute values and text it saw.
type Walk = fn(&[u8]) -> usize;

/// A document of at most so many bytes.
type Shape = fn(usize) -> String;

fn main() {
    compare();
    growth();
    writing();
}

/// The three readers on one typical message.
fn compare() {
    let walks: [(&str, Walk); 3] =
        [("aliquot", walk_ours), ("quick-xml", walk_quick_xml), ("roxmltree", walk_roxmltree)];
    let document = RESULT.as_bytes();
    for (name, walk) in walks {
        assert_eq!(walk(document), walk_ours(document), "{name} sees something else");
    }
    let medians = medians_ns(walks.map(|(_, walk)| move || walk(black_box(document))));
    println!("reading a result of {} bytes, medians of {ROUNDS} rounds", document.len());
    println!("{:<12} {:>12} {:>8} {:>8}", "reader", "ns/document", "MB/s", "ratio");
    for ((name, _), ns) in walks.iter().zip(&medians) {
        let rate = document.len() as f64 / ns * 1e3;
        println!("{name:<12} {ns:>12.1} {rate:>8.1} {:>8.2}", ns / medians[0]);
    }
}

/// Time per byte while documents of one shape grow.
fn growth() {
    let shapes: [(&str, Shape); 6] = [
        ("attributes", many_attributes),
        ("children", many_children),
        ("deep", deep),
        ("long text", long_text),
        ("references", many_references),
        ("long name", long_name),
    ];
    let sizes = [1024, 4 * 1024, 16 * 1024, GROWN_MAX_BYTES];
    println!("\nreading documents of growing size, ns per byte");
    println!("{:<12} {:>8} {:>8} {:>8} {:>8}", "shape", "1 KiB", "4 KiB", "16 KiB", "64 KiB");
    for (name, shape) in shapes {
        let documents = sizes.map(shape);
        let medians = medians_ns(documents.each_ref().map(|document| || walk_ours(black_box(document.as_bytes()))));
        print!("{name:<12}");
        for (ns, document) in medians.iter().zip(&documents) {
            print!(" {:>8.3}", ns / document.len() as f64);
        }
        println!();
    }
}

/// The writer on the message that the readers read.
fn writing() {
    let mut line = String::new();
    write_result(&mut line);
    assert_eq!(line, RESULT);
    let [ns] = medians_ns([move || {
        line.clear();
        write_result(&mut line);
        line.len()
    }]);
    println!("\nwriting that result: {ns:.1} ns, {:.1} MB/s", RESULT.len() as f64 / ns * 1e3);
}

fn write_result(line: &mut String) {
    Element::root(line, "result")
        .attribute("lease", black_box(17))
        .attribute("first", black_box(48_210_000_001_u64))
        .attribute("last", black_box(48_250_000_000_u64))
        .attribute("tested", black_box(40_000_000))
        .attribute("sum", black_box(1_585_274_934_123_456_789_012_u128))
        .attribute("nanoseconds", black_box(15_012_345_678_u64))
        .attribute("perfect", black_box(28));
}

/// Runs all of `works` in turn, round after round, so that whatever disturbs one disturbs all: the median of each, in
/// nanoseconds a call.
fn medians_ns<const N: usize, F: FnMut() -> usize>(mut works: [F; N]) -> [f64; N] {
    let calls = works.each_mut().map(calls_for);
    let mut rounds = [const { Vec::new() }; N];
    for _ in 0..ROUNDS {
        for ((work, calls), round) in works.iter_mut().zip(calls).zip(&mut rounds) {
            round.push(measure_ns(work, calls) as f64 / f64::from(calls));
        }
    }
    rounds.map(|mut round| {
        round.sort_by(f64::total_cmp);
        round[ROUNDS / 2]
    })
}

/// How many calls make one measurement long enough.
fn calls_for(work: &mut impl FnMut() -> usize) -> u32 {
    let mut calls = 1;
    while measure_ns(work, calls) < MEASUREMENT_NS {
        calls *= 2;
    }
    calls
}

fn measure_ns(work: &mut impl FnMut() -> usize, calls: u32) -> u128 {
    let begin = Instant::now();
    for _ in 0..calls {
        black_box(work());
    }
    begin.elapsed().as_nanos()
}

fn walk_ours(document: &[u8]) -> usize {
    let mut seen = 0;
    let mut reader = Reader::new(document).expect("a document");
    loop {
        match reader.read().expect("well-formed") {
            Event::Start(_) => seen += reader.attributes().iter().map(|attribute| attribute.value.len()).sum::<usize>(),
            Event::Text(text) => seen += text.len(),
            Event::End => {}
            Event::Finish => return seen,
        }
    }
}

/// quick-xml with what the reader does too: UTF-8 checked once, end names checked, duplicate attributes searched
/// (its default), values normalized and their references replaced.
fn walk_quick_xml(document: &[u8]) -> usize {
    use quick_xml::XmlVersion;
    use quick_xml::events::Event;

    let mut seen = 0;
    let mut reader = quick_xml::Reader::from_str(str::from_utf8(document).expect("UTF-8"));
    reader.config_mut().check_end_names = true;
    loop {
        match reader.read_event().expect("well-formed") {
            Event::Start(tag) | Event::Empty(tag) => {
                for attribute in tag.attributes().with_checks(true) {
                    let attribute = attribute.expect("an attribute");
                    seen += attribute.normalized_value(XmlVersion::Implicit1_0).expect("a value").len();
                }
            }
            Event::Text(text) => seen += text.xml10_content().len(),
            Event::Eof => return seen,
            _ => {}
        }
    }
}

/// roxmltree builds a tree; the walk is over that tree.
fn walk_roxmltree(document: &[u8]) -> usize {
    let text = str::from_utf8(document).expect("UTF-8");
    let tree = roxmltree::Document::parse(text).expect("well-formed");
    tree.descendants()
        .map(|node| {
            let values = node.attributes().map(|attribute| attribute.value().len()).sum::<usize>();
            let text = if node.is_text() { node.text().map_or(0, str::len) } else { 0 };
            values + text
        })
        .sum()
}

/// `<r>`, then `piece` as often as it fits, then `</r>`: at most `size` bytes.
fn filled(size: usize, piece: &str) -> String {
    format!("<r>{}</r>", piece.repeat((size - 7) / piece.len()))
}

/// As many attributes an element as there may be, or as fit.
fn many_attributes(size: usize) -> String {
    let mut element = String::from("<e");
    for n in 0..64 {
        let _ = write!(element, " name{n:02}=\"{n}\"");
    }
    element.push_str("/>");
    if element.len() + 7 > size {
        element.truncate(element[..size - 9].rfind(' ').unwrap_or(2));
        element.push_str("/>");
    }
    filled(size, &element)
}

fn many_children(size: usize) -> String {
    filled(size, "<perfect n=\"28\"/>")
}

/// To the greatest depth and back, again and again.
fn deep(size: usize) -> String {
    filled(size, &("<e>".repeat(31) + &"</e>".repeat(31)))
}

fn long_text(size: usize) -> String {
    filled(size, "the aliquot sum of a number ")
}

fn many_references(size: usize) -> String {
    filled(size, "&amp;&#65;&#x42;")
}

/// Start and end tag hold half of the document each.
fn long_name(size: usize) -> String {
    let name = "n".repeat((size - 5) / 2);
    format!("<{name}></{name}>")
}
