//! A connection over TLS, spoken by hand with any key; and the directory of keys that a manage has.

use std::fs;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

use aliquot::common::conn::{Broken, Conn};
use aliquot::common::keys::{KeyFile, Public};
use aliquot::common::message::{Code, Message};
use aliquot::common::net::Stream;
use aliquot::common::poll::Set;
use aliquot::common::tls::{Context, public};

use super::{PATIENCE, Scene};

/// A directory that `manage --init-keys` has made.
pub struct Keys(PathBuf);

impl Keys {
    /// Makes keys in the scene's directory `name`, and those that are named `ROLE:NAME` as well.
    pub fn new(scene: &Scene, name: &str, more: &[&str]) -> Self {
        let more: String = more.iter().map(|key| format!(" --add-key {key}")).collect();
        let made = scene.start("manage", &format!("--init-keys {name}{more}"));
        assert_eq!(made.wait(), 0);
        Self(scene.path(name))
    }

    /// The file of the key `name`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.key"))
    }

    /// The key `name`.
    pub fn key(&self, name: &str) -> KeyFile {
        KeyFile::read(&self.file(name)).expect("it was made")
    }

    /// What a client with the key `name` begins sessions by.
    pub fn context(&self, name: &str) -> Context {
        let key = self.key(name);
        context(&key, key.server)
    }

    /// The list of those who are authorized.
    pub fn list(&self) -> PathBuf {
        self.0.join("authorized")
    }

    /// Takes the line of the key `name` off the list.
    pub fn remove(&self, name: &str) {
        let key = public(self.key(name).secret).expect("it has a public part").to_string();
        let text = fs::read_to_string(self.list()).expect("it is there");
        let kept: String = text.lines().filter(|line| !line.ends_with(&key)).map(|line| format!("{line}\n")).collect();
        assert!(kept.len() < text.len(), "{name} was on it");
        replace(&self.list(), &kept);
    }
}

/// Writes a file anew, whole.
pub fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).expect("it can be written");
    fs::rename(new, path).expect("it can be replaced");
}

/// What a client that shows `key` and takes the manage `pinned` begins sessions by.
pub fn context(key: &KeyFile, pinned: Public) -> Context {
    Context::client(key.secret, pinned).expect("a key makes a context")
}

/// A connection that says whatever a test wants it to, over TLS.
pub struct Secure {
    conn: Conn,
    ended: Option<Broken>,
}

impl Secure {
    /// Connects; the handshake goes on when something is heard.
    pub fn connect(address: SocketAddr, context: &Context) -> Self {
        let stream = Stream::connect(address).expect("somebody listens");
        Self { conn: Conn::new(stream, Some(context.session().expect("there is randomness"))), ended: None }
    }

    /// Sends one line, as soon as the handshake allows it.
    pub fn say(&mut self, line: &str) {
        let _ = self.conn.send(format!("{line}\n").as_bytes());
    }

    /// Sends a message.
    pub fn tell(&mut self, message: impl Into<Message>) {
        let _ = self.conn.send(message.into().line().as_bytes());
    }

    /// The next line, without its LF; why there is none if the connection has ended.
    pub fn line(&mut self) -> Result<String, Broken> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.conn.line() {
                return Ok(String::from_utf8_lossy(line.expect("it is short")).into_owned());
            }
            if let Some(broken) = &self.ended {
                return Err(broken.clone());
            }
            assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for a line");
            // One who has closed can't be written to any more, but is still to be read.
            let _ = self.conn.flush();
            let mut set = Set::new();
            let slot = set.add(self.conn.as_fd(), self.conn.interest());
            set.wait(PATIENCE).expect("poll");
            if set.ready(slot).readable {
                self.ended = self.conn.receive().err();
            }
        }
    }

    /// The next message.
    pub fn hear(&mut self) -> Message {
        let line = self.line().expect("the other side says something more");
        Message::read(line.as_bytes()).unwrap_or_else(|malformed| panic!("{line}: {}", malformed.text))
    }

    /// The error that the other side ends the connection with, behind whatever it says before.
    pub fn error(&mut self) -> (Code, String) {
        loop {
            if let Message::Error(error) = self.hear() {
                return (error.code, error.text);
            }
        }
    }
}
