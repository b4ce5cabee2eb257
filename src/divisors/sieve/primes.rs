//! The primes up to a bound that grows, by the sieve of Eratosthenes, a chunk at a time.
//!
//! One byte for each: half of how far it is from the one before. Below 2^32 no two primes are further apart than 336.

/// Numbers that one [`Primes::grow`] sieves.
pub(super) const CHUNK: u64 = 1 << 18;

/// All primes from 3 to `reached`.
#[derive(Clone, Debug)]
pub(super) struct Primes {
    half_gaps: Vec<u8>,
    /// The last prime found.
    last: u64,
    reached: u64,
    /// For each odd number of a chunk, whether it is composite.
    composite: Vec<bool>,
}

/// A place between two primes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    index: usize,
    before: u64,
}

impl Cursor {
    /// Before 3.
    pub(super) const START: Cursor = Cursor { index: 0, before: 1 };
    /// Between 7 and 11.
    pub(super) const AFTER_7: Cursor = Cursor { index: 3, before: 7 };
}

impl Primes {
    /// None yet.
    pub(super) fn new() -> Self {
        Self { half_gaps: Vec::new(), last: 1, reached: 2, composite: Vec::new() }
    }

    /// Up to where all primes are known; even.
    pub(super) fn reached(&self) -> u64 {
        self.reached
    }

    /// The primes after a cursor, which moves with them, up to `end`, which is at most `reached`.
    pub(super) fn after<'a>(&'a self, cursor: &'a mut Cursor, end: u64) -> impl Iterator<Item = u64> + 'a {
        std::iter::from_fn(move || {
            let prime = cursor.before + 2 * u64::from(*self.half_gaps.get(cursor.index)?);
            (prime <= end).then(|| {
                *cursor = Cursor { index: cursor.index + 1, before: prime };
                prime
            })
        })
    }

    /// Finds the primes among the next `CHUNK` numbers, or up to `limit`, or as far as those known so far suffice; how
    /// many numbers.
    pub(super) fn grow(&mut self, limit: u64) -> u64 {
        let first = self.reached + 1;
        let end = (first + CHUNK).min(self.reached * self.reached + 1).min((limit | 1) + 2).max(first + 2);
        // composite[i] stands for first + 2i.
        let mut composite = std::mem::take(&mut self.composite);
        composite.clear();
        composite.resize(((end - first) / 2) as usize, false);
        let mut cursor = Cursor::START;
        for p in self.after(&mut cursor, (end - 1).isqrt()) {
            let from = first.div_ceil(p).max(p) | 1;
            strike(&mut composite, ((from * p - first) / 2) as usize, p as usize);
        }
        for (index, _) in composite.iter().enumerate().filter(|(_, composite)| !**composite) {
            let prime = first + 2 * index as u64;
            self.half_gaps.push(((prime - self.last) / 2) as u8);
            self.last = prime;
        }
        self.composite = composite;
        self.reached = end - 1;
        end - first
    }
}

/// Marks every p-th from `index` on.
fn strike(composite: &mut [bool], mut index: usize, p: usize) {
    while let Some(composite) = composite.get_mut(index) {
        *composite = true;
        index += p;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prime_once() {
        let mut primes = Primes::new();
        while primes.reached() < 1_000_000 {
            primes.grow(1_000_000);
        }
        let mut cursor = Cursor::START;
        let found: Vec<_> = primes.after(&mut cursor, 1_000_000).collect();
        let is_prime = |n: u64| (2..).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d));
        assert_eq!(found, (3..1_000_000).filter(|n| is_prime(*n)).collect::<Vec<_>>());
    }

    #[test]
    fn a_cursor_goes_on_where_it_was() {
        let mut primes = Primes::new();
        primes.grow(1_000_000);
        let mut cursor = Cursor::START;
        assert_eq!(primes.after(&mut cursor, 100).next(), Some(3));
        while primes.reached() < 100 {
            primes.grow(1_000_000);
        }
        assert_eq!(primes.after(&mut cursor, 12).collect::<Vec<_>>(), [5, 7, 11]);
        assert_eq!(primes.after(&mut cursor, 100).next(), Some(13));
        assert_eq!(primes.after(&mut Cursor::AFTER_7.clone(), 100).next(), Some(11));
    }
}
