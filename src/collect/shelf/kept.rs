//! What of the shelf is kept: as rows of a store, and from them again.

use std::sync::Arc;

use crate::collect::metric::Metric;
use crate::collect::series::Total;
use crate::common::clock::Millis;

use super::{Key, Series, Share, Shelf, fresh};

/// A series as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its metric.
    pub metric: Arc<str>,
    /// Whose it is.
    pub key: Key,
    /// The process that `last` is of.
    pub instance: u64,
    /// What came before that process, and what it has said last: of a counter, of each bucket and the sum, of count and sum.
    pub totals: Vec<(f64, f64)>,
}

/// What has to be written so that all is kept.
#[derive(Debug, Default)]
pub struct Changes {
    /// Metrics that are new.
    pub metrics: Vec<Metric>,
    /// Series that are new or have changed.
    pub rows: Vec<Row>,
    /// Series that are gone.
    pub gone: Vec<(Arc<str>, Key)>,
    /// Metrics that are gone.
    pub forgotten: Vec<Arc<str>>,
}

impl Changes {
    /// True if there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty() && self.rows.is_empty() && self.gone.is_empty() && self.forgotten.is_empty()
    }
}

impl Shelf {
    /// Takes a metric as it was kept.
    pub fn restore_metric(&mut self, metric: Metric, now: Millis) {
        if !self.families.contains_key(metric.name.as_str()) {
            self.insert(metric, now.after(self.expire_ms));
        }
    }

    /// Takes a series as it was kept; what it takes of its agent's share, or nothing if it fits no metric.
    pub fn restore(&mut self, row: Row, now: Millis) -> Option<Share> {
        let (window_ms, expires) = (self.window_ms, now.after(self.expire_ms));
        let family = self.families.get_mut(&row.metric)?;
        let mut value = fresh(&family.metric, window_ms);
        let own = value.totals_mut();
        if own.is_empty() || own.len() != row.totals.len() {
            return None;
        }
        for (own, (base, last)) in own.iter_mut().zip(row.totals) {
            *own = Total { base, last, kept: base + last };
        }
        let series = Series { value, instance: row.instance, expires, dirty: false, is_shown: true };
        let share = Share::of(&family.metric);
        family.series.insert(row.key, series);
        self.held.add(share);
        Some(share)
    }

    /// True if something has changed since `changes`.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        !self.dirty.is_empty() || !self.changes.is_empty()
    }

    /// What has changed since the last time. It counts as shown only once `keep` says that it is written.
    pub fn changes(&mut self) -> Changes {
        let mut changes = std::mem::take(&mut self.changes);
        for (metric, key) in std::mem::take(&mut self.dirty) {
            let family = self.families.get_mut(&metric);
            let Some(series) = family.and_then(|family| family.series.get_mut(&key)) else { continue };
            series.dirty = false;
            let totals = series.value.totals().iter().map(|total| (total.base, total.last)).collect();
            changes.rows.push(Row { metric, key, instance: series.instance, totals });
        }
        changes
    }

    /// These changes are written.
    pub fn keep(&mut self, changes: &Changes) {
        for row in &changes.rows {
            let family = self.families.get_mut(&row.metric);
            let Some(series) = family.and_then(|family| family.series.get_mut(&row.key)) else { continue };
            for (own, (base, last)) in series.value.totals_mut().iter_mut().zip(&row.totals) {
                own.kept = base + last;
            }
            series.is_shown = true;
        }
    }

    /// These changes couldn't be written: they are still to be.
    pub fn put_back(&mut self, changes: Changes) {
        for row in changes.rows {
            let family = self.families.get_mut(&row.metric);
            let Some(series) = family.and_then(|family| family.series.get_mut(&row.key)) else { continue };
            if !std::mem::replace(&mut series.dirty, true) {
                self.dirty.push((row.metric, row.key));
            }
        }
        let own = std::mem::take(&mut self.changes);
        self.changes = Changes { rows: Vec::new(), ..changes };
        self.changes.metrics.extend(own.metrics);
        self.changes.gone.extend(own.gone);
        self.changes.forgotten.extend(own.forgotten);
    }
}
