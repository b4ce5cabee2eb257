//! A place in a document: what stands there, what comes next, and how an error names it.

use super::chars::{self, NAME, NAME_START, SPACE, VALUE};
use super::error::{Error, ErrorKind, Position};

/// A document and what of it isn't read yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    document: &'a str,
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    /// The beginning of `document`.
    pub(super) fn new(document: &'a str) -> Self {
        Self { document, rest: document }
    }

    /// Bytes that are read.
    #[inline]
    pub(super) fn offset(&self) -> usize {
        self.document.len() - self.rest.len()
    }

    /// The next byte, or none at the end.
    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.as_bytes().first().copied()
    }

    /// What isn't read yet, in bytes.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest.as_bytes()
    }

    /// The document from one offset to another.
    pub(super) fn between(&self, start: usize, end: usize) -> &'a str {
        &self.document[start..end]
    }

    /// Takes `count` bytes, which the caller has seen to be whole characters.
    #[inline]
    pub(super) fn step(&mut self, count: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        taken
    }

    /// Steps over `byte` if it is next.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.step(1);
        }
        found
    }

    /// Takes `name>`, which ends the end tag of an element of this name, if it is next.
    #[inline]
    pub(super) fn take_end(&mut self, name: &str) -> bool {
        let ahead = self.rest.strip_prefix(name).and_then(|ahead| ahead.strip_prefix('>'));
        self.rest = ahead.unwrap_or(self.rest);
        ahead.is_some()
    }

    /// Takes all bytes of the class, which has to be one of ASCII or of whole characters.
    #[inline]
    pub(super) fn skip(&mut self, class: u8) -> &'a str {
        self.step(chars::span(self.rest(), class))
    }

    /// Steps over white space; whether there was some.
    #[inline]
    pub(super) fn space(&mut self) -> bool {
        !self.skip(SPACE).is_empty()
    }

    /// Takes the next character, if there is one.
    pub(super) fn character(&mut self) -> Option<char> {
        let next = self.rest.chars().next()?;
        self.step(next.len_utf8());
        Some(next)
    }

    /// Takes `byte`, which has to be next.
    #[inline]
    pub(super) fn expect(&mut self, byte: u8, otherwise: impl FnOnce() -> ErrorKind) -> Result<(), Error> {
        if self.take(byte) { Ok(()) } else { Err(self.unexpected(otherwise())) }
    }

    /// Takes a name, which has to be next.
    #[inline]
    pub(super) fn name(&mut self) -> Result<&'a str, Error> {
        let name = self.skip(NAME);
        if let Some(b':' | 0x80..) = self.peek() {
            return self.wide_name(self.offset() - name.len());
        }
        match name.as_bytes().first() {
            Some(&first) if chars::is(first, NAME_START) => Ok(name),
            _ => Err(self.no_name(self.offset() - name.len())),
        }
    }

    /// Takes ` name="value"` if it stands there as programs write it: one space, a name of letters, nothing around the
    /// equals sign, double quotes, nothing to replace. If not, takes nothing: it has to be read in its parts.
    #[inline(always)]
    pub(super) fn plain_attribute(&mut self) -> Option<(&'a str, &'a str)> {
        let ahead = self.rest.strip_prefix(' ')?;
        let (name, ahead) = ahead.split_at(chars::span(ahead.as_bytes(), NAME_START));
        let ahead = ahead.strip_prefix("=\"")?;
        let (value, ahead) = ahead.split_at(chars::span(ahead.as_bytes(), VALUE));
        let ahead = ahead.strip_prefix('"')?;
        if name.is_empty() {
            return None;
        }
        self.rest = ahead;
        Some((name, value))
    }

    /// Takes a name that begins at `start` and may hold what the table of bytes doesn't know.
    #[cold]
    fn wide_name(&mut self, start: usize) -> Result<&'a str, Error> {
        let from_start = &self.document[start..];
        let (name, rest) = from_start.split_at(from_start.find(|c| !chars::is_name(c)).unwrap_or(from_start.len()));
        self.rest = rest;
        if !name.is_empty() && !name.starts_with(chars::is_name_start) {
            return Err(self.no_name(start));
        }
        match self.peek() {
            Some(b':') => Err(self.fail(ErrorKind::Prefix, self.offset())),
            _ if name.is_empty() => Err(self.no_name(start)),
            _ => Ok(name),
        }
    }

    #[cold]
    fn no_name(mut self, start: usize) -> Error {
        self.rest = &self.document[start..];
        self.unexpected(ErrorKind::Name)
    }

    /// The error `kind` about what is next, unless nothing is: then that is the error.
    #[cold]
    pub(super) fn unexpected(self, kind: ErrorKind) -> Error {
        let kind = if self.peek().is_none() { ErrorKind::UnexpectedEnd } else { kind };
        self.fail(kind, self.offset())
    }

    /// The error `kind` at `offset`.
    #[cold]
    pub(super) fn fail(self, kind: ErrorKind, offset: usize) -> Error {
        Error::new(kind, self.position(offset))
    }

    /// Line and column of `offset`.
    pub(super) fn position(self, offset: usize) -> Position {
        Position::of(self.document.as_bytes(), offset)
    }
}
