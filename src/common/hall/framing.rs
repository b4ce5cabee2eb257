//! Where a line ends: by LF, by CR LF, by silence. Pure.
//!
//! Nothing is known of how a client ends its lines but what it has done so far; a line that is too long is passed over in pieces,
//! so that no more of it is kept than a line may have.

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

    /// True if a line of this connection has ended by LF.
    #[must_use]
    pub fn has_lines(self) -> bool {
        self.lines
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
}
