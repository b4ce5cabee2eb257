//! What a message may look like and who may say it: read from the tables of doc/protocol.md, not from the program.

use std::collections::BTreeMap;

/// A line in the making: an element, and perhaps what makes it no XML, or too long.
#[derive(Clone, Debug, Default)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// Its attributes, values as they are meant.
    pub attributes: Vec<(String, String)>,
    /// What stands between its tags, as it is written.
    pub content: String,
    /// The line that is sent instead of the one that this would be, and the code that it deserves.
    pub flawed: Option<(Vec<u8>, &'static str)>,
}

impl Element {
    /// An element with these attributes.
    pub fn new(name: &str, attributes: &[(&str, &dyn ToString)]) -> Self {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect();
        Self { name: name.to_owned(), attributes, ..Self::default() }
    }

    /// The value of an attribute.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The value of an attribute that is a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// Gives an attribute another value, if it is there.
    pub fn set(&mut self, name: &str, value: impl ToString) {
        for (_, old) in self.attributes.iter_mut().filter(|(other, _)| other == name) {
            *old = value.to_string();
        }
    }

    /// What is sent, without its line feed.
    pub fn line(&self) -> Vec<u8> {
        if let Some((line, _)) = &self.flawed {
            return line.clone();
        }
        let value = |text: &str| {
            let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
            text.replace('\t', "&#9;").replace('\n', "&#10;")
        };
        let attributes = self.attributes.iter().map(|(name, text)| format!(" {name}=\"{}\"", value(text)));
        let tag = format!("<{}{}", self.name, attributes.collect::<String>());
        let end = if self.content.is_empty() { "/>".to_owned() } else { format!(">{}</{}>", self.content, self.name) };
        (tag + &end).into_bytes()
    }
}

/// What an attribute may hold.
enum Kind {
    Words(Vec<String>),
    UpTo(u128),
    Numbers,
    CellCount,
    Cells,
    Name,
    Instance,
}

struct Attribute {
    name: String,
    kind: Kind,
    required: bool,
}

#[derive(Default)]
struct Form {
    attributes: Vec<Attribute>,
    text: bool,
    /// Who says it to manage.
    from: Vec<String>,
}

/// The messages of doc/protocol.md.
pub struct Grammar {
    forms: BTreeMap<String, Form>,
    /// All codes.
    pub codes: Vec<String>,
}

impl Grammar {
    /// Reads the page.
    pub fn of_the_page() -> Self {
        let page = include_str!("../../../doc/protocol.md");
        let codes: Vec<_> =
            section(page, "## Codes").lines().filter_map(|line| quoted(cells(line)?[0]).pop()).collect();
        let headings = page.lines().filter(|line| line.starts_with("### `"));
        let mut forms: BTreeMap<String, Form> =
            headings.map(|heading| (quoted(heading).remove(0), Form::default())).collect();
        for row in section(page, "## Messages").lines().filter_map(cells).filter(|row| row[0].starts_with("[`")) {
            let form = forms.get_mut(&quoted(row[0])[0]).expect("each message has its section");
            let words = |cell: &str| cell.split([',', ';']).map(|word| word.trim().to_owned()).collect::<Vec<_>>();
            if words(row[2]).iter().any(|to| to == "manage" || to == "anybody") {
                form.from.extend(words(row[1]));
            }
        }
        for (name, form) in &mut forms {
            let about = section(page, &format!("### `{name}`"));
            form.text = about.contains("Its text says");
            let rows = about.lines().filter_map(cells).filter(|row| row[0].starts_with('`'));
            form.attributes = rows.map(|row| attribute(&row, &codes)).collect();
        }
        assert!(forms.len() > 15 && codes.len() > 15, "the page isn't understood");
        Self { forms, codes }
    }

    /// The names of all messages.
    pub fn names(&self) -> Vec<&str> {
        self.forms.keys().map(String::as_str).collect()
    }

    /// True if who has this role may say this message to manage.
    pub fn may_say(&self, role: &str, name: &str) -> bool {
        let from = |form: &Form| form.from.iter().any(|who| [role, "everybody", "anybody"].contains(&who.as_str()));
        self.forms.get(name).is_some_and(from)
    }

    /// The codes with which this may be refused as no message: one of them, if it has several faults. None if it is a
    /// message.
    pub fn faults(&self, element: &Element) -> Vec<String> {
        let mut faults = Vec::new();
        if let Some(form) = self.forms.get(&element.name) {
            let known = |name: &String| form.attributes.iter().any(|known| known.name == *name);
            faults.extend(form.attributes.iter().filter_map(|attribute| attribute.fault(element)));
            if !element.attributes.iter().all(|(name, _)| known(name)) {
                faults.push("unknown-attribute");
            }
            if element.content.contains('<') || (!form.text && !element.content.is_empty()) {
                faults.push("bad-content");
            }
        } else {
            faults.push("unknown-element");
        }
        let mut names: Vec<_> = element.attributes.iter().map(|(name, _)| name).collect();
        names.sort();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            faults.push("malformed");
        }
        // The one fault that comes before all others of a greeting.
        if faults.contains(&"wrong-version") && !faults.contains(&"malformed") {
            faults = vec!["wrong-version"];
        }
        match element.flawed {
            Some((_, "too-long")) => faults = vec!["too-long"],
            Some((_, code)) => faults.push(code),
            None => {}
        }
        faults.into_iter().map(str::to_owned).collect()
    }
}

impl Attribute {
    fn fault(&self, element: &Element) -> Option<&'static str> {
        match element.get(&self.name) {
            None => self.required.then_some("missing-attribute"),
            Some(value) if self.kind.takes(value) => None,
            Some(_) if self.name == "version" => Some("wrong-version"),
            Some(_) => Some("bad-value"),
        }
    }
}

impl Kind {
    fn takes(&self, value: &str) -> bool {
        match self {
            Self::Words(words) => words.iter().any(|word| word == value),
            Self::UpTo(max) => decimal(value).is_some_and(|number| number <= *max),
            Self::CellCount => decimal(value).is_some_and(|number| (1..=1_000).contains(&number)),
            Self::Cells => (1..=1_000).contains(&value.len()) && value.chars().all(|c| "0123456789X".contains(c)),
            Self::Name => (1..=255).contains(&value.len()) && !value.contains(char::is_control),
            Self::Instance => value.len() == 16 && value.chars().all(|c| "0123456789abcdef".contains(c)),
            Self::Numbers => {
                let numbers: Vec<_> = value.split(' ').map(decimal).collect();
                let each = numbers.iter().all(|n| n.is_some_and(|n| n <= u128::from(u64::MAX)));
                value.is_empty() || (each && numbers.len() <= 16 && numbers.windows(2).all(|pair| pair[0] < pair[1]))
            }
        }
    }
}

/// Decimal digits in their one form.
fn decimal(text: &str) -> Option<u128> {
    let number: u128 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn attribute(row: &[&str], codes: &[String]) -> Attribute {
    let kind = match row[1] {
        "u32" => Kind::UpTo(u32::MAX.into()),
        "u64" => Kind::UpTo(u64::MAX.into()),
        "u128" => Kind::UpTo(u128::MAX),
        "numbers" => Kind::Numbers,
        "cell count" => Kind::CellCount,
        "cells" => Kind::Cells,
        "name" => Kind::Name,
        "instance" => Kind::Instance,
        words if words.starts_with('`') => Kind::Words(quoted(words)),
        other => {
            assert_eq!(other, "one of [Codes](#codes)", "a type that this doesn't know");
            Kind::Words(codes.to_vec())
        }
    };
    let name = quoted(row[0]).remove(0);
    Attribute { name, kind, required: row[2].starts_with("required") }
}

/// What stands below a heading, up to the next of its rank or above.
fn section<'p>(page: &'p str, heading: &str) -> &'p str {
    let begin = page.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}")) + heading.len() + 2;
    let rank = heading.find(' ').expect("a heading has a rank");
    let ends = (2..=rank).filter_map(|rank| page[begin..].find(&format!("\n{} ", "#".repeat(rank))));
    &page[begin..begin + ends.min().unwrap_or(page.len() - begin)]
}

fn cells(line: &str) -> Option<Vec<&str>> {
    let row = line.strip_prefix("| ")?.strip_suffix(" |")?;
    Some(row.split('|').map(str::trim).collect())
}

/// What stands in backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
