//! A collect that does what a test tells it to.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use serde_json::{Value, json};

use super::{PATIENCE, until};

/// Bytes of a frame's header.
const HEADER: usize = 64;

/// A collect that listens.
pub struct FakeCollect {
    listener: TcpListener,
    /// Where.
    pub address: SocketAddr,
}

impl FakeCollect {
    /// Listens on a free port.
    pub fn new() -> Self {
        Self::over(TcpListener::bind("127.0.0.1:0").expect("a port is free"))
    }

    /// Listens already.
    pub fn over(listener: TcpListener) -> Self {
        let address = listener.local_addr().expect("it has an address");
        Self { listener, address }
    }

    /// Takes one connection.
    pub fn accept(&self) -> Talk {
        self.listener.set_nonblocking(true).expect("it can be polled");
        let (stream, _) = until("a connection", || self.listener.accept().ok());
        stream.set_nonblocking(false).expect("it can be waited for");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        Talk(BufReader::new(stream))
    }

    /// Takes connections, has them begin with a welcome and all declared; what was pushed before is not known.
    pub fn welcome(&self) -> (Talk, Begun) {
        let mut talk = self.accept();
        let begun = talk.begin(0);
        (talk, begun)
    }

    /// Does this to everybody who connects, for as long as the test program runs.
    pub fn serve_all(self, how: impl Fn(TcpStream) + Send + Copy + 'static) {
        thread::spawn(move || {
            for stream in self.listener.incoming().flatten() {
                thread::spawn(move || how(stream));
            }
        });
    }
}

/// What an agent has said at the beginning of a connection.
pub struct Begun {
    /// What stands in its `hello`.
    pub hello: Value,
    /// The metrics that it declares.
    pub metrics: Vec<Value>,
    /// Its first push.
    pub push: Value,
}

impl Begun {
    /// The name of the first metric of this type.
    pub fn first(&self, kind: &str) -> &str {
        let first = self.metrics.iter().find(|metric| metric["type"] == kind).expect("there is one");
        first["name"].as_str().expect("a name is a text")
    }
}

/// A connection of an agent.
pub struct Talk(BufReader<TcpStream>);

impl Talk {
    /// The text of the next frame; nothing at the end.
    pub fn try_frame(&mut self) -> Option<String> {
        let mut header = [0; HEADER];
        self.0.read_exact(&mut header).ok()?;
        let length = std::str::from_utf8(&header).expect("a header is ASCII").trim_end().parse().expect("a length");
        let mut content = vec![0; length];
        self.0.read_exact(&mut content).ok()?;
        Some(String::from_utf8(content).expect("a frame is UTF-8"))
    }

    /// The next frame, which is an object with one member: that member.
    #[track_caller]
    pub fn hear(&mut self, name: &str) -> Value {
        let frame = self.try_frame().expect("it goes on");
        let mut object: Value = serde_json::from_str(&frame).unwrap_or_else(|error| panic!("{frame}: {error}"));
        assert!(object.get(name).is_some(), "{name:?} is none of {frame}");
        object[name].take()
    }

    /// Answers.
    pub fn say(&mut self, answer: &Value) {
        self.send(&frame(&answer.to_string()));
    }

    /// Sends these bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).expect("the agent takes bytes");
    }

    /// Hears `hello` and all that is declared, and answers; `taken` was taken before. Hears the first push.
    pub fn begin(&mut self, taken: u64) -> Begun {
        let hello = self.hear("hello");
        self.say(&json!({"welcome": {"version": 1, "taken": taken}}));
        let mut metrics = self.hear("declare").as_array().expect("a list").clone();
        self.say(&json!({"declared": metrics.len()}));
        let push = self.next(&mut metrics).expect("a push before the goodbye");
        Begun { hello, metrics, push }
    }

    /// The next push; nothing if it is a goodbye. What is declared before it is taken, and added to `metrics`.
    fn next(&mut self, metrics: &mut Vec<Value>) -> Option<Value> {
        loop {
            let frame = self.try_frame().expect("a goodbye before the end");
            if frame == "!DISCONNECT" {
                return None;
            }
            let mut said: Value = serde_json::from_str(&frame).unwrap_or_else(|error| panic!("{frame}: {error}"));
            let Some(declared) = said["declare"].as_array() else {
                assert!(said["push"].is_object(), "no push: {frame}");
                return Some(said["push"].take());
            };
            self.say(&json!({"declared": declared.len()}));
            metrics.extend_from_slice(declared);
        }
    }

    /// Takes a push, and hears the next.
    pub fn take(&mut self, push: &Value) -> Value {
        self.say(&json!({"taken": push["seq"]}));
        self.next(&mut Vec::new()).expect("a push before the goodbye")
    }

    /// Takes this push and what follows, until one has what is wanted.
    pub fn until<T>(&mut self, mut push: Value, what: &str, wanted: impl Fn(&Value) -> Option<T>) -> (Value, T) {
        let mut found = wanted(&push);
        until(what, || {
            if found.is_none() {
                push = self.take(&push);
                found = wanted(&push);
            }
            found.take().map(|found| (push.clone(), found))
        })
    }

    /// Takes this push and what follows, until the agent says goodbye; the last push.
    pub fn until_goodbye(&mut self, mut push: Value) -> Value {
        loop {
            self.say(&json!({"taken": push["seq"]}));
            match self.next(&mut Vec::new()) {
                Some(next) => push = next,
                None => return push,
            }
        }
    }
}

/// What a push sets a series without labels to.
pub fn set_to(push: &Value, name: &str) -> Option<Value> {
    let set = push["set"].as_array()?.iter().rfind(|set| set[0] == name)?;
    Some(set[1].clone())
}

/// A frame.
pub fn frame(content: &str) -> Vec<u8> {
    format!("{:<HEADER$}{content}", content.len()).into_bytes()
}
