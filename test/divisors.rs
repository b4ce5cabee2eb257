//! Both methods and all kernels against plain arithmetic and the closed form.

use std::io::Write;
use std::process::{Command, Stdio};

use aliquot::divisors::{ClosedForm, Kernel, Method, Search, aliquot_sum};
use proptest::prelude::*;

/// What a search of a range must find.
#[derive(Debug, PartialEq)]
struct Found {
    tested: u64,
    sum: u128,
    perfect: Vec<u64>,
}

/// Every way to search first ..= last: each method with each kernel that this processor has.
fn searches(first: u64, last: u64) -> Vec<(String, Search)> {
    let ways = Kernel::all().into_iter().flat_map(|kernel| Method::ALL.map(|method| (method, kernel)));
    let search = |(method, kernel)| Search::with_kernel(method, kernel, first, last);
    ways.map(|way| (format!("{}, {}", way.0, way.1.name()), search(way))).collect()
}

/// The fast ways alone, for numbers with many divisors to test.
fn fast_searches(first: u64, last: u64) -> [(Method, Search); 2] {
    Method::ALL.map(|method| (method, Search::new(method, first, last)))
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
    for end in [4_096u64, 8_192, 1 << 14, 1 << 18, 1 << 24, 1 << 28, 1 << 34, 1 << 38] {
        check_all(end - 3, end + 4);
        check_all(end - (4_094).min((1 << 44) / end), end + 2);
    }
    // Blocks and segments count from a range's first candidate.
    let first = 1_000_000;
    for length in [4_095, 4_096, 4_097, 1 << 14, (1 << 14) + 1, (1 << 20) - 1, (1 << 20) + 1, (1 << 21) + 12_345] {
        for (name, search) in searches(first, first + length - 1) {
            assert_eq!(finish(search).sum, in_closed_form(first, first + length - 1), "{name}: {length}");
        }
    }
}

/// The first 10,000 values of s(n), one search for each, against another implementation.
#[test]
fn the_first_values_against_pari() {
    let script = "for(n=1,10000,print(sigma(n)-n))";
    let mut gp = Command::new("gp").args(["-q", "-f"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    gp.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = gp.wait_with_output().unwrap();
    let values: Vec<u128> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(values.len(), 10_000);
    for (n, value) in (1..).zip(values) {
        for (name, search) in searches(n, n) {
            assert_eq!(finish(search).sum, value, "{name}: s({n})");
        }
    }
}

/// Where a number has more divisors to test than plain arithmetic can: the sums against the closed form.
#[test]
fn around_the_ends_of_what_floats_hold() {
    for end in [1 << 50, 1 << 51] {
        for (first, last) in [(end - 300, end - 1), (end, end + 300), (end - 150, end + 150)] {
            for (method, search) in fast_searches(first, last) {
                assert_eq!(finish(search).sum, in_closed_form(first, last), "{method}: {first}..={last}");
            }
        }
    }
    for (first, last) in [((1 << 53) - 20, (1 << 53) + 20), ((1 << 60) - 1, (1 << 60) + 1)] {
        for (method, search) in fast_searches(first, last) {
            assert_eq!(finish(search).sum, in_closed_form(first, last), "{method}: {first}..={last}");
        }
    }
    let portable = Search::with_kernel(Method::Trial, Kernel::PORTABLE, (1 << 51) - 4, (1 << 51) + 4);
    assert_eq!(finish(portable).sum, in_closed_form((1 << 51) - 4, (1 << 51) + 4), "portable");
}

/// Where blocks and stretches get another length, and numbers another form.
#[test]
fn around_the_ends_of_zones() {
    for bits in [42, 46, 50, 54] {
        let (first, last) = ((1 << bits) - 40_000, (1 << bits) + 40_000);
        assert_eq!(finish(Search::new(Method::Sieve, first, last)).sum, in_closed_form(first, last), "sieve 2^{bits}");
    }
    for (bits, around) in [(38, 5_000), (42, 2_500), (46, 1_100), (56, 4)] {
        let (first, last) = ((1 << bits) - around, (1 << bits) + around);
        assert_eq!(finish(Search::new(Method::Trial, first, last)).sum, in_closed_form(first, last), "trial 2^{bits}");
    }
}

/// Several stretches, and another range after that with what the first has left.
#[test]
fn long_ranges_one_after_the_other() {
    let mut search = Search::new(Method::Sieve, 1 << 40, (1 << 40) + 5_000_000);
    for (first, last) in [(3 << 40, (3 << 40) + 5_000_000), (1, 100_000), (1 << 52, (1 << 52) + 1_000), (7, 3_000_000)]
    {
        search.step(10_000_000);
        search = search.again(first, last);
        while !search.finished() {
            search.step(1 << 30);
        }
        assert_eq!(found(&search).sum, in_closed_form(first, last), "{first}..={last}");
    }
}

/// 8209 is the first prime above 2^13, whose square the sieve finds only when all else is divided out.
#[test]
fn squares_and_cubes_of_large_primes() {
    for n in [8_209u64.pow(2), 8_209u64.pow(3), 8_209u64.pow(2) * 8_191, 8_209u64.pow(2) * 60_000, 1_048_573u64.pow(2)]
    {
        let (first, last) = (n - 9_000, n + 9_000);
        assert_eq!(finish(Search::new(Method::Sieve, first, last)).sum, in_closed_form(first, last), "around {n}");
    }
}

/// Squares of primes and of 2^26 + 1: each a hit whose divisor counts once.
#[test]
fn large_squares() {
    for root in [47_453_111, (1 << 26) + 1, 1_000_003] {
        for (method, search) in fast_searches(root * root, root * root) {
            assert_eq!(finish(search).sum, in_closed_form(root * root, root * root), "{method}: {root}^2");
        }
    }
}

#[test]
fn the_last_candidates() {
    let last = 1 << 63;
    let sieve = Search::new(Method::Sieve, last - 300, last);
    assert_eq!(finish(sieve).sum, in_closed_form(last - 300, last));
    let trial = Search::new(Method::Trial, last, last);
    assert_eq!(finish(trial), Found { tested: 1, sum: u128::from(last) - 1, perfect: vec![] }, "a power of two");
}

/// The eighth is 2^60·(2^31 − 1): beyond 2^53 floats don't hold every candidate.
#[test]
fn perfect_numbers_in_a_window() {
    for (n, around) in [(8_589_869_056, 3_000), (137_438_691_328, 2_000), (2_305_843_008_139_952_128, 1)] {
        for (method, mut search) in fast_searches(n - around, n + around) {
            search.step(1_000_000);
            assert!(n < 1 << 60 || search.tally().tested == 0, "so far out a block takes longer");
            let found = finish(search);
            assert_eq!(found.perfect, [n], "{method}");
            assert_eq!(found.sum, in_closed_form(n - around, n + around), "{method}");
        }
    }
}

#[test]
fn a_step_is_as_long_as_it_was_told() {
    for n in [1, 1_000_000, (1 << 32) - 5_000, 1 << 40, 1 << 50, 1 << 52, 1 << 62, (1 << 63) - (1 << 20)] {
        for (name, mut search) in searches(n, n + (1 << 20)) {
            for step in 1..=20 {
                search.step(1_000_000);
                let over = search.operations_done() - 1e6 * f64::from(step);
                assert!(search.finished() || (0.0..1e7).contains(&over), "{name} at {n}: {over} over");
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
