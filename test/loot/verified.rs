//! The order and the commitment, recomputed by a program of another language that knows nothing but their definition.

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::support::Scene;

/// By the definition in src/loot/shuffle.rs: reads numbers, `commitment …` and `reveal …`.
const SCRIPT: &str = r#"
import hashlib, hmac, sys

lines = [line.split() for line in open(sys.argv[1]).read().splitlines()]
numbers = [int(line[0]) for line in lines if len(line) == 1]
(_, commitment, _, size), = [line for line in lines if line[0] == "commitment"]
(_, seed, _, revealed, _, drawn), = [line for line in lines if line[0] == "reveal"]
assert size == revealed and int(drawn) == len(numbers), "of another box"
seed, size = bytes.fromhex(seed), int(size)
wide = size.to_bytes(8, "big")
assert hashlib.sha256(b"aliquot loot 1 commitment\0" + wide + seed).hexdigest() == commitment, "the commitment"

def words():
    nth = 0
    while True:
        block = hmac.new(seed, b"aliquot loot 1 shuffle\0" + wide + nth.to_bytes(8, "big"), hashlib.sha256).digest()
        yield from (int.from_bytes(block[at:at + 4], "big") for at in range(0, 32, 4))
        nth += 1

stream = words()

def below(bound):
    while True:
        word = next(stream)
        if word < 2**32 - 2**32 % bound:
            return word % bound

order = list(range(1, size + 1))
for last in range(size - 1, 0, -1):
    other = below(last + 1)
    order[last], order[other] = order[other], order[last]
assert order[:len(numbers)] == numbers, "the order"
print("right")
"#;

/// True if there is a Python; says so if not.
pub fn has_python() -> bool {
    let has = Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has {
        println!("skipped: a client of another language needs python3");
    }
    has
}

#[test]
fn another_program_finds_the_same_order() {
    if !has_python() {
        return;
    }
    for (size, drawn) in [(1, 1), (2, 2), (1_000, 700), (60_000, 60_000)] {
        let scene = Scene::new();
        let loot = scene.loot(&format!("--size {size}"));
        let commitment = loot.commitment();
        let mut client = loot.client();
        let mut numbers = client.draw(drawn / 2);
        // The second half after a restart: it is the same box.
        loot.signal(Signal::SIGTERM);
        assert_eq!(loot.wait_gone(), 0);
        let again = scene.loot("");
        let mut client = again.client();
        numbers.extend(client.draw(drawn - drawn / 2));
        assert_eq!(client.ask_line("close"), "closed");
        let lines: String = numbers.iter().map(|number| format!("{number}\n")).collect();
        fs::write(scene.path("said"), format!("{commitment}\n{lines}{}\n", client.ask_line("reveal"))).unwrap();
        fs::write(scene.path("order.py"), SCRIPT).unwrap();
        let checks = scene.start_command(&["python3", "order.py", "said"]);
        assert_eq!((checks.wait(), checks.stdout.all().as_str()), (0, "right\n"), "{}", checks.log.all());
    }
}

#[test]
fn each_box_has_an_order_of_its_own() {
    let scene = Scene::new();
    let orders: Vec<_> = (0..3).map(|_| scene.loot("--size 1000 --ledger :memory:").client().draw(1_000)).collect();
    assert!(orders[0] != orders[1] && orders[1] != orders[2] && orders[0] != orders[2]);
}

#[test]
fn what_was_drawn_by_hand_into_a_file_is_verified() {
    let scene = Scene::new();
    let loot = scene.loot("--size 6");
    let script = scene.start_with_input("loot", &format!("draw {} --out record", loot.address));
    script.type_in("draw 4\nleft\ndraw 2\nreveal\n");
    script.end_input();
    assert_eq!((script.wait(), script.stdout.all().lines().count()), (0, 9), "{}", script.evidence());
    let (status, said, log) = scene.run_loot("verify record");
    assert_eq!(status, 0, "{said}{log}");
}
