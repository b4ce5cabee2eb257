//! The order of fresh boxes: each number as often in each place, as far as chance allows. A shuffle that is off by one has to be
//! found out by the same test.

use aliquot::loot::shuffle::Seed;

use super::{cases, kept};

/// Numbers of a box, few enough for each place to have each of them often.
const SIZE: usize = 20;
/// Standard deviations beyond which a statistic isn't chance: once in 10^9 runs.
const DEVIATIONS_MAX: f64 = 6.5;

/// How many standard deviations Pearson's statistic lies above its mean: how often each number has come into each place, against
/// equal chances. Of a table with fixed sums of rows and columns it has (n − 1)² degrees of freedom, twice which is its variance.
fn deviations(boxes: impl Iterator<Item = Box<[u32]>>) -> f64 {
    let (mut seen, mut count) = ([[0_u32; SIZE]; SIZE], 0);
    for list in boxes {
        list.iter().enumerate().for_each(|(place, number)| seen[place][*number as usize - 1] += 1);
        count += 1;
    }
    let expected = f64::from(count) / SIZE as f64;
    let statistic: f64 = seen.iter().flatten().map(|times| (f64::from(*times) - expected).powi(2) / expected).sum();
    let freedom = ((SIZE - 1) * (SIZE - 1)) as f64;
    (statistic - freedom) / (2.0 * freedom).sqrt()
}

/// Sattolo's cycle, which a shuffle becomes that never leaves a number where it is.
fn off_by_one() -> Box<[u32]> {
    let mut list: Box<[u32]> = (1..).take(SIZE).collect();
    (1..SIZE).rev().for_each(|last| list.swap(last, fastrand::usize(..last)));
    list
}

#[test]
fn every_number_comes_into_every_place_as_often() {
    let boxes = cases(300, 1_000);
    let fresh = (0..boxes).map(|_| Seed::fresh().unwrap().list(SIZE as u32));
    let far = deviations(fresh);
    assert!(far < DEVIATIONS_MAX, "{far} standard deviations: that is no chance");
    // What is too even isn't drawn by chance either.
    assert!(far > -DEVIATIONS_MAX, "{far} standard deviations: that is no chance");
    let seen = format!("χ² {far:+.2} standard deviations from its mean");
    kept("fresh boxes: each number in each place", "as often as chance has it", boxes, &seen);
}

#[test]
fn a_shuffle_that_is_off_by_one_is_found_out() {
    let far = deviations((0..300).map(|_| off_by_one()));
    assert!(far > DEVIATIONS_MAX, "{far}");
}
