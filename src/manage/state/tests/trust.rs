//! Computes that hide what they have found, and a ledger that has no room.

use super::world::{POLICY, World, truth};
use super::*;
use crate::common::message::{Alive, CellCount, Distrusted, Found, Instance, Numbers, Range, Request, Stage};
use crate::manage::recheck::Due;

#[test]
fn a_hidden_hit_is_found_by_the_second_compute() {
    let policy = Policy { recheck_percent: 100.0, ..POLICY };
    let mut world = World::new(50_000, policy);
    world.compute(1, "liar");
    while world.state.coverage.done() < 50_000 {
        let range = world.range(1).unwrap();
        world.say(1, Found { perfect: Numbers::default(), ..truth(&range, range.last) });
        world.say(1, Request {});
    }
    assert_eq!(world.state.status().perfect, Numbers::default());
    world.handle(Event::Gone(1));
    world.compute(2, "b");
    world.compute(3, "c");
    for _ in 0..1_000 {
        for peer in [2, 3] {
            match world.state.roster.get(Instance(peer)).unwrap().lease {
                Some(_) => world.finish(peer),
                None => world.say(peer, Request {}),
            }
        }
    }
    assert!(world.state.is_complete());
    assert_eq!(world.state.status().perfect, Numbers(vec![6, 28, 496, 8128]));
    assert_eq!(world.state.distrusted(), [Distrusted { host: "liar".to_owned(), taken_back: 50_000 }]);
}

#[test]
fn a_lie_is_not_forgotten_where_the_ledger_knows_another_by_that_name() {
    let last = 1_000;
    let found = truth(&Range { lease: 1, first: 1, last }, last);
    let holder = Holder { instance: Instance(9), host: "liar".to_owned(), pid: 9 };
    let due = Due { span: Span { first: 1, last }, sum: found.sum, perfect: vec![], holder };
    let done = vec![due.span];
    let mut world =
        World::restored(last, POLICY, Restored { done, due: vec![due], next_lease: 2, ..Restored::default() });
    world.compute(1, "honest");
    while !world.state.is_complete() {
        world.finish(1);
    }
    assert!(world.state.roster.is_liar("liar"));
    assert_eq!(world.state.status().perfect, found.perfect);
}

#[test]
fn a_liar_gets_nothing_more_and_nothing_of_it_is_taken() {
    let policy = Policy { recheck_percent: 100.0, ..POLICY };
    let mut world = World::new(200_000, policy);
    world.compute(1, "liar");
    world.compute(2, "liar");
    let hidden = world.range(1).unwrap();
    world.say(1, Found { perfect: Numbers::default(), ..truth(&hidden, hidden.last) });
    world.compute(3, "honest");
    assert_eq!(world.range(3).unwrap().first, hidden.first, "the check of the hidden hit");
    world.finish(3);
    // Another compute of that host was at work when the lie came out.
    let late = world.range(2).unwrap();
    world.say(2, truth(&late, late.last));
    world.say(2, Alive { lease: Some(late.lease), tested: Some(1) });
    world.say(2, Request {});
    assert_eq!(world.refusals(2), [Code::Distrusted, Code::NotLeased]);
    assert_eq!((world.stage(2), world.state.status().tested), (Stage::Struck, 0));
    world.finish(3);
    assert!(world.state.status().tested > 0, "others go on");
}

#[test]
fn what_a_liar_has_confirmed_is_checked_again() {
    let policy = Policy { recheck_percent: 100.0, ..POLICY };
    let mut world = World::new(200_000, policy);
    world.compute(1, "honest");
    world.finish(1);
    let tested = world.state.status().tested;
    world.compute(2, "liar");
    world.finish(2);
    assert_eq!(world.state.status().unchecked, 0);
    world.state.denounce("liar");
    world.settle();
    assert_eq!((world.state.status().tested, world.state.status().unchecked), (tested, tested));
}

#[test]
fn nothing_is_handed_out_while_the_ledger_has_no_room() {
    let mut world = World::new(200_000, POLICY);
    world.compute(2, "b");
    world.tick(1);
    world.finish(2);
    world.tick(1_000);
    let told = |world: &World| (world.state.status().trouble, world.state.status().eta_s.is_some());
    assert_eq!(told(&world), (None, true));
    world.handle(Event::Stalled(Some("no room".to_owned())));
    world.compute(1, "a");
    assert_eq!(world.range(1), None);
    assert_eq!(told(&world), (Some("no room".to_owned()), false));
    world.handle(Event::Stalled(None));
    assert!(world.range(1).is_some());
    assert_eq!(told(&world), (None, true));
}

#[test]
fn a_report_says_what_is_in_the_ledger() {
    let mut world = World::new(200_000, POLICY);
    world.compute(1, "a");
    let range = world.range(1).unwrap();
    world.state.handle(Event::Said(1, truth(&range, range.last).into()), world.now);
    while world.state.has_proofs() {
        world.state.prove(1_000_000, world.now);
    }
    assert_eq!(world.state.status().tested, 0, "it is not written yet");
    let picture = |world: &World| world.state.picture(CellCount::new(1)).map(|it| it.done.as_str().to_owned());
    assert_eq!(picture(&world), None);
    world.settle();
    assert_eq!(world.state.status().tested, range.last - range.first + 1);
    assert_eq!(picture(&world).as_deref(), Some("1"));
}

/// `--recheck` says how likely a hidden hit is to be found: over many secret keys, within four standard deviations.
#[test]
fn a_liar_is_caught_at_the_stated_rate() {
    const SEARCHES: u64 = 1_000;
    for percent in [5.0, 20.0, 50.0] {
        let caught =
            (0..SEARCHES).filter(|key| is_caught(Policy { recheck_percent: percent, recheck_key: *key, ..POLICY }));
        let (caught, share) = (caught.count() as f64, percent / 100.0);
        let expected = SEARCHES as f64 * share;
        let deviation = (expected * (1.0 - share)).sqrt();
        assert!((caught - expected).abs() <= 4.0 * deviation, "{caught} caught at {percent} %, {expected} expected");
    }
}

/// Whether a compute that hides a hit is found out in a search of its own and an honest one's.
fn is_caught(policy: Policy) -> bool {
    let mut world = World::new(1_000, policy);
    world.compute(1, "liar");
    while world.state.coverage.done() < 1_000 {
        let range = world.range(1).unwrap();
        let found = truth(&range, range.last);
        let hidden = Numbers(found.perfect.0.iter().copied().filter(|n| *n != 496).collect());
        world.say(1, Found { perfect: hidden, ..found });
        world.say(1, Request {});
    }
    world.compute(2, "honest");
    for _ in 0..100 {
        match world.state.roster.get(Instance(2)).unwrap().lease {
            Some(_) => world.finish(2),
            None => world.say(2, Request {}),
        }
    }
    assert_eq!(world.state.status().perfect.0.contains(&496), world.state.roster.is_liar("liar"));
    world.state.roster.is_liar("liar")
}
