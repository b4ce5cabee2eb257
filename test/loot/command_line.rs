//! What is wrong on the command line is refused, by a line that helps.

use crate::support::{Scene, executable};

#[test]
fn what_is_out_of_bounds_is_refused() {
    let scene = Scene::new();
    let refused = "--size 0|--size abc|--size -1|--size 100000001|--size 1e5|--threads 0|--threads 1025|--idle 0.05|--idle x|\
                   --connections 0|--per-address 0|--user nobody-at-all|--quiet --verbose|--colour";
    for arguments in refused.split('|') {
        let (status, said, log) = scene.run_loot(&format!("serve --listen 127.0.0.1:0 {arguments}"));
        assert_eq!((status, said.as_str()), (2, ""), "{arguments}: {log}");
        let value = arguments.split(' ').next_back().unwrap();
        assert!(log.contains(value), "{arguments}: {log}");
    }
    let elsewhere = "|nonsense|serve --listen 127.0.0.1:x|draw|draw 127.0.0.1:1 0|draw 127.0.0.1:1 x|draw 127.0.0.1:1 100000001|draw 127.0.0.1:x 1|\
                     draw 127.0.0.1:1 1 --id #|draw 127.0.0.1:1 --id a|draw 127.0.0.1:1 1 --timeout x|verify|\
                     verify a --commitment x|close 127.0.0.1:x";
    for arguments in elsewhere.split('|') {
        let (status, said, log) = scene.run_loot(arguments);
        assert_eq!((status, said.as_str()), (2, ""), "{arguments}: {log}");
        assert!(!log.is_empty(), "{arguments}");
    }
    assert!(!scene.path("loot.db").exists(), "nothing was begun");
}

#[test]
fn an_id_is_one_word_and_not_too_long() {
    let scene = Scene::new();
    let program = executable("loot").to_str().unwrap();
    let long = "x".repeat(65);
    for id in ["a b", "", "ä", "a\n", "#a", &long] {
        let refused = scene.start_command(&[program, "draw", "127.0.0.1:1", "1", "--id", id]);
        assert_eq!(refused.wait(), 2, "{id:?}");
        assert!(refused.log.all().contains("an id has 1 to 64 of A-Z a-z 0-9 . _ -"), "{}", refused.log.all());
    }
}

#[test]
fn what_is_within_bounds_is_taken() {
    let scene = Scene::new();
    for arguments in ["--size 1", "--threads 1", "--idle 0.1", "--connections 1", "--per-address 1"] {
        scene.loot(&format!("--ledger :memory: {arguments}"));
    }
    for arguments in ["--help", "--version", "serve --help", "draw --help", "close --help", "verify --help"] {
        let (status, said, log) = scene.run_loot(arguments);
        assert_eq!((status, log.as_str()), (0, ""), "{arguments}");
        assert!(said.contains("loot"), "{said}");
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let scene = Scene::new();
    let loot = scene.loot("--ledger :memory:");
    let (status, _, log) = scene.run_loot(&format!("serve --listen {} --ledger :memory:", loot.address));
    assert_eq!(status, 1, "{log}");
    assert!(log.contains(&loot.address.to_string()), "{log}");
}
