//! The computes that manage knows, and the strikes of their hosts. Pure.

use std::collections::BTreeMap;

use crate::common::clock::Millis;
use crate::common::limits::{LOST_MAX, LOST_SHOWN_MS, STRIKES_MAX};
use crate::common::message::{Instance, Stage};

use super::sizing::Pace;
use super::state::Peer;

/// One compute.
#[derive(Clone, Debug)]
pub struct Compute {
    /// Its host, by its own word.
    pub host: String,
    /// Its pid there.
    pub pid: u32,
    /// The kernel it uses.
    pub kernel: Option<String>,
    /// Its data connection while that stands.
    pub data: Option<Peer>,
    /// How fast it is, once it has said so.
    pub pace: Option<Pace>,
    /// The lease that it works on.
    pub lease: Option<u64>,
    /// A result of it is being proved.
    pub proving: bool,
    /// How many candidates of its lease are tested, by its own word.
    pub tested: u64,
    /// Candidates a second in its present or latest range.
    pub rate: f64,
    /// When it was last heard of.
    pub seen: Millis,
    /// How many results were accepted from it.
    pub ranges: u64,
}

impl Compute {
    /// One that has just been heard of.
    #[must_use]
    pub fn new(host: String, pid: u32, kernel: Option<String>, now: Millis) -> Self {
        Self {
            host,
            pid,
            kernel,
            data: None,
            pace: None,
            lease: None,
            proving: false,
            tested: 0,
            rate: 0.0,
            seen: now,
            ranges: 0,
        }
    }
}

/// The connected computes as one.
#[derive(Clone, Copy, Debug)]
pub struct Fleet {
    /// Operations a second of those that have said how fast they are.
    timed: f64,
    /// How many are still in their timing loop.
    untimed: usize,
}

impl Fleet {
    /// The operations a second of all that work, and soon will: one that is still in its timing loop is taken for as
    /// fast as one of `pace`.
    #[must_use]
    pub fn operations_per_s(self, pace: Pace) -> f64 {
        self.timed + self.untimed as f64 * pace.operations_per_s()
    }
}

/// All computes, and the strikes of all hosts.
#[derive(Debug, Default)]
pub struct Roster {
    computes: BTreeMap<Instance, Compute>,
    strikes: BTreeMap<String, u32>,
    /// The hosts that have lied, and how many numbers were taken back from them, once that is done.
    liars: BTreeMap<String, Option<u64>>,
}

impl Roster {
    /// The compute `instance`.
    #[must_use]
    pub fn get(&self, instance: Instance) -> Option<&Compute> {
        self.computes.get(&instance)
    }

    /// The compute `instance`, to change.
    pub fn get_mut(&mut self, instance: Instance) -> Option<&mut Compute> {
        self.computes.get_mut(&instance)
    }

    /// Takes a compute in, unless it is known, and gives it.
    pub fn admit(&mut self, instance: Instance, new: Compute) -> &mut Compute {
        self.computes.entry(instance).or_insert(new)
    }

    /// All computes.
    pub fn iter(&self) -> impl Iterator<Item = (Instance, &Compute)> {
        self.computes.iter().map(|(instance, compute)| (*instance, compute))
    }

    /// What a compute does.
    #[must_use]
    pub fn stage(&self, compute: &Compute) -> Stage {
        if compute.data.is_none() {
            Stage::Lost
        } else if self.is_struck(&compute.host) {
            Stage::Struck
        } else if compute.pace.is_none() {
            Stage::Timing
        } else if compute.lease.is_some() {
            Stage::Busy
        } else {
            Stage::Idle
        }
    }

    /// How fast the connected computes are together.
    #[must_use]
    pub fn fleet(&self) -> Fleet {
        let mut fleet = Fleet { timed: 0.0, untimed: 0 };
        for compute in self.computes.values().filter(|compute| compute.data.is_some()) {
            match compute.pace {
                Some(pace) => fleet.timed += pace.operations_per_s(),
                None => fleet.untimed += 1,
            }
        }
        fleet
    }

    /// One more wrong result from `host`; gives how many that makes.
    pub fn strike(&mut self, host: &str) -> u32 {
        let strikes = self.strikes.entry(host.to_owned()).or_insert(0);
        *strikes += 1;
        *strikes
    }

    /// How many wrong results have come from `host`.
    #[must_use]
    pub fn strikes(&self, host: &str) -> u32 {
        self.strikes.get(host).copied().unwrap_or(0)
    }

    /// How many wrong results have come from all hosts.
    #[must_use]
    pub fn strikes_of_all(&self) -> u64 {
        self.strikes.values().map(|strikes| u64::from(*strikes)).sum()
    }

    /// True if `host` gets no more work.
    #[must_use]
    pub fn is_struck(&self, host: &str) -> bool {
        self.strikes(host) >= STRIKES_MAX || self.is_liar(host)
    }

    /// `host` has lied; so many numbers were taken back from it, if that is done.
    pub fn note_lie(&mut self, host: &str, taken_back: Option<u64>) {
        self.liars.insert(host.to_owned(), taken_back);
    }

    /// True if `host` has lied.
    #[must_use]
    pub fn is_liar(&self, host: &str) -> bool {
        self.liars.contains_key(host)
    }

    /// The hosts that have lied, as `note_lie` was told.
    pub fn liars(&self) -> impl Iterator<Item = (&str, Option<u64>)> {
        self.liars.iter().map(|(host, taken_back)| (host.as_str(), *taken_back))
    }

    /// Forgets computes that have been lost for long, and the longest lost if there are too many.
    pub fn forget_lost(&mut self, now: Millis) {
        let forgettable = |compute: &Compute| compute.data.is_none() && compute.lease.is_none() && !compute.proving;
        self.computes.retain(|_, compute| !forgettable(compute) || now.since(compute.seen) < LOST_SHOWN_MS);
        let mut lost: Vec<_> =
            self.computes.iter().filter(|(_, c)| forgettable(c)).map(|(instance, c)| (c.seen, *instance)).collect();
        if lost.len() > LOST_MAX {
            lost.sort_unstable();
            for (_, instance) in &lost[..lost.len() - LOST_MAX] {
                self.computes.remove(instance);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(seen: u64) -> Compute {
        Compute::new("a".to_owned(), 1, None, Millis(seen))
    }

    #[test]
    fn who_is_lost_for_long_is_forgotten_unless_something_hangs_on_him() {
        let mut roster = Roster::default();
        roster.admit(Instance(1), lost(0));
        roster.admit(Instance(2), lost(0)).data = Some(1);
        roster.admit(Instance(3), lost(0)).lease = Some(1);
        roster.admit(Instance(4), lost(0)).proving = true;
        roster.admit(Instance(5), lost(1));
        let known = |roster: &Roster| roster.iter().map(|(instance, _)| instance.0).collect::<Vec<_>>();
        roster.forget_lost(Millis(LOST_SHOWN_MS - 1));
        assert_eq!(known(&roster), [1, 2, 3, 4, 5]);
        roster.forget_lost(Millis(LOST_SHOWN_MS));
        assert_eq!(known(&roster), [2, 3, 4, 5]);
    }

    #[test]
    fn of_too_many_the_longest_lost_are_forgotten() {
        let mut roster = Roster::default();
        let count = LOST_MAX as u64;
        (0..count + 2).for_each(|nth| _ = roster.admit(Instance(count + 2 - nth), lost(nth)));
        roster.admit(Instance(count + 3), lost(0)).lease = Some(1);
        roster.forget_lost(Millis(count + 2));
        let known: Vec<u64> = roster.iter().map(|(instance, _)| instance.0).collect();
        let longest = [count + 1, count + 2];
        assert!(known.len() == LOST_MAX + 1 && longest.iter().all(|gone| !known.contains(gone)), "{}", known.len());
    }
}
