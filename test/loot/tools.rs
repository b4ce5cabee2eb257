//! `loot draw`, `loot close` and `loot verify`.

use std::fs;
use std::net::TcpListener;

use super::{are_distinct, is_whole_box};
use crate::support::{Loot, Scene, executable, until};

fn numbers(printed: &str) -> Vec<u32> {
    printed.lines().map(|line| line.parse().unwrap_or_else(|_| panic!("{line:?}"))).collect()
}

#[test]
fn draw_prints_as_many_numbers_as_it_is_asked_for() {
    let scene = Scene::new();
    let loot = scene.loot("--size 50000");
    let mut all = Vec::new();
    for count in [1, 4, 20_000] {
        let (status, printed, log) = scene.run_loot(&format!("draw {} {count}", loot.address));
        assert_eq!((status, log.as_str()), (0, ""));
        assert_eq!(numbers(&printed).len(), count);
        all.extend(numbers(&printed));
    }
    are_distinct(&all);
    assert_eq!(loot.standing(), (20_005, 29_995));
}

#[test]
fn where_nobody_listens_draw_and_close_say_so() {
    let scene = Scene::new();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for arguments in [format!("draw {gone} 4"), format!("draw {gone}"), format!("close {gone}")] {
        let (status, printed, log) = scene.run_loot(&arguments);
        assert_eq!((status, printed.as_str()), (69, ""), "{arguments}: {log}");
        assert!(log.contains(&gone.to_string()), "{log}");
    }
}

#[test]
fn fewer_than_wanted_are_printed_and_that_is_a_failure() {
    let scene = Scene::new();
    let loot = scene.loot("--size 10");
    let (status, printed, log) = scene.run_loot(&format!("draw {} 15", loot.address));
    assert_eq!(status, 1, "{log}");
    assert!(log.contains("only 10 of 15 were left"), "{log}");
    is_whole_box(numbers(&printed), 10);
    let (status, printed, log) = scene.run_loot(&format!("draw {} 1", loot.address));
    assert_eq!((status, printed.as_str()), (1, ""), "{log}");
    assert!(log.contains("exhausted"), "{log}");
}

#[test]
fn the_same_id_prints_the_same_numbers() {
    let scene = Scene::new();
    let loot = scene.loot("--size 100");
    let first = scene.run_loot(&format!("draw {} 9 --id mine", loot.address));
    assert_eq!((first.0, numbers(&first.1).len()), (0, 9));
    loot.client().draw(1);
    assert_eq!(scene.run_loot(&format!("draw {} 9 --id mine", loot.address)), first);
    let (status, printed, log) = scene.run_loot(&format!("draw {} 8 --id mine", loot.address));
    assert_eq!((status, printed.as_str()), (1, ""), "{log}");
    assert!(log.contains("this id has drawn 9 numbers"), "{log}");
}

#[test]
fn numbers_that_cannot_be_written_are_had_again() {
    let scene = Scene::new();
    let loot = scene.loot("--size 100");
    let (status, _, log) = scene.run_loot(&format!("draw {} 5 --out nowhere/record", loot.address));
    assert_eq!((status, loot.standing()), (74, (0, 100)), "nothing is drawn for a file that can't be: {log}");
    let (status, _, log) = scene.run_loot(&format!("draw {} 5 --out /dev/full", loot.address));
    assert_eq!((status, loot.standing()), (74, (5, 95)), "{log}");
    let id = log.split_whitespace().skip_while(|word| *word != "--id").nth(1).unwrap_or_else(|| panic!("{log}"));
    let (status, printed, log) = scene.run_loot(&format!("draw {} 5 --id {id}", loot.address));
    assert_eq!((status, loot.standing()), (0, (5, 95)), "{log}");
    assert_eq!(loot.order()[..5], numbers(&printed)[..]);
}

#[test]
fn what_is_no_loot_server_is_told_from_one() {
    let scene = Scene::new();
    let pow = scene.pow("-d 0");
    let (status, printed, log) = scene.run_loot(&format!("draw {} 4", pow.address));
    assert_eq!((status, printed.as_str()), (76, ""), "{log}");
}

/// Draws three times into `record`, closes the box, and appends what it reveals.
fn recorded(scene: &Scene, loot: &Loot) -> String {
    for count in [10, 1, 200] {
        let (status, printed, log) = scene.run_loot(&format!("draw {} {count} --out record", loot.address));
        assert_eq!((status, printed.as_str()), (0, ""), "{log}");
        loot.client().draw(3);
    }
    let (status, revealed, log) = scene.run_loot(&format!("close {}", loot.address));
    assert_eq!(status, 0, "{log}");
    assert!(revealed.starts_with("reveal ") && revealed.ends_with(" size 1000 drawn 220\n"), "{revealed}");
    let record = fs::read_to_string(scene.path("record")).unwrap() + &revealed;
    fs::write(scene.path("record"), &record).unwrap();
    record
}

#[test]
fn what_was_drawn_is_recorded_closed_and_verified() {
    let scene = Scene::new();
    let loot = scene.loot("--size 1000");
    let record = recorded(&scene, &loot);
    assert!(loot.client().ask_line("draw 1").starts_with("error closed: "));
    assert!(record.ends_with(&format!("{}\n", loot.client().ask_line("reveal"))));
    let (status, said, log) = scene.run_loot("verify record");
    assert_eq!(status, 0, "{log}");
    assert!(said.contains("right  211 of the 220 numbers drawn"), "{said}");
    let commitment = loot.commitment();
    let hash = commitment.split(' ').nth(1).unwrap();
    assert_eq!(scene.run_loot(&format!("verify record --commitment {hash}")).0, 0);
    let other = "0".repeat(64);
    assert_eq!(scene.run_loot(&format!("verify record --commitment {other}")).0, 1);
    let drawn: Vec<_> = record.lines().filter_map(|line| line.parse::<u32>().ok()).collect();
    are_distinct(&drawn);
}

/// `record` with its line `at` replaced, or left out.
fn with(record: &str, at: usize, line: Option<&str>) -> String {
    let mut lines: Vec<_> = record.lines().map(str::to_owned).collect();
    match line {
        Some(line) => lines[at - 1] = line.to_owned(),
        None => _ = lines.remove(at - 1),
    }
    lines.join("\n") + "\n"
}

#[test]
fn a_record_that_was_tampered_with_is_found_out_and_the_place_is_named() {
    let scene = Scene::new();
    let loot = scene.loot("--size 1000");
    let record = recorded(&scene, &loot);
    let line = |at: usize| record.lines().nth(at - 1).unwrap();
    // Lines 1 and 2 head ten numbers, 13 and 14 one, 16 and 17 two hundred.
    let headers = [1, 13, 16].map(|at| line(at).starts_with("commitment ") && line(at + 1).starts_with('#'));
    assert_eq!((headers, record.lines().count()), ([true; 3], 218));
    let changed = if line(5) == "1" { "2" } else { "1" };
    let other = line(16).replace(&line(16)[11..13], if &line(16)[11..13] == "00" { "ff" } else { "00" });
    let cut = record.split_inclusive('\n').take(100).collect::<String>();
    let reveal = line(218);
    let cases = [
        ("a number is another", with(&record, 5, Some(changed)), "tampered:2"),
        ("a number is twice", with(&record, 5, Some(line(4))), "tampered:2"),
        ("a number is no number of the box", with(&record, 15, Some("1001")), "tampered:14"),
        ("a number is nothing at all", with(&record, 6, Some("abc")), "tampered:6"),
        ("a number is missing", with(&record, 7, None), "tampered:2"),
        ("two are exchanged", with(&with(&record, 3, Some(line(4))), 4, Some(line(3))), "tampered:2"),
        ("another commitment", with(&record, 16, Some(&other)), "tampered:16"),
        ("another size", with(&record, 1, Some(&line(1).replace("1000", "1001"))), "tampered:1"),
        ("another seed", with(&record, 218, Some(&reveal.replace(&reveal[7..12], "00000"))), "tampered:1"),
        ("cut short", cut.clone(), "tampered:17"),
        ("cut short, but the end is there", format!("{cut}{reveal}\n"), "tampered:17"),
        ("another's number besides", format!("{record}{}\n", line(3)), "tampered:219"),
        ("one that nobody drew", format!("{record}{}\n", loot.order()[900]), "tampered:219"),
        ("its end is missing", with(&record, 218, None), "reveal"),
    ];
    for (what, text, place) in cases {
        fs::write(scene.path("tampered"), text).unwrap();
        let (status, said, log) = scene.run_loot("verify tampered");
        assert_eq!((status, said.as_str()), (1, ""), "{what}: {log}");
        let named = if place.starts_with("tampered") { format!("{place}: ") } else { place.to_owned() };
        assert!(log.contains(&named), "{what}, in {place}: {log}");
    }
}

#[test]
fn records_of_many_are_verified_together() {
    let scene = Scene::new();
    let loot = scene.loot("--size 1000");
    for name in ["ann", "bob"] {
        assert_eq!(scene.run_loot(&format!("draw {} 50 --out {name}", loot.address)).0, 0);
    }
    let (_, revealed, _) = scene.run_loot(&format!("close {}", loot.address));
    fs::write(scene.path("end"), revealed).unwrap();
    let (status, said, log) = scene.run_loot("verify ann bob end");
    assert_eq!(status, 0, "{log}");
    assert!(said.contains("right  100 of the 100 numbers drawn"), "{said}");
    assert_eq!(scene.run_loot("verify ann bob").0, 1, "nothing is revealed");
    assert_eq!(scene.run_loot("verify nowhere").0, 74);
}

#[test]
fn lines_of_a_pipe_go_to_the_server_and_its_answers_come_back() {
    let scene = Scene::new();
    let loot = scene.loot("--size 1000");
    let script = scene.start_with_input("loot", &format!("draw {}", loot.address));
    script.type_in("draw 4\nleft\nnonsense\ndraw 2");
    script.end_input();
    assert_eq!(script.wait(), 1, "{}", script.evidence());
    let printed = script.stdout.all();
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(lines.len(), 8, "{printed}");
    assert_eq!(lines[4], "996");
    assert!(lines[5].starts_with("error request: "), "{printed}");
    let drawn: Vec<u32> = [&lines[..4], &lines[6..]].concat().iter().map(|line| line.parse().unwrap()).collect();
    are_distinct(&drawn);
    assert!(script.log.all().contains("answered by an error: 1"), "{}", script.evidence());
    assert_eq!(loot.standing(), (6, 994));
}

#[test]
fn a_long_answer_comes_whole_through_a_pipe() {
    let scene = Scene::new();
    let loot = scene.loot("--size 300000 --ledger :memory:");
    let script = scene.start_with_input("loot", &format!("draw {}", loot.address));
    script.type_in("draw 300000\n");
    script.end_input();
    assert_eq!(script.wait(), 0);
    is_whole_box(numbers(&script.stdout.all()), 300_000);
}

#[test]
fn at_a_terminal_it_is_a_conversation() {
    let scene = Scene::new();
    let loot = scene.loot("--size 1000");
    let talk = scene.start_at_terminal("loot", &format!("draw {}", loot.address));
    talk.log.line("connected to ");
    talk.type_in("draw 4\n");
    until("four are drawn", || (loot.standing() == (4, 996)).then_some(()));
    talk.type_in("left\n");
    let is_number = |line: &&str| line.parse::<u32>().is_ok();
    until("their answer", || (talk.log.text().lines().filter(is_number).count() == 5).then_some(()));
    // Ctrl-D
    talk.type_in("\x04");
    assert_eq!(talk.wait(), 0, "{}", talk.evidence());
    let screen = talk.log.all();
    let drawn: Vec<u32> = screen.lines().filter(is_number).map(|line| line.parse().unwrap()).collect();
    assert_eq!((drawn[4], screen.matches("draw 4").count()), (996, 1), "{screen}");
    assert_eq!(loot.order()[..4], drawn[..4]);
}

#[test]
fn who_talks_hears_it_when_the_server_goes() {
    let scene = Scene::new();
    let loot = scene.loot("--size 1000");
    let talk = scene.start_with_input("loot", &format!("draw {}", loot.address));
    talk.type_in("left\n");
    talk.stdout.line("1000");
    loot.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(talk.wait(), 69, "{}", talk.evidence());
    assert_eq!(loot.wait_gone(), 0);
}

#[test]
fn who_reads_no_more_is_not_drawn_for() {
    let scene = Scene::new();
    let loot = scene.loot("--size 200000");
    let program = executable("loot").display().to_string();
    let line = format!("yes 'draw 1' | {program} draw {} | head -1", loot.address);
    let script = scene.start_command(&["sh", "-c", &line]);
    assert_eq!(script.wait_gone(), 0, "{}", script.evidence());
    assert!(loot.standing().1 > 0, "all was drawn for nobody");
    let line = format!("{program} draw {} 50000 | true; exit ${{PIPESTATUS[0]}}", loot.address);
    let script = scene.start_command(&["bash", "-c", &line]);
    assert_eq!(script.wait_gone(), 74, "{}", script.evidence());
    assert!(script.log.all().contains("repeat with --id "), "{}", script.evidence());
}

#[test]
fn a_record_is_of_one_box() {
    let scene = Scene::new();
    let (first, second) = (scene.loot("--size 100"), scene.loot("--size 100 --ledger second.db"));
    assert_eq!(scene.run_loot(&format!("draw {} 4 --out record", first.address)).0, 0);
    let (status, _, log) = scene.run_loot(&format!("draw {} 4 --out record", second.address));
    assert_eq!((status, second.standing().0), (1, 0), "{log}");
    assert!(log.contains("not the one that the record is of"), "{log}");
}
