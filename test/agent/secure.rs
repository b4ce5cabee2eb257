//! Agents and pushers that have a key.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;

use aliquot::common::conn::Conn;
use aliquot::common::frame::{self, Cut};
use aliquot::common::keys::{KeyFile, Public, Role, Secret};
use aliquot::common::net::Listener;
use aliquot::common::poll::Set;
use aliquot::common::tls::{Context, public, random_secret};
use nix::sys::signal::Signal;

use crate::support::{FakeCollect, PATIENCE, Scene, until};

/// Writes `agent.key`, for the collect that has the key `collect`; gives the agent's own.
fn key(scene: &Scene, collect: Public) -> Public {
    let secret = random_secret().unwrap();
    let file = KeyFile { role: Role::Agent, name: "agent".to_owned(), secret, server: collect };
    fs::write(scene.path("agent.key"), file.text()).unwrap();
    fs::set_permissions(scene.path("agent.key"), fs::Permissions::from_mode(0o600)).unwrap();
    public(secret).unwrap()
}

fn listen() -> (Listener, String) {
    let listener = Listener::open("here", "127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.address().unwrap().to_string();
    (listener, address)
}

/// Takes a connection and hears its first frame; that, and the key of who said it.
fn hello(listener: &Listener, own: Secret) -> (String, Public) {
    let (stream, _) = until("a connection", || listener.accept().unwrap());
    let session = Context::server(own).unwrap().session().unwrap();
    let mut conn = Conn::new(stream, Some(session));
    until("a frame", || {
        conn.flush().unwrap();
        let mut set = Set::new();
        let slot = set.add(conn.as_fd(), conn.interest());
        set.wait(PATIENCE).unwrap();
        if set.ready(slot).readable {
            conn.receive().unwrap();
        }
        let Cut::Frame(begin, end) = frame::cut(conn.unread()) else { return None };
        Some((String::from_utf8(conn.unread()[begin..end].to_vec()).unwrap(), conn.key().unwrap()))
    })
}

#[test]
fn they_show_their_key_and_speak_tls() {
    let (scene, own, (listener, address)) = (Scene::new(), random_secret().unwrap(), listen());
    let agents = key(&scene, public(own).unwrap());
    for (program, options) in [
        ("agent", format!("{address} --name me --keys agent.key")),
        ("pow", format!("serve --listen 127.0.0.1:0 --collect {address} --collect-name me --collect-keys agent.key")),
        ("compute", format!("127.0.0.1:1 --count 2 --collect {address} --collect-name me --collect-keys .")),
    ] {
        let program = scene.start(program, &options);
        let (said, key) = hello(&listener, own);
        assert!(said.contains("\"name\":\"me"), "{said}");
        assert_eq!(key, agents);
        program.signal(Signal::SIGTERM);
        assert_eq!(program.wait_gone(), 0);
    }
}

#[test]
fn nobody_else_is_taken_for_collect() {
    let (scene, (listener, address)) = (Scene::new(), listen());
    key(&scene, public(random_secret().unwrap()).unwrap());
    let agent = scene.start("agent", &format!("{address} --keys agent.key"));
    let (stream, _) = until("a connection", || listener.accept().unwrap());
    let session = Context::server(random_secret().unwrap()).unwrap().session().unwrap();
    let mut conn = Conn::new(stream, Some(session));
    until("its end", || {
        let _ = conn.flush();
        conn.receive().err()
    });
    assert_eq!(agent.wait_gone(), 77);
    // Nor is one without keys.
    let collect = FakeCollect::new();
    let agent = scene.start("agent", &format!("{} --keys agent.key", collect.address));
    collect.accept().send(&[b' '; 64]);
    assert_eq!(agent.wait_gone(), 77);
}
