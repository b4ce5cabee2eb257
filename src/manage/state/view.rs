//! What is shown: the report, and the line of progress.

use super::{Peer, State};
use crate::common::limits::HOST_MAX_BYTES;
use crate::common::message::{
    CellCount, Cells, Compute as ComputeLine, Coverage, Distrusted, End, Numbers, Stage, Status,
};
use crate::divisors::operations;
use crate::manage::rate::Sample;
use crate::manage::roster::Compute;

/// How far a search is.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    tested: u64,
    contiguous_to: u64,
    leased: u64,
    unchecked: u64,
    perfect: Numbers,
    /// Every candidate is done, and nothing waits for a check.
    pub(super) complete: bool,
}

impl State {
    /// Sends a report: the status, the coverage if it is wanted, a line for each compute, the end.
    pub(super) fn send_report(&mut self, peer: Peer, cells: Option<CellCount>) {
        let (status, lines) = self.report();
        let computes = lines.len() as u64;
        self.send(peer, status);
        if let Some(coverage) = cells.and_then(|cells| self.picture(cells)) {
            self.send(peer, coverage);
        }
        for distrusted in self.distrusted() {
            self.send(peer, distrusted);
        }
        for line in lines {
            self.send(peer, line);
        }
        self.send(peer, End { computes });
    }

    /// The whole report: the state of the search, and the computes by host and pid.
    #[must_use]
    pub fn report(&self) -> (Status, Vec<ComputeLine>) {
        let mut lines: Vec<ComputeLine> = self.roster.iter().map(|(_, compute)| self.compute_line(compute)).collect();
        lines.sort_by(|a, b| (&a.host, a.pid).cmp(&(&b.host, b.pid)));
        (self.status(), lines)
    }

    /// The state of the search.
    #[must_use]
    pub fn status(&self) -> Status {
        let (rate, _) = self.rates.per_second();
        Status {
            host: printable(&self.identity.host),
            listen: printable(&self.identity.listen),
            ledger: printable(&self.identity.ledger),
            method: self.settings.method,
            first: self.settings.first,
            last: self.settings.last,
            perfect: self.kept.perfect.clone(),
            tested: self.kept.tested,
            contiguous_to: self.kept.contiguous_to,
            leased: self.kept.leased,
            unchecked: self.kept.unchecked,
            rate_per_s: rate as u64,
            eta_s: self.eta_s(),
            uptime_s: self.now.since(self.started) / 1000,
            ending: self.is_ending(),
            trouble: self.stalled.as_deref().map(printable),
        }
    }

    /// How far the search is, counting what isn't in the ledger yet.
    pub(super) fn progress(&self) -> Kept {
        Kept {
            tested: self.coverage.done(),
            contiguous_to: self.coverage.contiguous_to(),
            leased: self.coverage.leased(),
            unchecked: self.rechecks.count(),
            perfect: Numbers(self.perfect.iter().copied().collect()),
            // What a liar has done is still to be taken back.
            complete: self.coverage.is_complete() && self.rechecks.is_empty() && self.disowning().is_none(),
        }
    }

    /// A picture of the coverage. There is none of an endless search of which nothing was handed out yet; nor while more is done
    /// than is in the ledger.
    #[must_use]
    pub fn picture(&self, cells: CellCount) -> Option<Coverage> {
        let last = self.settings.last.or(self.coverage.reached());
        let last = last.filter(|_| self.kept.tested == self.coverage.done())?;
        let shares = self.coverage.shares(last, cells.get());
        let done = Cells::of(shares.iter().map(|share| (share.done, share.of)));
        let leased = Cells::of(shares.iter().map(|share| (share.leased, share.of)));
        Some(Coverage { first: self.settings.first, last, done, leased })
    }

    /// The hosts that have lied.
    #[must_use]
    pub fn distrusted(&self) -> Vec<Distrusted> {
        let liars = self.roster.liars();
        liars.map(|(host, count)| Distrusted { host: host.to_owned(), taken_back: count.unwrap_or(0) }).collect()
    }

    /// The computes as a report shows them.
    fn compute_line(&self, compute: &Compute) -> ComputeLine {
        let span = compute.lease.and_then(|number| self.leases.get(number)).map(|lease| lease.span);
        let state = self.roster.stage(compute);
        ComputeLine {
            host: compute.host.clone(),
            pid: compute.pid,
            state,
            ops_per_s: compute.pace.map_or(0, |pace| pace.operations_per_s() as u64),
            rate_per_s: if state == Stage::Lost { 0 } else { compute.rate as u64 },
            first: span.map(|span| span.first),
            last: span.map(|span| span.last),
            seen_ms: self.now.since(compute.seen),
            ranges: compute.ranges,
            strikes: self.roster.strikes(&compute.host),
            kernel: compute.kernel.clone(),
        }
    }

    /// Seconds until the end at the rate of the last minute, by the cost of what is left; `None` while nothing goes on.
    fn eta_s(&self) -> Option<u64> {
        let (_, rate) = self.rates.per_second();
        let last = self.settings.last?;
        let left = operations(self.settings.method, self.settings.first, last) - self.operations_done();
        (rate > 0.0 && !self.coverage.is_complete() && self.stalled.is_none()).then(|| (left.max(0.0) / rate) as u64)
    }

    /// How many computes are connected.
    #[must_use]
    pub fn computes_here(&self) -> usize {
        self.roster.iter().filter(|(_, compute)| compute.data.is_some()).count()
    }

    /// The cost of all that is tested, unfinished ranges included.
    fn operations_done(&self) -> f64 {
        self.operations_accepted
            + self.unfinished().map(|(first, tested)| self.operations_of(first, tested)).sum::<f64>()
    }

    fn operations_of(&self, first: u64, tested: u64) -> f64 {
        operations(self.settings.method, first, first + (tested - 1))
    }

    /// First candidate and count tested of every unfinished range that counts once it is done.
    fn unfinished(&self) -> impl Iterator<Item = (u64, u64)> {
        self.roster.iter().filter(|(_, compute)| compute.tested > 0).filter_map(|(_, compute)| {
            let lease = compute.lease.and_then(|number| self.leases.get(number)).filter(|lease| !lease.recheck)?;
            Some((lease.span.first, compute.tested))
        })
    }

    pub(super) fn sample_rates(&mut self) {
        let (mut candidates, mut operations) = (self.coverage.done(), self.operations_accepted);
        for (first, tested) in self.unfinished() {
            candidates += tested;
            operations += self.operations_of(first, tested);
        }
        self.rates.push(Sample { at: self.now, candidates, operations });
    }
}

/// `text` as a message can carry it: without control characters, not empty, not too long.
fn printable(text: &str) -> String {
    let mut shown: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    while shown.len() > HOST_MAX_BYTES {
        shown.pop();
    }
    if shown.is_empty() { "-".to_owned() } else { shown }
}
