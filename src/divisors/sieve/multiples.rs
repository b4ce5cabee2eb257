//! Which candidates of a stretch which prime powers divide: strikes in one segment after the other, and buckets.

use super::part::Part;

/// The longest segment, in candidates: 2^14, as parts of 16 bytes fill half of a second-level cache of 512 KiB.
pub(super) const SEGMENT: usize = 1 << SEGMENT_BITS;
const SEGMENT_BITS: u32 = 14;

/// The prime powers to be multiplied into the candidates of a stretch. Those shorter than a segment strike in each;
/// larger ones hit so few segments that they put what they hit into a bucket for its segment, once for a stretch.
#[derive(Clone, Debug, Default)]
pub(in crate::divisors) struct Multiples {
    /// The candidates of the stretch: first ..= last.
    first: u64,
    last: u64,
    strikes: Vec<Strike>,
    raises: Vec<Raise>,
    buckets: Vec<Vec<Hit>>,
}

/// A prime shorter than a segment.
#[derive(Clone, Debug)]
struct Strike {
    prime: u32,
    /// Where its next multiple is, from the beginning of the segment.
    next: u32,
}

/// A power p^k, k ≥ 2, shorter than a segment.
#[derive(Clone, Debug)]
struct Raise {
    prime: u32,
    power: u32,
    next: u32,
    /// σ(p^(k−1)) and σ(p^k).
    below: u64,
    above: u64,
}

/// A multiple of a prime power that is longer than a segment.
#[derive(Clone, Copy, Debug)]
struct Hit {
    prime: u32,
    /// Its place in the segment, and from bit `SEGMENT_BITS` on k − 1.
    place: u32,
}

/// How many primes between a segment's length and `root` divide a number, on average: Σ 1/p, which is
/// ln ln root − ln ln length (Mertens).
pub(in crate::divisors) fn bucket_hits(root: f64) -> f64 {
    let length = SEGMENT as f64;
    root.max(length).ln().ln() - length.ln().ln()
}

impl Multiples {
    /// Begins with a stretch of candidates, first ..= last, and no prime powers.
    pub(super) fn begin(&mut self, first: u64, last: u64) {
        (self.first, self.last) = (first, last);
        self.strikes.clear();
        self.raises.clear();
        self.buckets.resize_with(self.segments().max(self.buckets.len()), Vec::new);
        let expected = (bucket_hits((last as f64).sqrt()) * SEGMENT as f64 * 1.05) as usize;
        for bucket in &mut self.buckets {
            bucket.clear();
            bucket.reserve(expected);
        }
    }

    /// How many segments the stretch has.
    pub(super) fn segments(&self) -> usize {
        ((self.last - self.first + 1) as usize).div_ceil(SEGMENT)
    }

    /// The first and the last candidate of a segment.
    pub(super) fn segment(&self, index: usize) -> (u64, u64) {
        let first = self.first + (index * SEGMENT) as u64;
        (first, self.last.min(first + (SEGMENT as u64 - 1)))
    }

    /// From the first candidate to the next multiple of `number`; 0 if it is one.
    #[inline]
    fn distance(&self, number: u64) -> u64 {
        match self.first % number {
            0 => 0,
            remainder => number - remainder,
        }
    }

    /// One prime more; how many entries of buckets that makes. Primes come before their powers.
    #[inline]
    pub(super) fn add_prime(&mut self, prime: u64) -> u64 {
        if prime < SEGMENT as u64 {
            self.strikes.push(Strike { prime: prime as u32, next: self.distance(prime) as u32 });
            return 0;
        }
        self.scatter(prime, prime as u32, 0)
    }

    /// The powers of a prime from p^k on, k ≥ 2; how many entries of buckets that makes.
    pub(super) fn add_powers(&mut self, prime: u64, mut k: u32) -> u64 {
        let mut hits = 0;
        let mut below = (0..k).map(|i| prime.pow(i)).sum();
        let mut power = Some(prime.pow(k)).filter(|power| *power <= self.last);
        while let Some(q) = power {
            let above = below + q;
            if q < SEGMENT as u64 {
                let next = self.distance(q) as u32;
                self.raises.push(Raise { prime: prime as u32, power: q as u32, next, below, above });
            } else {
                hits += self.scatter(q, prime as u32, k - 1);
            }
            (below, k) = (above, k + 1);
            power = q.checked_mul(prime).filter(|power| *power <= self.last);
        }
        hits
    }

    #[inline]
    fn scatter(&mut self, step: u64, prime: u32, raised: u32) -> u64 {
        let mut hits = 0;
        let length = self.last - self.first + 1;
        let mut distance = self.distance(step);
        while distance < length {
            let place = (distance as u32 % SEGMENT as u32) | (raised << SEGMENT_BITS);
            self.buckets[(distance >> SEGMENT_BITS) as usize].push(Hit { prime, place });
            distance += step;
            hits += 1;
        }
        hits
    }

    /// Multiplies into the parts of a segment what divides its candidates. Segments have to be taken one after the other.
    #[inline(always)]
    pub(super) fn strike<P: Part>(&mut self, segment: usize, parts: &mut [P]) {
        for strike in &mut self.strikes {
            let mut index = strike.next as usize;
            while index < parts.len() {
                parts[index].strike(strike.prime);
                index += strike.prime as usize;
            }
            strike.next = (index - parts.len()) as u32;
        }
        for raise in &mut self.raises {
            let mut index = raise.next as usize;
            while index < parts.len() {
                parts[index].raise(raise.prime, raise.below, raise.above);
                index += raise.power as usize;
            }
            raise.next = (index - parts.len()) as u32;
        }
        for hit in &self.buckets[segment] {
            let part = &mut parts[hit.place as usize % SEGMENT];
            match hit.place >> SEGMENT_BITS {
                0 => part.strike(hit.prime),
                raised => {
                    let prime = u64::from(hit.prime);
                    let below = (0..=raised).map(|i| prime.pow(i)).sum();
                    part.raise(hit.prime, below, below + prime.pow(raised + 1));
                }
            }
        }
    }
}
