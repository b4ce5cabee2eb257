//! What stands in the frames of an agent: its own are written here, those of collect are read. Pure; `doc/watch.md` has the words.

use std::fmt::Write;

use serde_json::{Value as Json, json};

use super::metric::{Kind, Metric, Series, Value};

/// The version of the wire.
pub const VERSION: u64 = 1;

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The agent's name, by which its series are told from others'.
    pub name: String,
    /// What tells this process from every other that had the name.
    pub instance: u64,
    /// What program it is.
    pub program: &'static str,
}

/// What wasn't taken: a metric's name, and why.
pub type Refused = Vec<(String, String)>;

/// What collect says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To `hello`: pushes up to this number are taken.
    Welcome(u64),
    /// To `declare`.
    Declared(Refused),
    /// To the push of this number.
    Taken(u64, Refused),
    /// To what it can't answer otherwise.
    Error(Code, String),
}

/// Why collect ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// It speaks another version, or hasn't understood: it won't the next time.
    Alien,
    /// This agent's key is none that it takes.
    Forbidden,
    /// Anything that may pass.
    Passing,
}

/// `hello`.
#[must_use]
pub fn hello(hello: &Hello) -> String {
    let Hello { name, instance, program } = hello;
    let instance = format!("{instance:016x}");
    json!({"hello": {"version": VERSION, "name": name, "instance": instance, "program": program}}).to_string()
}

/// A metric, as it stands in `declare`.
#[must_use]
pub fn metric(metric: &Metric) -> String {
    let mut said = json!({"name": metric.name, "type": metric.kind.name(), "help": metric.help});
    if !metric.unit.is_empty() {
        said["unit"] = json!(metric.unit);
    }
    if metric.kind == Kind::Histogram {
        said["buckets"] = metric.buckets.iter().map(|bound| number(*bound)).collect();
    }
    said.to_string()
}

/// A series' value, as it stands in the `set` of a push.
#[must_use]
pub fn set(series: &Series, value: &Value) -> String {
    of_series(series, &self::value(value).to_string())
}

/// What a series has seen, as it stands in the `observe` of a push.
#[must_use]
pub fn observe(series: &Series, numbers: &[f64]) -> String {
    of_series(series, &numbers.iter().map(|seen| number(*seen)).collect::<Json>().to_string())
}

fn of_series(series: &Series, what: &str) -> String {
    let mut said = format!("[{},{what}", json!(series.name));
    if !series.labels.is_empty() {
        let labels: serde_json::Map<_, _> =
            series.labels.iter().map(|(name, text)| (name.to_string(), json!(text))).collect();
        // Writing to a String can't fail.
        let _ = write!(said, ",{}", Json::Object(labels));
    }
    said.push(']');
    said
}

/// A value in JSON.
#[must_use]
pub fn value(value: &Value) -> Json {
    match value {
        Value::Number(now) => number(*now),
        Value::Histogram(counts, sum) => json!({"buckets": counts, "sum": number(*sum)}),
        Value::Unknown => Json::Null,
    }
}

/// A number without the fraction that it doesn't have: counts are easier read so.
pub(super) fn number(number: f64) -> Json {
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= WHOLE_MAX { json!(number as i64) } else { json!(number) }
}

/// Reads a value; `None` if it is none.
#[must_use]
pub fn read_value(json: &Json) -> Option<Value> {
    if let Some(number) = json.as_f64() {
        return Some(Value::Number(number));
    }
    if json.is_null() {
        return Some(Value::Unknown);
    }
    let counts = json.get("buckets")?.as_array()?.iter().map(Json::as_u64).collect::<Option<_>>()?;
    Some(Value::Histogram(counts, json.get("sum")?.as_f64()?))
}

/// Reads what collect says.
///
/// # Errors
/// What is wrong with it.
pub fn read(frame: &[u8]) -> Result<Answer, &'static str> {
    let json: Json = serde_json::from_slice(frame).map_err(|_| "its answer isn't JSON")?;
    let number = |json: &Json, name: &str| json.get(name).and_then(Json::as_u64);
    if let Some(welcome) = json.get("welcome") {
        if number(welcome, "version") != Some(VERSION) {
            return Ok(Answer::Error(Code::Alien, format!("it doesn't speak version {VERSION}")));
        }
        return number(welcome, "taken").map(Answer::Welcome).ok_or("its welcome doesn't say what is taken");
    }
    if let Some(error) = json.get("error") {
        let text = |name: &str| error.get(name).and_then(Json::as_str).unwrap_or_default();
        let code = match text("code") {
            "version" | "frame" => Code::Alien,
            "forbidden" => Code::Forbidden,
            _ => Code::Passing,
        };
        return Ok(Answer::Error(code, format!("{}: {}", text("code"), text("text"))));
    }
    if json.get("declared").is_some() {
        return Ok(Answer::Declared(refused(&json)));
    }
    let taken = number(&json, "taken").ok_or("its answer is none of the protocol's")?;
    Ok(Answer::Taken(taken, refused(&json)))
}

fn refused(json: &Json) -> Refused {
    let list = json.get("refused").and_then(Json::as_array);
    let one = |entry: &Json| Some((entry.get(0)?.as_str()?.to_owned(), entry.get(1)?.as_str()?.to_owned()));
    list.into_iter().flatten().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(labels: &[(&'static str, &'static str)]) -> Series {
        let labels = labels.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
        Series { name: "a_seconds".into(), labels }
    }

    #[test]
    fn it_says_what_the_document_says() {
        let hello = Hello { name: "node01/pow".to_owned(), instance: 0xab, program: "pow" };
        assert_eq!(
            self::hello(&hello),
            r#"{"hello":{"version":1,"name":"node01/pow","instance":"00000000000000ab","program":"pow"}}"#
        );
        let mut a = Metric {
            name: "a_seconds".into(),
            kind: Kind::Histogram,
            unit: "seconds".into(),
            help: "A \"help\"".into(),
            buckets: vec![0.5, 1.0].into(),
        };
        let said = r#"{"name":"a_seconds","type":"histogram","help":"A \"help\"","unit":"seconds","buckets":[0.5,1]}"#;
        assert_eq!(metric(&a), said);
        (a.kind, a.unit, a.help) = (Kind::Gauge, "".into(), "".into());
        assert_eq!(metric(&a), r#"{"name":"a_seconds","type":"gauge","help":""}"#);
        assert_eq!(set(&series(&[]), &Value::Number(3.0)), r#"["a_seconds",3]"#);
        assert_eq!(set(&series(&[]), &Value::Number(-0.5e-9)), r#"["a_seconds",-5e-10]"#);
        let value = Value::Histogram(vec![1, 2, 0], 2.5);
        let said = r#"["a_seconds",{"buckets":[1,2,0],"sum":2.5},{"b":"c","d":"\n"}]"#;
        assert_eq!(set(&series(&[("b", "c"), ("d", "\n")]), &value), said);
        assert_eq!(observe(&series(&[("b", "")]), &[1.0, 0.25]), r#"["a_seconds",[1,0.25],{"b":""}]"#);
    }

    #[test]
    fn a_value_is_read_as_it_was_said() {
        for kept in [Value::Number(0.1), Value::Number(1e18), Value::Histogram(vec![3, 0], -7.5), Value::Unknown] {
            assert_eq!(read_value(&value(&kept)), Some(kept));
        }
        for none in ["\"1\"", "{}", r#"{"buckets":[1]}"#, r#"{"buckets":[-1],"sum":1}"#] {
            assert_eq!(read_value(&serde_json::from_str(none).unwrap()), None, "{none}");
        }
    }

    #[test]
    fn answers_are_read() {
        let refused = vec![("a".to_owned(), "why".to_owned())];
        for (said, want) in [
            (r#"{"welcome": {"version": 1, "taken": 7}}"#, Answer::Welcome(7)),
            (r#"{"declared": 3}"#, Answer::Declared(vec![])),
            (r#"{"declared": 0, "refused": [["a", "why"], [1], 2]}"#, Answer::Declared(refused.clone())),
            (r#"{"taken": 2, "refused": [["a", "why"]]}"#, Answer::Taken(2, refused)),
            (r#"{"error": {"code": "name", "text": "twice"}}"#, Answer::Error(Code::Passing, "name: twice".to_owned())),
            (r#"{"error": {"code": "frame", "text": ""}}"#, Answer::Error(Code::Alien, "frame: ".to_owned())),
            (r#"{"error": {"code": "forbidden"}}"#, Answer::Error(Code::Forbidden, "forbidden: ".to_owned())),
            (r#"{"error": 1}"#, Answer::Error(Code::Passing, ": ".to_owned())),
            (
                r#"{"welcome": {"version": 2, "taken": 7}}"#,
                Answer::Error(Code::Alien, "it doesn't speak version 1".to_owned()),
            ),
        ] {
            assert_eq!(read(said.as_bytes()), Ok(want), "{said}");
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        let deep = "[".repeat(crate::common::limits::FRAME_MAX_BYTES);
        for none in ["", "{}", "[]", "{", "HTTP/1.1 400", r#"{"taken": -1}"#, r#"{"welcome":{"version":1}}"#, &deep] {
            assert!(read(none.as_bytes()).is_err(), "{none}");
        }
        assert!(read(b"{\"taken\": \"\xff\"}").is_err());
    }
}
