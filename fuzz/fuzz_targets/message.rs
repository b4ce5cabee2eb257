//! Any bytes are read as a message or refused. A message is written as one line, which reads as the same message.

#![no_main]

use aliquot::common::limits::LINE_MAX_BYTES;
use aliquot::common::message::Message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    let message = match Message::read(line) {
        Ok(message) => message,
        Err(malformed) => {
            let (place, _) = malformed.text.split_once(": ").expect("a place, and what is wrong there");
            assert!(place.split(':').all(|number| number.parse::<usize>().is_ok_and(|number| number > 0)), "{place}");
            return;
        }
    };
    let written = message.line();
    let content = written.strip_suffix('\n').expect("a line ends with its line feed");
    assert!(!content.contains(['\n', '\r', '\t']), "{content:?} is one line");
    // References are longer than what they stand for: a text may become too long.
    if content.len() < LINE_MAX_BYTES {
        assert_eq!(Message::read(content.as_bytes()), Ok(message), "{content}");
    }
});
