//! Which instructions a search for seeds uses, chosen at run time. With `ni`, which it calls, the one place of unsafe code in `pow`.
#![allow(unsafe_code)]

use crate::pow::puzzle::Seed;

use super::lanes;
use super::template::Template;

#[cfg(target_arch = "x86_64")]
use super::ni;

/// A part of the seeds: some heads with all last characters each. The heads are a ring: behind the last comes the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The first head, below `HEADS`.
    pub first: u32,
    /// How many; a kernel may try a few more, as many as it tries at once.
    pub heads: u32,
    /// The last character that is tried first, by its place; the others follow in turn.
    pub turn: usize,
}

/// What came of trying some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Hashes that were computed.
    pub tried: u64,
    /// The first seed found that fits the mask.
    pub hit: Option<Hit>,
}

/// A seed found, and where. Heads are tried some at once, with one last character after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The seed.
    pub seed: Seed,
    /// Heads of the part before those that were tried at once with its own: none of them has a fitting seed.
    pub passed: u32,
    /// Those that were tried at once with its own.
    pub width: u32,
}

/// A set of instructions that this processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel(Level);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Portable,
    /// Constructed in `Kernel::all` alone, after AVX2 was found.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// The same, after the SHA extensions were found.
    #[cfg(target_arch = "x86_64")]
    ShaNi,
}

impl Kernel {
    /// What any processor can do.
    pub const PORTABLE: Kernel = Kernel(Level::Portable);

    /// The kernels that work on this processor, the fastest last.
    #[must_use]
    pub fn all() -> Vec<Kernel> {
        let mut all = vec![Self::PORTABLE];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            all.push(Kernel(Level::Avx2));
        }
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1") && is_x86_feature_detected!("ssse3") {
            all.push(Kernel(Level::ShaNi));
        }
        all
    }

    /// The fastest kernel that works on this processor.
    #[must_use]
    pub fn best() -> Kernel {
        Self::all().pop().unwrap_or(Self::PORTABLE)
    }

    /// `portable`, `avx2` or `sha-ni`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Level::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Level::ShaNi => "sha-ni",
        }
    }

    /// Heads that it tries at once.
    #[must_use]
    pub fn width(self, template: &Template) -> u32 {
        let width = match self.0 {
            #[cfg(target_arch = "x86_64")]
            Level::ShaNi if template.blocks() == 1 => STREAMS,
            #[cfg(target_arch = "x86_64")]
            Level::ShaNi => LONG_STREAMS,
            _ if template.blocks() < LONG_BLOCKS => LANES,
            _ => LONG_LANES,
        };
        width as u32
    }

    /// Tries the seeds of a part until one gives a hash whose first word has no bit of `mask`.
    #[must_use]
    pub fn scan(self, template: &Template, part: Part, mask: u32) -> Scan {
        match self.0 {
            Level::Portable => scan_lanes(template, part, mask),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Level::Avx2` exists only where AVX2 was detected.
            Level::Avx2 => unsafe { scan_avx2(template, part, mask) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Level::ShaNi` exists only where the SHA extensions, SSE4.1 and SSSE3 were detected.
            Level::ShaNi => unsafe { scan_ni(template, part, mask) },
        }
    }
}

impl std::str::FromStr for Kernel {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = Self::all();
        let names = || all.iter().map(|kernel| kernel.name()).collect::<Vec<_>>().join(", ");
        all.iter()
            .copied()
            .find(|kernel| kernel.name() == name)
            .ok_or_else(|| format!("this processor has {}", names()))
    }
}

/// Lanes of the kernels in plain arithmetic: some vectors of each, so that the compiler sees loops worth vectors;
const LANES: usize = 32;
/// and fewer for messages that are so long that these would keep a thread for milliseconds.
const LONG_LANES: usize = 16;
/// Blocks from which on a message is so long.
const LONG_BLOCKS: usize = 16;
/// Streams of the SHA instructions: three fill their pipeline with their schedules;
#[cfg(target_arch = "x86_64")]
const STREAMS: usize = 3;
/// where most blocks need no schedule, four do.
#[cfg(target_arch = "x86_64")]
const LONG_STREAMS: usize = 4;

/// Chooses the lanes.
#[inline(always)]
fn scan_lanes(template: &Template, part: Part, mask: u32) -> Scan {
    if template.blocks() < LONG_BLOCKS {
        lanes::scan::<LANES>(template, part, mask)
    } else {
        lanes::scan::<LONG_LANES>(template, part, mask)
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn scan_avx2(template: &Template, part: Part, mask: u32) -> Scan {
    scan_lanes(template, part, mask)
}

/// Chooses the streams.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn scan_ni(template: &Template, part: Part, mask: u32) -> Scan {
    if template.blocks() == 1 {
        ni::scan::<STREAMS>(template, part, mask)
    } else {
        ni::scan::<LONG_STREAMS>(template, part, mask)
    }
}
