//! The partition against one of a candidate at a time.

use proptest::prelude::*;

use super::*;

const WHOLE: Span = Span { first: 1, last: 60 };

/// The same bookkeeping, a candidate at a time.
fn held_of(coverage: &Coverage) -> Vec<Held> {
    let mut next = WHOLE.first;
    let mut held = Vec::new();
    for (span, state) in coverage.segments() {
        assert_eq!(span.first, next, "a gap or an overlap");
        next = span.last + 1;
        held.extend((span.first..=span.last).map(|_| state));
    }
    assert_eq!(next, WHOLE.last + 1, "the end is missing");
    held
}

fn check(coverage: &Coverage, model: &[char]) {
    let held = held_of(coverage);
    for (held, model) in held.iter().zip(model) {
        let same = matches!((held, model), (Held::Free(_), 'f') | (Held::Leased(_), 'l') | (Held::Done, 'd'));
        assert!(same, "{held:?} is not {model:?}");
    }
    let count = |what| model.iter().filter(|state| **state == what).count() as u64;
    assert_eq!((coverage.done(), coverage.leased()), (count('d'), count('l')));
    assert_eq!(coverage.contiguous_to(), model.iter().take_while(|state| **state == 'd').count() as u64);
    assert_eq!(coverage.is_complete(), count('d') == WHOLE.count());
    let first_free = model.iter().position(|state| *state == 'f').map(|at| at as u64 + 1);
    assert_eq!(coverage.next_free().map(|span| span.first), first_free);
    let done: Vec<_> = coverage.segments().filter(|(_, held)| *held == Held::Done).collect();
    assert!(done.windows(2).all(|pair| pair[0].0.last + 1 < pair[1].0.first), "done neighbours must be one");
}

fn set(model: &mut [char], span: Span, state: char) {
    model[span.first as usize - 1..span.last as usize].fill(state);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_partition_is_always_exact(steps in prop::collection::vec((0..4, 1u64..=60, 0u64..12), 1..200)) {
        let mut coverage = Coverage::new(WHOLE, []).unwrap();
        let mut model = vec!['f'; 60];
        for (number, (what, first, length)) in steps.into_iter().enumerate() {
            let span = Span { first, last: (first + length).min(60) };
            let all = |state| model[first as usize - 1..span.last as usize].iter().all(|held| *held == state);
            let leased = coverage.segment(first).filter(|(_, held)| matches!(held, Held::Leased(_)));
            match what {
                0 => {
                    let expected = all('f');
                    prop_assert_eq!(coverage.lease(span, number as u64), expected);
                    if expected { set(&mut model, span, 'l') }
                }
                1 => {
                    coverage.give_back(first);
                    if let Some((span, _)) = leased { set(&mut model, span, 'f') }
                }
                2 => {
                    let fits = leased.filter(|(whole, _)| span.last <= whole.last);
                    prop_assert_eq!(coverage.complete(span).is_some(), fits.is_some());
                    if let Some((whole, _)) = fits { set(&mut model, whole, 'f'); set(&mut model, span, 'd') }
                }
                _ => {
                    let expected = all('d');
                    prop_assert_eq!(coverage.revoke(span).is_some(), expected);
                    if expected { set(&mut model, span, 'f') }
                }
            }
            check(&coverage, &model);
        }
    }
}

#[test]
fn a_restored_search_has_the_same_gaps() {
    let done = [Span { first: 1, last: 9 }, Span { first: 20, last: 29 }, Span { first: 30, last: 60 }];
    let coverage = Coverage::new(WHOLE, done).unwrap();
    assert_eq!((coverage.done(), coverage.contiguous_to()), (50, 9));
    assert_eq!(coverage.next_free(), Some(Span { first: 10, last: 19 }));
}

#[test]
fn a_damaged_list_is_refused() {
    for bad in [[(1, 9), (9, 12)], [(5, 4), (20, 21)], [(1, 2), (50, 61)], [(0, 3), (4, 5)]] {
        let spans = bad.map(|(first, last)| Span { first, last });
        assert!(Coverage::new(WHOLE, spans).is_err(), "{bad:?}");
    }
}

#[test]
fn a_lease_that_was_given_back_is_remembered_until_another_takes_it() {
    let mut coverage = Coverage::new(WHOLE, []).unwrap();
    let span = Span { first: 1, last: 10 };
    assert!(coverage.lease(span, 7));
    coverage.give_back(1);
    assert_eq!(coverage.segment(1), Some((span, Held::Free(Some(7)))));
    assert!(coverage.lease(Span { first: 1, last: 20 }, 8));
    assert_eq!(coverage.segment(1), Some((Span { first: 1, last: 20 }, Held::Leased(8))));
}

#[test]
fn the_last_candidate_of_all_is_no_special_case() {
    let last = crate::common::limits::CANDIDATE_MAX;
    let mut coverage = Coverage::new(Span { first: last - 1, last }, []).unwrap();
    assert!(coverage.lease(Span { first: last, last }, 1));
    assert_eq!(coverage.complete(Span { first: last, last }), Some(Span { first: last, last }));
    assert!(coverage.lease(Span { first: last - 1, last: last - 1 }, 2));
    assert!(coverage.complete(Span { first: last - 1, last: last - 1 }).is_some());
    assert!(coverage.is_complete());
}
