//! s(n) of one number, written to be obviously right: what everything else is tested against.

/// The aliquot sum of n ≥ 1 by plain trial division up to √n, one 64-bit remainder per d.
///
/// The sum is 128 bits wide: below 2^63 abundant numbers reach s(n) > 5n, more than 64 bits hold.
///
/// # Panics
/// For n = 0, which every number divides.
#[must_use]
pub fn aliquot_sum(n: u64) -> u128 {
    assert!(n > 0, "0 has no aliquot sum");
    let mut sum = u128::from(n > 1);
    for d in (2..=n.isqrt()).filter(|d| n.is_multiple_of(*d)) {
        sum += u128::from(d);
        if d != n / d {
            sum += u128::from(n / d);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition itself: no square root, no pairs.
    fn by_definition(n: u64) -> u128 {
        (1..=n / 2).filter(|d| n.is_multiple_of(*d)).map(u128::from).sum()
    }

    #[test]
    fn agrees_with_the_definition() {
        for n in 1..=3_000 {
            assert_eq!(aliquot_sum(n), by_definition(n), "s({n})");
        }
    }
}
