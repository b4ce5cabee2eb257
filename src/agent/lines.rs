//! Lines that another program prints, in the text format of Prometheus, and `# BUCKETS`. Pure: bytes go in, what they say comes out.

use std::borrow::Cow;

use crate::common::limits::{
    BUCKETS_MAX, INPUT_LINE_MAX_BYTES, LABEL_NAME_MAX_BYTES, LABEL_VALUE_MAX_BYTES, LABELS_MAX, METRIC_HELP_MAX_BYTES,
    METRIC_NAME_MAX_BYTES,
};
use crate::common::push::metric::{Kind, Series};

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// Nothing: it is empty, or a comment.
    Nothing,
    /// What kind of metric a name has; none if it is said to be untyped.
    Type(String, Option<Kind>),
    /// What a metric is for.
    Help(String, String),
    /// A metric's unit.
    Unit(String, String),
    /// A histogram's upper bounds.
    Buckets(String, Vec<f64>),
    /// How a series stands, or what it has seen.
    Sample(Series, f64),
}

/// What is wrong with a line.
pub type Fault = &'static str;

/// Labels that collect gives itself, beside those that begin with two underscores.
const TAKEN_LABELS: [&str; 5] = ["agent", "le", "quantile", "endpoint", "method"];
/// That it is of the text that other programs expose of a histogram or a summary.
pub const PARTS_FAULT: Fault = "buckets, quantiles, sums and counts are made by collect: print `# TYPE x histogram`, and each observation as `x VALUE`";

/// Cuts what comes into lines.
#[derive(Default)]
pub struct Lines {
    part: Vec<u8>,
    /// The line is too long: its rest is passed over.
    too_long: bool,
}

impl Lines {
    /// Takes in bytes; gives `each` the lines that end in them, without their ends.
    pub fn feed(&mut self, bytes: &[u8], each: &mut impl FnMut(Result<&[u8], Fault>)) {
        let mut pieces = bytes.split(|byte| *byte == b'\n');
        let last = pieces.next_back().unwrap_or_default();
        for piece in pieces {
            self.add(piece);
            self.end(each);
        }
        self.add(last);
    }

    fn add(&mut self, piece: &[u8]) {
        self.too_long |= self.part.len() + piece.len() > INPUT_LINE_MAX_BYTES;
        if !self.too_long {
            self.part.extend_from_slice(piece);
        }
    }

    /// The line ends, at its end or that of all input.
    pub fn end(&mut self, each: &mut impl FnMut(Result<&[u8], Fault>)) {
        let too_long = std::mem::take(&mut self.too_long);
        each(if too_long { Err("it is too long") } else { Ok(&self.part) });
        self.part.clear();
    }
}

/// Reads a line.
///
/// # Errors
/// What is wrong with it.
pub fn read(line: &[u8]) -> Result<Line, Fault> {
    let line = std::str::from_utf8(line).map_err(|_| "it isn't UTF-8")?.trim();
    if line.is_empty() {
        return Ok(Line::Nothing);
    }
    match line.strip_prefix('#') {
        Some(comment) => read_comment(comment),
        None => read_sample(line),
    }
}

fn read_comment(comment: &str) -> Result<Line, Fault> {
    let (word, rest) = cut(comment.trim_start());
    if !["TYPE", "HELP", "UNIT", "BUCKETS"].contains(&word) {
        return Ok(Line::Nothing);
    }
    let (name, rest) = cut(rest);
    let name = metric_name(name)?;
    match word {
        "TYPE" => Ok(Line::Type(name, kind(rest)?)),
        "HELP" => Ok(Line::Help(name, help(rest)?)),
        "UNIT" => Ok(Line::Unit(name, rest.to_owned())),
        _ => Ok(Line::Buckets(name, buckets(rest)?)),
    }
}

/// The first word, and what comes behind it.
fn cut(text: &str) -> (&str, &str) {
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

fn kind(word: &str) -> Result<Option<Kind>, Fault> {
    if ["untyped", "unknown"].contains(&word) {
        return Ok(None);
    }
    word.parse().map(Some).map_err(|()| "its type is none of counter, gauge, histogram, summary")
}

fn help(text: &str) -> Result<String, Fault> {
    let fits = text.len() <= METRIC_HELP_MAX_BYTES;
    if fits { unescape(text).ok_or("a backslash too many") } else { Err("its help is too long") }
}

fn buckets(text: &str) -> Result<Vec<f64>, Fault> {
    let bounds: Vec<f64> = text.split_whitespace().map(number).collect::<Result<_, _>>()?;
    let fits = (1..=BUCKETS_MAX).contains(&bounds.len()) && bounds.is_sorted_by(|a, b| a < b);
    if fits { Ok(bounds) } else { Err("its buckets aren't 1 to 64 ascending numbers") }
}

fn number(text: &str) -> Result<f64, Fault> {
    text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or("its value is no finite number")
}

fn metric_name(text: &str) -> Result<String, Fault> {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    let fits = is_name(text, METRIC_NAME_MAX_BYTES, first) && text != "_total";
    fits.then(|| text.to_owned()).ok_or("its name is no name of a metric")
}

fn is_name(text: &str, max_bytes: usize, first: impl Fn(char) -> bool) -> bool {
    let fits = text.starts_with(&first) && text.len() <= max_bytes;
    fits && text.chars().all(|c| first(c) || c.is_ascii_digit())
}

/// `name value` or `name{label="text",…} value`; a time behind that is of no interest.
fn read_sample(line: &str) -> Result<Line, Fault> {
    let end = line.find(|c: char| c == '{' || c.is_whitespace()).ok_or("it has no value")?;
    let (name, mut rest) = (metric_name(&line[..end])?, line[end..].trim_start());
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = read_labels(inside, &mut labels)?;
    }
    let mut words = rest.split_whitespace();
    let value = number(words.next().ok_or("it has no value")?)?;
    let fits = words.next().is_none_or(|time| number(time).is_ok()) && words.next().is_none();
    let series = Series { name: name.into(), labels };
    if fits { Ok(Line::Sample(series, value)) } else { Err("there is something behind its value") }
}

/// Reads labels up to the brace that ends them; gives what comes behind it.
fn read_labels<'t>(
    mut rest: &'t str,
    labels: &mut Vec<(Cow<'static, str>, Cow<'static, str>)>,
) -> Result<&'t str, Fault> {
    const FAULT: Fault = "its labels aren't {name=\"text\",...}";
    loop {
        rest = rest.trim_start();
        if let Some(behind) = rest.strip_prefix('}') {
            return Ok(behind);
        }
        let (name, behind) = rest.split_once('=').ok_or(FAULT)?;
        let name = name.trim_end();
        let first = |c: char| c.is_ascii_alphabetic() || c == '_';
        if !is_name(name, LABEL_NAME_MAX_BYTES, first) || labels.iter().any(|(known, _)| known == name) {
            return Err(FAULT);
        }
        let quoted = behind.trim_start().strip_prefix('"').ok_or(FAULT)?;
        let end = end_of_quoted(quoted).ok_or(FAULT)?;
        let text = unescape(&quoted[..end]).filter(|text| text.len() <= LABEL_VALUE_MAX_BYTES);
        check_label(name, labels.len())?;
        labels.push((name.to_owned().into(), text.ok_or("the text of a label is too long")?.into()));
        rest = quoted[end + 1..].trim_start();
        rest = match rest.strip_prefix(',') {
            Some(behind) => behind,
            None if rest.starts_with('}') => rest,
            None => return Err(FAULT),
        };
    }
}

/// Whether one more label may have this name.
fn check_label(name: &str, before: usize) -> Result<(), Fault> {
    if ["le", "quantile"].contains(&name) {
        return Err(PARTS_FAULT);
    }
    if name.starts_with("__") || TAKEN_LABELS.contains(&name) {
        return Err(
            "it has a label that is collect's: agent, le, quantile, endpoint, method, or one that begins with __",
        );
    }
    if before < LABELS_MAX { Ok(()) } else { Err("it has more than 8 labels") }
}

/// Where the quote stands that ends a text.
fn end_of_quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })
}

/// Reads `\\`, `\"` and `\n`; nothing where a backslash stands before something else.
fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut signs = text.chars();
    while let Some(sign) = signs.next() {
        plain.push(match sign {
            '\\' => match signs.next()? {
                'n' => '\n',
                same @ ('\\' | '"') => same,
                _ => return None,
            },
            sign => sign,
        });
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &str, labels: &[(&'static str, &'static str)], value: f64) -> Result<Line, Fault> {
        let labels = labels.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
        Ok(Line::Sample(Series { name: name.to_owned().into(), labels }, value))
    }

    #[test]
    fn samples_are_read() {
        let read = |line: &str| read(line.as_bytes());
        assert_eq!(read("a 1"), sample("a", &[], 1.0));
        assert_eq!(read(" a_total \t -2.5e3 1700000000000\r"), sample("a_total", &[], -2500.0));
        assert_eq!(read("a{} 1"), sample("a", &[], 1.0));
        assert_eq!(read("a:b{c=\"d\"} 1"), sample("a:b", &[("c", "d")], 1.0));
        let two = [("c", "d,} \"\\\n"), ("e", "ü")];
        assert_eq!(read(r#"a { c = "d,} \"\\\n" , e="ü", } 1"#), sample("a", &two, 1.0));
    }

    #[test]
    fn what_is_no_sample_is_refused() {
        let long = "x".repeat(LABEL_VALUE_MAX_BYTES + 1);
        let many: String = (0..=LABELS_MAX).map(|nth| format!("l{nth}=\"\",")).collect();
        for line in [
            "a",
            "a ",
            "1a 1",
            "a-b 1",
            "ü 1",
            "a b",
            "a NaN",
            "a +Inf",
            "a 1e999",
            "a 1 2 3",
            "a 1 x",
            "a{b} 1",
            "a{b=c} 1",
            "a{b=\"c} 1",
            "a{b=\"c\"",
            "a{b=\"c\"}",
            "a{b=\"c\" d=\"e\"} 1",
            "a{b=\"\\x\"} 1",
            "a{,} 1",
            "a{b=\"\",b=\"\"} 1",
            "a{agent=\"\"} 1",
            "a{endpoint=\"\"} 1",
            "a{b=\"\",method=\"\"} 1",
            "a{__b=\"\"} 1",
            "_total 1",
            "_total{b=\"\"} 1",
            "a{1=\"\"} 1",
            "{} 1",
            "a{b=\"\\\"} 1",
        ] {
            assert!(read(line.as_bytes()).is_err(), "{line:?}");
        }
        assert!(read(format!("a{{b=\"{long}\"}} 1").as_bytes()).is_err());
        assert!(read(format!("a{{{many}}} 1").as_bytes()).is_err());
        assert!(read(format!("{} 1", "a".repeat(METRIC_NAME_MAX_BYTES + 1)).as_bytes()).is_err());
        assert!(read(b"a\xff 1").is_err());
        for line in ["a_bucket{le=\"+Inf\"} 1", "a{b=\"\",quantile=\"0.5\"} 1"] {
            assert_eq!(read(line.as_bytes()), Err(PARTS_FAULT));
        }
        for line in ["a{_b=\"\"} 1", "a{les=\"\"} 1", "__total 1", "a_total 1"] {
            assert!(read(line.as_bytes()).is_ok(), "{line}");
        }
    }

    #[test]
    fn comments_say_what_a_metric_is() {
        let (a, read) = (|| "a".to_owned(), |line: &str| read(line.as_bytes()));
        assert_eq!(read("# TYPE a summary"), Ok(Line::Type(a(), Some(Kind::Summary))));
        assert_eq!(read("#TYPE a untyped"), Ok(Line::Type(a(), None)));
        assert_eq!(read("# HELP a Two  words,\\none line"), Ok(Line::Help(a(), "Two  words,\none line".to_owned())));
        assert_eq!(read("# HELP a"), Ok(Line::Help(a(), String::new())));
        assert_eq!(read("# UNIT a seconds"), Ok(Line::Unit(a(), "seconds".to_owned())));
        assert_eq!(read("# BUCKETS a 0.1 1  10"), Ok(Line::Buckets(a(), vec![0.1, 1.0, 10.0])));
        for nothing in ["", "  ", "#", "# a comment", "# EOF", "## TYPE a b"] {
            assert_eq!(read(nothing), Ok(Line::Nothing), "{nothing:?}");
        }
        for bad in [
            "# TYPE",
            "# TYPE _total counter",
            "# TYPE a",
            "# TYPE a x",
            "# TYPE 1 gauge",
            "# BUCKETS a",
            "# BUCKETS a 2 1",
            "# HELP a \\x",
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        let many: String = (0..=BUCKETS_MAX).map(|nth| format!(" {nth}")).collect();
        assert!(read(&format!("# BUCKETS a{many}")).is_err());
        assert!(read(&format!("# HELP a {}", "x".repeat(METRIC_HELP_MAX_BYTES + 1))).is_err());
    }

    #[test]
    fn lines_are_cut_however_they_come_and_long_ones_passed_over() {
        let long = "x".repeat(INPUT_LINE_MAX_BYTES + 1);
        let text = format!("a 1\n\n{long}\nb 2\n{}\nlast", &long[1..]);
        let want = ["a 1", "", "it is too long", "b 2", &long[1..], "last"];
        for size in [1, 7, 1_000, text.len()] {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            let mut each = |line: Result<&[u8], Fault>| {
                found.push(line.map_or_else(str::to_owned, |line| String::from_utf8_lossy(line).into_owned()));
            };
            text.as_bytes().chunks(size).for_each(|chunk| lines.feed(chunk, &mut each));
            lines.end(&mut each);
            assert!(found == want, "{size}");
            assert!(lines.part.capacity() <= 2 * INPUT_LINE_MAX_BYTES);
        }
    }
}
