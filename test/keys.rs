//! Keys: who gets in, who may do what, and what is said to those who may not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::rc::Rc;

use aliquot::common::conn::Broken;
use aliquot::common::keys::Role;
use aliquot::common::message::{Code, Message, Query, Request};
use aliquot::manage::rights::may;
use nix::sys::signal::Signal;

use crate::schema::{Maker, section};
use crate::support::{FakeManage, Keys, Manage, Peer, Process, SIGKILL, Scene, Secure, context, replace, until};
use crate::torture::fake_clock;

mod attempts;
mod files;

/// A search with keys, and a compute that has something to do for long.
struct House {
    scene: Scene,
    keys: Keys,
    manage: Manage,
    compute: Rc<Process>,
}

impl House {
    fn new(more: &[&str]) -> Self {
        let scene = Scene::new();
        let keys = Keys::new(&scene, "keys", more);
        let manage = scene.manage("--keys keys --seconds 1000");
        let compute = scene.busy_compute(&manage, "honest");
        Self { scene, keys, manage, compute }
    }

    /// Nobody was signalled: both still run, and only the operator ends them.
    fn end(self) {
        assert!(!self.manage.log.text().contains("SIG") && !self.compute.log.text().contains("SIG"));
        assert_eq!(self.scene.computes(&self.manage)[0]["state"], "busy");
        let report = self.scene.start("report", &format!("-k --keys keys {}", self.manage.address));
        assert_eq!(report.wait(), 0);
        assert_eq!((self.manage.wait_gone(), self.compute.wait_gone()), (0, 0));
    }
}

/// What a program says that ends with status 77.
fn refused(scene: &Scene, program: &str, arguments: &str) -> String {
    let process = scene.start(program, arguments);
    assert_eq!(process.wait_gone(), 77, "{arguments}: {}", process.log.all());
    let said = process.log.all();
    let lines = said.lines().filter(|line| !line.contains(" INFO ")).count();
    assert_eq!(lines, 1, "it is said in one line: {said}");
    said
}

#[test]
fn a_search_runs_with_keys_and_nobody_gets_in_without() {
    let house = House::new(&[]);
    assert!(house.scene.start("report", &house.manage.address.to_string()).wait() == 77);
    let mut stranger = Peer::connect(house.manage.address);
    stranger.say("<hello version='1' role='report'/>");
    assert_eq!(stranger.error().0, Code::Keys);
    house.end();
}

#[test]
fn the_rights_are_those_of_the_table() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/protocol.md")).unwrap();
    let rows: Vec<Vec<&str>> = section(&page, "## TLS")
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|row| row.split('|').collect())
        .collect();
    let mut maker = Maker { rng: fastrand::Rng::with_seed(1), bits: 0 };
    for message in (0..20).flat_map(|turn| maker.all(turn)) {
        let name = format!("`{}`", message.name());
        let role = if let Message::Hello(hello) = &message { format!("`{}`", hello.role) } else { String::new() };
        let names_it = |cell: &str| {
            if role.is_empty() {
                cell.split(", ").any(|it| it.trim() == name) && !cell.contains(" as ")
            } else {
                cell.contains(&name) && cell.contains(&role)
            }
        };
        let row = rows.iter().find(|row| names_it(row[1]));
        for (nth, role) in [Role::Worker, Role::Viewer, Role::Operator].into_iter().enumerate() {
            let told = row.is_some_and(|row| row[2 + nth].trim() == "yes");
            assert_eq!(may(role, &message), told, "a {role} and {name}");
        }
    }
}

#[test]
fn what_a_key_may_not_do_is_refused() {
    let house = House::new(&[]);
    let cases: &[(&str, &str, &str)] = &[
        ("worker", "<hello version='1' role='report'/>", "a key of role worker may not say hello as report"),
        (
            "viewer",
            "<hello version='1' role='compute' host='h' pid='1' instance='0123456789abcdef'/>",
            "may not say hello as compute",
        ),
        (
            "viewer",
            "<hello version='1' role='control' host='h' pid='1' instance='0123456789abcdef'/>",
            "may not say hello as control",
        ),
        ("viewer", "<hello version='1' role='report'/>\n<signal name='INT'/>", "role viewer may not say signal"),
        ("operator", "<hello version='1' role='report'/>\n<request/>", "role operator may not say request"),
    ];
    for (name, lines, text) in cases {
        let mut peer = Secure::connect(house.manage.address, &house.keys.context(name));
        peer.say(lines);
        let (code, said) = peer.error();
        assert!(code == Code::Forbidden && said.contains(text), "{name}: {lines}: {code}: {said}");
    }
    let mut viewer = Secure::connect(house.manage.address, &house.keys.context("viewer"));
    viewer.say("<hello version='1' role='report'/>");
    viewer.tell(Query { cells: None });
    assert!(matches!(viewer.hear(), Message::Welcome(_)));
    assert!(matches!(viewer.hear(), Message::Status(_)));
    house.end();
}

#[test]
fn a_removed_key_is_refused_and_its_connections_are_closed() {
    let house = House::new(&["worker:node02", "operator:ann"]);
    let other = house.scene.compute(&house.manage, "--host other --keys keys/node02.key");
    until("another compute at work", || (house.scene.computes(&house.manage).len() == 2).then_some(()));
    let mut ann = Secure::connect(house.manage.address, &house.keys.context("ann"));
    ann.say("<hello version='1' role='report'/>");
    assert!(matches!(ann.hear(), Message::Welcome(_)));
    house.keys.remove("node02");
    house.keys.remove("ann");
    assert_eq!(other.wait_gone(), 77);
    other.log.line("unauthorized: 1:1: this key is not authorized here any more");
    assert_eq!(ann.error().0, Code::Unauthorized);
    let said = refused(&house.scene, "report", &format!("--keys keys/ann.key {}", house.manage.address));
    assert!(said.contains("unauthorized"), "{said}");
    house.end();
}

#[test]
fn a_list_that_is_being_written_harms_nobody() {
    let house = House::new(&[]);
    let whole = fs::read_to_string(house.keys.list()).unwrap();
    // Neither a line that is none nor a list that can't be read closes what is open.
    fs::remove_file(house.keys.list()).unwrap();
    let mut late = Secure::connect(house.manage.address, &house.keys.context("viewer"));
    late.say("<hello version='1' role='report'/>");
    assert_eq!(late.error().0, Code::Busy);
    house.manage.log.line("nobody who isn't here already comes in until that is mended");
    replace(&house.keys.list(), &format!("worker node02 abc\n{whole}"));
    house.manage.log.line("authorized: line 1: a key is 64 hexadecimal digits: it is passed over");
    fs::set_permissions(house.keys.list(), fs::Permissions::from_mode(0o622)).unwrap();
    house.manage.log.line("others can write keys/authorized (mode 0622): chmod go-w keys/authorized");
    replace(&house.keys.list(), &whole);
    house.manage.log.line("all of authorized is understood again");
    house.end();
}

/// What an editor leaves behind for a moment, or for good, ends no compute whose key is meant to stay.
#[test]
fn a_slip_of_the_pen_ends_no_compute() {
    let house = House::new(&[]);
    let whole = fs::read_to_string(house.keys.list()).unwrap();
    // The compute's line is none, and it has to connect again meanwhile.
    fs::write(house.keys.list(), whole.replace("worker    worker", "wroker    worker")).unwrap();
    house.manage.log.line("a role is worker, viewer or operator: it is passed over");
    house.manage.signal(Signal::SIGKILL);
    assert_eq!(house.manage.wait(), SIGKILL);
    let manage = house.scene.manage_again(&house.manage, "--keys keys --seconds 1000 -v");
    // It is told to wait, at its first attempt and at the next.
    manage.log.lines("closed: busy: 1:1: it can't be said now whether this key is authorized", 2);
    fs::write(house.keys.list(), &whole).unwrap();
    until("the compute back at work", || {
        house.scene.computes(&manage).iter().any(|it| it["state"] == "busy").then_some(())
    });
    House { manage, ..house }.end();
}

/// A manage that isn't the one of the key can say what it likes.
#[test]
fn a_fake_manage_can_not_make_a_compute_signal_itself() {
    let scene = Scene::new();
    let (keys, others) = (Keys::new(&scene, "keys", &[]), Keys::new(&scene, "others", &[]));
    // One that speaks plain text.
    let fake = FakeManage::new();
    let address = fake.address;
    fake.answer_all("<welcome version='1' method='trial' at='1'/>\n<signal name='INT'/>\n");
    assert!(refused(&scene, "compute", &format!("--keys keys {address}")).contains("plain text, not TLS"));
    // One that has keys, but others.
    let other = scene.manage("--keys others --ledger other.db");
    let said = refused(&scene, "compute", &format!("--keys keys {}", other.address));
    assert!(said.contains("doesn't have the key that is expected"), "{said}");
    // One that takes the place of a manage that was met: the compute goes on, and waits for its own.
    let manage = scene.manage("--keys keys --seconds 1000");
    let compute = scene.busy_compute(&manage, "honest");
    manage.signal(Signal::SIGKILL);
    assert_eq!(manage.wait(), SIGKILL);
    let impostor = scene.manage_again(&manage, "--keys others --ledger other2.db");
    compute.log.line("the other side doesn't have the key that is expected");
    impostor.signal(Signal::SIGINT);
    assert_eq!(impostor.wait_gone(), 0);
    let manage = scene.manage_again(&manage, "--keys keys --seconds 1000");
    until("the compute back at work", || (scene.computes(&manage)[0]["state"] == "busy").then_some(()));
    assert!(!compute.log.text().contains("SIGINT"), "{}", compute.log.text());
    drop((keys, others));
}

/// Of both ways to misunderstand each other the one who asks learns what is wrong.
#[test]
fn plain_text_and_tls_tell_each_other_apart() {
    let scene = Scene::new();
    let keys = Keys::new(&scene, "keys", &[]);
    let plain = scene.manage("--ledger :memory:");
    let said = refused(&scene, "report", &format!("--keys keys {}", plain.address));
    assert!(said.contains("plain text, not TLS"), "{said}");
    let mut secure = Secure::connect(plain.address, &keys.context("worker"));
    secure.tell(Request {});
    assert_eq!(secure.line(), Err(Broken::Unencrypted));
    let secured = scene.manage("--ledger :memory: --keys keys");
    let said = refused(&scene, "compute", &secured.address.to_string());
    assert!(said.contains("name yours by --keys FILE"), "{said}");
    let said = refused(&scene, "report", &secured.address.to_string());
    assert!(said.contains("name yours by --keys FILE"), "{said}");
}

#[test]
fn another_version_is_named_over_tls_too() {
    let scene = Scene::new();
    let keys = Keys::new(&scene, "keys", &[]);
    let manage = scene.manage("--ledger :memory: --keys keys");
    let mut peer = Secure::connect(manage.address, &keys.context("operator"));
    peer.say("<hello version='2' role='report'/>");
    let (code, text) = peer.error();
    assert!(code == Code::WrongVersion && text.contains("is not 1"), "{code}: {text}");
}

/// Ten years, either way: no key expires.
#[test]
fn clocks_do_not_matter() {
    let scene = Scene::new();
    let _keys = Keys::new(&scene, "keys", &[]);
    let manage = scene.manage_through(&fake_clock("FAKETIME=+10y"), "127.0.0.1:0", "--keys keys --seconds 1000");
    for shift in ["FAKETIME=+10y", "FAKETIME=-10y"] {
        let report = scene.start_through(&fake_clock(shift), "report", &format!("--keys keys {}", manage.address));
        assert_eq!(report.wait_gone(), 0, "{shift}: {}", report.log.all());
    }
    // Killed, it would leave what libfaketime shares with its children.
    manage.signal(Signal::SIGINT);
    assert_eq!(manage.wait_gone(), 0);
}

/// The key of one search is nobody to another, whatever its holder takes that other for.
#[test]
fn a_key_of_another_search_is_nobody() {
    let scene = Scene::new();
    let (keys, others) = (Keys::new(&scene, "keys", &[]), Keys::new(&scene, "others", &[]));
    let manage = scene.manage("--ledger :memory: --keys keys");
    let own = &others.key("operator");
    let mut pinning = Secure::connect(manage.address, &context(own, own.server));
    pinning.say("<hello version='1' role='report'/>");
    assert_eq!(pinning.line(), Err(Broken::WrongKey));
    let mut trusting = Secure::connect(manage.address, &context(own, keys.key("manage").server));
    trusting.say("<hello version='1' role='report'/>");
    assert_eq!(trusting.error().0, Code::Unauthorized);
}
