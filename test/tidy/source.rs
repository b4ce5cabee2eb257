//! A source file as the rules look at it: code and comments apart, its functions, its tests, the paths that it names.

use std::ops::Range;

/// A file of the repository. `code` and `comments` have the length and the lines of `text`; what doesn't belong in
/// them is blank. Only Rust has code here; any other file counts as comment as a whole.
pub struct File {
    pub path: String,
    pub text: String,
    pub code: String,
    pub comments: String,
}

/// A function: its name, where it begins, and how many lines it has with its signature.
pub struct Function {
    pub name: String,
    pub at: usize,
    pub lines: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Code,
    Literal,
    Comment,
}

impl File {
    pub fn new(path: &str, text: &str) -> Self {
        let (code, comments) = if path.ends_with(".rs") { split(text) } else { (blank(text), text.to_owned()) };
        Self { path: path.to_owned(), text: text.to_owned(), code, comments }
    }

    pub fn is_source(&self) -> bool {
        self.path.starts_with("src/") && self.path.ends_with(".rs")
    }

    /// `path:line: ` and the violation: what (which rule): the way out.
    pub fn violation(&self, at: usize, what: &str) -> String {
        let line = 1 + self.text[..at].matches('\n').count();
        format!("{}:{line}: {what}", self.path)
    }

    /// Whether what stands at `at` is compiled for tests alone.
    pub fn in_tests(&self, at: usize) -> bool {
        let whole = !self.path.starts_with("src/") || self.path.ends_with("/tests.rs") || self.path.contains("/tests/");
        whole || ["#[cfg(test)]", "#[test]"].iter().any(|mark| self.items(mark).any(|item| item.contains(&at)))
    }

    /// The items that `mark` begins: up to the end of their braces, or to their semicolon.
    fn items<'a>(&'a self, mark: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
        self.code.match_indices(mark).map(|(at, _)| at..body(&self.code, at + mark.len()).end)
    }

    /// The modules within the file that `at` lies in, the outermost first.
    pub fn inner_modules(&self, at: usize) -> Vec<&str> {
        let names = words(&self.code, "mod").filter_map(|found| {
            let name = identifier(self.code[found + 3..].trim_start());
            body(&self.code, found).contains(&at).then_some(name)
        });
        names.collect()
    }

    pub fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        for at in words(&self.code, "fn") {
            let name = identifier(self.code[at + 2..].trim_start());
            let body = body(&self.code, at);
            if !name.is_empty() && !body.is_empty() {
                let lines = 1 + self.code[at..body.end].matches('\n').count();
                functions.push(Function { name: name.to_owned(), at, lines });
            }
        }
        functions
    }

    /// Every path of the code that begins with `root`, segment by segment, each branch of a nested import by itself.
    pub fn paths(&self, root: &str) -> Vec<(usize, Vec<String>)> {
        let mut found = Vec::new();
        for at in words(&self.code, root) {
            let begins = !self.code[..at].trim_end().ends_with("::");
            if begins && self.code[at + root.len()..].trim_start().starts_with("::") {
                branch(&self.code, at, &[], &mut found);
            }
        }
        found
    }
}

/// Where `word` stands in `code` as a whole word; it may end in a sign, as `println!` does.
pub fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    let open_end = word.ends_with(inside);
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let after = &code[at + word.len()..];
        let goes_on = open_end && after.starts_with(inside);
        !goes_on && !code[..*at].ends_with(inside)
    })
}

/// The identifier that `code` begins with, or nothing.
pub fn identifier(code: &str) -> &str {
    let end = code.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(code.len());
    &code[..end]
}

/// The first braces from `from` on, or nothing if a semicolon comes first, round and square brackets passed over.
fn body(code: &str, from: usize) -> Range<usize> {
    let (mut depth, mut begin) = (0_i32, None);
    for (offset, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' => {
                begin = begin.or((depth == 0).then_some(offset));
                depth += 1;
            }
            b'}' => depth -= 1,
            b';' if depth == 0 => return offset..offset,
            _ => {}
        }
        if let Some(begin) = begin.filter(|_| byte == b'}' && depth == 0) {
            return begin..offset + 1;
        }
    }
    code.len()..code.len()
}

/// Reads the path, or the braces of paths, at `at`; gives where it ends.
fn branch(code: &str, at: usize, above: &[String], found: &mut Vec<(usize, Vec<String>)>) -> usize {
    let at = code.len() - code[at..].trim_start().len();
    if code[at..].starts_with('{') {
        let mut next = at + 1;
        loop {
            next = branch(code, next, above, found);
            next = code.len() - code[next..].trim_start_matches(|c: char| c == ',' || c.is_whitespace()).len();
            if !code[next..].starts_with(|c: char| c.is_alphanumeric() || "_*{".contains(c)) {
                return next + usize::from(code[next..].starts_with('}'));
            }
        }
    }
    let segment = if code[at..].starts_with('*') { "*" } else { identifier(&code[at..]) };
    let mut path = above.to_vec();
    path.extend((!segment.is_empty() && (segment != "self" || above.is_empty())).then(|| segment.to_owned()));
    let end = at + segment.len();
    let rest = code[end..].trim_start();
    if let Some(rest) = rest.strip_prefix("::").filter(|_| !segment.is_empty())
        && rest.trim_start().starts_with(|c: char| c.is_alphabetic() || "_*{".contains(c))
    {
        return branch(code, code.len() - rest.len(), &path, found);
    }
    found.push((at, path));
    // `name as other`
    let alias = rest.strip_prefix("as ").map(|other| code.len() - other.len() + identifier(other.trim_start()).len());
    alias.unwrap_or(end)
}

/// The code of `text` without literals, and its comments.
fn split(text: &str) -> (String, String) {
    let (mut code, mut comments) = (String::new(), String::new());
    let mut rest = text;
    while !rest.is_empty() {
        let (part, length) = next_part(rest);
        let (piece, tail) = rest.split_at(length);
        code.push_str(&if part == Part::Code { piece.to_owned() } else { blank(piece) });
        comments.push_str(&if part == Part::Comment { piece.to_owned() } else { blank(piece) });
        rest = tail;
    }
    (code, comments)
}

/// As many bytes and lines as `text`, all blank.
fn blank(text: &str) -> String {
    text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect()
}

/// What `rest` begins with, and how many bytes that has.
fn next_part(rest: &str) -> (Part, usize) {
    let word = identifier(rest);
    let behind = &rest[word.len()..];
    let hashes = behind.len() - behind.trim_start_matches('#').len();
    let quoted = behind[hashes..].starts_with('"');
    match word {
        "r" | "br" | "cr" if quoted => (Part::Literal, word.len() + raw_string(behind, hashes)),
        "" | "b" | "c" if behind.starts_with('"') => (Part::Literal, word.len() + to_quote(behind, '"')),
        "b" if behind.starts_with('\'') => (Part::Literal, 1 + to_quote(behind, '\'')),
        "" => next_sign(rest),
        _ => (Part::Code, word.len()),
    }
}

fn next_sign(rest: &str) -> (Part, usize) {
    let mut signs = rest.chars();
    match (signs.next(), signs.next(), signs.next()) {
        (Some('/'), Some('/'), _) => (Part::Comment, rest.find('\n').unwrap_or(rest.len())),
        (Some('/'), Some('*'), _) => (Part::Comment, block_comment(rest)),
        (Some('\''), Some('\\'), _) | (Some('\''), _, Some('\'')) => (Part::Literal, to_quote(rest, '\'')),
        (first, ..) => (Part::Code, first.map_or(0, char::len_utf8)),
    }
}

fn raw_string(behind: &str, hashes: usize) -> usize {
    let end = format!("\"{}", "#".repeat(hashes));
    behind[hashes + 1..].find(&end).map_or(behind.len(), |at| hashes + 1 + at + end.len())
}

/// Up to the quote that ends the literal which `rest` begins with.
fn to_quote(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

#[test]
fn literals_and_comments_are_no_code() {
    let text = "a(\"} // \\\" {\"); // b \"\nlet c = '\"'; let d: &'static str = r#\"{ \"x\" \"#; /* {/* */ */ e('\\'', b'{', b\"{\");\n";
    let file = File::new("src/x.rs", text);
    assert_eq!((file.code.len(), file.comments.len()), (text.len(), text.len()));
    assert!(file.code.contains("let d: &'static str =") && file.code.contains("e("), "{}", file.code);
    assert!(!file.code.contains(['"', '{', '}', '/', 'b', 'x']), "{}", file.code);
    assert!(file.comments.contains("// b \"") && file.comments.contains("/* {/* */ */"), "{}", file.comments);
}

#[test]
fn functions_are_measured_by_their_braces() {
    let file = File::new("src/x.rs", "trait T { fn none(a: [u8; 2]); }\nfn f(a: [u8; 2])\nwhere\n{\n  fn g() {}\n}\n");
    let found: Vec<_> = file.functions().iter().map(|found| (found.name.clone(), found.lines)).collect();
    assert_eq!(found, [("f".to_owned(), 5), ("g".to_owned(), 1)]);
}

#[test]
fn tests_are_told_from_code() {
    let file = File::new("src/x.rs", "fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }\nfn c() {}\n");
    let found: Vec<_> = file.functions().iter().map(|found| file.in_tests(found.at)).collect();
    assert_eq!(found, [false, true, false]);
    assert_eq!(file.inner_modules(file.text.find("fn b").unwrap()), ["tests"]);
}

#[test]
fn paths_are_followed_into_braces() {
    let file =
        File::new("src/x.rs", "use std::{io::{self, Read as _}, fmt::*, thread};\nlet x = std::mem::take::<u8>(y);\n");
    let found: Vec<_> = file.paths("std").into_iter().map(|(_, path)| path.join(" ")).collect();
    assert_eq!(found, ["std io", "std io Read", "std fmt *", "std thread", "std mem take"]);
}
