//! How many connections each key and each address may have, once it is known who is behind them. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::common::keys::Public;
use crate::common::limits::{REPORTS_OF_ADDRESS_MAX, REPORTS_OF_KEY_MAX, WORKERS_OF_ADDRESS_MAX, WORKERS_OF_KEY_MAX};

/// Whose connection it is: what is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pass {
    /// It is a compute's or its monitor's, not a report's.
    pub worker: bool,
    /// Whose it is.
    pub origin: Origin,
}

/// The key, nothing where none are in use, and the address, or network.
pub type Origin = (Option<Public>, IpAddr);

/// The connections that are here.
#[derive(Debug, Default)]
pub struct Gate {
    workers: usize,
    by_key: BTreeMap<(bool, Option<Public>), usize>,
    /// Of each key apart: who has one can't keep others of the same address out.
    by_origin: BTreeMap<Pass, usize>,
}

impl Gate {
    /// Lets a connection in, while there are fewer than `workers_max` of computes.
    ///
    /// # Errors
    /// Why there is no room for it.
    pub fn enter(&mut self, pass: Pass, workers_max: usize) -> Result<(), String> {
        let key = pass.origin.0;
        let of_key = self.by_key.get(&(pass.worker, key)).copied().unwrap_or(0);
        let of_address = self.by_origin.get(&pass).copied().unwrap_or(0);
        let (who, key_max, address_max) = match pass.worker {
            true => ("computes", WORKERS_OF_KEY_MAX, WORKERS_OF_ADDRESS_MAX),
            false => ("reports", REPORTS_OF_KEY_MAX, REPORTS_OF_ADDRESS_MAX),
        };
        let full = |count: usize, max: usize, what: &str| {
            let text = format!("1:1: {what} has {max} connections of {who} already");
            if count >= max { Err(text) } else { Ok(()) }
        };
        full(of_address, address_max, "this address")?;
        full(of_key, key_max, if key.is_some() { "this key" } else { "this manage" })?;
        full(if pass.worker { self.workers } else { 0 }, workers_max, "this manage")?;
        self.count(pass, 1);
        Ok(())
    }

    /// A connection that was let in is gone.
    pub fn leave(&mut self, pass: Pass) {
        self.count(pass, -1);
    }

    fn count(&mut self, pass: Pass, by: isize) {
        self.workers = self.workers.saturating_add_signed(if pass.worker { by } else { 0 });
        change(&mut self.by_key, (pass.worker, pass.origin.0), by);
        change(&mut self.by_origin, pass, by);
    }
}

/// Counts on; what nobody is behind any more isn't kept.
fn change<K: Ord + Copy>(counts: &mut BTreeMap<K, usize>, key: K, by: isize) {
    let count = counts.entry(key).or_default();
    *count = count.saturating_add_signed(by);
    if *count == 0 {
        counts.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(worker: bool, key: u8, last: u8) -> Pass {
        Pass { worker, origin: (Some(Public([key; 32])), IpAddr::from([10, 0, 0, last])) }
    }

    #[test]
    fn an_address_has_its_share() {
        let mut gate = Gate::default();
        for (worker, max) in [(true, WORKERS_OF_ADDRESS_MAX), (false, REPORTS_OF_ADDRESS_MAX)] {
            (0..max).for_each(|_| gate.enter(pass(worker, 1, 1), usize::MAX).unwrap());
            assert!(gate.enter(pass(worker, 1, 1), usize::MAX).unwrap_err().contains("this address"));
            gate.enter(pass(worker, 1, 2), usize::MAX).unwrap();
            gate.enter(pass(worker, 2, 1), usize::MAX).unwrap();
            gate.leave(pass(worker, 1, 1));
            gate.enter(pass(worker, 1, 1), usize::MAX).unwrap();
        }
    }

    #[test]
    fn a_key_has_its_share() {
        let mut gate = Gate::default();
        for (worker, of_key, of_address) in
            [(false, REPORTS_OF_KEY_MAX, REPORTS_OF_ADDRESS_MAX), (true, WORKERS_OF_KEY_MAX, WORKERS_OF_ADDRESS_MAX)]
        {
            let address = |nth: usize| (nth / of_address) as u8;
            (0..of_key).for_each(|nth| gate.enter(pass(worker, 1, address(nth)), usize::MAX).unwrap());
            assert!(gate.enter(pass(worker, 1, 200), usize::MAX).unwrap_err().contains("this key"));
            gate.enter(pass(worker, 2, 200), usize::MAX).unwrap();
        }
    }

    #[test]
    fn computes_leave_room_for_others() {
        let mut gate = Gate::default();
        gate.enter(pass(true, 1, 1), 1).unwrap();
        assert!(gate.enter(pass(true, 2, 2), 1).unwrap_err().contains("this manage"));
        gate.enter(pass(false, 2, 2), 1).unwrap();
        gate.leave(pass(true, 1, 1));
        gate.enter(pass(true, 2, 2), 1).unwrap();
        gate.leave(pass(true, 2, 2));
        gate.leave(pass(false, 2, 2));
        assert!(gate.by_key.is_empty() && gate.by_origin.is_empty() && gate.workers == 0);
    }
}
