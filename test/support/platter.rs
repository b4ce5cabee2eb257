//! A disk that may lose what wasn't synced: from the steps of a process, every state that a power loss may leave.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fastrand::Rng;

use super::trace::Step;

/// A change of one file that is not yet on the disk for certain.
#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Resize(usize),
}

/// A change of the directory that is not yet on the disk for certain.
#[derive(Clone, Debug)]
enum Entry {
    Made(String, usize),
    Removed(String),
}

#[derive(Clone, Debug, Default)]
struct File {
    synced: Vec<u8>,
    pending: Vec<Change>,
}

/// How much of what wasn't synced survives.
#[derive(Clone, Copy, Debug)]
pub enum Loss {
    /// Nothing.
    All,
    /// All that was written: a crash of the program alone.
    None,
    /// What was written first.
    Tail,
    /// Any part of it, in any order.
    Some,
    /// As `Some`, and each write may be cut at any byte.
    Torn,
}

impl Loss {
    /// Every kind.
    pub const KINDS: [Self; 5] = [Self::All, Self::None, Self::Tail, Self::Some, Self::Torn];
}

/// One directory, its files, and what of them is on the disk for certain: what was synced. A name is there for certain
/// only once the directory was synced, as POSIX has it.
#[derive(Default)]
pub struct Platter {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    pending_names: Vec<Entry>,
}

impl Platter {
    /// Takes in the next step; steps that change no file are passed over.
    pub fn take(&mut self, step: &Step) {
        match step {
            Step::Open(name) if !self.names.contains_key(name) => {
                self.files.push(File::default());
                let inode = self.files.len() - 1;
                self.names.insert(name.clone(), inode);
                self.pending_names.push(Entry::Made(name.clone(), inode));
            }
            Step::Write(name, at, data) => self.pending(name).push(Change::Write(*at, data.clone())),
            Step::Resize(name, length) => self.pending(name).push(Change::Resize(*length)),
            Step::Sync(name) if name.is_empty() => {
                self.pending_names.clear();
                self.synced_names.clone_from(&self.names);
            }
            Step::Sync(name) => {
                let file = &mut self.files[self.names[name]];
                file.pending.drain(..).for_each(|change| apply(&mut file.synced, &change));
            }
            Step::Remove(name) => {
                self.names.remove(name);
                self.pending_names.push(Entry::Removed(name.clone()));
            }
            Step::Open(_) | Step::Said(_) => {}
        }
    }

    fn pending(&mut self, name: &str) -> &mut Vec<Change> {
        &mut self.files[self.names[name]].pending
    }

    /// Writes what a power loss leaves, by chance, into `directory`.
    pub fn lose_power(&self, loss: Loss, random: &mut Rng, directory: &Path) {
        for (name, inode) in self.surviving_names(loss, random) {
            let File { synced, pending } = &self.files[inode];
            let mut bytes = synced.clone();
            surviving(pending, loss, random).iter().for_each(|change| apply(&mut bytes, change));
            fs::write(directory.join(name), bytes).expect("a file can be written");
        }
    }

    /// A directory keeps its order: what survives is the first part.
    fn surviving_names(&self, loss: Loss, random: &mut Rng) -> BTreeMap<String, usize> {
        let count = match loss {
            Loss::All => 0,
            Loss::None => self.pending_names.len(),
            _ => random.usize(0..=self.pending_names.len()),
        };
        let mut names = self.synced_names.clone();
        for entry in &self.pending_names[..count] {
            match entry {
                Entry::Made(name, inode) => names.insert(name.clone(), *inode),
                Entry::Removed(name) => names.remove(name),
            };
        }
        names
    }
}

fn surviving(pending: &[Change], loss: Loss, random: &mut Rng) -> Vec<Change> {
    match loss {
        Loss::All => Vec::new(),
        Loss::None => pending.to_vec(),
        Loss::Tail => pending[..random.usize(0..=pending.len())].to_vec(),
        Loss::Some => pending.iter().filter(|_| random.bool()).cloned().collect(),
        Loss::Torn => pending.iter().filter_map(|change| torn(change, random)).collect(),
    }
}

/// One in four changes is lost; another is cut at any byte: what stands before or after it is kept.
fn torn(change: &Change, random: &mut Rng) -> Option<Change> {
    match (change, random.u8(0..4)) {
        (_, 0) => None,
        (Change::Write(at, data), 1) => {
            let cut = random.usize(0..=data.len());
            let (at, kept) = if random.bool() { (*at, &data[..cut]) } else { (at + cut, &data[cut..]) };
            Some(Change::Write(at, kept.to_vec()))
        }
        (whole, _) => Some(whole.clone()),
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(_, data) if data.is_empty() => {}
        Change::Write(at, data) => {
            bytes.resize(bytes.len().max(at + data.len()), 0);
            bytes[*at..at + data.len()].copy_from_slice(data);
        }
        Change::Resize(length) => bytes.resize(*length, 0),
    }
}
