//! The search for one message's seed, in parts that any number of threads take. Pure but for the counting that they share.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::puzzle::{ALPHABET, Difficulty, HEADS, Seed, hash};
use super::sha::kernel::{Kernel, Part};
use super::sha::template::Template;

/// What working at a search has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// This seed, whose hash was computed anew by other code.
    Found(Seed),
    /// Nothing yet.
    Onward,
    /// Nothing, and this was the last part: no seed fits.
    Exhausted,
    /// Nothing is left to take; others still work at the last parts, or it is over.
    Taken,
}

/// Which of the seeds that fit is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Any; the search begins at this one, and goes on as in a ring.
    From(Seed),
    /// The first one, from `aaaaa` on with the last character fastest. What is found is the first one of its part: others may
    /// still be at work at earlier parts.
    First,
}

/// A search that threads share. Each seed is tried once.
#[derive(Debug)]
pub struct Search {
    message: Vec<u8>,
    difficulty: Difficulty,
    wanted: Wanted,
    /// Heads that have been taken,
    taken: AtomicU32,
    /// and those that have been tried without success.
    tried: AtomicU32,
    over: AtomicBool,
}

impl Search {
    /// For `message`.
    #[must_use]
    pub fn new(message: &[u8], difficulty: Difficulty, wanted: Wanted) -> Self {
        Self {
            message: message.to_vec(),
            difficulty,
            wanted,
            taken: AtomicU32::new(0),
            tried: AtomicU32::new(0),
            over: AtomicBool::new(false),
        }
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// The difficulty.
    #[must_use]
    pub fn difficulty(&self) -> Difficulty {
        self.difficulty
    }

    /// Ends it; false if it was over already. Of all who find something only one hears true.
    pub fn end(&self) -> bool {
        !self.over.swap(true, Ordering::AcqRel)
    }

    /// True once it has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// True if there is nothing more to take.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= HEADS || self.is_over()
    }

    /// What it costs on average, as a power of 16 of blocks, rounded up: its difficulty, and one more for a message of more than
    /// one block, of more than 16, of more than 256.
    #[must_use]
    pub fn cost(&self) -> usize {
        let blocks = Template::blocks_of(&self.message).next_power_of_two().trailing_zeros() as usize;
        usize::from(self.difficulty.digits()) + blocks.div_ceil(4)
    }

    /// Takes a part of about so many blocks and tries it, in steps after which it looks whether the search is over;
    /// what came of it, and how many hashes that were.
    pub fn work(&self, kernel: Kernel, blocks: u64) -> (Step, u64) {
        if self.is_taken() {
            return (Step::Taken, 0);
        }
        // Made anew for each part, which costs a twentieth of it at most: for all that wait it would take four times their messages.
        let template = Template::new(&self.message);
        let step = step(kernel, &template);
        let steps = blocks / (template.blocks() as u64 * ALPHABET.len() as u64 * u64::from(step));
        let wanted = step * steps.clamp(1, u64::from(HEADS / 16 / step)) as u32;
        let Some((offset, heads)) = self.take(wanted) else { return (Step::Taken, 0) };
        let start = self.start();
        let mut tried = 0;
        for begin in (0..heads).step_by(step as usize) {
            if self.is_over() {
                return (Step::Taken, tried);
            }
            let first = (start.head + offset + begin) % HEADS;
            let part = Part { first, heads: step.min(heads - begin), turn: start.last };
            let (seed, hashes) = self.try_part(kernel, &template, part);
            tried += hashes;
            if let Some(seed) = seed {
                return (Step::Found(seed), tried);
            }
        }
        let done = self.tried.fetch_add(heads, Ordering::AcqRel) + heads;
        (if done >= HEADS { Step::Exhausted } else { Step::Onward }, tried)
    }

    fn start(&self) -> Seed {
        match self.wanted {
            Wanted::From(seed) => seed,
            Wanted::First => Seed { head: 0, last: 0 },
        }
    }

    /// The next heads that nobody has taken: where they begin, behind the start, and how many they are.
    fn take(&self, wanted: u32) -> Option<(u32, u32)> {
        let rest = |taken: u32| (taken < HEADS).then(|| (taken + wanted).min(HEADS));
        let offset = self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, rest).ok()?;
        Some((offset, wanted.min(HEADS - offset)))
    }

    /// Tries a part; the seed if there is one, and the hashes computed.
    fn try_part(&self, kernel: Kernel, template: &Template, part: Part) -> (Option<Seed>, u64) {
        let (mut rest, mut tried) = (part, 0);
        while rest.heads > 0 {
            let scan = kernel.scan(template, rest, self.difficulty.mask());
            tried += scan.tried;
            let Some(hit) = scan.hit else { break };
            // Nine digits ask more than the kernels look at; and of heads tried at once, an earlier one may fit with a later last
            // character. Then those tried at once are tried again, one by one.
            let fits = self.wanted != Wanted::First && self.fits(hit.seed);
            let seed = if fits { Some(hit.seed) } else { self.fitting_among(rest.first + hit.passed, hit.width) };
            if seed.is_some() {
                return (seed, tried);
            }
            let passed = (hit.passed + hit.width).min(rest.heads);
            rest = Part { first: (rest.first + passed) % HEADS, heads: rest.heads - passed, ..rest };
        }
        (None, tried)
    }

    /// A seed that fits of so many heads from `first` on.
    fn fitting_among(&self, first: u32, heads: u32) -> Option<Seed> {
        let heads = (0..heads).map(|offset| (first + offset) % HEADS);
        let mut seeds = heads.flat_map(|head| (0..ALPHABET.len()).map(move |last| Seed { head, last }));
        seeds.find(|seed| self.fits(*seed))
    }

    fn fits(&self, seed: Seed) -> bool {
        self.difficulty.is_met_by(&hash(seed.bytes(), &self.message))
    }
}

/// Heads that are tried between two looks whether a search is over: as many as take a tenth of a millisecond, or as are tried at
/// once.
fn step(kernel: Kernel, template: &Template) -> u32 {
    let heads = u32::try_from(STEP_BLOCKS / template.blocks()).unwrap_or(1);
    heads.max(1).next_multiple_of(kernel.width(template))
}

/// How many costs there are: of ten difficulties, each with messages of up to 1,025 blocks.
pub const COSTS: usize = Difficulty::COUNT + 3;
/// Blocks of each last character that are hashed between two looks whether a search is over: 6,000 hashes of one block.
const STEP_BLOCKS: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;

    const START: Seed = Seed { head: HEADS - 5, last: 7 };

    fn search(digits: u8) -> Search {
        Search::new(b"70NVO", Difficulty::new(digits).unwrap(), Wanted::From(START))
    }

    #[test]
    fn every_kernel_finds_a_seed_that_fits() {
        for kernel in Kernel::all() {
            for length in [0, 5, 50, 51, 60, 114, 115, 1000] {
                let message = vec![b'x'; length];
                let search = Search::new(&message, Difficulty::new(3).unwrap(), Wanted::From(START));
                let found = (0..1_000).find_map(|_| match search.work(kernel, 1_000_000).0 {
                    Step::Found(seed) => Some(seed),
                    _ => None,
                });
                let seed = found.unwrap_or_else(|| panic!("{} found none, length {length}", kernel.name()));
                assert!(search.fits(seed), "{} {length} {seed:?}", kernel.name());
            }
        }
    }

    #[test]
    fn the_first_seed_is_the_one_it_starts_at() {
        for kernel in Kernel::all() {
            assert_eq!(search(0).work(kernel, 1).0, Step::Found(START), "{}", kernel.name());
        }
    }

    #[test]
    fn the_first_seed_in_order_is_that_of_the_golden_values() {
        for kernel in Kernel::all() {
            for (digits, seed) in (1..).zip([b"aaaab", b"aaacx", b"aaaxh", b"aaaLo", b"agjHq"]) {
                let search = Search::new(b"70NVO", Difficulty::new(digits).unwrap(), Wanted::First);
                let found =
                    std::iter::repeat_with(|| search.work(kernel, 1_000_000).0).find(|step| *step != Step::Onward);
                let Some(Step::Found(found)) = found else { panic!("{} {digits}: {found:?}", kernel.name()) };
                assert_eq!(found.bytes(), *seed, "{} {digits}", kernel.name());
            }
        }
    }

    #[test]
    fn the_ninth_digit_is_looked_at_as_well() {
        // SHA-256 of `D4oIKa` begins with eight zero digits, and not with nine.
        let start = Seed { head: ((29 * 62 + 56) * 62 + 14) * 62 + 34, last: 36 };
        assert_eq!(start.bytes(), *b"D4oIK");
        for kernel in Kernel::all() {
            let step =
                |digits| Search::new(b"a", Difficulty::new(digits).unwrap(), Wanted::From(start)).work(kernel, 1).0;
            assert_eq!((step(8), step(9)), (Step::Found(start), Step::Onward), "{}", kernel.name());
        }
    }

    #[test]
    fn all_heads_are_taken_once() {
        let search = search(9);
        let (mut next, mut parts) = (0, 0);
        while let Some((offset, heads)) = search.take(1_000_003) {
            assert_eq!(offset, next);
            (next, parts) = (offset + heads, parts + 1);
        }
        assert_eq!((next, parts), (HEADS, 15));
        assert!(search.is_taken());
        assert_eq!(search.work(Kernel::best(), 1), (Step::Taken, 0));
    }

    #[test]
    fn the_last_part_without_a_seed_exhausts_it() {
        let search = search(9);
        search.taken.store(HEADS - 96, Ordering::Relaxed);
        search.tried.store(HEADS - 192, Ordering::Relaxed);
        assert_eq!(search.work(Kernel::best(), 1).0, Step::Onward, "another part isn't back yet");
        search.taken.store(HEADS - 96, Ordering::Relaxed);
        assert_eq!(search.work(Kernel::best(), 1).0, Step::Exhausted);
    }

    #[test]
    fn a_long_message_costs_as_much_as_more_digits() {
        let cost = |length: usize, digits| {
            Search::new(&vec![0; length], Difficulty::new(digits).unwrap(), Wanted::First).cost()
        };
        assert_eq!([cost(0, 0), cost(50, 3), cost(51, 3), cost(1_000, 3), cost(1_011, 3)], [0, 3, 4, 4, 5]);
        assert_eq!(cost(crate::common::limits::LINE_MAX_BYTES, 9) + 1, COSTS);
    }

    #[test]
    fn what_is_over_is_worked_at_no_more() {
        let search = search(9);
        assert!(search.end() && !search.end());
        assert_eq!(search.work(Kernel::best(), 1), (Step::Taken, 0));
        assert!(search.is_taken());
    }
}
