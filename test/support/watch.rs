//! A collect that listens, and agents that speak to it by hand.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Deref;
use std::rc::Rc;

use serde_json::{Value, json};

use super::http::{self, Reply};
use super::process::Process;
use super::{PATIENCE, Scene, until};

/// A collect that listens.
pub struct Collect {
    process: Rc<Process>,
    /// Where for agents,
    pub agents: SocketAddr,
    /// and where for others.
    pub http: SocketAddr,
}

impl Deref for Collect {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl Scene {
    /// Starts collect on free ports, with the store `collect.db`, and waits until it listens.
    pub fn collect(&self, arguments: &str) -> Collect {
        self.collect_at("127.0.0.1:0", "127.0.0.1:0", arguments)
    }

    /// Starts collect where a former one has listened.
    pub fn collect_again(&self, former: &Collect, arguments: &str) -> Collect {
        self.collect_at(&former.agents.to_string(), &former.http.to_string(), arguments)
    }

    /// Starts collect there, and waits until it listens.
    pub fn collect_at(&self, agents: &str, http: &str, arguments: &str) -> Collect {
        self.collect_through("", agents, http, arguments)
    }

    /// Starts collect through another command, and waits until it listens.
    pub fn collect_through(&self, wrapper: &str, agents: &str, http: &str, arguments: &str) -> Collect {
        let process = self.start_through(wrapper, "collect", &format!("--agents {agents} --http {http} {arguments}"));
        let line = process.log.line_or_end("listening on ").unwrap_or_else(|| panic!("{}", process.evidence()));
        let mut places = line.split([' ', '/']).filter_map(|word| word.parse().ok());
        let mut place = || places.next().expect("an address");
        Collect { agents: place(), http: place(), process }
    }
}

impl Collect {
    /// Asks its HTTP port.
    pub fn get(&self, path: &str, headers: &[&str]) -> Reply {
        http::get(self.http, path, headers)
    }

    /// All metrics, as text.
    pub fn metrics(&self) -> String {
        self.get("/metrics", &[]).text()
    }

    /// The value of a sample, named with its labels as they are exposed.
    pub fn value(&self, sample: &str) -> Option<f64> {
        value(&self.metrics(), sample)
    }

    /// Waits until a sample has this value.
    pub fn await_value(&self, sample: &str, wanted: f64) {
        until(&format!("{sample} = {wanted}"), || (self.value(sample)? == wanted).then_some(()));
    }

    /// Waits until there is no such sample.
    pub fn await_none(&self, sample: &str) {
        until(&format!("no {sample}"), || self.value(sample).is_none().then_some(()));
    }

    /// How much it has refused for this reason.
    pub fn refused(&self, reason: &str) -> f64 {
        self.value(&format!("collect_refused_total{{reason=\"{reason}\"}}")).expect("it counts that")
    }

    /// The page.
    pub fn page(&self) -> String {
        self.get("/", &["Accept: text/html"]).text()
    }

    /// An agent that has said nothing yet.
    pub fn agent(&self) -> Agent {
        Agent::connect(self.agents)
    }

    /// A named agent that is welcome, of a process with this number.
    pub fn named(&self, name: &str, instance: u64) -> Agent {
        let mut agent = self.agent();
        let welcome = agent.hello(name, instance);
        assert!(welcome["welcome"].is_object(), "{welcome}");
        agent
    }

    /// The same, and it has declared these metrics.
    pub fn declared(&self, name: &str, instance: u64, metrics: Value) -> Agent {
        let mut agent = self.named(name, instance);
        let answer = agent.ask(&json!({ "declare": metrics }));
        assert!(answer["refused"].is_null(), "{answer}");
        agent
    }
}

/// The value of a sample in an exposition.
pub fn value(metrics: &str, sample: &str) -> Option<f64> {
    let own = |line: &&str| line.strip_prefix(sample).is_some_and(|rest| rest.starts_with(' '));
    metrics.lines().find(own)?.rsplit(' ').next()?.parse().ok()
}

/// An agent, driven by hand.
pub struct Agent {
    /// Its connection.
    pub stream: TcpStream,
    seq: u64,
}

impl Agent {
    /// Connects.
    pub fn connect(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).expect("collect listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        Self { stream, seq: 0 }
    }

    /// Its own address, as the original names it.
    pub fn endpoint(&self) -> String {
        let own = self.stream.local_addr().expect("it has an address");
        format!("('{}', {})", own.ip(), own.port())
    }

    /// Sends a frame.
    pub fn say(&mut self, content: &str) {
        self.stream.write_all(framed(content).as_bytes()).expect("collect takes it");
    }

    /// The next frame; nothing if the connection ends before.
    pub fn hear(&mut self) -> Option<Value> {
        let mut header = [0; 64];
        match self.stream.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("no answer within {PATIENCE:?}"),
            Err(_) => return None,
        }
        let length = std::str::from_utf8(&header).ok().and_then(|text| text.trim().parse().ok());
        let mut content = vec![0; length.expect("a header has a length")];
        self.stream.read_exact(&mut content).expect("a frame is whole");
        Some(serde_json::from_slice(&content).expect("a frame is JSON"))
    }

    /// Sends a frame; the answer.
    pub fn ask(&mut self, message: &Value) -> Value {
        self.say(&message.to_string());
        self.hear().expect("an answer")
    }

    /// Says who it is; the answer.
    pub fn hello(&mut self, name: &str, instance: u64) -> Value {
        let hello = json!({ "version": 1, "name": name, "instance": format!("{instance:016x}"), "program": "test" });
        let answer = self.ask(&json!({ "hello": hello }));
        // The same process goes on where it was.
        self.seq = answer["welcome"]["taken"].as_u64().unwrap_or(0);
        answer
    }

    /// Pushes under the next number; what wasn't taken.
    pub fn push(&mut self, set: Value) -> Value {
        self.push_all(json!({ "set": set }))
    }

    /// The same, of a summary.
    pub fn observe(&mut self, observe: Value) -> Value {
        self.push_all(json!({ "observe": observe }))
    }

    fn push_all(&mut self, mut push: Value) -> Value {
        self.seq += 1;
        push["seq"] = json!(self.seq);
        let mut answer = self.ask(&json!({ "push": push }));
        assert_eq!(answer["taken"], json!(self.seq), "{answer}");
        answer["refused"].take()
    }

    /// Waits until collect has closed the connection.
    pub fn await_end(&mut self) {
        while self.hear().is_some() {}
    }
}

/// A frame of the original's kind.
pub fn framed(content: &str) -> String {
    format!("{:<64}{content}", content.len())
}
