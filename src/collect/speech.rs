//! What agents say and hear: JSON of frames to typed messages and back. It decides nothing.

use serde_json::{Map, Value, json};

use crate::common::frame::DISCONNECT;
use crate::common::limits::REFUSED_TEXT_MAX_BYTES;
use crate::common::named::named;

use super::metric::{Metric, Type};

pub use crate::common::push::said::VERSION;

named! {
    /// Why something that came wasn't taken: a label of `collect_refused_total`.
    Reason {
        /// A header that is no length.
        Header = "header",
        /// A frame that is too long.
        Length = "length",
        /// No JSON.
        Json = "json",
        /// JSON that says nothing known, or at the wrong time.
        Message = "message",
        /// An unnamed agent's key.
        Key = "key",
        /// A value that is no finite number, or doesn't fit its metric's type.
        Value = "value",
        /// A metric that isn't declared, or whose declaration isn't allowed.
        Metric = "metric",
        /// Labels that aren't allowed.
        Labels = "labels",
        /// A series beyond what an agent, or all, may have.
        Series = "series",
        /// A name that another agent has, or none.
        Name = "name",
        /// Another version of the wire.
        Version = "version",
        /// Too many connections or agents.
        Busy = "busy",
        /// A key that is none of an agent, or none at all.
        Forbidden = "forbidden",
    }
}

/// Who an agent says that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The version of the wire that it speaks.
    pub version: u64,
    /// Its name.
    pub name: String,
    /// Its process, by a number drawn by chance.
    pub instance: u64,
    /// Its program.
    pub program: String,
}

/// What a series is to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Amount {
    /// The value of a gauge, the total of a counter.
    Number(f64),
    /// A histogram's counts by bucket, the last for all above, and the sum.
    Histogram(Vec<f64>),
    /// What a summary has seen.
    Observed(Vec<f64>),
    /// That a gauge isn't known any more.
    Unknown,
}

/// News of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct News {
    /// The metric's name.
    pub name: String,
    /// The series' labels, by name and value.
    pub labels: Vec<(String, String)>,
    /// What is said of it.
    pub amount: Amount,
}

/// What an agent says.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// That it goes.
    Bye,
    /// Who it is.
    Hello(Hello),
    /// What it will push; those that can't be understood by name and fault.
    Declare(Vec<Result<Metric, (String, String)>>),
    /// News, by their number.
    Push(u64, Vec<News>),
    /// Something that stands in no `Said`: an unnamed agent's words, if it is one.
    Other(Map<String, Value>),
}

/// Reads what a frame says.
///
/// # Errors
/// Why it says nothing.
pub fn read(content: &[u8]) -> Result<Said, (Reason, String)> {
    if content == DISCONNECT {
        return Ok(Said::Bye);
    }
    let value: Value = serde_json::from_slice(content).map_err(|error| (Reason::Json, format!("no JSON: {error}")))?;
    let Value::Object(object) = value else {
        return Err((Reason::Json, "no JSON object".to_owned()));
    };
    let said = match object.iter().next() {
        Some((word, inner)) if object.len() == 1 => match word.as_str() {
            "hello" => hello(inner)
                .map(Said::Hello)
                .ok_or("hello wants version (a number), name, instance (16 hexadecimal digits, in quotes) and program"),
            "declare" => declare(inner).map(Said::Declare).ok_or("declare wants a list of metrics with name and type"),
            "push" => push(inner)
                .map(|(seq, news)| Said::Push(seq, news))
                .ok_or("push wants seq, and lists: set of [NAME, VALUE], observe of [NAME, [NUMBER, ...]]"),
            _ => return Ok(Said::Other(object)),
        },
        _ => return Ok(Said::Other(object)),
    };
    said.map_err(|text| (Reason::Message, text.to_owned()))
}

fn hello(value: &Value) -> Option<Hello> {
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    let instance =
        value["instance"].as_str().filter(|hex| hex.len() == 16 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    Some(Hello {
        version: value["version"].as_u64()?,
        name: text("name")?,
        instance: u64::from_str_radix(instance?, 16).ok()?,
        program: text("program")?,
    })
}

fn declare(value: &Value) -> Option<Vec<Result<Metric, (String, String)>>> {
    value.as_array()?.iter().map(metric).collect()
}

fn metric(value: &Value) -> Option<Result<Metric, (String, String)>> {
    let name = value["name"].as_str()?.to_owned();
    let Ok(kind) = value["type"].as_str()?.parse::<Type>() else {
        return Some(Err((name, "its type is none that there is".to_owned())));
    };
    let text = |key: &str| match &value[key] {
        Value::Null => Some(String::new()),
        text => text.as_str().map(str::to_owned),
    };
    let buckets = if value["buckets"].is_null() { Vec::new() } else { numbers(&value["buckets"])? };
    Some(Ok(Metric { name, kind, help: text("help")?, unit: text("unit")?, buckets }))
}

fn push(value: &Value) -> Option<(u64, Vec<News>)> {
    let list = |key: &str| match &value[key] {
        Value::Null => Some(&[][..]),
        list => list.as_array().map(Vec::as_slice),
    };
    let set = list("set")?.iter().map(|item| news(item, amount));
    let observe = list("observe")?.iter().map(|item| news(item, |seen| numbers(seen).map(Amount::Observed)));
    Some((value["seq"].as_u64()?, set.chain(observe).collect::<Option<_>>()?))
}

fn news(item: &Value, amount: impl Fn(&Value) -> Option<Amount>) -> Option<News> {
    let (name, value, labels) = match item.as_array()?.as_slice() {
        [name, value] => (name, value, None),
        [name, value, labels] => (name, value, Some(labels.as_object()?)),
        _ => return None,
    };
    let pair = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    let labels = labels.into_iter().flatten().map(pair).collect::<Option<_>>()?;
    Some(News { name: name.as_str()?.to_owned(), labels, amount: amount(value)? })
}

fn amount(value: &Value) -> Option<Amount> {
    match value {
        Value::Object(histogram) => {
            let mut totals = numbers(histogram.get("buckets")?)?;
            totals.push(histogram.get("sum")?.as_f64()?);
            Some(Amount::Histogram(totals))
        }
        Value::Null => Some(Amount::Unknown),
        number => number.as_f64().map(Amount::Number),
    }
}

fn numbers(value: &Value) -> Option<Vec<f64>> {
    value.as_array()?.iter().map(Value::as_f64).collect()
}

/// A number as the original's agents say it: as such, or in quotes.
#[must_use]
pub fn loose_number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok(),
        number => number.as_f64(),
    };
    number.filter(|number: &f64| number.is_finite())
}

/// What an agent is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It is welcome, and its pushes up to this number are taken.
    Welcome(u64),
    /// So many of its declarations are taken; those that aren't by name, with the reason.
    Declared(usize, Vec<(String, String)>),
    /// Its pushes up to this number are taken, but for what is named.
    Taken(u64, Vec<(String, String)>),
    /// It can't go on.
    Error(Reason, String),
}

impl Answer {
    /// As the content of a frame.
    #[must_use]
    pub fn content(&self) -> Vec<u8> {
        let value = match self {
            Self::Welcome(taken) => json!({ "welcome": { "version": VERSION, "taken": taken } }),
            Self::Declared(count, refused) => with_refused(json!({ "declared": count }), refused),
            Self::Taken(seq, refused) => with_refused(json!({ "taken": seq }), refused),
            Self::Error(reason, text) => json!({ "error": { "code": code(*reason), "text": shortened(text) } }),
        };
        value.to_string().into_bytes()
    }
}

fn with_refused(mut answer: Value, refused: &[(String, String)]) -> Value {
    if !refused.is_empty() {
        answer["refused"] = refused.iter().map(|(name, text)| json!([shortened(name), shortened(text)])).collect();
    }
    answer
}

/// So much of a text as an answer has room for.
fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(REFUSED_TEXT_MAX_BYTES)]
}

/// The code of an error that ends a connection.
fn code(reason: Reason) -> &'static str {
    match reason {
        Reason::Version | Reason::Name | Reason::Busy | Reason::Forbidden => reason.name(),
        _ => "frame",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::limits::{FRAME_MAX_BYTES, REFUSED_SHOWN_MAX};

    #[test]
    fn what_is_said_is_understood() {
        let hello = br#"{"hello":{"version":1,"name":"a","instance":"00000000000000ff","program":"agent"}}"#;
        let want = Hello { version: 1, name: "a".to_owned(), instance: 255, program: "agent".to_owned() };
        assert_eq!(read(hello), Ok(Said::Hello(want)));
        assert_eq!(read(b"!DISCONNECT"), Ok(Said::Bye));
        let push =
            br#"{"push":{"seq":3,"set":[["a",1],["g",null],["h",{"buckets":[1,2],"sum":3.5},{"l":"v"}]],"observe":[["s",[4]]]}}"#;
        let news = |name: &str, labels: &[(&str, &str)], amount| News {
            name: name.to_owned(),
            labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            amount,
        };
        let want = vec![
            news("a", &[], Amount::Number(1.0)),
            news("g", &[], Amount::Unknown),
            news("h", &[("l", "v")], Amount::Histogram(vec![1.0, 2.0, 3.5])),
            news("s", &[], Amount::Observed(vec![4.0])),
        ];
        assert_eq!(read(push), Ok(Said::Push(3, want)));
        assert_eq!(read(br#"{"push":{"seq":4}}"#), Ok(Said::Push(4, Vec::new())));
        let Ok(Said::Declare(metrics)) = read(br#"{"declare":[{"name":"a","type":"gauge"},{"name":"b","type":"x"}]}"#)
        else {
            panic!("no declaration");
        };
        assert!(metrics[0].is_ok() && metrics[1] == Err(("b".to_owned(), "its type is none that there is".to_owned())));
        assert!(matches!(read(br#"{"CPU_Utilization": 0.1}"#), Ok(Said::Other(_))));
    }

    #[test]
    fn what_says_nothing_is_refused() {
        for (content, reason) in [
            (&b"abc"[..], Reason::Json),
            (b"\xff", Reason::Json),
            (b"{\"CPU_Utilization\": NaN}", Reason::Json),
            (b"{\"CPU_Utilization\": 1e400}", Reason::Json),
            (b"[]", Reason::Json),
            (b"1", Reason::Json),
            (b"{\"hello\":{}}", Reason::Message),
            (b"{\"hello\":{\"version\":1,\"name\":\"a\",\"instance\":\"ff\",\"program\":\"p\"}}", Reason::Message),
            (b"{\"declare\":{}}", Reason::Message),
            (b"{\"declare\":[{\"name\":\"a\"}]}", Reason::Message),
            (b"{\"push\":{\"seq\":-1}}", Reason::Message),
            (b"{\"push\":{\"seq\":1,\"set\":[[\"a\",\"1\"]]}}", Reason::Message),
            (b"{\"push\":{\"seq\":1,\"set\":[[\"a\"]]}}", Reason::Message),
            (b"{\"push\":{\"seq\":1,\"set\":[[\"a\",1,{\"l\":1}]]}}", Reason::Message),
        ] {
            assert_eq!(read(content).map_err(|(reason, _)| reason), Err(reason), "{}", content.escape_ascii());
        }
        let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(read(deep.as_bytes()).is_err());
    }

    #[test]
    fn an_answer_is_no_longer_than_a_frame() {
        let long = "\u{200b}".repeat(FRAME_MAX_BYTES);
        let refused = vec![(long.clone(), long.clone()); REFUSED_SHOWN_MAX];
        for answer in [Answer::Taken(u64::MAX, refused), Answer::Error(Reason::Name, long)] {
            assert!(answer.content().len() <= FRAME_MAX_BYTES);
        }
    }

    #[test]
    fn numbers_may_stand_in_quotes() {
        assert_eq!([json!(1), json!("2"), json!(" 0.5 ")].map(|v| loose_number(&v)), [Some(1.0), Some(2.0), Some(0.5)]);
        for none in [json!("NaN"), json!("inf"), json!("1e400"), json!(""), json!(null), json!([1])] {
            assert_eq!(loose_number(&none), None, "{none}");
        }
    }
}
