//! Leases and results, by doc/protocol.md.

use super::{Answer, Candidate, Claim, Compute, Conn, Element, Lease, Model};

impl Model<'_> {
    /// Whether the lease is this compute's, or is so again, since nobody has taken any of its range.
    pub(super) fn claim(&mut self, instance: u64, number: u64) -> bool {
        let Some(lease) = self.leases.get(&number).filter(|lease| lease.holder == instance).cloned() else {
            return false;
        };
        if lease.held {
            return true;
        }
        let untouched = self.part(lease.first, lease.last).iter().all(|it| *it == Candidate::Free(number));
        let struck = self.is_struck(&self.computes[&instance].host);
        if self.compute(instance).proving || struck || !untouched {
            return false;
        }
        self.give_back(instance);
        self.hold(instance, number, lease.first, lease.last);
        true
    }

    fn hold(&mut self, instance: u64, number: u64, first: u64, last: u64) {
        self.part(first, last).fill(Candidate::Leased(number));
        self.leases.insert(number, Lease { first, last, holder: instance, held: true, given: self.now });
        self.books.leases.insert(number, (first, last, instance));
        let compute = self.compute(instance);
        (compute.lease, compute.waits) = (Some(number), false);
    }

    pub(super) fn result(&mut self, instance: u64, said: &Element) {
        let number = |name| said.number(name).unwrap();
        let (lease, first, last) = (number("lease"), number("first"), number("last"));
        if self.compute(instance).proving {
            return self.reject(instance, lease, vec!["out-of-turn"]);
        }
        if !self.claim(instance, lease) {
            let done = self.index(first).is_some_and(|at| self.candidates[at] == Candidate::Done);
            return self.reject(instance, lease, vec![if done { "already-done" } else { "not-leased" }]);
        }
        let leased = self.leases[&lease].clone();
        let perfect: Vec<u64> = said.get("perfect").unwrap().split_whitespace().map(|n| n.parse().unwrap()).collect();
        let mut faults = Vec::new();
        if first != leased.first || last < first || last > leased.last {
            faults.push("wrong-range");
        }
        if u128::from(number("tested")) != (u128::from(last) + 1).saturating_sub(u128::from(first)) {
            faults.push("wrong-count");
        }
        if perfect.iter().any(|n| *n < first || *n > last) {
            faults.push("not-perfect");
        }
        if !faults.is_empty() {
            return self.reject(instance, lease, faults);
        }
        self.compute(instance).proving = true;
        let sum = said.get("sum").unwrap().parse().unwrap();
        self.proofs.push_back(Claim { instance, lease, first, last, sum, perfect });
    }

    fn reject(&mut self, instance: u64, lease: u64, codes: Vec<&'static str>) {
        let late = codes.iter().all(|code| ["out-of-turn", "already-done", "not-leased"].contains(code));
        if let Some(conn) = self.compute(instance).conn {
            self.answers.push((conn, Answer::Refused(lease, codes)));
        }
        if !late {
            let host = self.compute(instance).host.clone();
            *self.strikes.entry(host).or_default() += 1;
            self.give_back(instance);
        }
    }

    /// The proofs of all results that wait come to their end.
    pub fn prove(&mut self) {
        while let Some(claim) = self.proofs.pop_front() {
            self.compute(claim.instance).proving = false;
            let mut faults = Vec::new();
            if claim.perfect.iter().any(|n| !self.truth.is_perfect(*n)) {
                faults.push("not-perfect");
            }
            if claim.sum != self.truth.sum(claim.first, claim.last) {
                faults.push("wrong-sum");
            }
            if faults.is_empty() {
                self.accept(&claim);
            } else {
                self.reject(claim.instance, claim.lease, faults);
            }
            if self.compute(claim.instance).conn.is_none() {
                self.give_back(claim.instance);
            }
        }
    }

    fn accept(&mut self, claim: &Claim) {
        let lease = self.leases.remove(&claim.lease).expect("a lease is held while its result is proved");
        self.part(lease.first, lease.last).fill(Candidate::Free(0));
        self.part(claim.first, claim.last).fill(Candidate::Done);
        self.books.leases.remove(&claim.lease);
        self.books.accepted.push((claim.first, claim.last, claim.sum));
        self.books.perfect.extend(&claim.perfect);
        let compute = self.compute(claim.instance);
        (compute.lease, compute.ranges) = (None, compute.ranges + 1);
        if let Some(conn) = compute.conn {
            self.answers.push((conn, Answer::Accepted(claim.lease)));
        }
    }

    pub(super) fn give_back(&mut self, instance: u64) {
        let compute = self.compute(instance);
        if compute.proving {
            return;
        }
        let Some(number) = compute.lease.take() else { return };
        let lease = self.leases.get_mut(&number).unwrap();
        lease.held = false;
        let (first, last) = (lease.first, lease.last);
        self.part(first, last).fill(Candidate::Free(number));
        self.books.leases.remove(&number);
    }

    /// A range was given.
    pub fn range(&mut self, conn: Conn, lease: u64, first: u64, last: u64) -> Result<(), String> {
        let instance = self.seats.get(&conn).map_or(0, |seat| seat.instance);
        self.free_overdue(first);
        if !self.is_due(conn) {
            return Err(format!("a range for connection {conn}, which shall have none"));
        }
        if lease <= self.latest_lease || self.lowest_free() != Some(first) || last < first {
            return Err(format!("lease {lease} of {first} to {last}: not a new number, or not the lowest free"));
        }
        if self.index(last).is_none() || self.part(first, last).iter().any(|it| !matches!(it, Candidate::Free(_))) {
            return Err(format!("lease {lease} of {first} to {last}: not all of it is free"));
        }
        self.latest_lease = lease;
        self.hold(instance, lease, first, last);
        Ok(())
    }

    /// Manage may take back what somebody has had for far too long, once others have nothing to do: ten times the 15 s that a
    /// range should take.
    fn free_overdue(&mut self, first: u64) {
        let is_it = |lease: &&Lease| lease.held && lease.first == first && self.now - lease.given >= 150_000;
        let overdue = self.leases.values().find(is_it).map(|lease| lease.holder);
        if let Some(holder) = overdue.filter(|_| self.lowest_free().is_none()) {
            self.give_back(holder);
        }
    }

    /// Whether a recall of this lease may be said to this connection: somebody waits, and all is leased.
    pub fn may_recall(&mut self, conn: Conn, lease: u64) -> bool {
        let holds = |compute: &Compute| compute.conn == Some(conn) && compute.lease == Some(lease);
        self.lowest_free().is_none() && self.computes.values().any(|it| it.waits) && self.computes.values().any(holds)
    }

    /// Whether this connection shall be given a range now.
    pub fn is_due(&self, conn: Conn) -> bool {
        let due = |it: &Compute| it.conn == Some(conn) && it.waits && !it.proving && !self.is_struck(&it.host);
        !self.ending && self.lowest_free().is_some() && self.computes.values().any(due)
    }

    /// Whether this host gets no more ranges.
    fn is_struck(&self, host: &str) -> bool {
        self.strikes.get(host).is_some_and(|strikes| *strikes >= 3)
    }

    /// The turn is over: whoever was due must have got his range by now.
    pub fn settle(&mut self) -> Result<(), String> {
        if let Some(conn) = self.seats.keys().find(|conn| self.is_due(**conn)) {
            return Err(format!("no range for connection {conn}, though something is free"));
        }
        self.keep();
        Ok(())
    }
}
