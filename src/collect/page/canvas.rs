//! What the page is drawn on: it knows which parts there are, and so what has changed since another drawing.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use serde_json::{Map, Value};

/// A drawing that goes on.
#[derive(Default)]
pub struct Canvas {
    html: String,
    parts: Vec<(String, Range<usize>)>,
    frame: DefaultHasher,
}

impl Canvas {
    /// Something that only changes with the whole.
    pub fn put(&mut self, html: &str) {
        html.hash(&mut self.frame);
        self.html += html;
    }

    /// An element whose inside changes: `tag` may have attributes behind its name; an id belongs to one part.
    pub fn part(&mut self, tag: &str, id: &str, inside: &str) {
        let name = tag.split(' ').next().unwrap_or(tag);
        self.put(&format!("<{tag} id={id}>"));
        let begin = self.html.len();
        self.html += inside;
        self.parts.push((id.to_owned(), begin..self.html.len()));
        self.put(&format!("</{name}>"));
    }

    /// The drawing.
    #[must_use]
    pub fn end(self) -> Picture {
        Picture { html: self.html, parts: self.parts, frame: self.frame.finish() }
    }
}

/// A drawing.
pub struct Picture {
    html: String,
    parts: Vec<(String, Range<usize>)>,
    /// What lies between the parts.
    frame: u64,
}

impl Picture {
    /// All of it.
    #[must_use]
    pub fn html(&self) -> &str {
        &self.html
    }

    /// All of it, as JSON.
    #[must_use]
    pub fn whole(&self) -> String {
        Value::from(self.html.as_str()).to_string()
    }

    /// What is inside the parts that have changed since `before`, by their ids, as JSON; nothing if more than parts has changed.
    #[must_use]
    pub fn changes(&self, before: &Self) -> Option<String> {
        if self.frame != before.frame || self.parts.len() != before.parts.len() {
            return None;
        }
        let inside = |picture: &Self, part: &Range<usize>| picture.html[part.clone()].to_owned();
        let changed = self.parts.iter().zip(&before.parts).filter_map(|((id, now), (_, then))| {
            let now = inside(self, now);
            (now != before.html[then.clone()]).then(|| (id.clone(), Value::from(now)))
        });
        Some(Value::Object(changed.collect::<Map<_, _>>()).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(between: &str, parts: [&str; 2]) -> Picture {
        let mut canvas = Canvas::default();
        canvas.put(between);
        canvas.part("td class=a", "x", parts[0]);
        canvas.part("p", "y", parts[1]);
        canvas.end()
    }

    #[test]
    fn parts_that_have_changed_are_told() {
        let before = picture("<hr>", ["1", "2"]);
        assert_eq!(before.html(), "<hr><td class=a id=x>1</td><p id=y>2</p>");
        assert_eq!(picture("<hr>", ["1", "2"]).changes(&before).as_deref(), Some("{}"));
        assert_eq!(picture("<hr>", ["1", "\"3"]).changes(&before).as_deref(), Some(r#"{"y":"\"3"}"#));
        assert_eq!(picture("<br>", ["1", "2"]).changes(&before), None);
    }
}
