//! What a line asks for, and where it ends. Pure.
//!
//! A message is any bytes without LF, but none begins with NUL: a line that does is a request of the extended form.

use super::puzzle::Difficulty;

/// What begins a request of the extended form.
pub const EXTENDED: u8 = 0;

/// What a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// A proof for this message, of its own difficulty if it names one.
    Prove(&'a [u8], Option<Difficulty>),
    /// What the server has done.
    Status,
}

/// Reads a line, without its end.
///
/// # Errors
/// What is wrong with it.
pub fn read(line: &[u8]) -> Result<Request<'_>, String> {
    let Some(extended) = line.strip_prefix(&[EXTENDED]) else { return Ok(Request::Prove(line, None)) };
    if extended == b"status" {
        return Ok(Request::Status);
    }
    let asked = extended.strip_prefix(b"pow ").and_then(|rest| rest.split_first_chunk::<2>());
    match asked {
        Some(([digit, b' '], message)) if digit.is_ascii_digit() => {
            Ok(Request::Prove(message, Difficulty::new(digit - b'0')))
        }
        _ => Err("behind NUL: neither \"status\" nor \"pow DIGIT MESSAGE\"".to_owned()),
    }
}

/// Appends a request for `message` of `difficulty`, LF included.
pub fn write(difficulty: Option<Difficulty>, message: &[u8], out: &mut Vec<u8>) {
    if let Some(difficulty) = difficulty {
        out.extend_from_slice(&[EXTENDED, b'p', b'o', b'w', b' ', b'0' + difficulty.digits(), b' ']);
    }
    out.extend_from_slice(message);
    out.push(b'\n');
}

/// What a connection's lines look like so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Framing {
    /// Its former message ended by silence, and nothing has come since: a line's end that comes first is the end of that.
    silent: bool,
    /// A message of it has ended by silence,
    bare: bool,
    /// and a line by LF.
    lines: bool,
    /// A line was too long: what is left of it is passed over.
    skipping: bool,
}

/// What stands at the beginning of what has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing whole yet: so many bytes can be dropped, the rest is kept until more comes.
    More(usize),
    /// A line: so many bytes of it, and so many with its end.
    Line(usize, usize),
    /// A line that is too long: so many bytes of it are here.
    TooLong(usize),
}

impl Framing {
    /// True if this connection ends its messages by silence alone, as far as is known.
    #[must_use]
    pub fn is_bare(self) -> bool {
        self.bare && !self.lines
    }

    /// Cuts the next line off `input`. `whole`: nothing more comes, now or ever, so what is there is all of it.
    pub fn cut(&mut self, input: &[u8], whole: bool, max: usize) -> Cut {
        if self.silent && !input.is_empty() {
            if input == b"\r" && !whole {
                return Cut::More(0);
            }
            self.silent = false;
            let ends = [&b"\n"[..], b"\r\n"];
            if let Some(end) = ends.into_iter().find(|end| input.starts_with(end)) {
                self.lines = true;
                return Cut::More(end.len());
            }
        }
        let end = input.iter().take(max + 2).position(|byte| *byte == b'\n');
        if self.skipping {
            return self.skip(input, whole);
        }
        match end {
            Some(end) => {
                self.lines = true;
                let line = end - usize::from(end > 0 && input[end - 1] == b'\r');
                if line <= max { Cut::Line(line, end + 1) } else { Cut::TooLong(end + 1) }
            }
            None if input.len() > max && input.get(max..) != Some(b"\r") => {
                self.skipping = true;
                Cut::TooLong(max)
            }
            None if whole && !input.is_empty() => {
                (self.silent, self.bare) = (true, true);
                let line = input.len() - usize::from(input.ends_with(b"\r"));
                if line <= max { Cut::Line(line, input.len()) } else { Cut::TooLong(input.len()) }
            }
            None => Cut::More(0),
        }
    }

    /// Passes over the rest of a line that was too long.
    fn skip(&mut self, input: &[u8], whole: bool) -> Cut {
        let end = input.iter().position(|byte| *byte == b'\n');
        self.skipping = end.is_none() && !whole;
        // A byte is kept, so that silence ends this line as it does others.
        Cut::More(end.map_or(input.len() - usize::from(self.skipping), |end| end + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 5;

    /// Feeds `pieces` one by one, silence behind each that says so; the lines that came out of it.
    fn lines(pieces: &[(&str, bool)]) -> Vec<String> {
        let (mut framing, mut kept, mut found) = (Framing::default(), Vec::new(), Vec::new());
        for (piece, silence) in pieces {
            kept.extend_from_slice(piece.as_bytes());
            for whole in [false, *silence] {
                while !kept.is_empty() {
                    let used = match framing.cut(&kept, whole, MAX) {
                        Cut::More(0) => break,
                        Cut::More(used) => used,
                        Cut::Line(line, used) => {
                            found.push(String::from_utf8(kept[..line].to_vec()).unwrap());
                            used
                        }
                        Cut::TooLong(used) => {
                            found.push("!".to_owned());
                            used
                        }
                    };
                    kept.drain(..used);
                }
            }
        }
        found
    }

    #[test]
    fn lines_end_with_lf_and_a_cr_before_it_is_no_part() {
        assert_eq!(lines(&[("a\nb\r\n\n\r\nc\rd\n", false)]), ["a", "b", "", "", "c\rd"]);
        assert_eq!(lines(&[("a", false), ("b", false), ("\n", false)]), ["ab"]);
        assert_eq!(lines(&[("ab\r", false), ("\n", false)]), ["ab"]);
    }

    #[test]
    fn what_silence_ends_is_a_message_and_its_late_end_is_none() {
        assert_eq!(lines(&[("a", true), ("b", true)]), ["a", "b"]);
        assert_eq!(lines(&[("a", true), ("\n", false), ("b\n", false)]), ["a", "b"]);
        assert_eq!(lines(&[("a", true), ("\r\n", false), ("b\n", false)]), ["a", "b"]);
        assert_eq!(lines(&[("a", true), ("\r", false), ("\n", false), ("b\n", false)]), ["a", "b"]);
        assert_eq!(lines(&[("a", true), ("b\n\n", false)]), ["a", "b", ""]);
        assert_eq!(lines(&[("a", true), ("\n\n", false)]), ["a", ""]);
        assert_eq!(lines(&[("", true), ("\n", true)]), [""]);
    }

    #[test]
    fn who_never_sends_an_lf_is_known() {
        let mut framing = Framing::default();
        assert!(!framing.is_bare());
        framing.cut(b"a", true, MAX);
        assert!(framing.is_bare());
        framing.cut(b"b", true, MAX);
        assert!(framing.is_bare());
        framing.cut(b"b\n", false, MAX);
        framing.cut(b"c", true, MAX);
        assert!(!framing.is_bare());
    }

    #[test]
    fn a_line_may_have_so_many_bytes_and_no_more() {
        assert_eq!(lines(&[("12345\n12345\r\n", false)]), ["12345", "12345"]);
        assert_eq!(lines(&[("123456\na\n", false)]), ["!", "a"]);
        assert_eq!(lines(&[("123456\r\na\n", false)]), ["!", "a"]);
        assert_eq!(lines(&[("12345\r", false), ("\n", false)]), ["12345"]);
        assert_eq!(lines(&[("12345", true), ("123456", true), ("a", true)]), ["12345", "!", "a"]);
        assert_eq!(lines(&[("1234567", false), ("8", false), ("9\na\n", false)]), ["!", "a"]);
        assert_eq!(lines(&[("1234567890\na\n", false)]), ["!", "a"]);
        assert_eq!(lines(&[("1234567890", true), ("a\n", false)]), ["!", "a"]);
    }

    #[test]
    fn requests_of_both_forms_are_told_apart() {
        assert_eq!(read(b"pow 5 a"), Ok(Request::Prove(b"pow 5 a", None)));
        assert_eq!(read(b""), Ok(Request::Prove(b"", None)));
        assert_eq!(read(b"a\0b"), Ok(Request::Prove(b"a\0b", None)));
        assert_eq!(read(b"\0status"), Ok(Request::Status));
        let mut line = Vec::new();
        write(Difficulty::new(5), b"\0, b", &mut line);
        assert_eq!(line.pop(), Some(b'\n'));
        assert_eq!(read(&line), Ok(Request::Prove(b"\0, b", Difficulty::new(5))));
        assert_eq!(read(b"\0pow 5 "), Ok(Request::Prove(b"", Difficulty::new(5))));
        for wrong in [&b"\0"[..], b"\0pow", b"\0pow 5", b"\0pow a b", b"\0pow 10 a", b"\0status ", b"\0\0status"] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
