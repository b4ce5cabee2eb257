//! Two servers may have their keys in one directory, and one list: each knows its own clients alone.

use super::*;
use crate::common::log::{self, Screen};

fn log() -> Logger {
    log::open("test", slog::Level::Critical, Screen::default())
}

/// A directory with the keys of a collect, and of a manage if it is `shared`.
fn directory(shared: bool) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let web = wish(Role::Collect)("agent:web-1").unwrap();
    let said = init(directory.path(), Role::Collect, &[web], None).unwrap();
    let made: Vec<_> = said.lines().filter_map(|line| line.split_whitespace().next()?.rsplit('/').next()).collect();
    assert_eq!(made, ["collect.key", "authorized", "agent.key", "web-1.key"], "{said}");
    if shared {
        init(directory.path(), Role::Manage, &[], None).unwrap();
    }
    directory
}

#[test]
fn each_server_knows_its_own_clients() {
    let directory = directory(true);
    let at = |name: &str| directory.path().join(name).display().to_string();
    let public = |name: &str, role| tls::public(keys::load(&at(name), &[role]).unwrap().secret).unwrap();
    let (web, worker) = (public("web-1.key", Role::Agent), public("worker.key", Role::Worker));
    let mut collect = Keyring::open(&at(""), Role::Collect, &log()).unwrap();
    assert_eq!(collect.bearer(web), Bearer::Key(Role::Agent, "web-1".to_owned(), web));
    assert_eq!(collect.bearer(worker), Bearer::Stranger(worker));
    let mut manage = Keyring::open(&at(""), Role::Manage, &log()).unwrap();
    assert_eq!(manage.bearer(worker), Bearer::Key(Role::Worker, "worker".to_owned(), worker));
    assert_eq!(manage.bearer(web), Bearer::Stranger(web));
    assert_eq!(manage.told, "", "a list of two servers has no faults");
}

#[test]
fn a_key_file_names_its_server() {
    let directory = directory(false);
    let at = |name: &str| directory.path().join(name).display().to_string();
    let load = |name: &str, role| keys::load(&at(name), &[role]);
    let collect = load("", Role::Collect).unwrap();
    let web = load("web-1.key", Role::Agent).unwrap();
    assert_eq!(web.server, collect.server);
    assert!(web.text().contains(&format!("\ncollect {}\n", collect.server)), "{:?}", web.name);
    let fault = Keyring::open(&at(""), Role::Manage, &log()).unwrap_err().to_string();
    assert!(fault.ends_with("there is no manage.key in it"), "{fault}");
    let fault = load("web-1.key", Role::Worker).unwrap_err().to_string();
    assert!(fault.ends_with("its role is agent; needed is worker.key"), "{fault}");
}

#[test]
fn an_agent_is_known_by_its_key() {
    let directory = directory(false);
    let given = directory.path().display().to_string();
    let mut collect = Keyring::open(&given, Role::Collect, &log()).unwrap();
    let agent = Context::by_key(Some(&given), &[Role::Agent]).unwrap().unwrap();
    let (mut here, mut there) = (collect.session().unwrap(), agent.session().unwrap());
    for _ in 0..3 {
        let (mut wire, mut plain) = (Vec::new(), Vec::new());
        there.drain(&mut wire);
        here.receive(&wire, &mut plain).unwrap();
        wire.clear();
        here.drain(&mut wire);
        there.receive(&wire, &mut plain).unwrap();
    }
    let key = here.peer().expect("the handshake is over");
    assert_eq!(collect.bearer(key), Bearer::Key(Role::Agent, "agent".to_owned(), key));
    // Without its line it is nobody, once the list has been without it for long enough.
    let list = directory.path().join(AUTHORIZED);
    let text = std::fs::read_to_string(&list).unwrap();
    std::fs::write(&list, text.replace("agent     agent ", "# agent   agent ")).unwrap();
    let in_use = BTreeMap::from([(key, Role::Agent)]);
    let revoked = (0..100).find_map(|_| collect.revoked(&in_use).first().copied());
    assert_eq!((revoked, collect.bearer(key)), (Some(key), Bearer::Stranger(key)));
}
