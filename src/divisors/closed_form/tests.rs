//! The closed form against plain sums, against the hyperbola method in O(√x), and against known values.

use super::*;
use crate::divisors::aliquot_sum;

impl Prefix {
    /// With another last row that is divided; any from 1 on is right.
    fn divided_to(x: u64, row: u64) -> Self {
        Self { hull: Hull::new(x, row), ..Self::new(x) }
    }

    fn at_once(mut self) -> u128 {
        assert!(self.step(u64::MAX) > 0);
        self.result().unwrap()
    }
}

fn at_once(first: u64, last: u64) -> u128 {
    let mut form = ClosedForm::new(first, last);
    form.step(u64::MAX);
    form.result().unwrap()
}

/// Dirichlet's method alone: all rows are divided.
fn by_rows(x: u64) -> u128 {
    Prefix::divided_to(x, u64::MAX).at_once()
}

/// By the hull as far down as its bounds hold, and as far as it pays.
#[track_caller]
fn agrees_with_rows(x: u64) {
    let rows = by_rows(x);
    assert_eq!(Prefix::divided_to(x, (x as f64).cbrt() as u64 + 1).at_once(), rows, "{x}, to the cube root");
    assert_eq!(Prefix::new(x).at_once(), rows, "{x}");
}

#[test]
fn ranges_agree_with_plain_sums() {
    let mut prefixes = vec![0];
    for n in 1..=300 {
        prefixes.push(prefixes[prefixes.len() - 1] + aliquot_sum(n));
    }
    for first in 1..=300 {
        for last in first..=300 {
            let want = prefixes[last] - prefixes[first - 1];
            assert_eq!(at_once(first as u64, last as u64), want, "{first}..={last}");
        }
    }
}

#[test]
fn prefixes_agree_with_plain_sums() {
    let mut sum = 0;
    for x in 1..=10_000 {
        sum += aliquot_sum(x);
        assert_eq!(by_rows(x), sum, "{x}, by rows");
        assert_eq!(Prefix::divided_to(x, 1).at_once(), sum, "{x}, every row by the hull");
        agrees_with_rows(x);
    }
}

#[test]
fn the_hull_agrees_with_rows_near_special_numbers() {
    let roots = [64, 1_000, 1_024, 9_973, 65_536];
    let powers = roots.into_iter().flat_map(|root: u64| [root.pow(2), root * (root + 1), root.pow(3).min(1 << 41)]);
    for x in powers.chain((13..42).map(|bits| 1 << bits)) {
        for x in x - 2..=x + 2 {
            agrees_with_rows(x);
        }
    }
}

#[test]
fn the_hull_agrees_with_rows_anywhere() {
    let mut random = fastrand::Rng::with_seed(1206_3369);
    for _ in 0..300 {
        let below = 1 << random.u32(18..42);
        agrees_with_rows(random.u64(below / 2..below));
    }
    for _ in 0..10 {
        let x = random.u64(1_000_000_000_000..10_000_000_000_000);
        assert_eq!(Prefix::new(x).at_once(), by_rows(x), "{x}");
    }
}

#[test]
fn known_values() {
    // Σ σ(n) over n ≤ 10^k: OEIS A072692. All of them were also computed by rows alone, as was the last prefix below.
    let known: [u128; 19] = [
        1,
        87,
        8_299,
        823_081,
        82_256_014,
        8_224_740_835,
        822_468_118_437,
        82_246_711_794_796,
        8_224_670_422_194_237,
        822_467_034_112_360_628,
        82_246_703_352_400_266_400,
        8_224_670_334_323_560_419_029,
        822_467_033_425_357_340_138_978,
        82_246_703_342_420_509_396_897_774,
        8_224_670_334_241_228_180_927_002_517,
        822_467_033_424_114_009_326_065_894_639,
        82_246_703_342_411_333_689_227_187_822_414,
        8_224_670_334_241_132_270_081_671_519_064_067,
        822_467_033_424_113_219_363_487_627_735_401_433,
    ];
    for (k, sigma) in known.into_iter().enumerate() {
        let x = 10_u64.pow(k as u32);
        assert_eq!(at_once(1, x), sigma - triangle(x), "10^{k}");
    }
    let sigma = 69_967_757_211_999_963_349_313_095_879_154_029_015;
    assert_eq!(at_once(1, ARGUMENT_MAX), sigma - triangle(ARGUMENT_MAX), "2^63");
}

#[test]
fn ranges_of_large_numbers_agree_with_their_factors() {
    let mersenne = (1 << 31) - 1;
    for (n, s) in [
        (ARGUMENT_MAX, ARGUMENT_MAX - 1),
        (mersenne * mersenne, 1 + mersenne),
        ((mersenne << 30), mersenne << 30),
        ((1 << 61) - 1, 1),
    ] {
        assert_eq!(at_once(n, n), u128::from(s), "s({n})");
    }
    let (first, last) = (1_000_000_000_000_000, 1_000_000_000_000_003);
    assert_eq!(at_once(first, last), (first..=last).map(aliquot_sum).sum());
}

#[test]
fn a_computation_can_stop_anywhere() {
    let (first, last) = (5_000_000, 30_000_000);
    let want = at_once(first, last);
    for operations in [1, 2, 3, 17, 1_000] {
        let mut form = ClosedForm::new(first, last);
        while form.result().is_none() {
            form = form.clone();
            form.step(operations);
        }
        assert_eq!(form.result(), Some(want), "in steps of {operations}");
        form.step(operations);
        assert_eq!(form.result(), Some(want), "no further than the end");
    }
}

#[test]
fn cost_foretells_the_operations() {
    let mut x = 100;
    while x < ARGUMENT_MAX >> 7 {
        let paid = u64::MAX - Prefix::new(x).step(u64::MAX);
        let ratio = cost(x) / paid as f64;
        assert!((0.95..1.1).contains(&ratio), "{x}: {} for {paid}", cost(x));
        x += x / 3;
    }
}

#[test]
fn steps_end_when_the_cost_is_paid() {
    let mut form = ClosedForm::new(1_000_000, 2_000_000);
    let mut paid = 0;
    while form.result().is_none() {
        form.step(100);
        paid += 100;
    }
    let ratio = form.cost() / f64::from(paid);
    assert!((0.9..1.1).contains(&ratio), "{paid} for {}", form.cost());
}
