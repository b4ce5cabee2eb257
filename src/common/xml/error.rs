//! What went wrong, and where: `1:17: attribute "a" appears twice`.

use std::fmt;

use crate::common::limits::{LINE_MAX_BYTES, XML_ATTRIBUTES_MAX, XML_DEPTH_MAX};

/// Characters of a name that an error repeats. A name can be as long as a line; an error has to fit into one.
const NAME_SHOWN_MAX: usize = 40;

/// A place in a document as editors count: both from 1, columns in characters. Only a line feed ends a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Lines, counted from 1.
    pub line: usize,
    /// Characters within the line, counted from 1.
    pub column: usize,
}

impl Position {
    /// The place `offset` bytes into `document`, or its end if it is shorter. Costs time by the offset, so it is
    /// called only when an error is made.
    pub(super) fn of(document: &[u8], offset: usize) -> Self {
        let before = &document[..offset.min(document.len())];
        let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let begins_character = |byte: &&u8| **byte & 0xc0 != 0x80;
        Self {
            line: 1 + before.iter().filter(|&&byte| byte == b'\n').count(),
            column: 1 + before[line_start..].iter().filter(begins_character).count(),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Why a document is refused, and where. One pointer wide, so that what succeeds doesn't pay for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<(ErrorKind, Position)>);

impl Error {
    #[cold]
    pub(super) fn new(kind: ErrorKind, position: Position) -> Self {
        Self(Box::new((kind, position)))
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.0
    }

    /// Where it is.
    #[must_use]
    pub fn position(&self) -> Position {
        self.0.1
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.position(), self.kind())
    }
}

impl std::error::Error for Error {}

/// The three reasons to refuse a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It isn't well-formed: no reader of XML takes it.
    Syntax,
    /// Other readers may take it, but it uses what the protocol leaves out.
    Subset,
    /// Other readers may take it, but it is too long, too deep or too rich.
    Limit,
}

/// What is wrong with a document. Names are shortened to 40 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A byte order mark at the beginning.
    ByteOrderMark,
    /// `<!--`
    Comment,
    /// `<![CDATA[`
    CdataSection,
    /// `<!DOCTYPE`
    Doctype,
    /// `<?`, an XML declaration included.
    ProcessingInstruction,
    /// A name with a colon.
    Prefix,

    /// More bytes than a line may have.
    TooLong,
    /// More elements in one another than [`XML_DEPTH_MAX`].
    TooDeep,
    /// More attributes of an element than [`XML_ATTRIBUTES_MAX`].
    TooManyAttributes,

    /// Bytes that aren't UTF-8.
    NotUtf8,
    /// A character that XML can't carry.
    Character(char),
    /// Nothing but white space.
    NoRoot,
    /// An element behind the root element.
    SecondRoot,
    /// Something other than white space before or behind the root element.
    OutsideRoot,
    /// The end within a tag or a reference.
    UnexpectedEnd,
    /// The end before the end tag of this element.
    NotClosed(Box<str>),
    /// An end tag where no element is open.
    NotOpened,
    /// An end tag that names another element than the open one.
    WrongEnd {
        /// The element that is open.
        open: Box<str>,
        /// The element that the end tag names.
        found: Box<str>,
    },
    /// `<!` and then nothing that XML knows.
    Markup,
    /// Something other than a name where there has to be one.
    Name,
    /// Something in a tag where it could only go on with white space or end.
    InTag,
    /// An attribute without `=`.
    Equals,
    /// An attribute's value without quotes.
    Quote,
    /// Something other than `>` where a tag has to end.
    TagEnd,
    /// A second attribute of this name.
    AttributeTwice(Box<str>),
    /// `<` in an attribute's value.
    LessThanInValue,
    /// `]]>` in text.
    CdataEndInText,
    /// `&` that begins no reference.
    Ampersand,
    /// A character reference without a digit.
    ReferenceDigit,
    /// A reference without `;`.
    ReferenceEnd,
    /// A reference to a character that XML can't carry.
    ReferenceCharacter,
    /// A reference to an entity that isn't one of the five.
    Entity(Box<str>),
}

impl ErrorKind {
    /// Which of the three reasons this is.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::ByteOrderMark
            | Self::Comment
            | Self::CdataSection
            | Self::Doctype
            | Self::ProcessingInstruction
            | Self::Prefix => Class::Subset,
            Self::TooLong | Self::TooDeep | Self::TooManyAttributes => Class::Limit,
            _ => Class::Syntax,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByteOrderMark => f.write_str("the protocol has no byte order mark"),
            Self::Comment => f.write_str("the protocol has no comments"),
            Self::CdataSection => f.write_str("the protocol has no CDATA sections"),
            Self::Doctype => f.write_str("the protocol has no document type declaration"),
            Self::ProcessingInstruction => {
                f.write_str("the protocol has no processing instructions and no XML declaration")
            }
            Self::Prefix => f.write_str("the protocol has no colons in names"),
            Self::TooLong => write!(f, "more than {} bytes", LINE_MAX_BYTES - 1),
            Self::TooDeep => write!(f, "more than {XML_DEPTH_MAX} elements in one another"),
            Self::TooManyAttributes => write!(f, "more than {XML_ATTRIBUTES_MAX} attributes"),
            Self::NotUtf8 => f.write_str("bytes that are not UTF-8"),
            Self::Character(c) => write!(f, "character U+{:04X}, which XML has not", u32::from(*c)),
            Self::NoRoot => f.write_str("no element"),
            Self::SecondRoot => f.write_str("an element behind the root element"),
            Self::OutsideRoot => f.write_str("something other than white space outside the root element"),
            Self::UnexpectedEnd => f.write_str("the document ends within a tag or a reference"),
            Self::NotClosed(name) => write!(f, "the document ends before </{name}>"),
            Self::NotOpened => f.write_str("an end tag where no element is open"),
            Self::WrongEnd { open, found } => write!(f, "</{found}> where only </{open}> can stand"),
            Self::Markup => f.write_str("\"<!\" that begins nothing"),
            Self::Name => f.write_str("no name where there has to be one"),
            Self::InTag => f.write_str("neither white space nor the end of the tag"),
            Self::Equals => f.write_str("an attribute without \"=\""),
            Self::Quote => f.write_str("an attribute value without quotes"),
            Self::TagEnd => f.write_str("no \">\" where the tag has to end"),
            Self::AttributeTwice(name) => write!(f, "attribute \"{name}\" appears twice"),
            Self::LessThanInValue => f.write_str("\"<\" in an attribute value"),
            Self::CdataEndInText => f.write_str("\"]]>\" in text"),
            Self::Ampersand => f.write_str("\"&\" that begins no reference"),
            Self::ReferenceDigit => f.write_str("a character reference without a digit"),
            Self::ReferenceEnd => f.write_str("a reference without \";\""),
            Self::ReferenceCharacter => f.write_str("a reference to a character that XML has not"),
            Self::Entity(name) => write!(f, "entity \"{name}\", which is not one of the five"),
        }
    }
}

/// `name` as an error repeats it: 40 characters of it at most, so that the error fits on a line.
#[must_use]
pub fn shortened(name: &str) -> Box<str> {
    match name.char_indices().nth(NAME_SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &name[..end]).into(),
        None => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_count_line_feeds() {
        let document = "aé\r\n€b".as_bytes();
        let at = |offset| Position::of(document, offset).to_string();
        assert_eq!(at(0), "1:1");
        assert_eq!(at(3), "1:3");
        assert_eq!(at(5), "2:1");
        assert_eq!(at(8), "2:2");
        assert_eq!(at(99), "2:3");
    }

    #[test]
    fn each_error_has_its_reason() {
        use ErrorKind::*;
        for kind in [ByteOrderMark, Comment, CdataSection, Doctype, ProcessingInstruction, Prefix] {
            assert_eq!(kind.class(), Class::Subset, "{kind}");
        }
        for kind in [TooLong, TooDeep, TooManyAttributes] {
            assert_eq!(kind.class(), Class::Limit, "{kind}");
        }
        for kind in [NotUtf8, NoRoot, Name, Quote, Entity("x".into())] {
            assert_eq!(kind.class(), Class::Syntax, "{kind}");
        }
    }

    #[test]
    fn long_names_are_shortened() {
        assert_eq!(&*shortened(&"ä".repeat(40)), "ä".repeat(40));
        assert_eq!(&*shortened(&"ä".repeat(41)), format!("{}…", "ä".repeat(40)));
    }
}
