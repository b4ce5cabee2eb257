//! A search that is hurt and goes on, and what must hold of it meanwhile and in the end.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use aliquot::divisors::ClosedForm;

use crate::support::{Crowd, Heard, Ledger, Process, Scene};

/// What the computes say that they manage: with `--seconds 0.1` small ranges, and many turns.
const PACE: u64 = 200_000;
/// The end of a search of a few turns.
pub const SHORT_LAST: u64 = 9_000;
const PERFECT: [u64; 4] = [6, 28, 496, 8_128];

/// Everything that was said to anybody stands in the ledger, and contradicts nothing.
pub fn check_told(ledger: &Ledger, heard: &Heard) {
    assert_eq!(heard.faults, [""; 0]);
    ledger.tested();
    let ranges = ledger.ranges();
    for range in heard.accepted_ranges() {
        assert!(ranges.binary_search(&range).is_ok(), "{range:?} was accepted and is lost: {ranges:?}");
    }
}

/// The ledger of a search that was done to `last` is what a search without any fault leaves.
pub fn check_whole(ledger: &Ledger, last: u64) {
    assert_eq!((ledger.tested(), ledger.done(), ledger.leases()), (last, vec![(1, last)], vec![]));
    assert_eq!(ledger.perfect(), PERFECT);
    let mut sum = ClosedForm::new(1, last);
    sum.step(u64::MAX);
    assert_eq!(Some(ledger.sum()), sum.result());
}

/// A search by computes that stay with it, through one manage after the other.
pub struct Victim {
    pub scene: Scene,
    pub crowd: Crowd,
    last: u64,
    ledger: String,
    /// Where the latest manage listened.
    pub address: Option<SocketAddr>,
    /// How long it took at most from the start of a manage until it listened.
    pub slowest: Duration,
}

impl Victim {
    /// A search up to `last` that has not begun.
    pub fn new(last: u64) -> Self {
        Self::with_ledger(last, "search.db")
    }

    /// The same with its ledger at this path in its scene.
    pub fn with_ledger(last: u64, ledger: &str) -> Self {
        let (scene, crowd, ledger) = (Scene::new(), Crowd::new(3, PACE), ledger.to_owned());
        Self { scene, crowd, last, ledger, address: None, slowest: Duration::ZERO }
    }

    /// Starts manage where the computes look for it, and doesn't wait.
    pub fn launch(&self) -> Rc<Process> {
        self.scene.start("manage", &format!("--listen {} {}", self.listen(), self.arguments()))
    }

    /// Starts manage, and waits until it listens.
    pub fn start(&mut self) -> Rc<Process> {
        // `env` alone only runs what it is given.
        self.start_through("env").unwrap_or_else(|ended| panic!("{}", ended.evidence()))
    }

    /// Starts manage through another command, and waits until it listens or is gone.
    pub fn start_through(&mut self, wrapper: &str) -> Result<Rc<Process>, Rc<Process>> {
        let begin = Instant::now();
        let manage = self.scene.try_manage(wrapper, &self.listen(), &self.arguments())?;
        self.slowest = self.slowest.max(begin.elapsed());
        self.address = Some(manage.address);
        self.crowd.go_to(manage.address);
        Ok(manage.process())
    }

    fn arguments(&self) -> String {
        format!("--last {} --seconds 0.1 --recheck 0 --ledger {}", self.last, self.ledger)
    }

    fn listen(&self) -> String {
        self.address.map_or_else(|| "127.0.0.1:0".to_owned(), |address| address.to_string())
    }

    /// The ledger as it is on the disk.
    pub fn ledger(&self) -> Ledger {
        Ledger::copy_of(&self.scene.path(&self.ledger))
    }

    /// What anybody was told up to now is in the ledger.
    pub fn check(&self) {
        let heard = self.crowd.heard();
        if !heard.ranges.is_empty() {
            check_told(&self.ledger(), &heard);
        }
    }

    /// All is done, as without any fault.
    pub fn check_end(&self) {
        self.check();
        check_whole(&self.ledger(), self.last);
    }

    /// Lets the search go on to its end, without any more faults.
    pub fn finish(mut self) -> Duration {
        let manage = self.start();
        assert_eq!(manage.wait_gone(), 0);
        self.check_end();
        self.slowest
    }
}
