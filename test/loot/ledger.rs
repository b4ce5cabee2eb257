//! The ledger: what a restart goes on from, and what is refused.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};

use nix::sys::signal::Signal;
use rusqlite::Connection;

use super::is_whole_box;
use crate::support::{Loot, Scene, until};

fn end(loot: &Loot) {
    loot.signal(Signal::SIGTERM);
    assert_eq!(loot.wait_gone(), 0, "{}", loot.evidence());
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let scene = Scene::new();
    let mut numbers = Vec::new();
    let mut commitments = Vec::new();
    for (nth, arguments) in ["--size 1000", "", "--size 1000 --threads 1", "--ledger ./loot.db"].iter().enumerate() {
        let loot = scene.loot(arguments);
        commitments.push(loot.commitment());
        let mut client = loot.client();
        assert_eq!(client.count("drawn"), 200 * nth as u32);
        assert_eq!(client.count("unheard"), 0, "all was heard");
        numbers.extend(client.draw(100));
        numbers.extend((0..100).flat_map(|_| client.draw(1)));
        end(&loot);
        assert!(loot.log.all().contains("none drawn yet") == (nth == 0), "{}", loot.log.all());
    }
    let loot = scene.loot("");
    numbers.extend(loot.client().draw_all());
    is_whole_box(numbers.clone(), 1_000);
    assert!(commitments.iter().all(|commitment| *commitment == loot.commitment()), "{commitments:?}");
    assert_eq!(loot.order()[..], numbers[..], "the order is the same through all of it");
}

#[test]
fn what_is_over_stays_over() {
    let scene = Scene::new();
    let loot = scene.loot("--size 10");
    let drawn = loot.client().draw(4);
    loot.order();
    end(&loot);
    let loot = scene.loot("");
    assert!(loot.log.text().contains(", closed; ledger "), "{}", loot.log.text());
    let mut client = loot.client();
    assert!(client.ask_line("draw 1").starts_with("error closed: "));
    assert!(client.ask_line("reveal").ends_with(" size 10 drawn 4"));
    assert_eq!(loot.order()[..4], drawn[..]);
    let whole = scene.loot("--size 10 --ledger whole.db");
    whole.client().draw(10);
    end(&whole);
    let whole = scene.loot("--ledger whole.db");
    let mut client = whole.client();
    assert!(client.ask_line("draw 1").starts_with("error exhausted: "));
    assert!(client.ask_line("reveal").ends_with(" size 10 drawn 10"));
}

#[test]
fn what_was_never_heard_is_known_after_a_restart_too() {
    let scene = Scene::new();
    let loot = scene.loot("--size 3000000");
    loot.client().draw(7);
    let mut deaf = loot.client();
    deaf.say("draw 2000000");
    deaf.numbers(1);
    deaf.reset();
    let mut client = loot.client();
    until("it has gone", || (client.count("unheard") == 2_000_000).then_some(()));
    end(&loot);
    let loot = scene.loot("");
    assert_eq!((loot.client().count("unheard"), loot.standing()), (2_000_000, (2_000_007, 999_993)));
    assert!(
        loot.log.text().contains("2,000,000 numbers were drawn, or taken by a crash, and perhaps never heard"),
        "{}",
        loot.log.text()
    );
}

#[test]
fn an_id_that_was_not_heard_is_heard_when_it_asks_again() {
    let scene = Scene::new();
    let loot = scene.loot("--size 3000000");
    let mut deaf = loot.client();
    deaf.say("draw 2000000 #lost");
    deaf.text();
    deaf.reset();
    let mut client = loot.client();
    until("it is drawn", || (client.count("unheard") == 2_000_000).then_some(()));
    end(&loot);
    let loot = scene.loot("");
    let mut client = loot.client();
    assert_eq!(client.count("unheard"), 2_000_000);
    for _ in 0..2 {
        assert_eq!(client.draw_named(2_000_000, "lost").1.len(), 2_000_000);
        assert_eq!(client.count("unheard"), 0);
    }
    assert_eq!(loot.standing(), (2_000_000, 1_000_000));
}

#[test]
fn another_size_than_that_of_the_ledger_is_refused() {
    let scene = Scene::new();
    end(&scene.loot("--size 1000"));
    for size in [999, 1_001, 100_000] {
        let (status, _, log) = scene.run_loot(&format!("serve --listen 127.0.0.1:0 --size {size}"));
        assert_eq!(status, 2, "{log}");
        assert!(log.contains("its box has 1000 numbers") && log.contains("loot.db"), "{log}");
    }
    assert_eq!(scene.loot("").standing(), (0, 1_000));
}

#[test]
fn a_ledger_has_one_server() {
    let scene = Scene::new();
    let loot = scene.loot("--size 100");
    for arguments in ["serve --listen 127.0.0.1:0", "verify loot.db"] {
        let (status, said, log) = scene.run_loot(arguments);
        assert_eq!((status, said.as_str()), (74, ""), "{log}");
        assert!(log.contains("loot.db") && log.contains(&format!("(pid {})", loot.pid())), "{log}");
    }
    loot.client().draw(1);
    assert_eq!(loot.standing(), (1, 99));
}

#[test]
fn what_is_no_ledger_of_loot_is_refused_and_left_as_it_is() {
    let scene = Scene::new();
    let manage = scene.manage("");
    manage.signal(Signal::SIGTERM);
    assert_eq!(manage.wait_gone(), 0);
    fs::write(scene.path("text"), "1\n2\n3\n".repeat(1_000)).unwrap();
    fs::write(scene.path("short"), "1\n").unwrap();
    fs::create_dir(scene.path("folder")).unwrap();
    Connection::open(scene.path("foreign.db")).unwrap().execute_batch("CREATE TABLE a (b);").unwrap();
    for path in ["search.db", "text", "short", "foreign.db"] {
        let before = fs::read(scene.path(path)).unwrap();
        for arguments in ["serve --listen 127.0.0.1:0 --ledger", "verify"] {
            // Numbers that nobody has revealed are no ledger, but a record.
            if arguments == "verify" && ["text", "short"].contains(&path) {
                continue;
            }
            let (status, _, log) = scene.run_loot(&format!("{arguments} {path}"));
            assert_eq!(status, 74, "{path}: {log}");
            assert!(log.contains(&format!("ledger {path}: ")), "{path}: {log}");
        }
        assert!(fs::read(scene.path(path)).unwrap() == before, "{path} was changed");
    }
    for path in ["folder", "nowhere/loot.db"] {
        let (status, _, log) = scene.run_loot(&format!("serve --listen 127.0.0.1:0 --ledger {path}"));
        assert_eq!(status, 74, "{path}: {log}");
    }
    let (status, _, log) = scene.run_loot("verify search.db loot.db");
    assert_eq!(status, 74, "{log}");
}

/// A ledger with three commits and two ids, whose server has ended.
fn drawn(scene: &Scene) {
    let loot = scene.loot("--size 1000");
    let mut client = loot.client();
    client.draw(10);
    client.draw_named(20, "a");
    client.draw_named(30, "b");
    end(&loot);
}

fn is_refused(scene: &Scene, what: &str) {
    let (status, said, log) = scene.run_loot("verify loot.db");
    assert_eq!((status, said.as_str()), (74, ""), "{what}: {log}");
    assert!(log.contains("loot.db"), "{what}: {log}");
}

#[test]
fn a_sound_ledger_is_verified() {
    let scene = Scene::new();
    drawn(&scene);
    let (status, said, log) = scene.run_loot("verify loot.db");
    assert_eq!((status, log.as_str()), (0, ""));
    for part in
        ["ledger loot.db is sound", "1,000 numbers, commitment ", "60; commits: 3, draws with an id: 2", "0 at most"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let commitment = scene.loot("").commitment();
    assert!(said.contains(commitment.split(' ').nth(1).unwrap()), "{said}, not {commitment}");
}

#[test]
fn a_ledger_that_was_changed_is_refused() {
    let changes = [
        "UPDATE box SET size = 1001",
        "UPDATE box SET seed = randomblob(32)",
        "UPDATE batch SET count = count - 1 WHERE first = 30",
        "UPDATE named SET first = 0 WHERE id = 'b'",
        "DROP TABLE named",
    ];
    for change in changes {
        let scene = Scene::new();
        drawn(&scene);
        Connection::open(scene.path("loot.db")).unwrap().execute_batch(change).unwrap();
        is_refused(&scene, change);
        let (status, _, log) = scene.run_loot("serve --listen 127.0.0.1:0");
        assert_eq!(status, 74, "{change}: {log}");
        assert!(log.contains("damaged"), "{change}: {log}");
    }
    let scene = Scene::new();
    drawn(&scene);
    for change in ["DELETE FROM batch WHERE first = 10", "UPDATE batch SET count = 9 WHERE first = 0"] {
        Connection::open(scene.path("loot.db")).unwrap().execute_batch(change).unwrap();
        is_refused(&scene, change);
        assert_eq!(scene.run_loot("serve --listen 127.0.0.1:0").0, 74, "{change}");
    }
}

#[test]
fn a_ledger_that_was_cut_or_overwritten_is_refused() {
    let scene = Scene::new();
    drawn(&scene);
    let whole = fs::read(scene.path("loot.db")).unwrap();
    for length in [whole.len() / 2, whole.len() - 4_096, 5_000, 100] {
        fs::write(scene.path("loot.db"), &whole[..length]).unwrap();
        let (status, _, log) = scene.run_loot("serve --listen 127.0.0.1:0");
        assert_eq!(status, 74, "cut to {length}: {log}");
    }
    for at in (0..whole.len() as u64).step_by(4_096).skip(1) {
        fs::write(scene.path("loot.db"), &whole).unwrap();
        File::options().write(true).open(scene.path("loot.db")).unwrap().write_at(&[0xa5; 4_096], at).unwrap();
        is_refused(&scene, &format!("page at {at}"));
        let (status, _, log) = scene.run_loot("serve --listen 127.0.0.1:0");
        assert_eq!(status, 74, "page at {at}: {log}");
    }
    fs::write(scene.path("loot.db"), &whole).unwrap();
    assert_eq!(scene.loot("").standing(), (60, 940));
}

#[test]
fn a_ledger_in_memory_leaves_nothing() {
    let scene = Scene::new();
    let loot = scene.loot("--size 100 --ledger :memory:");
    loot.client().draw(5);
    end(&loot);
    assert_eq!(fs::read_dir(scene.path("")).unwrap().count(), 0);
}

#[test]
fn a_file_of_one_byte_is_no_ledger_either() {
    let scene = Scene::new();
    std::fs::write(scene.path("one"), "x").unwrap();
    let process = scene.try_loot("", "127.0.0.1:0", "--ledger one").err().expect("it isn't taken for an empty ledger");
    assert_eq!(process.wait(), 74);
    assert_eq!(std::fs::read(scene.path("one")).unwrap(), b"x");
}

#[test]
fn a_ledger_whose_log_is_gone_is_refused_unless_it_was_closed() {
    let scene = Scene::new();
    let loot = scene.loot("--size 100");
    loot.client().draw(10);
    loot.signal(Signal::SIGKILL);
    loot.wait_gone();
    fs::rename(scene.path("loot.db-wal"), scene.path("aside")).unwrap();
    for command in ["serve --listen 127.0.0.1:0", "verify loot.db"] {
        let (status, _, log) = scene.run_loot(command);
        assert_eq!(status, 74, "{command}: {log}");
        assert!(log.contains("its log is gone"), "{command}: {log}");
        let _ = fs::remove_file(scene.path("loot.db-wal"));
    }
    fs::rename(scene.path("aside"), scene.path("loot.db-wal")).unwrap();
    assert_eq!(scene.run_loot("verify loot.db").0, 0);
    let loot = scene.loot("");
    assert_eq!(loot.standing(), (10, 90));
    end(&loot);
    assert!(!scene.path("loot.db-wal").exists());
    assert_eq!(scene.loot("").standing(), (10, 90));
}

#[test]
fn a_server_that_was_killed_before_its_first_draw_goes_on() {
    let scene = Scene::new();
    for _ in 0..2 {
        let loot = scene.loot("--size 100");
        loot.signal(Signal::SIGKILL);
        loot.wait_gone();
        assert_eq!(scene.run_loot("verify loot.db").0, 0);
    }
    assert_eq!(scene.loot("").standing(), (0, 100));
}

#[test]
fn nobody_else_may_read_a_ledger() {
    let scene = Scene::new();
    let loot = scene.loot("--size 100");
    loot.client().draw(10);
    for file in ["loot.db", "loot.db-wal"] {
        assert_eq!(fs::metadata(scene.path(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
}

#[test]
fn a_ledger_is_of_the_box_that_was_published() {
    let scene = Scene::new();
    drawn(&scene);
    let (_, said, _) = scene.run_loot("verify loot.db");
    let hash = said.split("commitment ").nth(1).unwrap().lines().next().unwrap();
    assert_eq!(scene.run_loot(&format!("verify loot.db --commitment {hash}")).0, 0);
    assert_eq!(scene.run_loot(&format!("verify loot.db --commitment {}", "0".repeat(64))).0, 1);
}

#[test]
fn a_ledger_that_is_ahead_is_not_while_nothing_is_drawn() {
    let scene = Scene::new();
    let loot = scene.loot("--size 10000 --ahead 1000");
    let mut client = loot.client();
    client.draw(10);
    until("it is as far as the draws", || {
        fs::copy(scene.path("loot.db"), scene.path("copy.db")).unwrap();
        fs::copy(scene.path("loot.db-wal"), scene.path("copy.db-wal")).unwrap();
        let (status, said, _) = scene.run_loot("verify copy.db");
        (status == 0 && said.contains("DRAWN    10;")).then_some(())
    });
    loot.signal(Signal::SIGKILL);
    loot.wait_gone();
    assert_eq!(scene.loot("").standing(), (10, 9_990), "there was nothing to take");
}
