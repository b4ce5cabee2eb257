//! The other direction: elements onto a line. What is written is well-formed and in the subset by construction: tags
//! close themselves, attributes can't follow content, and no character passes that XML can't carry.

use std::fmt::{self, Display, Write};

use super::chars::{self, WRITTEN};
use crate::common::limits::{XML_ATTRIBUTES_MAX, XML_DEPTH_MAX};

/// An element whose start tag is being written. It takes attributes; it ends when it is dropped, so a statement
/// writes it whole: `content.element("perfect").attribute("n", 28);`
///
/// Names are the program's own, not data: one that isn't a name or has a colon, a 65th attribute and a 33rd level
/// panic; an attribute given twice panics in debug builds. How long a line gets is left to the caller.
#[derive(Debug)]
pub struct Element<'w> {
    line: &'w mut String,
    name: &'w str,
    depth: usize,
    attributes: usize,
    /// Length of the line when the start tag held its name alone.
    named: usize,
    /// Length of the line when the start tag was closed, if it was.
    content: Option<usize>,
}

impl<'w> Element<'w> {
    /// The root element of a document, appended to `line`.
    pub fn root(line: &'w mut String, name: &'w str) -> Self {
        Self::begin(line, name, 1)
    }

    fn begin(line: &'w mut String, name: &'w str, depth: usize) -> Self {
        assert!(depth <= XML_DEPTH_MAX, "element {name}: deeper than a reader takes");
        assert!(chars::is_whole_name(name), "element {name:?}: not a name");
        line.push('<');
        line.push_str(name);
        let named = line.len();
        Self { line, name, depth, attributes: 0, named, content: None }
    }

    /// Whether the attribute is written already. Values hold no `"`, so every second piece is a name and its `=`.
    fn has(&self, name: &str) -> bool {
        let mut pieces = self.line[self.named..].split('"').step_by(2);
        pieces.any(|piece| piece.trim_start().strip_suffix('=') == Some(name))
    }

    /// An attribute: whatever `value` displays, escaped.
    pub fn attribute(mut self, name: &str, value: impl Display) -> Self {
        self.attributes += 1;
        assert!(self.attributes <= XML_ATTRIBUTES_MAX, "element {}: more attributes than a reader takes", self.name);
        assert!(chars::is_whole_name(name), "attribute {name:?}: not a name");
        debug_assert!(!self.has(name), "attribute {name}: given twice");
        self.line.push(' ');
        self.line.push_str(name);
        self.line.push_str("=\"");
        escape(self.line, value);
        self.line.push('"');
        self
    }

    /// An attribute, if there is a value for it.
    pub fn optional(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.attribute(name, value),
            None => self,
        }
    }

    /// The end of the attributes: what follows goes between the tags. The element ends when the content is dropped.
    #[must_use]
    pub fn content(mut self) -> Content<'w> {
        self.line.push('>');
        self.content = Some(self.line.len());
        Content(self)
    }

    /// Text as the only content.
    pub fn text(self, text: impl Display) {
        self.content().text(text);
    }
}

impl Drop for Element<'_> {
    fn drop(&mut self) {
        if self.content == Some(self.line.len()) {
            self.line.pop();
            self.content = None;
        }
        if self.content.is_none() {
            self.line.push_str("/>");
            return;
        }
        self.line.push_str("</");
        self.line.push_str(self.name);
        self.line.push('>');
    }
}

/// What stands between the tags of an element.
#[derive(Debug)]
pub struct Content<'w>(Element<'w>);

impl Content<'_> {
    /// A child.
    pub fn element<'c>(&'c mut self, name: &'c str) -> Element<'c> {
        Element::begin(self.0.line, name, self.0.depth + 1)
    }

    /// Text: whatever `text` displays, escaped. Texts without an element between them are read as one.
    pub fn text(&mut self, text: impl Display) {
        escape(self.0.line, text);
    }
}

/// Appends what `value` displays. A `Display` that fails leaves what it had written until then.
fn escape(line: &mut String, value: impl Display) {
    let _ = write!(Escape(line), "{value}");
}

/// Escapes what is written through it, so that it reads back identically from a value or a text, and so that the
/// document stays on one line. What XML can't carry becomes U+FFFD, the character for what can't be shown.
struct Escape<'w>(&'w mut String);

impl Write for Escape<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        loop {
            let (plain, special) = rest.split_at(chars::span(rest.as_bytes(), WRITTEN));
            self.0.push_str(plain);
            let mut ahead = special.chars();
            let Some(c) = ahead.next() else { return Ok(()) };
            match replaced(c) {
                Some(replacement) => self.0.push_str(replacement),
                None => self.0.push(c),
            }
            rest = ahead.as_str();
        }
    }
}

/// What is written for `c`, if not `c` itself.
fn replaced(c: char) -> Option<&'static str> {
    match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        '\t' => Some("&#9;"),
        '\n' => Some("&#10;"),
        '\r' => Some("&#13;"),
        c if !chars::is_char(c) => Some("\u{fffd}"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(Element<'_>)) -> String {
        let mut line = String::new();
        write(Element::root(&mut line, "a"));
        line
    }

    #[test]
    fn elements_close_themselves() {
        assert_eq!(written(|a| drop(a)), "<a/>");
        assert_eq!(written(|a| drop(a.content())), "<a/>");
        assert_eq!(written(|a| a.text("")), "<a/>");
        assert_eq!(written(|a| a.text(28)), "<a>28</a>");
        assert_eq!(
            written(|a| a.attribute("b", 1).optional("c", None::<u8>).optional("d", Some(2)).text("x")),
            "<a b=\"1\" d=\"2\">x</a>"
        );
        let nested = written(|a| {
            let mut content = a.content();
            content.element("b").attribute("n", 6);
            content.text("x");
            content.element("c").text("y");
        });
        assert_eq!(nested, "<a><b n=\"6\"/>x<c>y</c></a>");
    }

    #[test]
    fn what_markup_or_a_line_would_take_is_escaped() {
        let all = "<>&\"'\t\n\r é";
        let escaped = "&lt;&gt;&amp;&quot;'&#9;&#10;&#13; é";
        assert_eq!(written(|a| a.attribute("b", all).text(all)), format!("<a b=\"{escaped}\">{escaped}</a>"));
    }

    #[test]
    fn what_xml_cannot_carry_is_replaced() {
        assert_eq!(
            written(|a| a.text("\0\u{1b}\u{fffe}\u{ffff}\u{7f}")),
            "<a>\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{7f}</a>"
        );
    }

    #[test]
    fn as_many_attributes_and_levels_as_a_reader_takes() {
        let names: Vec<_> = (0..64).map(|n| format!("n{n}")).collect();
        written(|a| names.iter().fold(a, |a, name| a.attribute(name, 0)).text(""));
        written(|a| nest(a, 31));
    }

    fn nest(element: Element<'_>, deeper: usize) {
        if deeper > 0 {
            nest(element.content().element("e"), deeper - 1);
        }
    }

    #[test]
    #[should_panic(expected = "deeper than a reader takes")]
    fn the_33rd_level_panics() {
        written(|a| nest(a, 32));
    }

    #[test]
    #[should_panic(expected = "more attributes than a reader takes")]
    fn the_65th_attribute_panics() {
        let names: Vec<_> = (0..65).map(|n| format!("n{n}")).collect();
        written(|a| names.iter().fold(a, |a, name| a.attribute(name, 0)).text(""));
    }

    #[test]
    #[should_panic(expected = "not a name")]
    fn a_name_with_a_colon_panics() {
        written(|a| a.attribute("xml:lang", "en").text(""));
    }

    #[cfg(debug_assertions)]
    #[test]
    #[should_panic(expected = "attribute b: given twice")]
    fn an_attribute_given_twice_panics() {
        written(|a| a.attribute("b", " c=").attribute("c", 0).attribute("b", 1).text(""));
    }
}
