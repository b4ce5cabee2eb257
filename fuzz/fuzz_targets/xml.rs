//! Any bytes are read to their end or to an error. What is accepted is written anew and read again: the events must be
//! the same.

#![no_main]

use aliquot::common::xml::{Element, Error, ErrorKind, Event, Reader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|document: &[u8]| {
    let Ok(events) = read(document) else { return };
    let line = rewrite(document).expect("it was read before");
    match read(line.as_bytes()) {
        Ok(again) => assert_eq!(events, again, "{line}"),
        // References are longer than what they stand for.
        Err(error) => assert_eq!(*error.kind(), ErrorKind::TooLong, "{error}: {line}"),
    }
});

/// All events, with the attributes' names and values; nothing of where they stand.
fn read(document: &[u8]) -> Result<Vec<String>, Error> {
    let mut reader = Reader::new(document)?;
    let mut events = Vec::new();
    loop {
        let event = reader.read()?;
        let place = reader.position(reader.offset());
        assert!(place.line > 0 && place.column > 0);
        events.push(format!("{event:?}"));
        match event {
            Event::Start(_) => {
                events.extend(reader.attributes().iter().map(|it| format!("{} {:?}", it.name, it.value)))
            }
            Event::Finish => return Ok(events),
            _ => {}
        }
    }
}

/// The same document in the writer's words.
fn rewrite(document: &[u8]) -> Result<String, Error> {
    let mut line = String::new();
    let mut reader = Reader::new(document)?;
    while let Event::Start(name) = reader.read()? {
        copy(&mut reader, Element::root(&mut line, name))?;
    }
    assert!(!line.contains(['\n', '\r', '\t']), "{line:?} is one line");
    Ok(line)
}

/// Copies the element whose start was read last, with all that is in it.
fn copy(reader: &mut Reader<'_>, mut element: Element<'_>) -> Result<(), Error> {
    for attribute in reader.attributes() {
        element = element.attribute(attribute.name, &attribute.value);
    }
    let mut content = element.content();
    loop {
        match reader.read()? {
            Event::Start(name) => copy(reader, content.element(name))?,
            Event::Text(text) => content.text(text),
            Event::End | Event::Finish => return Ok(()),
        }
    }
}
