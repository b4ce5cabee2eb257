//! Computes that wait for a range, and whose turn it is.

use std::collections::BTreeMap;

use crate::common::clock::Millis;
use crate::common::limits::OVERDUE_MIN_MS;
use crate::common::message::Instance;
use crate::manage::gate::Origin;

/// Those who wait. Who has waited longest is first. From where a range was held for too long nobody gets one for a while, if there
/// are others: else one could hoard ranges for ever by taking turns with himself.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    since: BTreeMap<Instance, (Origin, u64)>,
    next: u64,
    overdue: BTreeMap<Origin, Millis>,
}

impl Waiting {
    /// Waits from now on, unless it does already.
    pub(super) fn insert(&mut self, instance: Instance, origin: Origin) {
        self.since.entry(instance).or_insert((origin, self.next));
        self.next += 1;
    }

    /// Waits no longer.
    pub(super) fn remove(&mut self, instance: Instance) {
        self.since.remove(&instance);
    }

    /// All who wait.
    pub(super) fn iter(&self) -> impl Iterator<Item = Instance> {
        self.since.keys().copied()
    }

    /// Orders some of them: whose turn it is comes first.
    pub(super) fn put_in_order(&self, instances: &mut [Instance]) {
        instances.sort_by_key(|instance| self.since.get(instance).map(|(_, number)| *number));
    }

    /// A range was held for too long from there.
    pub(super) fn note_overdue(&mut self, origin: Origin, now: Millis) {
        self.overdue.insert(origin, now);
    }

    /// Forgets what is long ago; true if anybody is barred still.
    pub(super) fn bars_anybody(&mut self, now: Millis) -> bool {
        self.overdue.retain(|_, noted| now.since(*noted) < OVERDUE_MIN_MS);
        !self.overdue.is_empty()
    }

    /// True if a range was held for too long from there, lately.
    pub(super) fn bars(&self, origin: Origin) -> bool {
        self.overdue.contains_key(&origin)
    }

    /// True if `instance` waits there.
    pub(super) fn bars_instance(&self, instance: Instance) -> bool {
        self.since.get(&instance).is_some_and(|(origin, _)| self.bars(*origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_waited_longest_is_first_and_who_hoards_waits() {
        let origin = |last: u8| (None, [10, 0, 0, last].into());
        let mut waiting = Waiting::default();
        for (instance, from) in [(9, 1), (1, 2), (5, 1), (9, 1)] {
            waiting.insert(Instance(instance), origin(from));
        }
        let order = |waiting: &Waiting| {
            let mut all: Vec<Instance> = waiting.iter().collect();
            waiting.put_in_order(&mut all);
            all.into_iter().map(|instance| instance.0).collect::<Vec<_>>()
        };
        assert_eq!(order(&waiting), [9, 1, 5]);
        waiting.remove(Instance(9));
        assert_eq!(order(&waiting), [1, 5]);
        waiting.note_overdue(origin(1), Millis(0));
        assert!(waiting.bars_anybody(Millis(OVERDUE_MIN_MS - 1)));
        assert!(waiting.bars_instance(Instance(5)) && !waiting.bars_instance(Instance(1)));
        assert!(!waiting.bars_anybody(Millis(OVERDUE_MIN_MS)) && !waiting.bars_instance(Instance(5)));
    }
}
