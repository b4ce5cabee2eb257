//! Those who aren't known yet, keys and what they may do, and those who keep what others could do.

use super::world::{POLICY, World};
use super::*;
use crate::common::keys::{Public, Role as KeyRole};
use crate::common::limits::{OVERDUE_MIN_MS, REPORTS_OF_ADDRESS_MAX, TURNED_AWAY_LOG_MS};
use crate::common::message::{Alive, Hello, Instance, Query, Request, Role, Speed, Version};
use crate::manage::rights::Bearer;

const HELLO: Hello =
    Hello { version: Version, role: Role::Report, host: None, pid: None, instance: None, kernel: None };

fn bearer(role: KeyRole, name: &str, key: u8) -> Bearer {
    Bearer::Key(role, name.to_owned(), Public([key; 32]))
}

/// A world in which `peer` has connected over TLS from the `last` of some addresses.
fn open(world: &mut World, peer: Peer, last: u8) {
    world.handle(Event::Opened(peer, IpAddr::from([10, 0, 0, last]), Bearer::Unknown));
}

fn compute(world: &mut World, peer: Peer, host: &str) {
    let (host, pid, instance) = (Some(host.to_owned()), Some(peer as u32), Some(Instance(peer)));
    world.say(peer, Hello { version: Version, role: Role::Compute, host, pid, instance, kernel: None });
    world.say(peer, Speed { operations: 1_000_000, nanoseconds: 1_000_000_000 });
}

#[test]
fn who_is_not_known_may_say_nothing() {
    let mut world = World::new(1_000, POLICY);
    for (peer, bearer, code) in [
        (1, None, Code::Unauthorized),
        (2, Some(Bearer::Stranger(Public([9; 32]))), Code::Unauthorized),
        (3, Some(Bearer::Unsure), Code::Busy),
    ] {
        open(&mut world, peer, 1);
        bearer.into_iter().for_each(|bearer| world.handle(Event::Known(peer, bearer)));
        world.say(peer, HELLO);
        assert_eq!(world.refusals(peer), [code], "{peer}");
        assert_eq!(world.state.standing(peer), None);
    }
}

#[test]
fn an_address_full_of_reports_takes_one_more_with_another_key() {
    let mut world = World::new(1_000, POLICY);
    let mut report = |peer: Peer, key: u8| {
        open(&mut world, peer, 1);
        world.handle(Event::Known(peer, bearer(KeyRole::Viewer, "viewer", key)));
        world.say(peer, HELLO);
        world.refusals(peer)
    };
    let full = REPORTS_OF_ADDRESS_MAX as Peer;
    (1..=full).for_each(|peer| assert_eq!(report(peer, 1), []));
    assert_eq!(report(full + 1, 1), [Code::Busy]);
    assert_eq!(report(full + 2, 2), []);
    world.handle(Event::Gone(1));
    open(&mut world, full + 3, 1);
    world.handle(Event::Known(full + 3, bearer(KeyRole::Viewer, "viewer", 1)));
    world.say(full + 3, HELLO);
    assert_eq!(world.refusals(full + 3), []);
}

/// Whoever has a key of his own name can't be taken for another, and nobody for him.
#[test]
fn a_compute_is_called_by_its_key() {
    let mut world = World::new(1_000_000, POLICY);
    for (peer, name, host, called) in [
        (1, "worker", "node01", Some("node01")),
        (2, "node02", "node01", Some("node01@node02")),
        (3, "worker", "node01@node02", None),
        (4, "node02", &"n".repeat(250), None),
    ] {
        open(&mut world, peer, 1);
        world.handle(Event::Known(peer, bearer(KeyRole::Worker, name, peer as u8)));
        compute(&mut world, peer, host);
        let known = world.state.roster.get(Instance(peer)).map(|compute| compute.host.as_str());
        assert_eq!(known, called, "{name}, {host}");
    }
}

/// 256 strangers a second, for an hour: the log is told of few of them.
#[test]
fn strangers_do_not_fill_the_log() {
    let mut world = World::new(1_000, POLICY);
    let mut told = 0;
    for second in 0..3_600 {
        for nth in 0..256 {
            let peer = 256 * second + nth;
            open(&mut world, peer, 1);
            world.say(peer, Query { cells: None });
        }
        world.tick(1_000);
        told += std::mem::take(&mut world.warnings);
    }
    assert_eq!(told, 1 + 3_600_000 / TURNED_AWAY_LOG_MS as usize);
}

/// Some who hold all there is and say that they live, and one who waits: each range is given to that one in the end.
#[test]
fn ranges_can_not_be_hoarded() {
    let mut world = World::new(4_000, Policy { seconds: 0.1, ..POLICY });
    let hoarders: Vec<Peer> = (1..=40).collect();
    for peer in &hoarders {
        open(&mut world, *peer, 1);
        world.handle(Event::Known(*peer, bearer(KeyRole::Worker, "worker", 1)));
        compute(&mut world, *peer, "hoarder");
        world.say(*peer, Request {});
    }
    while world.state.coverage.next_free().is_some() {
        let extra = world.now.0 + 1_000;
        open(&mut world, extra, 1);
        world.handle(Event::Known(extra, bearer(KeyRole::Worker, "worker", 1)));
        compute(&mut world, extra, "hoarder");
        world.say(extra, Request {});
        world.now = world.now.after(1);
    }
    let honest = 999;
    open(&mut world, honest, 2);
    world.handle(Event::Known(honest, bearer(KeyRole::Worker, "worker", 1)));
    compute(&mut world, honest, "honest");
    world.say(honest, Request {});
    assert_eq!(world.range(honest), None);
    let mut seconds = 0;
    while !world.state.is_complete() {
        seconds += 1;
        assert!(seconds < 2 * OVERDUE_MIN_MS / 1_000, "nothing came of it");
        let peers: Vec<Peer> = world.state.seats.keys().copied().collect();
        for peer in peers {
            world.say(peer, Alive { lease: None, tested: None });
            // A hoarder whose range was taken asks for the next at once.
            let idle = world.state.roster.get(Instance(peer)).is_some_and(|compute| compute.lease.is_none());
            if peer != honest && idle {
                world.say(peer, Request {});
            }
        }
        while world.state.roster.get(Instance(honest)).unwrap().lease.is_some() {
            world.finish(honest);
        }
        world.tick(1_000);
    }
}
