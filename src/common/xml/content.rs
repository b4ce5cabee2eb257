//! Text and attribute values: references are replaced, line ends and white space normalized (XML 1.0, §2.11, §3.3.3,
//! §4.6). What needs none of that is borrowed from the document.

use std::borrow::Cow;

use super::chars::{self, TEXT, VALUE};
use super::cursor::Cursor;
use super::error::{self, Error, ErrorKind};

impl<'a> Cursor<'a> {
    /// Takes text up to the next tag or the end.
    pub(super) fn text(&mut self) -> Result<Cow<'a, str>, Error> {
        let mut pieces = Pieces::new(self.offset());
        loop {
            self.skip(TEXT);
            match self.peek() {
                Some(b'<') | None => return Ok(pieces.finish(self, self.offset())),
                Some(b'&') => pieces.replace(self, Cursor::reference)?,
                Some(b'\r') => pieces.replace(self, |cursor| Ok(cursor.line_end('\n')))?,
                Some(b']') => self.bracket()?,
                Some(_) => self.checked()?,
            }
        }
    }

    /// Takes an attribute value up to and with its closing quote; the opening one, `quote`, is read already.
    #[inline]
    pub(super) fn value(&mut self, quote: u8) -> Result<Cow<'a, str>, Error> {
        let value = self.skip(VALUE);
        if self.take(quote) {
            return Ok(Cow::Borrowed(value));
        }
        self.mixed_value(self.offset() - value.len(), quote)
    }

    /// Takes the rest of an attribute value that began at `start`, and in which not all is plain.
    #[cold]
    fn mixed_value(&mut self, start: usize, quote: u8) -> Result<Cow<'a, str>, Error> {
        let mut pieces = Pieces::new(start);
        while !self.take(quote) {
            match self.peek() {
                Some(b'"' | b'\'') => {
                    self.step(1);
                }
                Some(b'&') => pieces.replace(self, Cursor::reference)?,
                Some(b'\t' | b'\n' | b'\r') => pieces.replace(self, |cursor| Ok(cursor.line_end(' ')))?,
                Some(b'<') => return Err(self.unexpected(ErrorKind::LessThanInValue)),
                Some(_) => self.checked()?,
                None => return Err(self.unexpected(ErrorKind::UnexpectedEnd)),
            }
            self.skip(VALUE);
        }
        Ok(pieces.finish(self, self.offset() - 1))
    }

    /// Takes one byte of white space, or a carriage return and a line feed, which are one line end.
    fn line_end(&mut self, instead: char) -> char {
        self.step(if self.rest().starts_with(b"\r\n") { 2 } else { 1 });
        instead
    }

    /// Takes `]`, unless it begins `]]>`.
    fn bracket(&mut self) -> Result<(), Error> {
        if self.rest().starts_with(b"]]>") {
            return Err(self.unexpected(ErrorKind::CdataEndInText));
        }
        self.step(1);
        Ok(())
    }

    /// Takes a character that the table of bytes leaves open.
    fn checked(&mut self) -> Result<(), Error> {
        let start = self.offset();
        match self.character() {
            Some(c) if !chars::is_char(c) => Err(self.fail(ErrorKind::Character(c), start)),
            _ => Ok(()),
        }
    }

    /// Takes a reference, whose `&` is next: the character that it stands for.
    fn reference(&mut self) -> Result<char, Error> {
        let start = self.offset();
        self.step(1);
        match self.peek() {
            Some(b'#') => self.character_reference(start),
            _ => self.entity_reference(start),
        }
    }

    /// Takes the rest of a reference behind its `&`, which stands at `start`: `amp;`.
    fn entity_reference(&mut self, start: usize) -> Result<char, Error> {
        let name = self.name().map_err(|error| match error.kind() {
            ErrorKind::Name => self.fail(ErrorKind::Ampersand, start),
            _ => error,
        })?;
        self.expect(b';', || ErrorKind::ReferenceEnd)?;
        match name {
            "amp" => Ok('&'),
            "apos" => Ok('\''),
            "gt" => Ok('>'),
            "lt" => Ok('<'),
            "quot" => Ok('"'),
            _ => Err(self.fail(ErrorKind::Entity(error::shortened(name)), start)),
        }
    }

    /// Takes the rest of a reference behind its `&`, which stands at `start`: `#65;` or `#x41;`.
    fn character_reference(&mut self, start: usize) -> Result<char, Error> {
        self.step(1);
        let radix = if self.take(b'x') { 16 } else { 10 };
        let code = self.digits(radix)?;
        self.expect(b';', || ErrorKind::ReferenceEnd)?;
        char::from_u32(code)
            .filter(|&c| chars::is_char(c))
            .ok_or_else(|| self.fail(ErrorKind::ReferenceCharacter, start))
    }

    /// Takes digits, at least one: their value, or a larger one than any character has.
    fn digits(&mut self, radix: u32) -> Result<u32, Error> {
        let start = self.offset();
        let mut value = 0u32;
        while let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(radix)) {
            value = value.saturating_mul(radix).saturating_add(digit);
            self.step(1);
        }
        if self.offset() == start { Err(self.unexpected(ErrorKind::ReferenceDigit)) } else { Ok(value) }
    }
}

/// Text in the making: a part that had to be copied, and behind it a part of the document that didn't yet.
struct Pieces {
    copied: String,
    start: usize,
}

impl Pieces {
    /// Nothing yet; the next part begins at `start`.
    fn new(start: usize) -> Self {
        Self { copied: String::new(), start }
    }

    /// Puts the character that `take` makes of what is next into its place.
    fn replace<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        take: impl FnOnce(&mut Cursor<'a>) -> Result<char, Error>,
    ) -> Result<(), Error> {
        self.copied.push_str(cursor.between(self.start, cursor.offset()));
        self.copied.push(take(cursor)?);
        self.start = cursor.offset();
        Ok(())
    }

    /// All of it, which ends at `end`. Nothing was replaced if nothing was copied, since each replacement leaves a
    /// character.
    fn finish<'a>(self, cursor: &Cursor<'a>, end: usize) -> Cow<'a, str> {
        let rest = cursor.between(self.start, end);
        if self.copied.is_empty() { Cow::Borrowed(rest) } else { Cow::Owned(self.copied + rest) }
    }
}
