//! Both methods and all kernels against plain arithmetic and the closed form.

use aliquot::divisors::{ClosedForm, Kernel, Method, Search, aliquot_sum, last_for, operations};
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
    for (name, search) in searches(2_305_843_008_139_952_128, 2_305_843_008_139_952_128) {
        if name == "trial, avx2" {
            assert_eq!(finish(search).perfect, [2_305_843_008_139_952_128]);
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
fn around_the_end_of_one_division() {
    for (name, search) in searches((1 << 51) - 3, (1 << 51) + 3) {
        assert_eq!(finish(search), plainly((1 << 51) - 3, 7), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_range_below_2_36(bits in 1..36u32, offset in any::<u64>(), length in 1..40u64) {
        let first = 1 + offset % (1 << bits);
        check_all(first, first + length - 1);
    }
}
