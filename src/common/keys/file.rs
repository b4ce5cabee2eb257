//! Key files: found, held to be private, read.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::Uid;

use super::{Public, Role, Secret, parse_hex};
use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::limits::KEY_FILE_MAX_BYTES;

/// What group and others would need to read a file, and to write it.
const READABLE: u32 = 0o044;
const WRITABLE: u32 = 0o022;

/// A key with what its holder needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    /// What its holder is.
    pub role: Role,
    /// What the key is called.
    pub name: String,
    /// The secret.
    pub secret: Secret,
    /// The public key of the server that it is for.
    pub server: Public,
}

impl KeyFile {
    /// Reads the key in `path`, which only its owner may be able to read.
    ///
    /// # Errors
    /// Refused: what is wrong with the file, and how to mend it.
    pub fn read(path: &Path) -> Result<Self> {
        let text = read_private(path, READABLE | WRITABLE, KEY_FILE_MAX_BYTES)?;
        Self::parse(&text).map_err(|fault| refused(path, fault))
    }

    fn parse(text: &str) -> std::result::Result<Self, String> {
        let value = |word: &'static str| value_of(text, word);
        let role: Role = value("role")?.parse().map_err(|()| "its role is none that there is".to_owned())?;
        let hex =
            |word| value(word).and_then(|v| parse_hex(v).ok_or(format!("its {word} isn't 64 hexadecimal digits")));
        Ok(Self {
            role,
            name: value("name")?.to_owned(),
            secret: Secret(hex("secret")?),
            server: Public(hex(role.server().name())?),
        })
    }

    /// The text of the file.
    #[must_use]
    pub fn text(&self) -> String {
        let (role, name, server) = (self.role, &self.name, self.role.server());
        format!(
            "# A secret key of aliquot: to its {server}, who can read this file is \"{name}\", role {role}.\n\
             role    {role}\nname    {name}\nsecret  {}\n{server:<7} {}\n",
            self.secret.to_hex(),
            self.server
        )
    }
}

/// The one value of `word` in lines of a word and a value each.
fn value_of<'t>(text: &'t str, word: &str) -> std::result::Result<&'t str, String> {
    let mut values = text.lines().filter_map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [first, value] if first == word => Some(value),
        _ => None,
    });
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(format!("no key file: it has no line \"{word} ...\"")),
        (Some(_), Some(_)) => Err(format!("it has two lines \"{word} ...\"")),
    }
}

/// What is given as a key, if anything is: an empty variable of the environment names none.
#[must_use]
pub fn named(given: Option<&str>) -> Option<&str> {
    given.filter(|given| !given.is_empty())
}

/// The key file that `given` stands for: itself, or in a directory the first there is of `roles`.
///
/// # Errors
/// Refused, if the directory has none of them.
pub fn find(given: &str, roles: &[Role]) -> Result<PathBuf> {
    let path = Path::new(given);
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let candidates: Vec<PathBuf> = roles.iter().map(|role| path.join(format!("{role}.key"))).collect();
    // One that can't be looked at is named when it is read.
    candidates.iter().find(|path| path.try_exists().unwrap_or(true)).cloned().ok_or_else(|| {
        let names: Vec<_> = roles.iter().map(|role| format!("{role}.key")).collect();
        refused(path, format!("there is no {} in it", names.join(" or ")))
    })
}

/// Reads the key that `given`, a file or a directory, stands for; it has to be of one of `roles`, the best of them first.
///
/// # Errors
/// Refused, as in `find` and `KeyFile::read`, or because it is a key of another role.
pub fn load(given: &str, roles: &[Role]) -> Result<KeyFile> {
    let path = find(given, roles)?;
    let key = KeyFile::read(&path)?;
    if roles.contains(&key.role) {
        return Ok(key);
    }
    let wanted: Vec<_> = roles.iter().map(|role| format!("{role}.key")).collect();
    Err(refused(&path, format!("its role is {}; needed is {}", key.role, wanted.join(" or "))))
}

/// Reads a text that nobody but its owner can `barred` (mode bits), of `max_bytes` at most.
///
/// # Errors
/// Refused: what is wrong with the file, and how to mend it.
fn read_private(path: &Path, barred: u32, max_bytes: u64) -> Result<String> {
    let fault = |error: io::Error| refused(path, error);
    let mut options = File::options();
    // Whatever stands there, opening it never waits.
    let file = options.read(true).custom_flags(nix::libc::O_NONBLOCK).open(path).map_err(fault)?;
    let metadata = file.metadata().map_err(fault)?;
    if !metadata.is_file() {
        return Err(refused(path, "not a file"));
    }
    check(path, &metadata, barred)?;
    let mut text = String::new();
    file.take(max_bytes + 1).read_to_string(&mut text).map_err(fault)?;
    if text.len() as u64 > max_bytes { Err(refused(path, format!("longer than {max_bytes} bytes"))) } else { Ok(text) }
}

/// That nobody but this process's user and root has a say in the directory of the keys.
///
/// # Errors
/// Refused: who has, and how to mend it.
pub fn check_directory(path: &Path) -> Result<()> {
    check(path, &path.metadata().map_err(|error| refused(path, error))?, WRITABLE)
}

/// That what stands at `path` is this user's or root's, and that others can't do to it what `barred` (mode bits) says. Root may use
/// what is anybody's.
fn check(path: &Path, metadata: &Metadata, barred: u32) -> Result<()> {
    let (mode, shown) = (metadata.mode() & 0o777, path.display());
    let own = Uid::effective();
    if !own.is_root() && ![0, own.as_raw()].contains(&metadata.uid()) {
        let text = format!("it belongs to user {}: run this as that user, or chown it", metadata.uid());
        return Err(refused(path, text));
    }
    if mode & barred == 0 {
        return Ok(());
    }
    let (verb, way_out) = if barred & READABLE == 0 { ("write", "go-w") } else { ("read or write", "go=") };
    let text = format!("others can {verb} {shown} (mode {mode:04o}): chmod {way_out} {shown}");
    Err(Error::new(Status::Refused, "keys", text))
}

/// An error about a key file.
pub(super) fn refused(path: &Path, cause: impl std::fmt::Display) -> Error {
    Error::new(Status::Refused, format!("keys {}", path.display()), cause)
}

/// Reads the lines of `authorized`, which only its owner may be able to write.
pub(super) fn read_public(path: &Path, max_bytes: u64) -> Result<String> {
    read_private(path, WRITABLE, max_bytes)
}
