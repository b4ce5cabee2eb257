//! What the writer writes the reader reads, and no bytes make the reader panic.

use std::collections::BTreeMap;

use aliquot::common::xml::{Content, Element, Error, Event, Reader};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

/// What a document consists of.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    Element { name: String, attributes: Vec<(String, String)>, children: Vec<Node> },
    Text(String),
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,8}", "[A-Za-z_][A-Za-z0-9_.-]{0,8}", "[à-öА-я][à-öА-я0-9]{0,4}"]
}

fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(
        "&<>\"'\t\n\r ]\0\u{1f}\u{7f}\u{85}\u{2028}\u{fffe}\u{ffff}#;".chars().collect::<Vec<_>>(),
    );
    let character = prop_oneof![any::<char>(), special, prop::char::range(' ', '~')];
    vec(character, 0..24).prop_map(String::from_iter)
}

fn element() -> impl Strategy<Value = Node> {
    let build = |name, attributes: BTreeMap<_, _>, children| Node::Element {
        name,
        attributes: attributes.into_iter().collect(),
        children,
    };
    let leaf = prop_oneof![
        text().prop_map(Node::Text),
        (name(), btree_map(name(), text(), 0..6)).prop_map(move |(name, attributes)| build(name, attributes, vec![])),
    ];
    let node = leaf.prop_recursive(5, 40, 5, move |inner| {
        (name(), btree_map(name(), text(), 0..6), vec(inner, 0..5))
            .prop_map(move |(name, attributes, children)| build(name, attributes, children))
    });
    (name(), btree_map(name(), text(), 0..6), vec(node, 0..5))
        .prop_map(move |(name, attributes, children)| build(name, attributes, children))
}

fn write_node(node: &Node) -> String {
    let Node::Element { name, .. } = node else { panic!("the root is an element") };
    let mut line = String::new();
    write_into(Element::root(&mut line, name), node);
    line
}

fn write_into(mut element: Element<'_>, node: &Node) {
    let Node::Element { attributes, children, .. } = node else { panic!("not an element") };
    for (name, value) in attributes {
        element = element.attribute(name, value);
    }
    let mut content: Content<'_> = element.content();
    for child in children {
        match child {
            Node::Text(text) => content.text(text),
            Node::Element { name, .. } => write_into(content.element(name), child),
        }
    }
}

/// Reads the element whose `Start` was the last event, to its end.
fn read_element(reader: &mut Reader<'_>, name: &str) -> Result<Node, Error> {
    let attributes = reader.attributes().iter().map(|it| (it.name.to_owned(), it.value.clone().into_owned())).collect();
    let mut children = Vec::new();
    loop {
        match reader.read()? {
            Event::Start(name) => children.push(read_element(reader, name)?),
            Event::Text(text) => children.push(Node::Text(text.into_owned())),
            Event::End => return Ok(Node::Element { name: name.to_owned(), attributes, children }),
            Event::Finish => panic!("the document finishes within <{name}>"),
        }
    }
}

fn read_node(line: &str) -> Result<Node, Error> {
    let mut reader = Reader::new(line.as_bytes())?;
    let Event::Start(name) = reader.read()? else { panic!("no root: {line}") };
    let node = read_element(&mut reader, name)?;
    assert_eq!(reader.read()?, Event::Finish, "{line}");
    Ok(node)
}

/// `node` as it reads back: no empty text, adjacent texts as one, U+FFFD for what XML can't carry.
fn canonical(node: Node) -> Node {
    let Node::Element { name, attributes, children } = node else { panic!("not an element") };
    let attributes = attributes.into_iter().map(|(name, value)| (name, carried(&value))).collect();
    let mut joined: Vec<Node> = Vec::new();
    for child in children {
        match (joined.last_mut(), child) {
            (_, Node::Text(text)) if text.is_empty() => {}
            (Some(Node::Text(before)), Node::Text(text)) => before.push_str(&carried(&text)),
            (_, Node::Text(text)) => joined.push(Node::Text(carried(&text))),
            (_, element) => joined.push(canonical(element)),
        }
    }
    Node::Element { name, attributes, children: joined }
}

fn carried(text: &str) -> String {
    let forbidden = |c| matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}');
    text.replace(forbidden, "\u{fffd}")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_writer_writes_the_reader_reads(node in element()) {
        let line = write_node(&node);
        prop_assert!(!line.contains(['\n', '\r', '\t']), "{line:?} is one line");
        let read = read_node(&line);
        prop_assert_eq!(read, Ok(canonical(node)), "{}", line);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(document in vec(any::<u8>(), 0..64)) {
        let _ = super::dump(&document);
    }
}
