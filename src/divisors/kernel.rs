//! Which instructions a search uses, chosen at run time: the one place of unsafe code in the number theory.
//!
//! Each kernel is the same source (`trial::dense`, `trial::fractions`, `sieve`) compiled once for any processor and once
//! for AVX2 with FMA.
#![allow(unsafe_code)]

use std::ops::Range;

use super::findings::Findings;
use super::sieve::{Multiples, NarrowSegment};
use super::sums::Sums;
use super::trial::dense;
use super::trial::fractions::{self, Exact, Fused, Split};

/// A set of instructions that this processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel(Level);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Portable,
    /// Constructed in `Kernel::all` alone, after AVX2 and FMA were found.
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Kernel {
    /// What any processor can do.
    pub const PORTABLE: Kernel = Kernel(Level::Portable);

    /// The kernels that work on this processor, the fastest last.
    #[must_use]
    pub fn all() -> Vec<Kernel> {
        let mut all = vec![Self::PORTABLE];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            all.push(Kernel(Level::Avx2));
        }
        all
    }

    /// The fastest kernel that works on this processor.
    #[must_use]
    pub fn best() -> Kernel {
        Self::all().pop().unwrap_or(Self::PORTABLE)
    }

    /// `portable` or `avx2`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Level::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
        }
    }

    /// Tests divisors below `DENSE_END`, see [`dense::pass`].
    pub(super) fn dense(self, sums: &mut Sums, divisors: Range<u64>) {
        match self.0 {
            Level::Portable => dense::pass(sums, divisors),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Level::Avx2` exists only where AVX2 and FMA were detected.
            Level::Avx2 => unsafe { dense_avx2(sums, divisors) },
        }
    }

    /// Tests divisors from `DENSE_END` on, see [`fractions::pass`].
    pub(super) fn sparse(self, sums: &mut Sums, divisors: Range<u64>) {
        match self.0 {
            Level::Portable if sums.length() < 4 => fractions::pass_by_remainder(sums, divisors),
            Level::Portable => sparse_portable(sums, divisors),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Level::Avx2` exists only where AVX2 and FMA were detected.
            Level::Avx2 => unsafe { sparse_avx2(sums, divisors) },
        }
    }

    /// Sieves a segment, see [`Segment::sieve`](super::sieve::Segment::sieve).
    pub(super) fn sieve(
        self,
        segment: &mut NarrowSegment,
        multiples: &mut Multiples,
        index: usize,
        root: u64,
        findings: &mut Findings,
    ) {
        match self.0 {
            Level::Portable => segment.sieve(multiples, index, root, findings),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Level::Avx2` exists only where AVX2 and FMA were detected.
            Level::Avx2 => unsafe { sieve_avx2(segment, multiples, index, root, findings) },
        }
    }
}

/// Not inlined: in a function of its own the compiler finds vector instructions for it.
#[inline(never)]
fn sparse_portable(sums: &mut Sums, divisors: Range<u64>) {
    fractions::pass::<Exact>(sums, divisors);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn dense_avx2(sums: &mut Sums, divisors: Range<u64>) {
    dense::pass(sums, divisors);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn sparse_avx2(sums: &mut Sums, divisors: Range<u64>) {
    if sums.last() < fractions::SPLIT_START {
        return fractions::pass::<Fused>(sums, divisors);
    }
    let middle = divisors.end.min(fractions::SPLIT_MIN);
    fractions::pass::<Exact>(sums, divisors.start..middle);
    fractions::pass::<Split>(sums, divisors.start.max(middle)..divisors.end);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn sieve_avx2(
    segment: &mut NarrowSegment,
    multiples: &mut Multiples,
    index: usize,
    root: u64,
    findings: &mut Findings,
) {
    segment.sieve(multiples, index, root, findings);
}
