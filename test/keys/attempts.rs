//! Attempts to end a search by those who may not: whatever they try, no process is signalled.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use aliquot::common::conn::Broken;
use aliquot::common::keys::KeyFile;
use aliquot::common::message::{Code, Hello, Message, Role, Signal, Version};
use aliquot::common::signal::Ending;

use super::House;
use crate::support::{Keys, PATIENCE, Peer, Scene, Secure, context, until};
use crate::torture::{cases, kept};

/// What an attempt came to: how the other side has said no.
type Answer = Result<Code, Broken>;

/// The ways to try, and what each is answered.
const WAYS: usize = 8;
/// The one by a key that was taken off the list.
const REMOVED: usize = 5;

/// What those who try have to try with.
struct Thief<'a> {
    house: &'a House,
    /// The keys of another search.
    others: Keys,
    /// An operator's key that was taken off the list.
    removed: KeyFile,
    /// What a real `report -k` has sent to a manage with these keys, bit by bit.
    recorded: Vec<u8>,
    plain: SocketAddr,
}

impl Thief<'_> {
    /// Tries in the `nth` way.
    fn attempt(&self, nth: usize) -> (Answer, Answer) {
        let (manage, keys) = (self.house.manage.address, &self.house.keys);
        let pinned = keys.key("manage").server;
        let forbidden = Ok(Code::Forbidden);
        match nth % WAYS {
            0 => (in_plain_text(manage), Ok(Code::Keys)),
            1 => (by(Secure::connect(manage, &keys.context("worker"))), forbidden),
            2 => (by(Secure::connect(manage, &keys.context("viewer"))), forbidden),
            3 => (by(Secure::connect(manage, &context(&self.others.key("operator"), pinned))), Ok(Code::Unauthorized)),
            4 => (by(Secure::connect(manage, &self.others.context("operator"))), Err(Broken::WrongKey)),
            REMOVED => (by(Secure::connect(manage, &context(&self.removed, pinned))), Ok(Code::Unauthorized)),
            6 => (self.replay(), Err(Broken::Closed)),
            _ => (by(Secure::connect(self.plain, &keys.context("operator"))), Err(Broken::Unencrypted)),
        }
    }

    /// Says again what was recorded. The other side has another secret each time, and doesn't understand a word.
    fn replay(&self) -> Answer {
        let mut stream = TcpStream::connect(self.house.manage.address).expect("manage listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        let mut answer = Vec::new();
        // It may be closed before all is said.
        let _ = stream.write_all(&self.recorded);
        let _ = stream.read_to_end(&mut answer);
        let told = [b"<acknowledged/>".as_slice(), b"<status "];
        assert!(!told.iter().any(|word| answer.windows(word.len()).any(|it| it == *word)));
        Err(Broken::Closed)
    }
}

fn hello() -> Hello {
    Hello { version: Version, role: Role::Report, host: None, pid: None, instance: None, kernel: None }
}

/// Asks for the end over TLS.
fn by(mut peer: Secure) -> Answer {
    peer.tell(hello());
    peer.tell(Signal { name: Ending::Int });
    loop {
        match Message::read(peer.line()?.as_bytes()) {
            Ok(Message::Error(error)) => return Ok(error.code),
            Ok(Message::Acknowledged(_)) => panic!("the search was ended"),
            _ => {}
        }
    }
}

fn in_plain_text(address: SocketAddr) -> Answer {
    let mut peer = Peer::connect(address);
    let both = [Message::from(hello()).line(), Message::from(Signal { name: Ending::Int }).line()].concat();
    peer.send(both.as_bytes());
    Ok(peer.error().0)
}

/// What `report -k`, run against a manage with these keys, sends.
fn record(scene: &Scene) -> Vec<u8> {
    let manage = scene.manage("--keys keys --ledger :memory:");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let between = listener.local_addr().expect("it has an address");
    let to = manage.address;
    let recorder = thread::spawn(move || {
        let (near, _) = listener.accept().expect("report connects");
        let far = TcpStream::connect(to).expect("manage listens");
        let (mut back_from, mut back_to) = (far.try_clone().unwrap(), near.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut back_from, &mut back_to));
        let recorded = RefCell::new(Vec::new());
        let (mut near, mut far, mut chunk) = (near, far, [0; 4096]);
        while let Ok(count @ 1..) = near.read(&mut chunk) {
            recorded.borrow_mut().extend_from_slice(&chunk[..count]);
            let _ = far.write_all(&chunk[..count]);
        }
        recorded.into_inner()
    });
    let report = scene.start("report", &format!("-k --keys keys {between}"));
    assert_eq!((report.wait(), manage.wait_gone()), (0, 0), "the recorded session has ended its manage");
    recorder.join().expect("it was recorded")
}

#[test]
fn nobody_without_the_operators_key_ends_a_search() {
    let house = House::new(&["operator:former"]);
    let removed = house.keys.key("former");
    house.keys.remove("former");
    let plain = house.scene.manage("--ledger :memory:");
    let others = Keys::new(&house.scene, "others", &[]);
    let recorded = record(&house.scene);
    let thief = Thief { house: &house, others, removed, recorded, plain: plain.address };
    // For a moment it could be that the list is just being written.
    until("the end of a key", || (thief.attempt(REMOVED).0 == Ok(Code::Unauthorized)).then_some(()));
    let cases = cases(WAYS * 5, 100_000);
    for nth in 0..cases {
        let (answer, wanted) = thief.attempt(nth);
        assert_eq!(answer, wanted, "way {}", nth % WAYS);
    }
    assert!(!plain.log.text().contains("SIG"));
    house.end();
    kept("`-k` without the operator's key, in eight ways", "no process is signalled", cases, "");
}
