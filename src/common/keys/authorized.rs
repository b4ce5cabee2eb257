//! `authorized`: whom a server knows. A line a key: role, name, public key. Whoever has no line there is nobody.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::file::{read_public, refused};
use super::{Public, Role};
use crate::common::error::Result;
use crate::common::limits::{
    AUTHORIZED_MAX_BYTES, AUTHORIZED_SETTLED_MIN_MS, KEY_NAME_MAX_BYTES, REVOCATION_TICKS_MIN,
};

/// What a line says of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What its holder is.
    pub role: Role,
    /// What it is called.
    pub name: String,
}

/// The keys that were authorized when the file could last be read.
#[derive(Clone, Debug)]
pub struct Authorized {
    path: PathBuf,
    server: Role,
    keys: BTreeMap<Public, Entry>,
    faults: Vec<String>,
    /// Keys that were there, and at how many ticks they haven't been since.
    gone: BTreeMap<Public, u32>,
    /// The file as it was read, and when.
    stamp: Option<Stamp>,
    read: SystemTime,
}

/// What shows that a file isn't what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    /// Seconds and nanoseconds of the last change of anything about it; nobody can set it back.
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let it = path.metadata().ok()?;
        let (file, changed) = ((it.dev(), it.ino()), (it.ctime(), it.ctime_nsec()));
        Some(Self { file, changed })
    }

    /// True if it was long unchanged when it was read, so that a change since then has another stamp.
    fn is_settled(self, read: SystemTime) -> bool {
        let changed = u64::try_from(self.changed.0).map(|s| UNIX_EPOCH + Duration::from_secs(s));
        let age = changed.ok().and_then(|changed| read.duration_since(changed).ok());
        age.is_some_and(|age| age > Duration::from_millis(AUTHORIZED_SETTLED_MIN_MS))
    }
}

impl Authorized {
    /// Reads the file `path`, for this server. It may list the clients of another as well.
    ///
    /// # Errors
    /// Refused: it can't be read, or others can write it.
    pub fn open(path: &Path, server: Role) -> Result<Self> {
        let mut authorized = Self {
            path: path.to_owned(),
            server,
            keys: BTreeMap::new(),
            faults: Vec::new(),
            gone: BTreeMap::new(),
            stamp: None,
            read: UNIX_EPOCH,
        };
        authorized.refresh()?;
        Ok(authorized)
    }

    /// Reads the file anew, if it has changed.
    ///
    /// # Errors
    /// As `open`; what it said before is then still there.
    pub fn refresh(&mut self) -> Result<()> {
        let stamp = Stamp::of(&self.path);
        if stamp.is_some_and(|stamp| self.stamp == Some(stamp) && stamp.is_settled(self.read)) {
            return Ok(());
        }
        // Only what was read successfully is known.
        (self.stamp, self.read) = (None, SystemTime::now());
        let text = read_public(&self.path, AUTHORIZED_MAX_BYTES)?;
        self.stamp = stamp;
        let (keys, faults) = parse(&text, self.server);
        let former = std::mem::replace(&mut self.keys, keys).into_keys();
        former.filter(|key| !self.keys.contains_key(key)).for_each(|key| _ = self.gone.entry(key).or_insert(0));
        self.gone.retain(|key, _| !self.keys.contains_key(key));
        let told = |(line, fault)| refused(&self.path, format!("line {line}: {fault}: it is passed over")).to_string();
        self.faults = faults.into_iter().map(told).collect();
        if self.keys.is_empty() && self.faults.is_empty() {
            self.faults = vec![refused(&self.path, "it lists nobody").to_string()];
        }
        Ok(())
    }

    /// A tick has passed: who was missing for long enough is gone for good.
    pub fn tick(&mut self) {
        self.gone.values_mut().for_each(|ticks| *ticks += 1);
        self.gone.retain(|_, ticks| *ticks < REVOCATION_TICKS_MIN);
    }

    /// True if `key`, which isn't there, may be meant to be: it was there a moment ago, or a line is none, or there is none.
    #[must_use]
    pub fn may_be_meant(&self, key: Public) -> bool {
        self.gone.contains_key(&key) || !self.faults.is_empty()
    }

    /// What the file says of a key.
    #[must_use]
    pub fn entry(&self, key: Public) -> Option<&Entry> {
        self.keys.get(&key)
    }

    /// The lines that are none, and why. They authorize nobody.
    #[must_use]
    pub fn faults(&self) -> &[String] {
        &self.faults
    }
}

/// The keys of a text, and the lines that are none, by their number.
fn parse(text: &str, server: Role) -> (BTreeMap<Public, Entry>, Vec<(usize, String)>) {
    let (mut keys, mut faults) = (BTreeMap::new(), Vec::new());
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.split('#').next().unwrap_or("")));
    for (at, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        match parse_line(line, server) {
            Ok((key, _)) if keys.contains_key(&key) => faults.push((at, "this key has a line already".to_owned())),
            Ok((key, entry)) => _ = keys.insert(key, entry),
            Err(fault) => faults.push((at, fault)),
        }
    }
    (keys, faults)
}

fn parse_line(line: &str, server: Role) -> std::result::Result<(Public, Entry), String> {
    let [role, name, key] = line.split_whitespace().collect::<Vec<_>>()[..] else {
        return Err("a line is: role name key".to_owned());
    };
    let role = role.parse().ok().filter(|role: &Role| role.server() != *role);
    let role = role.ok_or_else(|| format!("a role is {}", server.clients_in_words()))?;
    let key = key.parse().map_err(|()| "a key is 64 hexadecimal digits".to_owned())?;
    if name.len() > KEY_NAME_MAX_BYTES || name.contains(char::is_control) {
        return Err(format!("a name has {KEY_NAME_MAX_BYTES} printable bytes at most"));
    }
    Ok((key, Entry { role, name: name.to_owned() }))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn line(role: &str, name: &str, byte: u8) -> String {
        format!("{role} {name} {}\n", Public([byte; 32]))
    }

    #[test]
    fn each_line_is_a_key() {
        let text =
            format!("# who may do what\n\n{}  {}# gone\n", line("worker", "node02", 1), line("operator", "ann", 2));
        let (keys, faults) = parse(&text, Role::Manage);
        assert_eq!((keys.len(), faults.len()), (2, 0));
        assert_eq!(keys[&Public([1; 32])], Entry { role: Role::Worker, name: "node02".to_owned() });
        assert_eq!(keys[&Public([2; 32])].role, Role::Operator);
    }

    #[test]
    fn a_line_that_is_none_is_named_and_passed_over() {
        let key = Public([1; 32]);
        let other = line("viewer", "other", 9);
        let faults = [
            (format!("worker {key}\n"), 1, "a line is"),
            (format!("\nworker a b {key}\n"), 2, "a line is"),
            (format!("master a {key}\n"), 1, "a role is"),
            (format!("manage a {key}\n"), 1, "a role is worker, viewer or operator"),
            (format!("collect a {key}\n"), 1, "a role is"),
            (format!("worker a {key}0\n"), 1, "64 hexadecimal"),
            (format!("worker a +{}\n", &key.to_string()[1..]), 1, "64 hexadecimal"),
            (format!("{}{}", line("worker", "a", 1), line("operator", "b", 1)), 2, "already"),
            (line("worker", &"n".repeat(KEY_NAME_MAX_BYTES + 1), 1), 1, "bytes at most"),
        ];
        for (text, at, what) in faults {
            let (keys, faults) = parse(&format!("{text}{other}"), Role::Manage);
            let [(line, fault)] = &faults[..] else { panic!("{text:?}: {faults:?}") };
            assert!(*line == at && fault.contains(what), "{text:?}: line {line}: {fault}");
            assert!(keys.contains_key(&Public([9; 32])), "{text:?}");
        }
        let (keys, faults) = parse(&line("worker", &"n".repeat(KEY_NAME_MAX_BYTES), 1), Role::Collect);
        assert_eq!((keys.len(), faults.len()), (1, 0));
    }

    /// A list in a directory of its own.
    fn list(text: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("authorized");
        write(&path, text);
        (directory, path)
    }

    /// Writes the list, for its owner alone to write.
    fn write(path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    }

    #[test]
    fn who_is_taken_off_is_gone_after_some_ticks() {
        let (gone, stays) = (Public([1; 32]), Public([2; 32]));
        let (_directory, path) = list(&[line("worker", "a", 1), line("viewer", "b", 2)].concat());
        let mut authorized = Authorized::open(&path, Role::Manage).unwrap();
        // As long as before: that it has changed must show all the same.
        write(&path, &[line("worker", "a", 3), line("viewer", "b", 2)].concat());
        authorized.refresh().unwrap();
        assert!(authorized.entry(gone).is_none() && authorized.entry(stays).is_some());
        for _ in 0..REVOCATION_TICKS_MIN {
            assert!(authorized.may_be_meant(gone));
            authorized.tick();
        }
        assert!(!authorized.may_be_meant(gone));
        write(&path, &line("worker", "a", 1)[1..]);
        authorized.refresh().unwrap();
        assert!(authorized.may_be_meant(gone) && authorized.entry(stays).is_none(), "a slip of the pen");
    }

    #[test]
    fn a_list_has_a_longest_length() {
        let key = line("worker", "a", 1);
        let comment = |length: u64| format!("{key}{}", "#".repeat(length as usize - key.len()));
        let (_directory, path) = list(&comment(AUTHORIZED_MAX_BYTES));
        assert_eq!(path.metadata().unwrap().len(), AUTHORIZED_MAX_BYTES);
        assert!(Authorized::open(&path, Role::Manage).is_ok());
        write(&path, &comment(AUTHORIZED_MAX_BYTES + 1));
        assert!(Authorized::open(&path, Role::Manage).unwrap_err().to_string().contains("longer than 1048576 bytes"));
    }
}
