//! XML by hand: the protocol's subset, read and written without a library.
//!
//! The subset is XML 1.0 (fifth edition) in UTF-8 without document type declarations, comments, processing
//! instructions (hence without an XML declaration), CDATA sections, names with a colon and a byte order mark. What it
//! takes and what it refuses for not being well-formed is what libxml2 takes and refuses; what it refuses for not being
//! in the subset, or for a limit, has errors of its own ([`Class`]). Namespaces don't exist here: `xmlns` is an
//! attribute like any other, which messages don't know. Two habits of libxml2 are its own: a NUL behind the root element
//! ends a file for it, and names end at 50,000 bytes.
//!
//! ```
//! use aliquot::common::xml::{Element, Event, Reader};
//!
//! let mut line = String::new();
//! Element::root(&mut line, "range").attribute("lease", 17).attribute("host", "a \"b\"");
//! assert_eq!(line, r#"<range lease="17" host="a &quot;b&quot;"/>"#);
//!
//! let mut reader = Reader::new(line.as_bytes())?;
//! assert_eq!(reader.read()?, Event::Start("range"));
//! assert_eq!(reader.attributes()[1].value, r#"a "b""#);
//! assert_eq!(reader.read()?, Event::End);
//! assert_eq!(reader.read()?, Event::Finish);
//! # Ok::<(), aliquot::common::xml::Error>(())
//! ```

/// What XML calls a character, a name, white space.
mod chars;

/// What went wrong, and where.
mod error;

/// A place in a document: names, white space, positions.
mod cursor;

/// Text and attribute values: references, line ends, white space.
mod content;

/// Elements: the pull parser.
mod reader;

/// The other direction: elements onto a line.
mod writer;

pub use error::{Class, Error, ErrorKind, Position, shortened};
pub use reader::{Attribute, Event, Reader};
pub use writer::{Content, Element};
