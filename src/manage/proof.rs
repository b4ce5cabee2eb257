//! Proof of results: the sum against its closed form, each hit by testing it exactly. In steps, so that the loop of
//! manage never waits for it. Pure.

use std::collections::VecDeque;

use crate::common::message::{Code, Found, Instance};
use crate::divisors::{ClosedForm, Kernel, Method, Search, operations};

/// A result that waits for its proof.
#[derive(Debug)]
pub struct Job {
    /// What was claimed.
    pub found: Found,
    /// Whose claim it is.
    pub instance: Instance,
    sum: Option<ClosedForm>,
    hits: VecDeque<(u64, Search)>,
}

impl Job {
    /// A proof of `found`: of its hits, and of its sum if that is `affordable` within so many operations.
    pub fn new(found: Found, instance: Instance, affordable: f64) -> Self {
        let sum = ClosedForm::new(found.first, found.last);
        let sum = (sum.cost() <= affordable).then_some(sum);
        let hits = found
            .perfect
            .0
            .iter()
            .map(|n| (*n, Search::with_kernel(Method::Trial, Kernel::PORTABLE, *n, *n)))
            .collect();
        Self { found, instance, sum, hits }
    }

    fn step(&mut self, budget: u64) -> Option<Verdict> {
        if let Some((hit, search)) = self.hits.front_mut() {
            search.step(budget);
            if !search.finished() {
                return None;
            }
            if search.tally().perfect != [*hit] {
                return Some(Verdict::Wrong(Code::NotPerfect, format!("{hit} is not perfect")));
            }
            self.hits.pop_front();
            return None;
        }
        let Some(sum) = &mut self.sum else { return Some(Verdict::HitsOnly) };
        sum.step(budget);
        let right = sum.result()?;
        Some(if right == self.found.sum {
            Verdict::Proved
        } else {
            Verdict::Wrong(Code::WrongSum, format!("the sum is {right}, not {}", self.found.sum))
        })
    }
}

/// What a proof came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Sum and hits are right.
    Proved,
    /// The hits are right; the sum would have cost too much to prove, so a second compute has to do the range again.
    HitsOnly,
    /// Something is wrong: what, and how a person is told.
    Wrong(Code, String),
}

/// The proofs that wait, first come first served.
#[derive(Debug, Default)]
pub struct Prover(VecDeque<Job>);

impl Prover {
    /// One more to prove.
    pub fn push(&mut self, job: Job) {
        self.0.push_back(job);
    }

    /// True if nothing waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.0.is_empty()
    }

    /// Works for about `budget` operations on the first job. Gives it back with its verdict when that is known.
    pub fn step(&mut self, budget: u64) -> Option<(Job, Verdict)> {
        let verdict = self.0.front_mut()?.step(budget)?;
        self.0.pop_front().map(|job| (job, verdict))
    }
}

/// What an operation takes, in ns, by `cargo bench --bench divisors`: one of the closed form at its slowest, one of a
/// search at its fastest. A faster method needs its line here, or proofs would take more than their share.
const CLOSED_FORM_NS: f64 = 5.0;
const TRIAL_NS: f64 = 0.02;
const SIEVE_NS: f64 = 0.3;

/// The operations that the closed form of the range `first` to `last` may cost: 1 % of the time of the range's own
/// work, and what nobody notices in any case.
#[must_use]
pub fn affordable(method: Method, first: u64, last: u64) -> f64 {
    /// 50 ms, in slices that the loop of manage doesn't feel.
    const UNNOTICED: f64 = 50e6 / CLOSED_FORM_NS;
    let own_ns = match method {
        Method::Trial => TRIAL_NS,
        Method::Sieve => SIEVE_NS,
    };
    (operations(method, first, last) * 0.01 * own_ns / CLOSED_FORM_NS).max(UNNOTICED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::message::Numbers;

    fn found(first: u64, last: u64, perfect: &[u64], sum: u128) -> Found {
        let perfect = Numbers(perfect.to_vec());
        Found { lease: 1, first, last, tested: last - first + 1, sum, nanoseconds: 1, perfect }
    }

    fn verdict(found: Found, affordable: f64) -> Verdict {
        let mut prover = Prover::default();
        prover.push(Job::new(found, Instance(1), affordable));
        (0..10_000).find_map(|_| prover.step(1_000)).expect("a proof ends").1
    }

    fn sum(first: u64, last: u64) -> u128 {
        (first..=last).map(crate::divisors::aliquot_sum).sum()
    }

    #[test]
    fn a_proof_may_cost_a_hundredth_of_its_range() {
        let (first, last) = (1 << 40, (1 << 40) + 1_000_000_000);
        for (method, own_ns) in [(Method::Trial, TRIAL_NS), (Method::Sieve, SIEVE_NS)] {
            assert_eq!(affordable(method, 1, 10) * CLOSED_FORM_NS, 50e6, "what nobody notices");
            let share = affordable(method, first, last) * CLOSED_FORM_NS / (operations(method, first, last) * own_ns);
            assert!((share - 0.01).abs() < 1e-9 || share * operations(method, first, last) * own_ns == 50e6, "{share}");
        }
    }

    #[test]
    fn a_right_result_is_proved() {
        let sum = sum(1, 1_000);
        assert_eq!(verdict(found(1, 1_000, &[6, 28, 496], sum), f64::INFINITY), Verdict::Proved);
        assert_eq!(verdict(found(1, 1_000, &[6, 28, 496], sum + 1), 0.0), Verdict::HitsOnly);
    }

    #[test]
    fn a_wrong_sum_and_a_wrong_hit_are_found() {
        let sum = sum(100, 200);
        for wrong in [sum - 1, sum + 1, 0, u128::MAX] {
            let verdict = verdict(found(100, 200, &[], wrong), f64::INFINITY);
            assert!(matches!(verdict, Verdict::Wrong(Code::WrongSum, _)), "{verdict:?}");
        }
        for affordable in [0.0, f64::INFINITY] {
            let verdict = verdict(found(100, 200, &[120], sum), affordable);
            assert!(matches!(verdict, Verdict::Wrong(Code::NotPerfect, _)), "{verdict:?}");
        }
    }

    #[test]
    fn ranges_of_15_s_are_proved_up_to_10_to_the_16() {
        for (method, own_ns) in [(Method::Trial, TRIAL_NS), (Method::Sieve, SIEVE_NS)] {
            for n in (3..=16).map(|k| 10_u64.pow(k)) {
                let last = crate::divisors::last_for(method, n, 15e9 / own_ns, 2 * n);
                let cost = ClosedForm::new(n, last).cost();
                assert!(cost <= affordable(method, n, last), "{method} {n}..={last}: {cost}");
            }
        }
    }
}
