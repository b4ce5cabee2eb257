//! The faults of a plan, as they strike; and how they are over.

use super::compute::{Which, Work};
use super::events::{End, Item, What};
use super::network::Owner;
use super::plan::{Fault, Moment};
use super::simulation::World;

impl World {
    /// A fault strikes.
    pub fn strikes(&mut self, fault: Fault) {
        self.note(|| format!("fault: {fault:?}"));
        let now = self.events.now;
        match fault {
            Fault::Crash { moment: Moment::Idle, silently, away } => {
                if let Some(mut manage) = self.manage.take() {
                    self.dies(&mut manage, silently, away);
                }
            }
            Fault::Crash { moment, silently, away } => {
                if let Some(manage) = &mut self.manage {
                    manage.doom = Some((moment, silently, away));
                }
            }
            Fault::Stop { ms } => self.stopped_until = (now + ms).min(self.plan.heals),
            Fault::Kill { slot, silently } => {
                self.slots[slot].still = None;
                self.loses(slot, silently);
            }
            Fault::EndCompute { slot } if self.slots[slot].still.is_none() => self.ends(slot),
            Fault::EndCompute { .. } => {}
            Fault::StopCompute { slot, ms } => {
                self.slots[slot].still.get_or_insert_default();
                self.events.at((now + ms).min(self.plan.heals), What::GoesOn(slot));
            }
            Fault::Break { slot, end, silently } => self.tears(slot, end, silently),
            Fault::Slow { slot, factor } => self.slots[slot].slowed = factor,
            Fault::DiskFails { away } => self.disk.fails = Some(away),
            Fault::DiskFull { ms } => self.disk.full_until = (now + ms).min(self.plan.heals),
            Fault::Ask { kill } => _ = self.connect(Owner::Report(kill)),
            Fault::Stranger { garbage } => _ = self.connect(Owner::Stranger(garbage)),
        }
    }

    /// Both connections of a compute break at one end.
    fn tears(&mut self, slot: usize, end: End, silently: bool) {
        for which in [Which::Data, Which::Control] {
            let wire = self.slots[slot].compute.as_mut().and_then(|compute| compute.wire(which));
            let Some(conn) = wire.and_then(|wire| wire.socket.conn()) else { continue };
            if !self.network.is_open(conn, end) {
                continue;
            }
            self.events.at(self.events.now, What::Arrives { conn, to: end, item: Item::Reset });
            if !silently {
                self.send(conn, end, Item::Reset);
            }
        }
    }

    /// A compute that stood still goes on.
    pub fn goes_on(&mut self, slot: usize) {
        let Some(missed) = self.slots[slot].still.take() else { return };
        for what in missed {
            self.happens(what);
        }
    }

    /// The faults are over.
    pub fn heal(&mut self) {
        self.note(|| "the faults are over".to_owned());
        self.is_bounded();
        self.disk.fails = None;
        if let Some(manage) = &mut self.manage {
            manage.doom = None;
        }
        for nth in 0..self.slots.len() {
            let slowed = std::mem::replace(&mut self.slots[nth].slowed, 1.0);
            self.speeds_up(nth, slowed);
        }
    }

    /// A compute that was slow does the rest of its range at its old pace.
    fn speeds_up(&mut self, slot: usize, slowed: f64) {
        let now = self.events.now;
        let Some(compute) = self.slots[slot].compute.as_mut().filter(|_| slowed < 1.0) else { return };
        let (life, work) = (compute.life, compute.work_number);
        if let Some(Work::Range { began, takes, .. }) = &mut compute.work {
            let since = now - *began;
            *takes = since + (takes.saturating_sub(since) as f64 * slowed) as u64 + 1;
            self.events.at(*began + *takes, What::WorkEnds { slot, life, work });
        }
    }
}
