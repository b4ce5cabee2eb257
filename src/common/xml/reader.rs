//! Elements: a pull parser over one document in memory. It keeps the names of the open elements and the attributes of
//! the last one, nothing else, and never recurses.

use std::borrow::Cow;

use super::cursor::Cursor;
use super::error::{self, Error, ErrorKind, Position};
use crate::common::limits::{LINE_MAX_BYTES, XML_ATTRIBUTES_MAX, XML_DEPTH_MAX};

/// Longest document in bytes: a line without its line feed.
const DOCUMENT_MAX_BYTES: usize = LINE_MAX_BYTES - 1;

/// Attributes that there is room for at first: most messages have fewer, so that the room is made once.
const ATTRIBUTES_EXPECTED: usize = 8;

/// What a document consists of, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// An element of this name begins; [`Reader::attributes`] has its attributes.
    Start(&'a str),
    /// All text up to the next tag, never empty: references replaced, line ends normalized. White space between
    /// elements is text too.
    Text(Cow<'a, str>),
    /// The element that began last and hasn't ended yet ends.
    End,
    /// The root element is closed, and only white space was behind it. From here on this is all that comes.
    Finish,
}

/// An attribute of an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value: references replaced, white space normalized.
    pub value: Cow<'a, str>,
    /// Where its name begins, in bytes, for [`Reader::position`].
    pub offset: usize,
}

/// Reads one document, event by event.
///
/// After an error the document is of no more use; further calls don't panic, but mean nothing.
#[derive(Debug)]
pub struct Reader<'a> {
    cursor: Cursor<'a>,
    /// Names of the open elements, the root first.
    open: Vec<&'a str>,
    attributes: Vec<Attribute<'a>>,
    /// The marks of the attributes' names: a name whose mark isn't among them is new.
    marks: u64,
    /// Where the last event began.
    event: usize,
    /// `<a/>` was given as a start; its end is due.
    end_due: bool,
    /// The root element has begun.
    rooted: bool,
}

impl<'a> Reader<'a> {
    /// A reader of `document`: a line of the protocol without its line feed, but any bytes will do.
    ///
    /// # Errors
    /// The document is too long, isn't UTF-8 or begins with a byte order mark.
    pub fn new(document: &'a [u8]) -> Result<Self, Error> {
        let fail = |kind, offset| Error::new(kind, Position::of(document, offset));
        if document.len() > DOCUMENT_MAX_BYTES {
            return Err(fail(ErrorKind::TooLong, DOCUMENT_MAX_BYTES));
        }
        let text = str::from_utf8(document).map_err(|error| fail(ErrorKind::NotUtf8, error.valid_up_to()))?;
        if text.starts_with('\u{feff}') {
            return Err(fail(ErrorKind::ByteOrderMark, 0));
        }
        Ok(Self {
            cursor: Cursor::new(text),
            open: Vec::new(),
            attributes: Vec::with_capacity(ATTRIBUTES_EXPECTED),
            marks: 0,
            event: 0,
            end_due: false,
            rooted: false,
        })
    }

    /// The next event.
    ///
    /// # Errors
    /// The document isn't well-formed, isn't in the subset, or passes a limit.
    pub fn read(&mut self) -> Result<Event<'a>, Error> {
        if self.end_due {
            self.end_due = false;
            return Ok(Event::End);
        }
        if self.open.is_empty() {
            return self.outside();
        }
        self.event = self.cursor.offset();
        match self.cursor.peek() {
            Some(b'<') => self.markup(),
            Some(_) => self.cursor.text().map(Event::Text),
            None => Err(self.not_closed()),
        }
    }

    /// The attributes of the element that began last, in their order.
    #[must_use]
    pub fn attributes(&self) -> &[Attribute<'a>] {
        &self.attributes
    }

    /// Where the last event began, in bytes: the `<` of a tag, the first byte of text.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.event
    }

    /// Line and column of the place `offset` bytes into the document. Costs time by the offset: meant for errors.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        self.cursor.position(offset)
    }

    /// Before the root element, or behind it.
    fn outside(&mut self) -> Result<Event<'a>, Error> {
        self.cursor.space();
        self.event = self.cursor.offset();
        match self.cursor.peek() {
            Some(b'<') => self.markup(),
            Some(_) => Err(self.cursor.unexpected(ErrorKind::OutsideRoot)),
            None if self.rooted => Ok(Event::Finish),
            None => Err(self.cursor.fail(ErrorKind::NoRoot, self.event)),
        }
    }

    /// Whatever begins with `<`.
    fn markup(&mut self) -> Result<Event<'a>, Error> {
        self.cursor.step(1);
        match self.cursor.peek() {
            Some(b'/') => self.end(),
            Some(b'!' | b'?') => Err(self.refused()),
            _ => self.start(),
        }
    }

    /// `name attributes>` or `name attributes/>`
    fn start(&mut self) -> Result<Event<'a>, Error> {
        if self.open.is_empty() && self.rooted {
            return Err(self.cursor.fail(ErrorKind::SecondRoot, self.event));
        }
        if self.open.len() == XML_DEPTH_MAX {
            return Err(self.cursor.fail(ErrorKind::TooDeep, self.event));
        }
        let name = self.cursor.name()?;
        self.attributes.clear();
        self.marks = 0;
        self.plain_attributes()?;
        while self.tag_goes_on()? {
            self.attribute()?;
            self.plain_attributes()?;
        }
        // An empty element is never open: most messages are one, and need no room for names.
        if !self.end_due {
            self.open.push(name);
        }
        self.rooted = true;
        Ok(Event::Start(name))
    }

    /// Within a start tag: whether an attribute follows. If none does, the tag is read to its end.
    #[inline]
    fn tag_goes_on(&mut self) -> Result<bool, Error> {
        let spaced = self.cursor.space();
        if self.cursor.take(b'>') {
            return Ok(false);
        }
        if self.cursor.take(b'/') {
            self.cursor.expect(b'>', || ErrorKind::TagEnd)?;
            self.end_due = true;
            return Ok(false);
        }
        if spaced && self.cursor.peek().is_some() { Ok(true) } else { Err(self.cursor.unexpected(ErrorKind::InTag)) }
    }

    /// `name="value"`, with white space around the equals sign if it likes.
    #[inline]
    fn attribute(&mut self) -> Result<(), Error> {
        let offset = self.cursor.offset();
        let name = self.cursor.name()?;
        self.cursor.space();
        self.cursor.expect(b'=', || ErrorKind::Equals)?;
        self.cursor.space();
        let quote = if self.cursor.peek() == Some(b'\'') { b'\'' } else { b'"' };
        self.cursor.expect(quote, || ErrorKind::Quote)?;
        let value = self.cursor.value(quote)?;
        self.add(name, value, offset)
    }

    /// Attributes as programs write them, as many as follow each other: most attributes, and the reason why reading a
    /// message takes as little time as it does. The cursor is copied so that it can stay in registers.
    #[inline(always)]
    fn plain_attributes(&mut self) -> Result<(), Error> {
        let mut cursor = self.cursor;
        let mut offset = cursor.offset() + 1;
        while let Some((name, value)) = cursor.plain_attribute() {
            self.add(name, Cow::Borrowed(value), offset)?;
            offset = cursor.offset() + 1;
        }
        self.cursor = cursor;
        Ok(())
    }

    /// Adds an attribute whose name stands at `offset`, unless there is one of that name or there are too many.
    #[inline(always)]
    fn add(&mut self, name: &'a str, value: Cow<'a, str>, offset: usize) -> Result<(), Error> {
        let mark = mark(name);
        if self.marks & mark != 0 && self.attributes.iter().any(|earlier| earlier.name == name) {
            return Err(self.cursor.fail(ErrorKind::AttributeTwice(error::shortened(name)), offset));
        }
        if self.attributes.len() == XML_ATTRIBUTES_MAX {
            return Err(self.cursor.fail(ErrorKind::TooManyAttributes, offset));
        }
        self.marks |= mark;
        self.attributes.push(Attribute { name, value, offset });
        Ok(())
    }

    /// `/name>`
    fn end(&mut self) -> Result<Event<'a>, Error> {
        let Some(open) = self.open.pop() else {
            return Err(self.cursor.fail(ErrorKind::NotOpened, self.event));
        };
        self.cursor.step(1);
        if self.cursor.take_end(open) {
            return Ok(Event::End);
        }
        self.odd_end(open)
    }

    /// An end tag with white space before its `>`, or one that can't stand here.
    #[cold]
    fn odd_end(&mut self, open: &str) -> Result<Event<'a>, Error> {
        let offset = self.cursor.offset();
        let found = self.cursor.name()?;
        if found != open {
            let kind = ErrorKind::WrongEnd { open: error::shortened(open), found: error::shortened(found) };
            return Err(self.cursor.fail(kind, offset));
        }
        self.cursor.space();
        self.cursor.expect(b'>', || ErrorKind::TagEnd)?;
        Ok(Event::End)
    }

    /// What begins with `<!` or `<?`: named, so that whoever wrote it learns that it is XML, but not the protocol's.
    #[cold]
    fn refused(&self) -> Error {
        let kind = match self.cursor.rest() {
            [b'?', ..] => ErrorKind::ProcessingInstruction,
            rest if rest.starts_with(b"!--") => ErrorKind::Comment,
            rest if rest.starts_with(b"![CDATA[") => ErrorKind::CdataSection,
            rest if rest.starts_with(b"!DOCTYPE") => ErrorKind::Doctype,
            _ => ErrorKind::Markup,
        };
        self.cursor.fail(kind, self.event)
    }

    #[cold]
    fn not_closed(&self) -> Error {
        let name = self.open.last().copied().unwrap_or_default();
        self.cursor.fail(ErrorKind::NotClosed(error::shortened(name)), self.event)
    }
}

/// One of 64 bits that different names are likely to differ in: made of their last two bytes, in which numbered names
/// differ too, and their length.
fn mark(name: &str) -> u64 {
    let end = match name.as_bytes() {
        [.., before, last] => usize::from(*before) * 5 + usize::from(*last),
        bytes => bytes.iter().map(|&only| usize::from(only)).sum(),
    };
    1 << ((end + name.len()) % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads to the end: how many elements there were.
    fn elements(document: &[u8]) -> Result<usize, String> {
        let mut reader = Reader::new(document).map_err(|error| error.to_string())?;
        let mut elements = 0;
        loop {
            match reader.read().map_err(|error| error.to_string())? {
                Event::Start(_) => elements += 1,
                Event::Finish => return Ok(elements),
                _ => {}
            }
        }
    }

    fn nested(depth: usize) -> String {
        "<e>".repeat(depth) + &"</e>".repeat(depth)
    }

    fn with_attributes(count: usize) -> String {
        let attributes: String = (0..count).map(|n| format!(" n{n}='{n}'")).collect();
        format!("<e{attributes}/>")
    }

    #[test]
    fn a_document_has_as_many_bytes_as_a_line_without_its_line_feed() {
        let padded = |length: usize| format!("<e/>{}", " ".repeat(length - 4));
        assert_eq!(elements(padded(65_535).as_bytes()), Ok(1));
        assert_eq!(elements(padded(65_536).as_bytes()), Err("1:65536: more than 65535 bytes".to_owned()));
        assert_eq!(elements(&[0xff; 70_000]), Err("1:65536: more than 65535 bytes".to_owned()));
    }

    #[test]
    fn elements_stand_32_in_one_another() {
        assert_eq!(elements(nested(32).as_bytes()), Ok(32));
        assert_eq!(elements(nested(33).as_bytes()), Err("1:97: more than 32 elements in one another".to_owned()));
        assert_eq!(elements(format!("<r>{}</r>", nested(31).repeat(9)).as_bytes()), Ok(1 + 9 * 31));
    }

    #[test]
    fn elements_have_64_attributes() {
        assert_eq!(elements(with_attributes(64).as_bytes()), Ok(1));
        assert_eq!(elements(with_attributes(65).as_bytes()), Err("1:560: more than 64 attributes".to_owned()));
        assert_eq!(elements(format!("<r>{}</r>", with_attributes(64).repeat(9)).as_bytes()), Ok(10));
    }

    #[test]
    fn only_what_changes_is_copied() {
        let mut reader = Reader::new(br#"<a plain="it's" changed="1&gt;0">plain]<b/>chang&#101;d</a>"#).unwrap();
        assert_eq!(reader.read().unwrap(), Event::Start("a"));
        let [plain, changed] = reader.attributes() else { panic!("two attributes") };
        assert!(matches!(plain.value, Cow::Borrowed("it's")));
        assert!(matches!(&changed.value, Cow::Owned(value) if value == "1>0"));
        assert!(matches!(reader.read(), Ok(Event::Text(Cow::Borrowed("plain]")))));
        reader.read().unwrap();
        reader.read().unwrap();
        assert!(matches!(reader.read(), Ok(Event::Text(Cow::Owned(text))) if text == "changed"));
    }

    #[test]
    fn places_of_events_and_attributes_are_known() {
        let mut reader = Reader::new("<a>é\n <b  c='1'/></a>".as_bytes()).unwrap();
        let mut places = Vec::new();
        while reader.read().unwrap() != Event::Finish {
            places.push(reader.position(reader.offset()).to_string());
        }
        assert_eq!(places, ["1:1", "1:4", "2:2", "2:2", "2:13"]);
        assert_eq!(reader.position(reader.attributes()[0].offset).to_string(), "2:6");
        assert_eq!(reader.read(), Ok(Event::Finish), "and again");
    }
}
