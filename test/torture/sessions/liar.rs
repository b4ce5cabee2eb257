//! What somebody says who doesn't care: nearly right, so that it gets far, and then wrong in one way or another.

use aliquot::common::limits::LINE_MAX_BYTES;
use fastrand::Rng;

use super::grammar::Element;
use super::truth::{KNOWN, Truth};

/// A range that somebody was given: the lease, the first, the last.
pub type Given = (u64, u64, u64);

/// Who speaks, and what he knows.
#[derive(Clone, Debug, Default)]
pub struct Speaker {
    /// Which role he has taken, if he was welcomed.
    pub role: Option<&'static str>,
    /// Who he says he is.
    pub instance: u64,
    /// Where he says he is.
    pub host: String,
    /// Whether he has said how fast he is.
    pub timed: bool,
    /// The range that he was given last.
    pub given: Option<Given>,
}

/// One of these.
fn one<T: Clone>(rng: &mut Rng, of: &[T]) -> T {
    of[rng.usize(..of.len())].clone()
}

/// What `speaker` says next; `all` are the ranges that were given to anybody.
pub fn utter(rng: &mut Rng, speaker: &Speaker, all: &[Given], names: &[&str], truth: &Truth) -> Element {
    let name = match (speaker.role, rng.u8(..100)) {
        (_, 0..3) => one(rng, names),
        (None, 0..95) => "hello",
        (Some("compute"), 0..90) if !speaker.timed => "speed",
        (Some("compute"), 0..70) if speaker.given.is_none() => "request",
        (Some("compute"), 0..25) => "request",
        (Some("compute"), 0..40) => "alive",
        (Some("compute"), 0..97) => "result",
        (Some("control"), 0..90) => "alive",
        (Some("report"), 0..90) => "query",
        (Some("report"), 90..92) => "signal",
        _ => one(rng, &["hello", "speed", "request", "alive", "result", "query", "error"]),
    };
    let mut element = message(rng, name, speaker, all, truth);
    while rng.u8(..100) < 5 {
        distort(rng, &mut element);
    }
    if rng.u8(..100) < 2 {
        element.flawed = Some(flaw(rng, &element));
    }
    element
}

/// A message that is right, or right but for what it claims.
fn message(rng: &mut Rng, name: &str, speaker: &Speaker, all: &[Given], truth: &Truth) -> Element {
    let lease = number(rng, speaker.given.map_or(1, |(lease, ..)| lease), all);
    match name {
        "hello" => hello(rng, speaker),
        "speed" => {
            let ops = 10_u64.pow(rng.u32(..10));
            let wild = rng.u8(..10) == 0;
            let of = [0, 1, u64::MAX];
            let operations = if wild { one(rng, &of) } else { ops };
            let nanoseconds = if wild { one(rng, &of) } else { 1_000_000_000 };
            Element::new(name, &[("operations", &operations), ("nanoseconds", &nanoseconds)])
        }
        "alive" if rng.bool() => Element::new(name, &[]),
        "alive" => Element::new(name, &[("lease", &lease), ("tested", &number(rng, 1, all))]),
        "result" => result(rng, speaker, all, truth),
        "signal" => Element::new(name, &[("name", &one(rng, &["INT", "QUIT", "HUP", "TERM"]))]),
        "error" => {
            let code = one(rng, &["malformed", "silent", "greeting", "no-code"]);
            Element { content: "enough".to_owned(), ..Element::new(name, &[("code", &code)]) }
        }
        "query" if rng.bool() => Element::new(name, &[("cells", &one(rng, &[1, 2, 7, 240, 1_000]))]),
        "welcome" => Element::new(name, &[("version", &1), ("method", &"trial"), ("at", &1)]),
        "range" => Element::new(name, &[("lease", &lease), ("first", &1), ("last", &10)]),
        "accepted" | "recall" => Element::new(name, &[("lease", &lease)]),
        "end" => Element::new(name, &[("computes", &0)]),
        _ => Element::new(name, &[]),
    }
}

fn hello(rng: &mut Rng, speaker: &Speaker) -> Element {
    let roles = ["compute", "compute", "compute", "compute", "compute", "compute", "control", "report"];
    let mut hello = Element::new("hello", &[("version", &1), ("role", &one(rng, &roles))]);
    let mut says = |name: &str, value: String| {
        if rng.u8(..100) < 99 {
            hello.attributes.push((name.to_owned(), value));
        }
    };
    says("host", speaker.host.clone());
    says("pid", (speaker.instance % 100).to_string());
    says("instance", format!("{:016x}", speaker.instance));
    hello
}

/// A result: of the speaker's range as a rule; three of four times with something wrong in it, or late, or not his.
fn result(rng: &mut Rng, speaker: &Speaker, all: &[Given], truth: &Truth) -> Element {
    let foreign = !all.is_empty() && rng.u8(..6) == 0;
    let (lease, first, last) = if foreign { one(rng, all) } else { speaker.given.unwrap_or((1, 1, 10)) };
    let last = if rng.u8(..4) == 0 { rng.u64(first..=last) } else { last };
    let perfect: Vec<String> = truth.perfect(first, last).iter().map(u64::to_string).collect();
    let (tested, sum) = (last - first + 1, truth.sum(first, last));
    let mut result = Element::new("result", &[("lease", &lease), ("first", &first), ("last", &last)]);
    let rest = Element::new("result", &[("tested", &tested), ("sum", &sum), ("nanoseconds", &1_000_000)]);
    result.attributes.extend(rest.attributes);
    result.attributes.push(("perfect".to_owned(), perfect.join(" ")));
    if rng.bool() {
        spoil(rng, &mut result, all);
    }
    result
}

/// Makes a result wrong: it stays a message.
fn spoil(rng: &mut Rng, result: &mut Element, all: &[Given]) {
    let name = one(rng, &["lease", "first", "last", "tested", "sum", "sum", "sum", "nanoseconds", "perfect"]);
    let value = result.number(name).unwrap_or(0);
    match name {
        "perfect" => {
            let first = result.number("first").unwrap_or(1);
            let last = result.number("last").unwrap_or(1);
            let within = rng.u64(first..=last.max(first));
            let lies = [String::new(), within.to_string(), (last + 1).to_string(), "6 28 496 8128".to_owned()];
            result.set(name, one(rng, &lies));
        }
        "sum" if rng.u8(..8) == 0 => result.set(name, u128::MAX),
        "sum" => result.set(name, u128::from(value) + u128::from(rng.u64(1..9))),
        _ => result.set(name, number(rng, value, all)),
    }
}

/// A number near `right`, or not at all.
fn number(rng: &mut Rng, right: u64, all: &[Given]) -> u64 {
    let foreign = if all.is_empty() { (1, 1, 1) } else { one(rng, all) };
    match rng.u8(..16) {
        0 => 0,
        1 => right.wrapping_add(1),
        2 => right.wrapping_sub(1),
        3 => u64::MAX,
        4 => i64::MAX as u64,
        5 => foreign.0,
        6 => foreign.1,
        7 => foreign.2,
        8 => rng.u64(..),
        9 => rng.u64(..KNOWN),
        10 => right ^ 1 << rng.u8(..64),
        _ => right,
    }
}

/// Makes of an element one that is perhaps no message.
fn distort(rng: &mut Rng, element: &mut Element) {
    let count = element.attributes.len();
    match rng.u8(..8) {
        0 => element.name = one(rng, &["", "x"]).to_owned() + &element.name.to_uppercase(),
        1 => element.content = one(rng, &["text", " ", "<extra/>", "<a>b</a>", "&#10;"]).to_owned(),
        2 => element.attributes.push((one(rng, &["extra", "Version", "xmlns", "leases"]).to_owned(), "1".to_owned())),
        3 if count > 0 => _ = element.attributes.remove(rng.usize(..count)),
        4 if count > 1 => element.attributes.swap(0, count - 1),
        5 if element.name == "hello" => element.set("version", one(rng, &["0", "2", "01", "", "1.0"])),
        _ if count > 0 => {
            let at = rng.usize(..count);
            element.attributes[at].1 = value(rng, &element.attributes[at].1);
        }
        _ => {}
    }
}

/// A value that is probably of no type.
fn value(rng: &mut Rng, right: &str) -> String {
    let fixed = [
        "",
        "-1",
        "+1",
        "007",
        " 1",
        "1 ",
        "1e3",
        "0x10",
        "1.0",
        "\u{661}",
        "6 28",
        "28 6",
        "6  28",
        "6 6",
        "Compute",
        "18446744073709551615",
        "18446744073709551616",
        "4294967295",
        "4294967296",
        "a\nb",
        "a\tb",
        "ä<&\"'>",
        "\u{7f}",
        "340282366920938463463374607431768211455",
        "340282366920938463463374607431768211456",
        "FEDCBA9876543210",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17",
    ];
    match rng.u8(..8) {
        0 => "9".repeat(rng.usize(1..300)),
        1 => "é".repeat(rng.usize(1..200)),
        2 => format!("{right}{right}"),
        3 => format!("0{right}"),
        4 => format!("-{right}"),
        _ => one(rng, &fixed).to_owned(),
    }
}

/// A line that is no XML of the protocol, or too long, and the code for that.
fn flaw(rng: &mut Rng, element: &Element) -> (Vec<u8>, &'static str) {
    let mut line = element.line();
    let at = rng.usize(..line.len());
    match rng.u8(..9) {
        0 => line.insert(at, 0xff),
        1 => line.insert(at, 0),
        2 => line.truncate(at),
        3 => line.extend(one(rng, &["x", "<query/>", "<", "&amp;", "<!-- -->"]).bytes()),
        4 => _ = line.splice(..0, *one(rng, &[b"\xef\xbb\xbf", b"<?a", b"<!-", b"&a;", b"abc", b"</a"])),
        5 => line.extend([b' '; LINE_MAX_BYTES]),
        6 => line.retain(|byte| *byte != b'<'),
        7 => _ = line.splice(1..1, b"a:".to_owned()),
        _ => {
            let space = element.attributes.first().map(|(name, value)| format!(" {name}=\"{}\"", value.len()));
            let twice = space.unwrap_or_else(|| " x='1' x='2'".to_owned());
            _ = line.splice(1 + element.name.len()..1 + element.name.len(), twice.bytes());
        }
    }
    (line.clone(), if line.len() >= LINE_MAX_BYTES { "too-long" } else { "malformed" })
}
