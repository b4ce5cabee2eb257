//! What XML calls a character, a name, white space: a table for ASCII, ranges for the rest.

/// White space: space, tab, carriage return, line feed.
pub(super) const SPACE: u8 = 1;
/// An ASCII character that may begin a name. The colon is left out: it would make a prefix.
pub(super) const NAME_START: u8 = 1 << 1;
/// An ASCII character that may stand in a name, again without the colon.
pub(super) const NAME: u8 = 1 << 2;
/// A byte that text takes as it is.
pub(super) const TEXT: u8 = 1 << 3;
/// A byte that an attribute value takes as it is, whichever quote encloses it.
pub(super) const VALUE: u8 = 1 << 4;
/// A byte that the writer writes as it is.
pub(super) const WRITTEN: u8 = 1 << 5;

/// The classes of each byte.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = classify(byte as u8);
        byte += 1;
    }
    classes
};

const fn classify(byte: u8) -> u8 {
    match byte {
        b' ' => SPACE | TEXT | VALUE | WRITTEN,
        b'\t' | b'\n' => SPACE | TEXT,
        b'\r' => SPACE,
        b'_' | b'A'..=b'Z' | b'a'..=b'z' => NAME_START | NAME | TEXT | VALUE | WRITTEN,
        b'-' | b'.' | b'0'..=b'9' => NAME | TEXT | VALUE | WRITTEN,
        b'&' | b'<' | 0..=0x1f => 0,
        b'"' => TEXT,
        b'\'' => TEXT | WRITTEN,
        b'>' => TEXT | VALUE,
        b']' => VALUE | WRITTEN,
        // U+FFFE and U+FFFF begin with this byte; the rest that it begins is looked at in vain.
        0xef => 0,
        _ => TEXT | VALUE | WRITTEN,
    }
}

/// Whether `byte` is in one of `classes`.
#[inline]
pub(super) const fn is(byte: u8, classes: u8) -> bool {
    CLASSES[byte as usize] & classes != 0
}

/// Bytes at the beginning of `bytes` that are in one of `classes`.
#[inline]
pub(super) fn span(bytes: &[u8], classes: u8) -> usize {
    bytes.iter().take_while(|&&byte| is(byte, classes)).count()
}

/// `Char` of XML 1.0: what a document may hold, literally or by reference.
pub(super) const fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// `NameStartChar` of XML 1.0, fifth edition, without the colon.
pub(super) const fn is_name_start(c: char) -> bool {
    match c {
        '\0'..='\u{7f}' => is(c as u8, NAME_START),
        _ => matches!(c,
            '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}'
            | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}'
            | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}'),
    }
}

/// `NameChar` of XML 1.0, fifth edition, without the colon.
pub(super) const fn is_name(c: char) -> bool {
    match c {
        '\0'..='\u{7f}' => is(c as u8, NAME),
        _ => is_name_start(c) || matches!(c, '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}'),
    }
}

/// Whether the whole of `text` is a name without a colon.
pub(super) fn is_whole_name(text: &str) -> bool {
    text.starts_with(is_name_start) && text.chars().all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_agrees_with_the_productions() {
        for byte in 0..0x80u8 {
            let c = char::from(byte);
            assert_eq!(is(byte, NAME_START), c.is_ascii_alphabetic() || c == '_', "{c:?}");
            assert_eq!(is(byte, NAME), c.is_ascii_alphanumeric() || "_-.".contains(c), "{c:?}");
            assert_eq!(is(byte, SPACE), " \t\r\n".contains(c), "{c:?}");
            assert_eq!(is(byte, TEXT), is_char(c) && !"<&]\r".contains(c), "{c:?}");
            assert_eq!(is(byte, WRITTEN), is_char(c) && !"<>&\"\r\n\t".contains(c), "{c:?}");
            assert_eq!(is(byte, VALUE), is_char(c) && !"<&\"'\r\n\t".contains(c), "{c:?}");
        }
    }

    #[test]
    fn characters_end_where_the_standard_says() {
        for c in ['\t', '\n', '\r', ' ', '\u{7f}', '\u{80}', '\u{d7ff}', '\u{e000}', '\u{fffd}', '\u{10000}', char::MAX]
        {
            assert!(is_char(c), "{c:?}");
        }
        for c in ['\0', '\u{8}', '\u{b}', '\u{c}', '\u{e}', '\u{1f}', '\u{fffe}', '\u{ffff}'] {
            assert!(!is_char(c), "{c:?}");
        }
    }

    #[test]
    fn names_are_those_of_the_fifth_edition() {
        for name in ["a", "_", "A-1.b", "größe", "\u{c0}", "\u{37f}", "\u{10000}", "a\u{b7}", "a\u{300}", "a\u{2040}"]
        {
            assert!(is_whole_name(name), "{name:?}");
        }
        for name in
            ["", "1", "-", ".", "a b", "a:b", ":", "\u{d7}", "\u{f7}", "\u{37e}", "\u{b7}", "\u{f0000}", "a\u{2041}"]
        {
            assert!(!is_whole_name(name), "{name:?}");
        }
    }
}
