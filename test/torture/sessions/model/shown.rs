//! What a report shows, by doc/protocol.md.

use super::{Answer, Candidate, Compute, Conn, Kept, Model};

impl Model<'_> {
    /// All that was decided is in the ledger: from now on a report shows it.
    pub(super) fn keep(&mut self) {
        let count = |what: fn(&Candidate) -> bool| self.candidates.iter().filter(|it| what(it)).count() as u64;
        let run = self.candidates.iter().take_while(|it| **it == Candidate::Done).count() as u64;
        self.kept = Kept {
            tested: count(|it| *it == Candidate::Done),
            contiguous_to: self.first + run - 1,
            leased: count(|it| matches!(it, Candidate::Leased(_))),
            perfect: self.books.perfect.iter().copied().collect(),
        };
    }

    /// What a report shows.
    pub(super) fn report(&mut self, conn: Conn, cells: Option<u64>) {
        let mut lines = vec![Answer::Status { kept: self.kept.clone(), ending: self.ending }];
        lines.extend(cells.and_then(|cells| self.coverage(cells as usize)));
        let mut computes: Vec<_> = self.computes.values().collect();
        computes.sort_by_key(|compute| (&compute.host, compute.pid));
        lines.extend(computes.iter().map(|compute| self.shown(compute)));
        lines.push(Answer::End(computes.len() as u64));
        self.answers.extend(lines.into_iter().map(|line| (conn, line)));
    }

    /// What is tested and leased, in cells of equal share; nothing while more is tested than is in the ledger.
    fn coverage(&self, cells: usize) -> Option<Answer> {
        let all = &self.candidates;
        let tested = all.iter().filter(|it| **it == Candidate::Done).count() as u64;
        let cells = cells.min(all.len());
        let row = |what: fn(&Candidate) -> bool| {
            let cell = |i| {
                let of = &all[i * all.len() / cells..(i + 1) * all.len() / cells];
                match of.iter().filter(|it| what(it)).count() {
                    0 => "0".to_owned(),
                    count if count == of.len() => "X".to_owned(),
                    count => (count * 10 / of.len()).max(1).to_string(),
                }
            };
            (0..cells).map(cell).collect()
        };
        (tested == self.kept.tested).then(|| Answer::Coverage {
            whole: (self.first, self.first + all.len() as u64 - 1),
            done: row(|it| *it == Candidate::Done),
            leased: row(|it| matches!(it, Candidate::Leased(_))),
        })
    }

    fn shown(&self, compute: &Compute) -> Answer {
        let strikes = self.strikes.get(&compute.host).copied().unwrap_or(0);
        let state = match compute {
            Compute { conn: None, .. } => "lost",
            _ if strikes >= 3 => "struck",
            Compute { timed: false, .. } => "timing",
            Compute { lease: Some(_), .. } => "busy",
            _ => "idle",
        };
        let range = compute.lease.map(|lease| (self.leases[&lease].first, self.leases[&lease].last));
        Answer::Compute { host: compute.host.clone(), pid: compute.pid, state, range, ranges: compute.ranges, strikes }
    }
}
