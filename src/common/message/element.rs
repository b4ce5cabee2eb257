//! One element of the protocol: attributes taken by name, nothing left over, text only where it belongs.

use super::Code;
use super::value::Value;
use crate::common::limits::XML_ATTRIBUTES_MAX;
use crate::common::xml::{self, Event, Reader};

/// Why a line isn't a message: what and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What kind of fault it is.
    pub code: Code,
    /// What and where, for a person, as `1:17: …`.
    pub text: String,
}

impl From<xml::Error> for Malformed {
    fn from(error: xml::Error) -> Self {
        Self { code: Code::Malformed, text: error.to_string() }
    }
}

/// An element being read: its attributes are taken one by one, then its content.
pub(super) struct Fields<'a> {
    reader: Reader<'a>,
    taken: u64,
}

// One bit of `taken` an attribute.
const _: () = assert!(XML_ATTRIBUTES_MAX <= 64);

/// Begins to read a line: gives what is in its element, and the element's name.
pub(super) fn open(line: &[u8]) -> Result<(Fields<'_>, &str), Malformed> {
    let mut reader = Reader::new(line)?;
    match reader.read()? {
        Event::Start(name) => Ok((Fields { reader, taken: 0 }, name)),
        _ => Err(Malformed { code: Code::Malformed, text: "1:1: no element".to_owned() }),
    }
}

impl Fields<'_> {
    /// Takes the attribute `name`.
    pub(super) fn take<T: Value>(&mut self, name: &str) -> Result<T, Malformed> {
        let mut attributes = self.reader.attributes().iter().enumerate();
        let Some((index, found)) = attributes.find(|(_, attribute)| attribute.name == name) else {
            let missing = || self.fault(Code::MissingAttribute, 0, format!("attribute {name} is missing"));
            return T::missing().ok_or_else(missing);
        };
        let (offset, value) = (found.offset, T::parse(&found.value));
        self.taken |= 1 << index;
        value.ok_or_else(|| self.fault(T::FAULT, offset, format!("attribute {name} is not {}", T::WHAT)))
    }

    /// Takes the element's text, which comes after all attributes; empty if it has none.
    pub(super) fn take_text(&mut self) -> Result<String, Malformed> {
        self.refuse_leftovers()?;
        self.taken = u64::MAX;
        match self.reader.read()? {
            Event::Text(text) => self.end_content().map(|()| text.into_owned()),
            Event::End => Ok(String::new()),
            _ => Err(self.unknown_content()),
        }
    }

    /// Nothing that wasn't taken may be left of the line.
    pub(super) fn close(mut self) -> Result<(), Malformed> {
        self.refuse_leftovers()?;
        loop {
            match self.reader.read()? {
                Event::End => {}
                Event::Finish => return Ok(()),
                _ => return Err(self.unknown_content()),
            }
        }
    }

    fn end_content(&mut self) -> Result<(), Malformed> {
        match self.reader.read()? {
            Event::End => Ok(()),
            _ => Err(self.unknown_content()),
        }
    }

    fn refuse_leftovers(&self) -> Result<(), Malformed> {
        let mut attributes = self.reader.attributes().iter().enumerate();
        match attributes.find(|(index, _)| self.taken >> index & 1 == 0) {
            None => Ok(()),
            Some((_, unknown)) => {
                let text = format!("attribute {} is unknown here", xml::shortened(unknown.name));
                Err(self.fault(Code::UnknownAttribute, unknown.offset, text))
            }
        }
    }

    pub(super) fn unknown_element(&self, name: &str) -> Malformed {
        self.fault(Code::UnknownElement, 0, format!("element {} is unknown", xml::shortened(name)))
    }

    fn unknown_content(&self) -> Malformed {
        self.fault(Code::BadContent, self.reader.offset(), "this content is unknown here")
    }

    fn fault(&self, code: Code, offset: usize, text: impl std::fmt::Display) -> Malformed {
        Malformed { code, text: format!("{}: {text}", self.reader.position(offset)) }
    }
}

/// Writes the attribute `name`, if it has a value.
pub(super) fn put<'w>(element: xml::Element<'w>, name: &str, value: &impl Value) -> xml::Element<'w> {
    element.optional(name, value.shown())
}

/// Defines the struct of one message: its attributes in order, then its text if it has one.
macro_rules! element {
    (
        $(#[$doc:meta])*
        pub struct $type:ident = $name:literal {
            $($(#[$field_doc:meta])* $field:ident: $value:ty,)*
            $(@$text:ident)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $type {
            $($(#[$field_doc])* pub $field: $value,)*
            $(#[doc = "What is said to a person."] pub $text: String,)?
        }

        impl $type {
            const NAME: &'static str = $name;

            #[allow(unused_variables, reason = "an element may have no attributes")]
            fn take(fields: &mut element::Fields<'_>) -> Result<Self, Malformed> {
                Ok(Self {
                    $($field: fields.take(stringify!($field))?,)*
                    $($text: fields.take_text()?,)?
                })
            }

            #[allow(unused_variables, reason = "an element may have no text")]
            fn line(&self) -> String {
                let mut line = String::new();
                {
                    let element = crate::common::xml::Element::root(&mut line, Self::NAME);
                    $(let element = element::put(element, stringify!($field), &self.$field);)*
                    $(element.text(&self.$text);)?
                }
                line.push('\n');
                line
            }
        }
    };
}
pub(super) use element;
