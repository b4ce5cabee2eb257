//! The decisions of manage, a message at a time.

use super::*;
use crate::common::limits::{ENDING_MAX_MS, GREETING_MAX_MS, RESTART_GRACE_MS, SILENCE_MAX_MS, STRIKES_MAX};
use crate::common::message::{
    Alive, Found, Hello, Instance, Numbers, Query, Range, Request, Role, Signal, Speed, Stage, Version,
};

mod strangers;
mod tail;
mod trust;
mod world;

use world::{POLICY, World, truth};

#[test]
fn a_search_is_done_by_two_computes() {
    let mut world = World::new(200_000, POLICY);
    world.compute(1, "a");
    world.compute(2, "b");
    for _ in 0..1_000 {
        for peer in [1, 2] {
            if world.state.roster.get(Instance(peer)).unwrap().lease.is_some() {
                world.finish(peer);
            }
        }
    }
    assert!(world.state.is_complete() && world.state.is_ending());
    assert_eq!(world.state.status().perfect, Numbers(vec![6, 28, 496, 8128]));
    assert_eq!(world.state.status().contiguous_to, 200_000);
    assert_eq!(world.refusals(1), []);
}

#[test]
fn no_two_leases_overlap() {
    let mut world = World::new(10_000_000, POLICY);
    (1..=20).for_each(|peer| world.compute(peer, "a"));
    let mut spans: Vec<_> = (1..=20).map(|peer| world.range(peer).unwrap()).map(|r| (r.first, r.last)).collect();
    spans.sort_unstable();
    assert!(spans.windows(2).all(|pair| pair[0].1 < pair[1].0), "{spans:?}");
}

#[test]
fn a_range_goes_back_when_its_compute_disconnects_or_falls_silent() {
    let mut world = World::new(1_000_000, POLICY);
    world.compute(1, "a");
    let first = world.range(1).unwrap();
    world.handle(Event::Gone(1));
    world.compute(2, "b");
    assert_eq!(world.range(2).unwrap().first, first.first);
    world.tick(SILENCE_MAX_MS);
    assert_eq!(world.refusals(2), []);
    world.tick(1);
    assert_eq!((world.refusals(2), world.closed.as_slice()), (vec![Code::Silent], [2].as_slice()));
    assert_eq!(world.state.status().leased, 0);
}

#[test]
fn a_late_result_counts_once_or_not_at_all() {
    let mut world = World::new(1_000_000, POLICY);
    world.compute(1, "a");
    let range = world.range(1).unwrap();
    world.handle(Event::Gone(1));
    // Nobody else has it: the same compute comes back and hands it in.
    world.greet(101, "a", Role::Compute);
    world.say(101, truth(&range, range.last));
    assert!(matches!(world.last_said(101), Message::Accepted(_)));
    let tested = world.state.status().tested;
    world.say(101, truth(&range, range.last));
    assert_eq!(world.refusals(101), [Code::AlreadyDone]);
    assert_eq!(world.state.status().tested, tested);
}

#[test]
fn a_late_result_for_a_range_that_another_has_by_now_is_refused() {
    let mut world = World::new(1_000_000, POLICY);
    world.compute(1, "a");
    let range = world.range(1).unwrap();
    world.handle(Event::Gone(1));
    world.compute(2, "b");
    world.greet(101, "a", Role::Compute);
    world.say(101, Alive { lease: Some(range.lease), tested: Some(5) });
    world.say(101, truth(&range, range.last));
    assert_eq!(world.refusals(101), [Code::NotLeased, Code::NotLeased]);
    assert_eq!(world.state.status().tested, 0);
    assert_eq!(world.state.roster.strikes("a"), 0, "late is not wrong");
}

#[test]
fn a_part_is_taken_and_the_rest_goes_to_another() {
    let mut world = World::new(1_000_000, POLICY);
    world.compute(1, "a");
    let range = world.range(1).unwrap();
    world.say(1, truth(&range, range.first + 9));
    world.handle(Event::Gone(1));
    assert_eq!(world.state.status().contiguous_to, 10);
    world.compute(2, "b");
    assert_eq!(world.range(2).unwrap().first, 11);
}

/// Makes a right result wrong.
type Spoil = fn(&mut Found);

#[test]
fn wrong_results_are_refused_and_nothing_is_recorded() {
    let mut world = World::new(1_000_000, POLICY);
    let spoil: [(Spoil, Code); 5] = [
        (|f| f.sum += 1, Code::WrongSum),
        (|f| f.tested -= 1, Code::WrongCount),
        (|f| f.first += 1, Code::WrongRange),
        (|f| f.last = u64::MAX, Code::WrongRange),
        (|f| f.perfect = Numbers(vec![f.last + 1]), Code::NotPerfect),
    ];
    for (nth, (spoil, code)) in spoil.into_iter().enumerate() {
        let peer = 1 + nth as u64;
        world.compute(peer, &format!("bad{nth}"));
        let range = world.range(peer).unwrap();
        let mut found = truth(&range, range.last);
        spoil(&mut found);
        world.say(peer, found);
        assert_eq!(world.refusals(peer).last(), Some(&code));
    }
    assert_eq!(world.state.status().tested, 0);
    assert!(world.records.iter().all(|record| !matches!(record, Record::Accepted { .. })));
}

#[test]
fn a_struck_host_gets_no_more_work_and_others_do() {
    let mut world = World::new(1_000_000, POLICY);
    world.compute(1, "bad");
    for strike in 1..=STRIKES_MAX {
        assert_eq!(world.stage(1), Stage::Busy, "before strike {strike}");
        let range = world.range(1).unwrap();
        let wrong = Found { sum: 0, ..truth(&range, range.last) };
        world.say(1, wrong);
        world.say(1, Request {});
    }
    assert_eq!((world.stage(1), world.state.status().leased), (Stage::Struck, 0));
    world.compute(2, "good");
    assert_eq!(world.range(2).unwrap().first, 1);
}

#[test]
fn leases_outlive_a_restart_until_nobody_claims_them() {
    let holder = Holder { instance: Instance(1), host: "a".to_owned(), pid: 1 };
    let span = Span { first: 101, last: 200 };
    let leased = Leased { lease: 7, span, holder, recheck: false };
    let restored = || Restored {
        done: vec![Span { first: 1, last: 100 }],
        leases: vec![leased.clone()],
        next_lease: 8,
        ..Restored::default()
    };
    let mut world = World::restored(1_000, POLICY, restored());
    world.compute(2, "b");
    assert!(world.range(2).unwrap().first > 200, "the lease was given away");
    world.greet(1, "a", Role::Compute);
    world.say(1, Alive { lease: Some(7), tested: Some(1) });
    world.tick(RESTART_GRACE_MS / 2);
    world.say(1, Alive { lease: Some(7), tested: Some(2) });
    world.tick(RESTART_GRACE_MS / 2);
    world.say(1, truth(&Range { lease: 7, first: 101, last: 200 }, 200));
    assert!(matches!(world.last_said(1), Message::Accepted(_)));

    let mut world = World::restored(1_000, POLICY, restored());
    world.tick(RESTART_GRACE_MS);
    assert_eq!(world.state.status().leased, 0);
    assert_eq!(world.records, [Record::Returned(7)]);
}

/// A search that goes on, of which a compute of host "a" has a part.
fn after_a_restart() -> World {
    let holder = Holder { instance: Instance(1), host: "a".to_owned(), pid: 1 };
    let leased = Leased { lease: 7, span: Span { first: 1, last: 200 }, holder, recheck: false };
    World::restored(1_000, POLICY, Restored { leases: vec![leased], next_lease: 8, ..Restored::default() })
}

#[test]
fn a_lease_that_is_claimed_too_late_after_a_restart_is_kept_all_the_same() {
    let mut world = after_a_restart();
    world.tick(RESTART_GRACE_MS);
    assert_eq!(world.state.status().leased, 0);
    world.greet(1, "a", Role::Compute);
    for _ in 0..3 {
        world.say(1, Alive { lease: Some(7), tested: Some(1) });
        world.tick(1_000);
        assert_eq!(world.state.status().leased, 200);
    }
}

#[test]
fn a_stranger_does_not_keep_the_lease_of_a_lost_compute_alive() {
    let mut world = after_a_restart();
    world.compute(2, "b");
    world.say(2, Alive { lease: Some(7), tested: Some(1) });
    assert_eq!(world.refusals(2), [Code::NotLeased]);
    world.tick(RESTART_GRACE_MS / 2);
    world.say(2, Alive { lease: None, tested: None });
    world.tick(RESTART_GRACE_MS / 2);
    assert_eq!(world.records.last(), Some(&Record::Returned(7)));
}

#[test]
fn a_ledger_that_contradicts_itself_is_refused() {
    let holder = Holder { instance: Instance(1), host: "a".to_owned(), pid: 1 };
    let leased = |first| Leased { lease: 7, span: Span { first, last: 200 }, holder: holder.clone(), recheck: false };
    let restored = |first, next_lease| Restored {
        done: vec![Span { first: 1, last: 100 }],
        leases: vec![leased(first)],
        next_lease,
        ..Restored::default()
    };
    let settings = Settings { method: Method::Trial, first: 1, last: None };
    let identity = Identity { host: String::new(), listen: String::new(), ledger: String::new() };
    let open = |restored| State::new(settings, POLICY, identity.clone(), restored, Millis(0));
    assert!(open(restored(101, 8)).is_ok());
    for (why, restored) in [("overlaps", restored(50, 8)), ("the next number is 7", restored(101, 7))] {
        let fault = open(restored).unwrap_err();
        assert!(fault.contains("lease 7") && fault.contains(why), "{fault}");
    }
}

#[test]
fn everything_is_done_twice_if_asked_for() {
    let policy = Policy { recheck_percent: 100.0, ..POLICY };
    let mut world = World::new(50_000, policy);
    world.compute(1, "a");
    while world.state.coverage.done() < 50_000 {
        world.finish(1);
    }
    assert!(!world.state.is_complete());
    assert_eq!(world.state.status().unchecked, 50_000);
    world.compute(2, "b");
    while world.state.status().unchecked > 0 {
        world.finish(2);
    }
    assert!(world.state.is_complete());
    let confirmed = world.records.iter().filter(|record| matches!(record, Record::Confirmed { .. })).count();
    let accepted = world.records.iter().filter(|record| matches!(record, Record::Accepted { .. })).count();
    assert_eq!(confirmed, accepted);
}

#[test]
fn the_first_word_is_hello_and_only_the_first() {
    let mut world = World::new(1_000, POLICY);
    world.open(1);
    world.say(1, Query { cells: None });
    assert_eq!(world.refusals(1), [Code::Greeting]);
    let nameless = Hello { version: Version, role: Role::Compute, host: None, pid: None, instance: None, kernel: None };
    world.greet(2, "a", Role::Compute);
    world.say(2, nameless.clone());
    assert_eq!(world.refusals(2), [Code::Greeting]);
    world.open(3);
    world.say(3, nameless);
    assert_eq!(world.refusals(3), [Code::MissingAttribute]);
}

#[test]
fn nobody_speaks_out_of_role_or_turn() {
    let mut world = World::new(1_000, POLICY);
    world.greet(1, "a", Role::Report);
    world.say(1, Request {});
    assert_eq!(world.refusals(1), [Code::WrongRole]);
    world.greet(2, "a", Role::Compute);
    world.say(2, Request {});
    assert_eq!(world.refusals(2), [Code::OutOfTurn]);
    world.greet(3, "a", Role::Compute);
    world.say(3, Signal { name: Ending::Int });
    assert_eq!(world.refusals(3), [Code::WrongRole]);
    assert_eq!(world.closed, [1, 2, 3]);
}

#[test]
fn who_says_nothing_is_not_waited_for() {
    let mut world = World::new(1_000, POLICY);
    world.open(1);
    world.tick(GREETING_MAX_MS);
    assert_eq!(world.refusals(1), []);
    world.tick(1);
    assert_eq!(world.refusals(1), [Code::Silent]);
}

#[test]
fn an_ending_reaches_every_monitor_also_a_late_one() {
    let mut world = World::new(1_000_000, POLICY);
    world.compute(1, "a");
    world.greet(11, "a", Role::Control);
    world.handle(Event::Ending);
    assert_eq!(world.last_said(11), &Message::Signal(Signal { name: Ending::Int }));
    world.greet(12, "b", Role::Control);
    assert_eq!(world.last_said(12), &Message::Signal(Signal { name: Ending::Int }));
    // The part that the compute hands in is taken, and it gets nothing more.
    let range = world.range(1).unwrap();
    world.say(1, truth(&range, range.first));
    assert!(matches!(world.last_said(1), Message::Accepted(_)));
    world.say(1, Request {});
    assert!(matches!(world.last_said(1), Message::Accepted(_)));
    assert!(!world.state.is_over(world.now));
    for peer in [1, 11, 12] {
        world.handle(Event::Gone(peer));
    }
    assert!(world.state.is_over(world.now));
}

#[test]
fn an_ending_is_bounded() {
    let mut world = World::new(1_000_000, POLICY);
    world.compute(1, "a");
    world.handle(Event::Ending);
    assert!(!world.state.is_over(Millis(ENDING_MAX_MS - 1)));
    assert!(world.state.is_over(Millis(ENDING_MAX_MS)));
}

#[test]
fn a_compute_that_connects_again_takes_its_own_place() {
    let mut world = World::new(1_000_000, POLICY);
    world.compute(1, "a");
    let range = world.range(1).unwrap();
    world.greet(101, "a", Role::Compute);
    assert_eq!(world.refusals(1), [Code::Replaced]);
    world.say(101, Alive { lease: Some(range.lease), tested: Some(1) });
    assert_eq!(world.refusals(101), []);
    assert_eq!(world.state.computes_here(), 1);
}

#[test]
fn a_compute_that_connects_again_keeps_its_pace_and_says_its_kernel() {
    let holder = Holder { instance: Instance(1), host: "a".to_owned(), pid: 1 };
    let leased = Leased { lease: 7, span: Span { first: 1, last: 200 }, holder, recheck: false };
    let mut world =
        World::restored(1_000_000, POLICY, Restored { leases: vec![leased], next_lease: 8, ..Restored::default() });
    let hello = |role| Hello {
        version: Version,
        role,
        host: Some("a".to_owned()),
        pid: Some(1),
        instance: Some(Instance(1)),
        kernel: Some("avx2".to_owned()),
    };
    world.open(1);
    world.say(1, hello(Role::Compute));
    assert_eq!(world.state.report().1[0].kernel.as_deref(), Some("avx2"));
    let speed = Speed { operations: 1_000_000, nanoseconds: 1_000_000_000 };
    world.say(1, speed.clone());
    world.say(1, Found { nanoseconds: 1_000, ..truth(&Range { lease: 7, first: 1, last: 200 }, 200) });
    let corrected = world.state.report().1[0].ops_per_s;
    assert!(corrected > 1_000_000);
    world.open(101);
    world.say(101, hello(Role::Compute));
    world.say(101, speed);
    assert_eq!(world.state.report().1[0].ops_per_s, corrected);
}
