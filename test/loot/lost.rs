//! `loot draw` over a cable that is cut: what it prints was drawn, and was drawn once.

use std::net::TcpListener;

use nix::sys::signal::Signal;

use super::{are_distinct, is_whole_box};
use crate::support::{Client, Cut, Cutter, Scene, until};
use crate::torture::descriptors;

#[test]
fn a_draw_whose_answer_is_lost_is_asked_for_again_and_not_made_again() {
    let scene = Scene::new();
    let loot = scene.loot("--size 10000");
    let mut all = Vec::new();
    let cuts: [&[Cut]; 5] = [
        &[Cut::Request],
        &[Cut::Answer(0)],
        &[Cut::Answer(50)],
        &[Cut::Answer(400), Cut::Answer(1_000)],
        &[Cut::Answer(0), Cut::Request, Cut::Answer(1), Cut::Answer(110)],
    ];
    for cuts in cuts {
        let cutter = Cutter::new(loot.address, cuts);
        let (status, printed, log) = scene.run_loot(&format!("draw {} 500", cutter.address));
        assert_eq!(status, 0, "{cuts:?}: {log}");
        let numbers: Vec<u32> = printed.lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!(numbers.len(), 500, "{cuts:?}");
        all.extend(numbers);
        assert_eq!(loot.standing().0 as usize, all.len(), "{cuts:?}");
    }
    are_distinct(&all);
    all.extend(loot.client().draw(7_500));
    is_whole_box(all, 10_000);
}

#[test]
fn who_is_never_answered_gives_up_and_says_how_the_numbers_are_had() {
    let scene = Scene::new();
    let loot = scene.loot("--size 100");
    let cutter = Cutter::new(loot.address, &[Cut::Answer(0); 1_000]);
    let (status, printed, log) = scene.run_loot(&format!("draw {} 5 --timeout 0.1", cutter.address));
    assert_eq!((status, printed.as_str()), (69, ""), "{log}");
    let id = log.split_whitespace().skip_while(|word| *word != "--id").nth(1).unwrap_or_else(|| panic!("{log}"));
    assert_eq!(loot.standing(), (5, 95));
    let (status, printed, log) = scene.run_loot(&format!("draw {} 5 --id {id}", loot.address));
    assert_eq!((status, printed.lines().count()), (0, 5), "{log}");
    assert_eq!(loot.standing(), (5, 95));
}

#[test]
fn a_server_that_comes_again_answers_who_has_waited() {
    let scene = Scene::new();
    let loot = scene.loot("--size 1000");
    let (address, before) = (loot.address, loot.client().draw(100));
    let cutter = Cutter::new(address, &[Cut::Answer(0); 1_000]);
    let drawing = scene.start("loot", &format!("draw {} 200", cutter.address));
    crate::support::until("it has drawn", || (loot.standing().0 == 300).then_some(()));
    loot.signal(Signal::SIGTERM);
    assert_eq!(loot.wait_gone(), 0);
    let again = scene.loot_at(&address.to_string(), "");
    cutter.mend();
    assert_eq!(drawing.wait(), 0, "{}", drawing.evidence());
    let numbers: Vec<u32> = drawing.stdout.all().lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!((numbers.len(), again.standing()), (200, (300, 700)));
    are_distinct(&[before, numbers].concat());
}

#[test]
fn a_script_whose_answer_is_cut_is_told() {
    let scene = Scene::new();
    let loot = scene.loot("--size 1000");
    let cutter = Cutter::new(loot.address, &[Cut::Answer(100)]);
    let script = scene.start_with_input("loot", &format!("draw {}", cutter.address));
    script.type_in("draw 500\n");
    script.end_input();
    assert_eq!(script.wait(), 69, "{}", script.evidence());
}

#[test]
fn a_signal_ends_who_waits_for_a_server_that_has_gone() {
    let scene = Scene::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let drawing = scene.start("loot", &format!("draw {address} 200 --timeout 86400"));
    let mut server = Client::over(listener.accept().unwrap().0);
    assert_eq!(server.text(), "commitment");
    server.send(format!("commitment {} size 1000\n", "0".repeat(64)).as_bytes());
    assert!(server.text().starts_with("draw 200 #"));
    let connected = descriptors(drawing.pid());
    drop((server, listener));
    until("it has noticed", || (descriptors(drawing.pid()) < connected).then_some(()));
    drawing.signal(Signal::SIGINT);
    assert_eq!(drawing.wait(), 1, "{}", drawing.evidence());
    assert!(drawing.log.all().contains("--id "), "{}", drawing.evidence());
}
