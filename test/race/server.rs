//! The server under eight clients, with what can happen to both of them: their history is one counter's.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use nix::sys::signal::Signal;

use super::drawers::{Drawers, ask_number, check_all};
use crate::support::{Loot, SIGKILL, Scene, until};
use crate::torture::cases;

/// More than is drawn before a test ends.
const SIZE: u32 = 2_000_000;
/// Answers between two faults.
const BETWEEN: usize = 100;

/// Starts a server, and waits until it listens.
fn start(scene: &Scene, listen: &str, options: &str) -> (Loot, SocketAddr) {
    let server = scene.loot_at(listen, &format!("--threads 3 --size {SIZE} {options}"));
    let address = server.address;
    (server, address)
}

/// Waits until so many more answers were heard.
fn go_on(drawers: &Drawers, more: usize) {
    let wanted = drawers.answers() + more;
    until("more answers", || (drawers.answers() >= wanted).then_some(()));
}

#[test]
fn what_eight_clients_are_told_one_counter_has_said() {
    let scene = Scene::new();
    for options in ["--ledger :memory:", "--ledger loot.db", "--ledger ahead.db --ahead 200"] {
        let (_server, address) = start(&scene, "127.0.0.1:0", options);
        let drawers = Drawers::start(crate::seed(), false);
        drawers.go_to(address);
        go_on(&drawers, cases(2_000, 200_000));
        let seen = drawers.end();
        until("all to be told", || (ask_number(address, "unheard") == 0).then_some(()));
        let (drawn, missing, _) = check_all(address, &seen);
        assert!(drawn > 0 && missing == 0, "{missing} of {drawn} are missing, and nobody was disturbed");
        assert_eq!(ask_number(address, "left"), SIZE - drawn);
    }
}

#[test]
fn what_clients_hear_that_break_off_is_still_one_counters_word() {
    let scene = Scene::new();
    let (_server, address) = start(&scene, "127.0.0.1:0", "");
    let drawers = Drawers::start(crate::seed(), true);
    drawers.go_to(address);
    go_on(&drawers, cases(2_000, 100_000));
    let seen = drawers.end();
    let (drawn, missing, _) = check_all(address, &seen);
    assert!(missing < drawn, "{missing} of {drawn}");
}

#[test]
fn a_server_that_is_stopped_goes_on_where_it_was() {
    let scene = Scene::new();
    let (server, address) = start(&scene, "127.0.0.1:0", "");
    let drawers = Drawers::start(crate::seed(), false);
    drawers.go_to(address);
    for _ in 0..cases(10, 200) {
        go_on(&drawers, BETWEEN);
        server.signal(Signal::SIGSTOP);
        until("the stop", || server.members().iter().all(|member| member.state == 'T').then_some(()));
        server.signal(Signal::SIGCONT);
    }
    let seen = drawers.end();
    let (_, missing, _) = check_all(address, &seen);
    assert_eq!(missing, 0);
}

/// Kills the server again and again under eight clients; how often, what was drawn, and what nobody has heard.
fn kills(scene: &Scene, random: &mut Rng, kills: usize, options: &str) -> (u32, u32, u32) {
    let drawers = Drawers::start(random.u64(..), false);
    let mut listen = "127.0.0.1:0".to_owned();
    for _ in 0..kills {
        let (server, address) = start(scene, &listen, options);
        listen = address.to_string();
        drawers.go_to(address);
        thread::sleep(Duration::from_micros(random.u64(0..30_000)));
        server.signal(Signal::SIGKILL);
        assert_eq!(server.wait_gone(), SIGKILL);
        scene.forget(&server.process());
    }
    let (_server, address) = start(scene, &listen, options);
    drawers.go_to(address);
    go_on(&drawers, BETWEEN);
    let seen = drawers.end();
    let (drawn, missing, unheard) = check_all(address, &seen);
    assert!(missing <= unheard, "{missing} of {drawn} numbers were heard by nobody, and the server knows of {unheard}");
    (drawn, missing, unheard)
}

#[test]
fn no_number_is_given_twice_when_the_server_is_killed_at_any_instant() {
    let mut random = Rng::with_seed(crate::seed());
    let (wanted, each) = (cases(16, 1_000), cases(8, 25));
    let (mut killed, mut drawn, mut unheard) = (0, 0, 0);
    // Every other server lets its ledger be ahead.
    for options in ["", "--ahead 500"].iter().cycle() {
        if killed == wanted {
            break;
        }
        let now = each.min(wanted - killed);
        let (all, missing, counted) = kills(&Scene::new(), &mut random, now, options);
        assert!(missing <= counted);
        (killed, drawn, unheard) = (killed + now, drawn + u64::from(all), unheard + u64::from(counted));
    }
    crate::torture::kept(
        "kill -9 of loot at any instant, eight clients",
        "no number twice, none told that a restart doesn't know, what nobody heard is counted",
        killed,
        &format!("{drawn} numbers drawn, {unheard} reported as perhaps unheard"),
    );
}
