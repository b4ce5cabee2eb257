//! What is true of the numbers of a small search: Σ s(n) over any range of it, and the perfect numbers.

use std::sync::OnceLock;

use aliquot::common::message::{Found, Numbers, Range};

/// The longest search of the world.
pub const LAST_MAX: u64 = 60_000;

/// Σ s(n) over n ≤ x for each x.
struct Table(Vec<u128>);

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut sums = vec![0_u128; LAST_MAX as usize + 1];
        for d in 1..=LAST_MAX / 2 {
            (2 * d..=LAST_MAX).step_by(d as usize).for_each(|n| sums[n as usize] += u128::from(d));
        }
        for n in 1..sums.len() {
            sums[n] += sums[n - 1];
        }
        Table(sums)
    })
}

/// Σ s(n) over `first` to `last`.
pub fn sum(first: u64, last: u64) -> u128 {
    let Table(sums) = table();
    sums[last as usize] - sums[first as usize - 1]
}

/// The perfect numbers from `first` to `last`.
pub fn perfect(first: u64, last: u64) -> Vec<u64> {
    [6, 28, 496, 8128].into_iter().filter(|n| (first..=last).contains(n)).collect()
}

/// The right result of the first part of a range, up to `last`.
pub fn found(range: &Range, last: u64, nanoseconds: u64) -> Found {
    Found {
        lease: range.lease,
        first: range.first,
        last,
        tested: last - range.first + 1,
        sum: sum(range.first, last),
        nanoseconds,
        perfect: Numbers(perfect(range.first, last)),
    }
}
