//! Both methods and all kernels against plain arithmetic and the closed form.

use aliquot::divisors::{ClosedForm, Kernel, Method, Search, aliquot_sum};
use proptest::prelude::*;

/// What a search of a range must find.
#[derive(Debug, PartialEq)]
struct Found {
    tested: u64,
    sum: u128,
    perfect: Vec<u64>,
}

/// Every way to search first ..= last: each kernel of trial division that this processor has, and the sieve.
fn searches(first: u64, last: u64) -> Vec<(String, Search)> {
    let trial =
        |kernel: Kernel| (format!("trial, {}", kernel.name()), Search::with_kernel(Method::Trial, kernel, first, last));
    let sieve = ("sieve".to_owned(), Search::new(Method::Sieve, first, last));
    Kernel::all().into_iter().map(trial).chain([sieve]).collect()
}

fn found(search: &Search) -> Found {
    let tally = search.tally();
    Found { tested: tally.tested, sum: tally.sum, perfect: tally.perfect.to_vec() }
}

fn finish(mut search: Search) -> Found {
    while !search.finished() {
        search.step(1 << 30);
    }
    found(&search)
}

/// The prefix of `tested` numbers by plain arithmetic.
fn plainly(first: u64, tested: u64) -> Found {
    let sums: Vec<_> = (first..first + tested).map(|n| (n, aliquot_sum(n))).collect();
    let perfect = sums.iter().filter(|(n, sum)| u128::from(*n) == *sum).map(|(n, _)| *n);
    Found { tested, sum: sums.iter().map(|(_, sum)| sum).sum(), perfect: perfect.collect() }
}

fn in_closed_form(first: u64, last: u64) -> u128 {
    let mut form = ClosedForm::new(first, last);
    form.step(u64::MAX);
    form.result().expect("all steps were granted")
}

fn check_all(first: u64, last: u64) {
    let want = plainly(first, last - first + 1);
    for (name, search) in searches(first, last) {
        assert_eq!(finish(search), want, "{name}: {first}..={last}");
    }
}

#[test]
fn every_small_number_alone_and_in_a_range() {
    for n in 1..=1_000 {
        check_all(n, n);
    }
    check_all(1, 10_000);
}

#[test]
fn the_first_perfect_numbers() {
    for (name, search) in searches(1, 600_000) {
        let found = finish(search);
        assert_eq!(found.perfect, [6, 28, 496, 8_128], "{name}");
        assert_eq!(found.sum, in_closed_form(1, 600_000), "{name}");
    }
    for perfect in [33_550_336, 8_589_869_056, 137_438_691_328] {
        for (name, search) in searches(perfect - 2, perfect + 2) {
            assert_eq!(finish(search).perfect, [perfect], "{name}");
        }
    }
}

#[test]
fn around_squares() {
    for root in [2, 3, 63, 64, 65, 511, 512, 513, 4_095, 4_096, 10_007, 65_535, 65_536, 65_537, 1 << 18] {
        let square: u64 = root * root;
        check_all(square - 2, square + 2);
        check_all(square, square);
        check_all(square - root.min(100) + 1, square - 1);
    }
}

#[test]
fn around_the_end_of_32_bits() {
    check_all((1 << 32) - 300, (1 << 32) + 300);
}

#[test]
fn around_the_ends_of_blocks_and_segments() {
    for end in [4_096u64, 8_192, 1 << 15, 1 << 24, 1 << 30, 1 << 34, 1 << 36] {
        check_all(end - 3, end + 4);
        check_all(end - 4_094, end + 2);
    }
}

/// Near 2^51 and beyond, one number takes some 50 million tests: few numbers, each a hit in a different way.
#[test]
fn around_the_end_of_one_division() {
    let limit = 1 << 51;
    for (first, last) in [(limit - 2, limit - 1), (limit - 1, limit + 1)] {
        check_all(first, last);
    }
    // The square of the prime 47,453,111, and of 2^26 + 1 beyond 2^52.
    check_all(47_453_111 * 47_453_111, 47_453_111 * 47_453_111);
    check_all(((1 << 26) + 1) * ((1 << 26) + 1), ((1 << 26) + 1) * ((1 << 26) + 1));
}

/// Beyond 2^53 floats don't hold every candidate. The eighth perfect number is 2^60·(2^31 − 1).
#[test]
fn the_eighth_perfect_number() {
    let n = 2_305_843_008_139_952_128;
    let mut sieve = Search::new(Method::Sieve, n, n);
    sieve.step(10_000_000);
    assert_eq!(sieve.tally().tested, 0, "a segment this far out takes longer");
    let mut trial = Search::new(Method::Trial, n, n);
    trial.step(10_000_000);
    assert_eq!(trial.tally().tested, 0, "a number this far out takes longer");
    assert_eq!(finish(trial), Found { tested: 1, sum: u128::from(n), perfect: vec![n] });
}

#[test]
fn a_step_is_as_long_as_it_was_told() {
    for n in [1, 1_000_000, (1 << 32) - 5_000, 1 << 40, 1 << 50, 1 << 52, 1 << 62] {
        for (name, mut search) in searches(n, n + (1 << 20)) {
            for step in 1..=20 {
                search.step(1_000_000);
                let over = search.operations_done() - 1e6 * f64::from(step);
                assert!(search.finished() || (0.0..3e6).contains(&over), "{name} at {n}: {over} over");
            }
        }
    }
}

#[test]
fn ranges_have_to_be_ranges() {
    for (first, last) in [(0, 1), (2, 1), (1, (1 << 63) + 1)] {
        assert!(std::panic::catch_unwind(|| Search::new(Method::Trial, first, last)).is_err(), "{first}..={last}");
        assert!(std::panic::catch_unwind(|| ClosedForm::new(first, last)).is_err(), "{first}..={last}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn any_range_below_2_36(bits in 1..36u32, offset in any::<u64>(), length in 1..40u64) {
        let first = 1 + offset % (1 << bits);
        check_all(first, first + length - 1);
    }

    #[test]
    fn any_range_against_the_closed_form(bits in 1..40u32, offset in any::<u64>(), length in 1..40_000u64) {
        let first = 1 + offset % (1 << bits);
        let length = 1 + length % (1 + (1 << 44) / (first + (1 << 28)));
        let last = first + length - 1;
        let want = in_closed_form(first, last);
        for (name, search) in searches(first, last) {
            if name != "trial, portable" || length < 1_000 {
                prop_assert_eq!(finish(search).sum, want, "{}: {}..={}", name, first, last);
            }
        }
    }

    /// However a search is cut into steps, each stop tells an exact prefix, and the end is the same.
    #[test]
    fn steps_change_nothing(first in 1..20_000u64, length in 1..20_000u64, steps in prop::collection::vec(1..300_000u64, 1..40)) {
        let last = first + length - 1;
        for (name, mut search) in searches(first, last) {
            for step in &steps {
                search.step(*step);
                let tested = search.tally().tested;
                if tested > 0 {
                    prop_assert_eq!(search.tally().sum, in_closed_form(first, first + tested - 1), "{} {}", name, tested);
                }
            }
            prop_assert_eq!(finish(search), plainly(first, length), "{}", name);
        }
    }
}
