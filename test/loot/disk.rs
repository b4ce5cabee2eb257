//! A disk that is full or fails: what is told is kept, and nothing is told that isn't.

use std::fs;
use std::rc::Rc;

use nix::sys::signal::Signal;

use super::{are_distinct, is_whole_box};
use crate::support::{Client, Loot, Mount, Process, Scene, until};
use crate::torture::is_root;

const NO_ROOM: &str = "nothing is drawn until there is";

/// Draws one by one until the server says that its disk is full: the numbers, and the client, which may wait for one more.
fn fill(loot: &Loot) -> (Vec<u32>, Client) {
    let (mut client, mut numbers) = (loot.client(), Vec::new());
    loop {
        client.say("draw 1");
        let answered = until("an answer, or that there is no room", || {
            let is_full = loot.log.text().contains(NO_ROOM);
            if client.is_silent() { is_full.then_some(false) } else { Some(true) }
        });
        if !answered {
            return (numbers, client);
        }
        let line = client.text();
        match line.parse() {
            Ok(number) => numbers.push(number),
            Err(_) => panic!("{line}: who was answered before waits for room"),
        }
    }
}

#[test]
fn while_a_disk_is_full_nothing_is_drawn_and_then_it_goes_on() {
    if !is_root("mounting a small disk") {
        return;
    }
    let scene = Scene::new();
    let disk = Mount::new(scene.path("disk"), 16 * 1024);
    let loot = scene.loot("--size 1000 --ledger disk/loot.db");
    let filler = disk.leave(512);
    let (mut numbers, mut waiting) = fill(&loot);
    let drawn = loot.standing();
    assert_eq!(drawn, (numbers.len() as u32, 1_000 - numbers.len() as u32), "only what is kept counts as drawn");
    let mut other = loot.client();
    for request in ["draw 1", "draw 1000", "draw 1 #new"] {
        assert!(other.ask_line(request).starts_with("error ledger: "), "{request}");
    }
    other.say("left");
    assert_eq!((other.numbers(1)[0], loot.standing()), (drawn.1, drawn));
    fs::remove_file(filler).unwrap();
    loot.log.line("has room again");
    // Whether it has waited for too long is a matter of the machine; its number is drawn either way.
    let late = waiting.text();
    let lost = match late.parse() {
        Ok(number) => {
            numbers.push(number);
            0
        }
        Err(_) => {
            assert!(late.starts_with("error ledger: "), "{late}");
            1
        }
    };
    numbers.push(until("it draws again", || other.ask_line("draw 1").parse().ok()));
    numbers.extend(other.draw_all());
    are_distinct(&numbers);
    assert_eq!(numbers.len() + lost, 1_000);
    loot.signal(Signal::SIGTERM);
    assert_eq!(loot.wait_gone(), 0);
    assert_eq!(scene.run_loot("verify disk/loot.db").0, 0);
}

#[test]
fn who_waits_for_room_too_long_is_told() {
    if !is_root("mounting a small disk") {
        return;
    }
    let scene = Scene::new();
    let disk = Mount::new(scene.path("disk"), 4 * 1024);
    let loot = scene.loot("--size 1000 --ledger disk/loot.db");
    let filler = disk.leave(64);
    let (numbers, mut waiting) = fill(&loot);
    assert!(waiting.text().starts_with("error ledger: "));
    fs::remove_file(filler).unwrap();
    loot.log.line("has room again");
    let rest = until("it draws again", || waiting.ask_line("draw 1000").parse().ok());
    let left = loot.standing();
    assert_eq!(left.1, 0);
    let mut all = [numbers, vec![rest]].concat();
    while let Ok(number) = waiting.text().parse() {
        all.push(number);
    }
    are_distinct(&all);
    assert_eq!(all.len(), 999, "the one whose answer came too late is lost");
}

#[test]
fn what_was_drawn_before_the_disk_was_full_outlives_a_restart_without_room() {
    if !is_root("mounting a small disk") {
        return;
    }
    let scene = Scene::new();
    let disk = Mount::new(scene.path("disk"), 4 * 1024);
    let loot = scene.loot("--size 1000 --ledger disk/loot.db");
    let filler = disk.leave(64);
    let (mut numbers, waiting) = fill(&loot);
    loot.signal(Signal::SIGTERM);
    assert_eq!(loot.wait_gone(), 74, "it says that something isn't kept: {}", loot.evidence());
    assert_eq!(String::from_utf8_lossy(&waiting.rest()).parse::<u32>().ok(), None, "what isn't kept isn't told");
    fs::remove_file(filler).unwrap();
    let again = scene.loot("--ledger disk/loot.db");
    assert!(again.standing().0 as usize >= numbers.len());
    let lost = again.standing().0 as usize - numbers.len();
    numbers.extend(again.client().draw_all());
    are_distinct(&numbers);
    assert_eq!(numbers.len() + lost, 1_000);
}

/// A server whose `nth` sync fails; `Err` if it has ended before it listened.
fn failing(scene: &Scene, nth: usize) -> Result<Loot, Rc<Process>> {
    let calls = "fsync,fdatasync";
    let trap = format!("strace -f -qq -o trace -e trace={calls} -e inject={calls}:error=EIO:when={nth}");
    scene.try_loot(&trap, "127.0.0.1:0", "--size 100 --threads 1")
}

/// Draws until the connection breaks: what was told.
fn draw_to_the_break(loot: &Loot) -> Vec<u32> {
    let (mut client, mut told) = (loot.client(), Vec::new());
    while client.try_send(b"draw 1\n") {
        match client.try_reply().and_then(|line| String::from_utf8(line).ok()?.parse().ok()) {
            Some(number) => told.push(number),
            None => break,
        }
    }
    told
}

#[test]
fn a_sync_that_fails_ends_the_server_and_what_it_has_told_is_kept() {
    let mut failed_while_serving = 0;
    for nth in 1..=24 {
        let scene = Scene::new();
        let (told, process) = match failing(&scene, nth) {
            Ok(loot) => {
                failed_while_serving += 1;
                (draw_to_the_break(&loot), loot.process())
            }
            Err(ended) => (Vec::new(), ended),
        };
        assert_eq!(process.wait_gone(), 74, "sync {nth}: {}", process.evidence());
        let log = process.log.all();
        assert!(log.lines().any(|line| line.contains("ERRO") && line.contains("ledger ")), "sync {nth}: {log}");
        let again = scene.loot("--size 100");
        assert!(again.standing().0 as usize >= told.len(), "sync {nth}: more was told than is kept");
        let lost = again.standing().0 as usize - told.len();
        assert!(lost <= 1, "sync {nth}: one is drawn at a time");
        let all = [told, again.client().draw_all()].concat();
        are_distinct(&all);
        assert_eq!(all.len() + lost, 100, "sync {nth}");
        if lost == 0 {
            is_whole_box(all, 100);
        }
    }
    assert!(failed_while_serving > 2, "no sync failed while it served");
}
