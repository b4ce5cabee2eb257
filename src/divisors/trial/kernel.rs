//! Which instructions trial division uses, chosen at run time: the one place of unsafe code in the number theory.
//!
//! Each kernel is the same source (`narrow`, `wide`) compiled once for any processor and once for AVX2 with FMA.
#![allow(unsafe_code)]

use std::ops::Range;

use super::{narrow, wide};
use crate::divisors::sums::Sums;

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
    /// The kernels that work on this processor, the fastest last.
    #[must_use]
    pub fn all() -> Vec<Kernel> {
        let mut all = vec![Kernel(Level::Portable)];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            all.push(Kernel(Level::Avx2));
        }
        all
    }

    /// The fastest kernel that works on this processor.
    #[must_use]
    pub fn best() -> Kernel {
        *Self::all().last().unwrap_or(&Kernel(Level::Portable))
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

    /// Tests `divisors` against candidates below 2^32, see [`narrow::pass`].
    pub(super) fn narrow(self, sums: &mut Sums, divisors: Range<u64>) {
        match self.0 {
            Level::Portable => narrow::pass(sums, divisors),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Level::Avx2` exists only where AVX2 and FMA were detected.
            Level::Avx2 => unsafe { narrow_avx2(sums, divisors) },
        }
    }

    /// Tests `divisors` against candidates below 2^51, see [`wide::pass`].
    pub(super) fn middle(self, sums: &mut Sums, divisors: Range<u64>) {
        match self.0 {
            Level::Portable => wide::pass::<wide::Separate>(sums, divisors),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Level::Avx2` exists only where AVX2 and FMA were detected.
            Level::Avx2 => unsafe { middle_avx2(sums, divisors) },
        }
    }

    /// Tests `divisors` against candidates up to 2^63, see [`wide::pass`] and [`wide::pass_by_remainder`].
    pub(super) fn wide(self, sums: &mut Sums, divisors: Range<u64>) {
        match self.0 {
            Level::Portable => wide::pass_by_remainder(sums, divisors),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Level::Avx2` exists only where AVX2 and FMA were detected.
            Level::Avx2 => unsafe { wide_avx2(sums, divisors) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn narrow_avx2(sums: &mut Sums, divisors: Range<u64>) {
    narrow::pass(sums, divisors);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn middle_avx2(sums: &mut Sums, divisors: Range<u64>) {
    wide::pass::<wide::Fused>(sums, divisors);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn wide_avx2(sums: &mut Sums, divisors: Range<u64>) {
    let small_end = divisors.end.min(wide::SPLIT_MIN);
    wide::pass_by_remainder(sums, divisors.start..small_end);
    wide::pass::<wide::Split>(sums, divisors.start.max(wide::SPLIT_MIN)..divisors.end);
}
