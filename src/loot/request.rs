//! What a client asks for. Pure.

use crate::common::limits::{DRAW_ID_MAX_BYTES, SIZE_MAX};

/// What a client calls a draw, so that it can ask for it again: 1 to 64 of `A–Z a–z 0–9 . _ -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(Box<str>);

impl Id {
    /// Takes a name if it is one.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        ((1..=DRAW_ID_MAX_BYTES).contains(&name.len()) && name.bytes().all(fits)).then(|| Self(name.into()))
    }

    /// As it was written.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// What a line wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// So many numbers, under a name if it has one.
    Draw(u32, Option<Id>),
    /// How many can still be drawn.
    Left,
    /// How many are.
    Drawn,
    /// Of them, how many were never told to anybody.
    Unheard,
    /// The commitment to the order.
    Commitment,
    /// The secret.
    Reveal,
    /// The end of the draw.
    Close,
    /// What can be asked.
    Help,
}

/// Those that are one word.
const WORDS: [(&str, Request); 7] = [
    ("left", Request::Left),
    ("drawn", Request::Drawn),
    ("unheard", Request::Unheard),
    ("commitment", Request::Commitment),
    ("reveal", Request::Reveal),
    ("close", Request::Close),
    ("help", Request::Help),
];
const DRAW: &str = "draw ";

/// Reads a line, without its end.
///
/// # Errors
/// The code and the text of the error that answers it.
pub fn read(line: &[u8]) -> Result<Request, (&'static str, String)> {
    let unknown = || {
        ("request", "not one of draw N, draw N #ID, left, drawn, unheard, commitment, reveal, close, help".to_owned())
    };
    let line = str::from_utf8(line).map_err(|_| unknown())?;
    if let Some((_, request)) = WORDS.iter().find(|(word, _)| *word == line) {
        return Ok(request.clone());
    }
    if line == DRAW.trim_end() {
        return Err(("number", "draw how many? As in: draw 4".to_owned()));
    }
    let asked = line.strip_prefix(DRAW).ok_or_else(unknown)?;
    match asked.split_once(" #") {
        Some((count, name)) => {
            let fault = || ("id", format!("behind # come 1 to {DRAW_ID_MAX_BYTES} of A-Z a-z 0-9 . _ -"));
            Ok(Request::Draw(number(count)?, Some(Id::new(name).ok_or_else(fault)?)))
        }
        None => Ok(Request::Draw(number(asked)?, None)),
    }
}

fn number(text: &str) -> Result<u32, (&'static str, String)> {
    let fault = || ("number", format!("not a number from 1 to {SIZE_MAX}"));
    // `parse` would take a sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && (1..=SIZE_MAX).contains(number)).ok_or_else(fault)
}

/// What stands at the beginning of what a client has sent that never ends its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bare {
    /// A message of so many bytes.
    Message(usize),
    /// The end of a line, or of a number that was taken for whole: so many bytes that mean nothing.
    Nothing(usize),
    /// The beginning of a message.
    Part,
}

/// Cuts a message off what has come of a client without line ends: nothing tells where it ends but what it says. `after_draw`: the
/// message before was a draw, whose number may go on.
#[must_use]
pub fn cut_bare(input: &[u8], after_draw: bool) -> Bare {
    let count = |fits: fn(&u8) -> bool| input.iter().take_while(|byte| fits(byte)).count();
    let (ends, digits) = (count(|byte| b"\r\n".contains(byte)), count(u8::is_ascii_digit));
    if ends > 0 {
        return Bare::Nothing(ends);
    }
    if after_draw && digits > 0 {
        return Bare::Nothing(digits);
    }
    if let Some(number) = input.strip_prefix(DRAW.as_bytes()) {
        let digits = number.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits > 0 && may_follow(&number[digits..]) {
            return Bare::Message(DRAW.len() + digits);
        }
    }
    let word = WORDS.iter().map(|(word, _)| word.as_bytes()).find(|word| input.starts_with(word));
    if let Some(word) = word.filter(|word| may_follow(&input[word.len()..])) {
        return Bare::Message(word.len());
    }
    let line = input.iter().take_while(|byte| !b"\r\n".contains(byte)).count();
    let begins = line == input.len() && words().any(|word| word.starts_with(input));
    if begins { Bare::Part } else { Bare::Message(line) }
}

/// What a message may begin with.
fn words() -> impl Iterator<Item = &'static [u8]> {
    WORDS.iter().map(|(word, _)| word.as_bytes()).chain([DRAW.as_bytes()])
}

/// True if this can stand behind a whole message: nothing, the end of a line, or another message, as far as it has come.
fn may_follow(rest: &[u8]) -> bool {
    rest.first().is_none_or(|byte| b"\r\n".contains(byte))
        || words().any(|word| word.starts_with(rest) || rest.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read() {
        assert_eq!(read(b"draw 4"), Ok(Request::Draw(4, None)));
        assert_eq!(read(b"draw 100000000"), Ok(Request::Draw(SIZE_MAX, None)));
        assert_eq!(read(b"draw 4 #a.B_9-"), Ok(Request::Draw(4, Id::new("a.B_9-"))));
        assert_eq!(read(b"drawn"), Ok(Request::Drawn));
        assert_eq!(read(b"left"), Ok(Request::Left));
        let longest = format!("draw 1 #{}", "x".repeat(DRAW_ID_MAX_BYTES));
        assert!(read(longest.as_bytes()).is_ok() && read(format!("{longest}x").as_bytes()).is_err());
    }

    #[test]
    fn everything_else_is_an_error() {
        let wrong = [
            "draw 0",
            "draw -1",
            "draw +1",
            "draw abc",
            "draw 1 2",
            "draw",
            "draw ",
            "draw  1",
            "draw 1 ",
            " draw 1",
            "",
            " ",
            "abc",
            "Draw 1",
            "4",
            "-1",
            "draw 100000001",
            "draw 4294967297",
            "draw 1\0",
            "draw 1.0",
            "draw 0x1",
            "draw 1e3",
            "draw 1 #",
            "draw 1 #a b",
            "draw 1 #é",
            "draw 1#a",
            "draw #a",
            "lefts",
            "left 1",
            "help!",
            "draw 1\tx",
            "draw\t1",
            "draw 123456789012345678901234567890",
            "draw １",
        ];
        for line in wrong {
            assert!(read(line.as_bytes()).is_err(), "{line:?}");
        }
        assert!(read(b"draw \xff").is_err() && read(b"\xff").is_err());
    }

    fn messages(pieces: &[&str]) -> Vec<String> {
        let (mut kept, mut found, mut after_draw) = (Vec::new(), Vec::new(), false);
        for piece in pieces {
            kept.extend_from_slice(piece.as_bytes());
            while !kept.is_empty() {
                let used = match cut_bare(&kept, after_draw) {
                    Bare::Part => break,
                    Bare::Nothing(used) => used,
                    Bare::Message(used) => {
                        found.push(String::from_utf8(kept[..used].to_vec()).unwrap());
                        after_draw = matches!(read(&kept[..used]), Ok(Request::Draw(..)));
                        used
                    }
                };
                kept.drain(..used);
            }
        }
        found
    }

    #[test]
    fn messages_without_end_are_told_apart_by_what_they_say() {
        assert_eq!(messages(&["draw 4", "draw 4"]), ["draw 4", "draw 4"]);
        assert_eq!(messages(&["draw 4draw 40draw 4"]), ["draw 4", "draw 40", "draw 4"]);
        assert_eq!(messages(&["dr", "aw", " ", "4"]), ["draw 4"]);
        assert_eq!(messages(&["draw 4", "\n", "draw 4\r\n"]), ["draw 4", "draw 4"]);
        assert_eq!(messages(&["draw 5000", "0", "draw 1"]), ["draw 5000", "draw 1"], "the number went on");
        assert_eq!(messages(&["left", "drawn", "lef", "t", "help"]), ["left", "drawn", "left", "help"]);
        assert_eq!(messages(&["draw 1 2", "draw 0", "draw -1", "draw 4x", "abc", "4"]).len(), 6);
        assert_eq!(messages(&["abc\ndraw 4"]), ["abc", "draw 4"]);
        assert_eq!(messages(&["draw"]), [""; 0], "a number may follow");
        assert_eq!(messages(&["draw 4leftdrawndraw 4helpleft"]), ["draw 4", "left", "drawn", "draw 4", "help", "left"]);
        assert_eq!(messages(&["draw 4rubbish"]), ["draw 4rubbish"]);
    }
}
