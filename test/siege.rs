//! Hostile clients in number: whoever is known is served on, nothing leaks, nothing grows without bound.

use std::fs;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::rc::Rc;
use std::thread::sleep;
use std::time::Duration;

use aliquot::common::limits::{GREETING_MAX_BYTES, LINGER_MAX_BYTES, REPORTS_OF_ADDRESS_MAX, STRANGERS_MAX};
use aliquot::common::message::{Code, Message};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::support::{Keys, Manage, Peer, Process, Scene, Secure, until};
use crate::torture::{cases, check_idle, descriptors, kept};

/// What manage may grow by under any of this, in bytes: 256 strangers with what is read of them, and the allocator's own.
const GROWTH_MAX_BYTES: u64 = 32 * 1024 * 1024;
/// The beginning of a TLS client's first words, which go on for long.
const HALF_HANDSHAKE: &[u8] = &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03];
const HELLO: &str = "<hello version='1' role='report'/>\n";

/// A manage with keys and an honest compute, and what it was like before.
struct Castle {
    scene: Scene,
    keys: Keys,
    manage: Manage,
    honest: Rc<Process>,
    descriptors: usize,
    memory: u64,
}

impl Castle {
    fn new() -> Self {
        let scene = Scene::new();
        let keys = Keys::new(&scene, "keys", &[]);
        let manage = scene.manage("--keys keys --seconds 1000");
        let honest = scene.busy_compute(&manage, "honest");
        let (descriptors, memory) = (descriptors(manage.pid()), memory(manage.pid()));
        Self { scene, keys, manage, honest, descriptors, memory }
    }

    /// Somebody new is served, and the honest compute has noticed nothing.
    fn stands(&self) {
        let computes = self.scene.computes(&self.manage);
        assert!(computes.len() == 1 && computes[0]["state"] == "busy", "{computes:?}");
        let log = self.honest.log.text();
        assert!(!log.contains("WARN") && !log.contains("ERRO"), "{log}");
    }

    /// Those who besieged it are gone: it is as it was.
    fn end(self) {
        self.stands();
        until("the descriptors of before", || (descriptors(self.manage.pid()) <= self.descriptors).then_some(()));
        let growth = memory(self.manage.pid()).saturating_sub(self.memory);
        assert!(growth < GROWTH_MAX_BYTES, "it has grown by {growth} bytes");
        let report = self.scene.start("report", &format!("-k --keys keys {}", self.manage.address));
        assert_eq!((report.wait(), self.manage.wait_gone(), self.honest.wait_gone()), (0, 0, 0));
    }
}

/// What a process has of memory, in bytes.
fn memory(pid: Pid) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.expect("it has some") * 1024
}

/// So many connections that say these bytes and no more.
fn strangers(address: SocketAddr, count: usize, words: &[u8]) -> Vec<TcpStream> {
    let connect = |_| {
        let mut stream = TcpStream::connect(address).expect("manage listens");
        let _ = stream.write_all(words);
        stream
    };
    (0..count).map(connect).collect()
}

#[test]
fn strangers_keep_nobody_out() {
    let castle = Castle::new();
    let pid = castle.manage.pid();
    for words in [b"".as_slice(), b"<hello ", HALF_HANDSHAKE] {
        let count = cases(STRANGERS_MAX + 100, 10_000);
        let held = strangers(castle.manage.address, count, words);
        castle.stands();
        // Who came after them was served: so those in the way are gone.
        let now = descriptors(pid);
        assert!(now <= castle.descriptors + STRANGERS_MAX + 2, "{now} descriptors");
        drop(held);
    }
    castle.end();
}

#[test]
fn floods_leave_nothing_behind() {
    let castle = Castle::new();
    let count = cases(1_000, 100_000);
    for words in [b"".as_slice(), b"\n", HELLO.as_bytes(), HALF_HANDSHAKE, &[0x16; 5_000]] {
        for nth in 0..count {
            drop(strangers(castle.manage.address, 1, words));
            if nth % 500 == 0 {
                castle.stands();
            }
        }
    }
    let context = castle.keys.context("worker");
    for nth in 0..count / 10 {
        let mut peer = Secure::connect(castle.manage.address, &context);
        peer.say(HELLO.trim_end());
        if nth % 2 == 0 {
            assert_eq!(peer.error().0, Code::Forbidden);
        }
    }
    castle.end();
    kept(
        "floods of connections, empty, garbled, of half and whole handshakes",
        "who is known is served on; nothing leaks",
        5 * count,
        "",
    );
}

/// It has five seconds, however much it says meanwhile.
#[test]
fn a_byte_now_and_then_is_not_enough() {
    let castle = Castle::new();
    let mut slow = strangers(castle.manage.address, 20, HALF_HANDSHAKE);
    slow.extend(strangers(castle.manage.address, 20, b""));
    until("the end of all of them", || {
        slow.retain_mut(|stream| stream.write_all(&[0x01]).is_ok());
        sleep(Duration::from_millis(200));
        slow.is_empty().then_some(())
    });
    castle.end();
}

#[test]
fn before_it_is_known_a_peer_has_so_many_bytes() {
    let scene = Scene::new();
    let manage = scene.manage("--ledger :memory:");
    let hello = |length: usize| format!("<hello version='1' role='report'{}/>\n", " ".repeat(length - HELLO.len()));
    let mut fits = Peer::connect(manage.address);
    fits.send(hello(GREETING_MAX_BYTES).as_bytes());
    assert!(matches!(fits.hear(), Message::Welcome(_)));
    let mut long = Peer::connect(manage.address);
    long.send(hello(GREETING_MAX_BYTES + 1).as_bytes());
    assert_eq!(long.error(), (Code::TooLong, "1:1: 4096 bytes have come, and no hello".to_owned()));
}

/// Who goes on talking when nobody listens any more costs nothing.
#[test]
fn who_is_not_heard_any_more_costs_nothing() {
    let scene = Scene::new();
    let manage = scene.manage("--ledger :memory:");
    let mut talks = strangers(manage.address, 20, &[b'x'; 20_000]);
    check_idle(manage.pid());
    talks.iter_mut().for_each(|stream| _ = stream.write_all(&[b'x'; 20_000]));
    check_idle(manage.pid());
    // More than is read of one who is to go, and then no more: both sides have closed it.
    let ended = strangers(manage.address, 5, &vec![b'x'; GREETING_MAX_BYTES + LINGER_MAX_BYTES + 50_000]);
    ended.iter().for_each(|stream| stream.shutdown(Shutdown::Write).expect("it is connected"));
    check_idle(manage.pid());
}

#[test]
fn an_address_has_so_many_reports() {
    let scene = Scene::new();
    let manage = scene.manage("--ledger :memory:");
    let mut here: Vec<Peer> = (0..REPORTS_OF_ADDRESS_MAX).map(|_| Peer::report(manage.address)).collect();
    let mut more = Peer::connect(manage.address);
    more.send(HELLO.as_bytes());
    let (code, text) = more.error();
    assert!(code == Code::Busy && text.contains("this address has 64 connections of reports"), "{code}: {text}");
    let refused = scene.start("report", &manage.address.to_string());
    assert_eq!(refused.wait(), 69);
    refused.log.line("busy: 1:1: this address has 64 connections of reports already");
    here.pop();
    until("a place", || (scene.start("report", &manage.address.to_string()).wait() == 0).then_some(()));
    manage.signal(Signal::SIGINT);
    assert_eq!(manage.wait_gone(), 0);
}
