//! What peers send that they should not: each gets its error, nobody else notices, the ledger stays as it is.

use std::io::Write;
use std::net::TcpStream;
use std::rc::Rc;

use aliquot::common::limits::LINE_MAX_BYTES;
use aliquot::common::message::{Code, Found, Message, Numbers, Range};
use nix::sys::signal::Signal;

use crate::support::{FakeCompute, Ledger, Manage, Peer, Process, Scene, number};

/// The tables that hold what was accepted.
const ACCEPTED: &[&str] = &["done", "range", "perfect"];
/// Slow enough for a range of some hundred numbers where `Town`'s honest compute doesn't work.
const PACE: u64 = 10_000;

/// A manage with an honest compute that is busy with a range it won't finish.
struct Town {
    scene: Scene,
    manage: Manage,
    honest: Rc<Process>,
    range: String,
    before: Ledger,
}

impl Town {
    fn new() -> Self {
        let scene = Scene::new();
        let manage = scene.manage("--seconds 1000");
        let honest = scene.busy_compute(&manage, "honest");
        let before = scene.ledger();
        let town = Self { scene, manage, honest, range: String::new(), before };
        Self { range: town.honest_range(), ..town }
    }

    /// A compute of its own host, and a small range that was leased to it.
    fn leased(&self, host: &str) -> (FakeCompute, Range) {
        let mut compute = FakeCompute::connect(self.manage.address, host, PACE);
        let range = compute.range();
        (compute, range)
    }

    fn honest_range(&self) -> String {
        let computes = self.scene.computes(&self.manage);
        let honest = computes.iter().find(|compute| compute["host"] == "honest").expect("it is still known");
        assert_eq!(honest["state"], "busy");
        format!("{}: {} to {}", honest["pid"], honest["first"], honest["last"])
    }

    /// The honest compute has noticed nothing: the same range, no warning, and its part is accepted in the end.
    fn end(self, tables: &[&str]) {
        assert_eq!(self.honest_range(), self.range);
        assert_eq!(self.scene.ledger().dump(tables), self.before.dump(tables));
        self.honest.signal(Signal::SIGINT);
        assert_eq!(self.honest.wait_gone(), 0);
        let log = self.honest.log.all();
        assert!(!log.contains("WARN") && !log.contains("ERRO"), "{log}");
        assert!(number(&self.scene.report(&self.manage)["tested"]) > 0);
        self.manage.signal(Signal::SIGINT);
        assert_eq!(self.manage.wait_gone(), 0);
        assert!(self.scene.ledger().tested() > 0);
    }
}

const HELLO: &str = "<hello version='1' role='report'/>\n";

/// What is sent on a fresh connection, the code of the error, and a part of its text.
#[rustfmt::skip]
const REFUSED: &[(&[u8], Code, &str)] = &[
    (b"hello\n", Code::Malformed, "1:1: "),
    (b"\n", Code::Malformed, "1:1: "),
    (b"<hello version='1' role='report'\n", Code::Malformed, "1:33: "),
    (b"<hello version='1' role='report'/><query/>\n", Code::Malformed, "1:35: "),
    (b"<hello version='1'\0 role='report'/>\n", Code::Malformed, "1:19: "),
    (b"<hello version='1' role='r\xc3\x28'/>\n", Code::Malformed, "1:27: "),
    (b"<hello version='1' role='\xff'/>\n", Code::Malformed, "1:26: "),
    (b"<!-- x --><hello version='1' role='report'/>\n", Code::Malformed, "1:1: "),
    (b"<?xml version='1.0'?><hello version='1' role='report'/>\n", Code::Malformed, "1:1: "),
    (b"<!DOCTYPE hello><hello version='1' role='report'/>\n", Code::Malformed, "1:1: "),
    (b"<hello version='1' role='master'/>\n", Code::BadValue, "1:20: attribute role is not compute, control or report"),
    (b"<hello version='2' role='report'/>\n", Code::WrongVersion, "1:8: attribute version is not 1, the version that is spoken here"),
    (b"<hello version='2' role='oracle' new='x'/>\n", Code::WrongVersion, "1:8: "),
    (b"<hello role='report'/>\n", Code::MissingAttribute, "attribute version is missing"),
    (b"<hello version='1' role='compute' host='h' pid='1'/>\n", Code::MissingAttribute, "host, pid and instance"),
    (b"<hello version='1' role='report' color='red'/>\n", Code::UnknownAttribute, "1:34: attribute color is unknown here"),
    (b"<hello version='1' role='report'>hi</hello>\n", Code::BadContent, "1:34: "),
    (b"<greetings/>\n", Code::UnknownElement, "1:1: element greetings is unknown"),
    (b"<query/>\n", Code::Greeting, "the first message must be hello"),
    (b"<hello version='1' role='report'/>\n<hello version='1' role='report'/>\n", Code::Greeting, "hello was said already"),
    (b"<hello version='1' role='report'/>\n<request/>\n", Code::WrongRole, "request is not for this role to say"),
    (b"<hello version='1' role='report'/>\n<signal name='KILL'/>\n", Code::BadValue, "1:9: attribute name is not INT, QUIT, HUP or TERM"),
    (b"<hello version='1' role='compute' host='h' pid='1' instance='0123456789abcdef'/>\n<request/>\n", Code::OutOfTurn, "before any speed"),
    (b"<hello version='1' role='compute' host='h' pid='1' instance='0123456789abcde0'/>\n<signal name='INT'/>\n", Code::WrongRole, "signal is not"),
    (b"<hello version='1' role='compute' host='h' pid='1' instance='0123456789abcde1'/>\n<query/>\n", Code::WrongRole, "query is not"),
    (b"<hello version='1' role='control' host='h' pid='1' instance='0123456789abcde2'/>\n<request/>\n", Code::WrongRole, "request is not"),
];

#[test]
fn what_is_not_the_protocol_gets_its_error() {
    let town = Town::new();
    for (bytes, code, text) in REFUSED {
        let sent = String::from_utf8_lossy(bytes);
        let mut peer = Peer::connect(town.manage.address);
        peer.send(bytes);
        let (got, said) = peer.error();
        assert_eq!(got, *code, "{sent}: {said}");
        assert!(said.contains(text), "{sent}: {said:?} lacks {text:?}");
    }
    town.end(&[]);
}

#[test]
fn lines_may_come_in_any_pieces() {
    let town = Town::new();
    let mut peer = Peer::connect(town.manage.address);
    for byte in HELLO.as_bytes() {
        peer.send(&[*byte]);
    }
    assert!(matches!(peer.hear(), Message::Welcome(_)));

    let mut peer = Peer::connect(town.manage.address);
    peer.send(format!("{HELLO}<query/>\n<query/>\n").as_bytes());
    assert!(matches!(peer.hear(), Message::Welcome(_)));
    for _ in 0..2 {
        assert!(matches!(peer.hear(), Message::Status(_)));
        assert!(matches!(peer.hear(), Message::Compute(_)));
        assert!(matches!(peer.hear(), Message::End(_)));
    }

    // Half a message, then nothing more: it was never said.
    let mut peer = Peer::report(town.manage.address);
    peer.send(b"<signal name='IN");
    drop(peer);
    town.end(&[]);
}

#[test]
fn who_asks_a_lot_at_once_is_answered_in_turns() {
    const QUESTIONS: usize = 500;
    let town = Town::new();
    let mut stream = TcpStream::connect(town.manage.address).unwrap();
    stream.write_all(format!("{HELLO}{}", "<query/>\n".repeat(QUESTIONS)).as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut peer = Peer::over(stream);
    assert!(matches!(peer.hear(), Message::Welcome(_)));
    for _ in 0..QUESTIONS {
        assert!(matches!(peer.hear(), Message::Status(_)));
        assert!(matches!(peer.hear(), Message::Compute(_)));
        assert!(matches!(peer.hear(), Message::End(_)));
    }
    assert_eq!(peer.line(), None);
    town.end(&[]);
}

/// A line of `length` bytes, its LF included, that is well-formed and asks for nothing known.
fn line_of(length: usize) -> Vec<u8> {
    let mut line = b"<query text='".to_vec();
    line.resize(length - 4, b'x');
    line.extend(b"'/>\n");
    line
}

#[test]
fn a_line_has_a_longest_length() {
    let town = Town::new();
    let mut peer = Peer::report(town.manage.address);
    peer.send(&line_of(LINE_MAX_BYTES));
    assert_eq!(peer.error().0, Code::UnknownAttribute, "64 KiB are a line");

    let mut peer = Peer::report(town.manage.address);
    peer.send(&line_of(LINE_MAX_BYTES + 1));
    let (code, text) = peer.error();
    assert_eq!((code, text.as_str()), (Code::TooLong, "1:1: a line has 65536 bytes at most"));

    let mut peer = Peer::report(town.manage.address);
    peer.send(&[b'x'; LINE_MAX_BYTES]);
    assert_eq!(peer.error().0, Code::TooLong, "a line that hasn't ended is too long as soon as it can't end in time");
    town.end(&[]);
}

/// Who sends on without end after its error is passed over, too.
#[test]
fn a_line_without_end_harms_nobody() {
    let town = Town::new();
    let mut stream = TcpStream::connect(town.manage.address).expect("manage listens");
    // Until manage closes the connection; it never takes all of it.
    while stream.write_all(&[b'x'; 4096]).is_ok() {}
    town.end(&[]);
}

#[test]
fn who_never_reads_is_dropped_alone() {
    let town = Town::new();
    let mut deaf = TcpStream::connect(town.manage.address).expect("manage listens");
    deaf.write_all(HELLO.as_bytes()).expect("the greeting fits");
    while deaf.write_all("<query/>\n".repeat(1_000).as_bytes()).is_ok() {}
    town.manage.log.line("the other side doesn't read");
    town.end(&[]);
}

/// A result that says something else than the right one, and the code it is refused with.
type Lie = (fn(&mut Found), Code);

const LIES: &[Lie] = &[
    (|found| found.first += 1, Code::WrongRange),
    (|found| found.last += 1, Code::WrongRange),
    (|found| found.last = found.first - 1, Code::WrongRange),
    (|found| found.last = u64::MAX, Code::WrongRange),
    (|found| found.tested += 1, Code::WrongCount),
    (|found| found.tested = 0, Code::WrongCount),
    (|found| found.last -= 1, Code::WrongCount),
    (|found| found.sum += 1, Code::WrongSum),
    (|found| found.sum = 0, Code::WrongSum),
    (|found| found.sum = u128::MAX, Code::WrongSum),
    (|found| found.perfect = Numbers(vec![found.first]), Code::NotPerfect),
    (|found| found.perfect = Numbers(vec![6]), Code::NotPerfect),
    (|found| found.perfect = Numbers(vec![found.last + 1]), Code::NotPerfect),
];

#[test]
fn wrong_results_are_refused() {
    let town = Town::new();
    for (number, (lie, code)) in LIES.iter().enumerate() {
        let (mut compute, range) = town.leased(&format!("liar{number}"));
        let mut found = compute.compute(&range);
        lie(&mut found);
        let (got, text) = compute.hand_in(found.clone()).expect_err("it is wrong");
        assert_eq!(got, *code, "{found:?}: {text}");
    }
    town.end(ACCEPTED);
}

#[test]
fn results_of_no_lease_are_refused() {
    let town = Town::new();
    let (mut stranger, range) = town.leased("stranger");
    let (mut other, foreign) = town.leased("other");
    let found = stranger.compute(&range);
    let never_leased = Found { lease: 1_000_000, ..found.clone() };
    assert_eq!(stranger.hand_in(never_leased).expect_err("it was never leased").0, Code::NotLeased);
    let theirs = stranger.compute(&foreign);
    assert_eq!(stranger.hand_in(theirs.clone()).expect_err("it is another's").0, Code::NotLeased);
    assert!(!stranger.claim(foreign.lease));
    // None of this has cost either of them its lease, and it is no strike: they may just be late.
    assert!(stranger.claim(range.lease) && other.claim(foreign.lease));
    let computes = town.scene.computes(&town.manage);
    assert!(computes.iter().all(|compute| number(&compute["strikes"]) == 0), "{computes:?}");
    drop((stranger, other));
    town.end(ACCEPTED);
}

#[test]
fn a_result_counts_once() {
    let scene = Scene::new();
    let manage = scene.manage("--seconds 1");
    let mut compute = FakeCompute::connect(manage.address, "twice", PACE);
    let range = compute.range();
    let found = compute.compute(&range);
    assert_eq!(compute.hand_in(found.clone()), Ok(()));
    let before = scene.ledger().dump(&[]);
    for _ in 0..3 {
        assert_eq!(compute.hand_in(found.clone()).expect_err("it was accepted already").0, Code::AlreadyDone);
    }
    // Both in one packet, while the first is still being proved.
    let next = compute.range();
    let next = compute.compute(&next);
    let line = Message::from(next.clone()).line();
    compute.peer.send(format!("{line}{line}").as_bytes());
    let mut answers = [compute.hear(), compute.hear()];
    answers.sort_by_key(Message::name);
    assert!(matches!(&answers[0], Message::Accepted(_)), "{answers:?}");
    assert!(matches!(&answers[1], Message::Refused(refused) if refused.code == Code::OutOfTurn), "{answers:?}");
    assert_eq!(number(&scene.report(&manage)["tested"]), found.tested + next.tested);
    assert_ne!(scene.ledger().dump(&[]), before);
    manage.signal(Signal::SIGTERM);
    drop(compute);
    assert_eq!(manage.wait_gone(), 0);
    assert_eq!(scene.ledger().ranges(), [(found.first, found.last), (next.first, next.last)]);
}

#[test]
fn three_wrong_results_strike_a_host_out() {
    let scene = Scene::new();
    let manage = scene.manage("--seconds 1");
    let mut liar = FakeCompute::connect(manage.address, "broken", PACE);
    let mut other = FakeCompute::connect(manage.address, "sound", PACE);
    let mut first = 0;
    for strike in 1..=3 {
        let range = liar.range();
        first = range.first;
        let mut found = liar.compute(&range);
        found.sum += 1;
        assert_eq!(liar.hand_in(found).expect_err("it is wrong").0, Code::WrongSum);
        let computes = scene.computes(&manage);
        assert_eq!(number(&computes[0]["strikes"]), strike, "{computes:?}");
    }
    manage.log.line("host broken has sent 3 wrong results: it gets no more work");
    assert_eq!(liar.try_range(), None);
    assert_eq!(FakeCompute::connect(manage.address, "broken", PACE).try_range(), None, "it is the host that is struck");
    assert!(scene.computes(&manage).iter().any(|compute| compute["host"] == "broken" && compute["state"] == "struck"));
    let range = other.range();
    assert_eq!(range.first, first, "what was refused is free again");
    let found = other.compute(&range);
    assert_eq!(other.hand_in(found), Ok(()));
}
