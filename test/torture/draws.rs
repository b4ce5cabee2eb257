//! The box under faults: kill -9 at every write, sync and word of the server, a power loss at any moment. Whatever was told stays
//! drawn, and nothing is drawn twice.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;

use aliquot::loot::ledger::Ledger;
use fastrand::Rng;
use nix::sys::signal::Signal;

use super::{cases, each_call, kept};
use crate::race::drawers::{Drawers, check_all};
use crate::support::{Loss, Platter, Process, SIGKILL, Scene, Step, trace, until};

const SIZE: u32 = 50_000;
const LEDGER: &str = "loot.db";
/// Answers after which a server that still runs has shown enough.
const ENOUGH: usize = 40;
const PROMISE: &str = "no number twice, none told that a restart doesn't know, what nobody heard is counted";

/// Lets the ledger be ahead, in every other case.
fn ahead(nth: usize) -> u32 {
    if nth.is_multiple_of(2) { 300 } else { 0 }
}

/// Starts a server through another command and waits until it listens; `Err` if it ends before.
fn start(scene: &Scene, through: &str, listen: &str, ahead: u32) -> Result<(Rc<Process>, SocketAddr), Rc<Process>> {
    let server = scene.try_loot(through, listen, &format!("--threads 2 --size {SIZE} --ahead {ahead}"))?;
    Ok((server.process(), server.address))
}

/// Ends a server, if it hasn't; its status. strace takes no signal of this kind itself.
fn end(server: &Process) -> i32 {
    if server.status().is_none() {
        server.signal_group(Signal::SIGTERM);
    }
    server.wait_gone()
}

/// Kills a server under eight clients as it enters the `nth` of `calls`: how many numbers nobody has heard, if it came so far.
fn at_call(calls: &str, nth: usize) -> Option<u32> {
    let (scene, drawers) = (Scene::new(), Drawers::start(nth as u64, false));
    let trap = format!("strace -f -qq -o /dev/null -e trace={calls} -e inject={calls}:signal=SIGKILL:when={nth}");
    let mut listen = "127.0.0.1:0".to_owned();
    let status = match start(&scene, &trap, &listen, ahead(nth)) {
        Ok((server, address)) => {
            listen = address.to_string();
            drawers.go_to(address);
            until("answers, or its end", || (drawers.answers() >= ENOUGH || server.status().is_some()).then_some(()));
            end(&server)
        }
        Err(ended) => ended.wait_gone(),
    };
    let (server, address) =
        start(&scene, "env", &listen, ahead(nth)).unwrap_or_else(|ended| panic!("{}", ended.evidence()));
    drawers.go_to(address);
    let seen = drawers.end();
    let (_, missing, unheard) = check_all(address, &seen);
    assert!(missing <= unheard, "{missing} were heard by nobody, the server knows of {unheard}");
    assert_eq!(end(&server), 0);
    assert!(status == 0 || status == SIGKILL, "it has failed by itself: {status}");
    (status == SIGKILL).then_some(unheard)
}

/// Kills it at every one of `calls` in turn, or at a sample of the first `among`.
fn every_call(fault: &str, calls: &str, among: usize) {
    let mut random = Rng::with_seed(crate::seed());
    let unheard = each_call(&mut random, 5, among, |nth| at_call(calls, nth));
    kept(
        fault,
        PROMISE,
        unheard.len(),
        &format!("{} numbers perhaps unheard at most", unheard.iter().max().unwrap_or(&0)),
    );
}

#[test]
fn no_number_is_given_twice_when_loot_is_killed_at_any_write() {
    every_call("kill -9 of loot at every write in turn", "pwrite64,write,sendto", 100);
}

#[test]
fn no_number_is_given_twice_when_loot_is_killed_at_any_sync() {
    every_call("kill -9 of loot at every sync in turn", "fsync,fdatasync,ftruncate,unlink", 30);
}

/// The steps of a server under eight clients.
fn record(ahead: u32) -> Vec<Step> {
    let (scene, drawers) = (Scene::new(), Drawers::start(crate::seed(), false));
    let tap = format!("strace -f -o trace {}", trace::OPTIONS);
    let (server, address) =
        start(&scene, &tap, "127.0.0.1:0", ahead).unwrap_or_else(|ended| panic!("{}", ended.evidence()));
    drawers.go_to(address);
    until("answers", || (drawers.answers() >= cases(150, 1_500)).then_some(()));
    drawers.end();
    assert_eq!(end(&server), 0);
    trace::read(&scene.path("trace"), &scene.path(""))
}

/// What was told so far: plain numbers, and draws with an id by their first index and their count.
#[derive(Default)]
struct Told {
    numbers: Vec<u32>,
    named: HashMap<String, (u32, u32)>,
}

impl Told {
    fn hear(&mut self, said: &[u8]) {
        let text = String::from_utf8_lossy(said);
        for line in text.lines() {
            match line.strip_prefix('#').map(|header| header.split(' ').collect::<Vec<_>>()).as_deref() {
                Some([id, first, count]) => {
                    self.named.insert((*id).to_owned(), (first.parse().unwrap(), count.parse().unwrap()));
                }
                // A number that was cut is none yet.
                _ if text.ends_with('\n') => self.numbers.extend(line.parse::<u32>()),
                _ => {}
            }
        }
    }

    /// The ledger in `directory` opens, and counts as drawn all that was told of it.
    fn check(&self, directory: &Path) {
        let path = directory.join(LEDGER);
        let (ledger, kept) = Ledger::open(&path.to_string_lossy(), None, 1).expect("it opens");
        drop(ledger);
        if self.numbers.is_empty() && self.named.is_empty() {
            return;
        }
        assert_eq!(kept.size, SIZE, "its box was told of, and is lost");
        let list = kept.seed.list(SIZE);
        let mut index = vec![0; SIZE as usize + 1];
        (0..).zip(&list).for_each(|(at, number)| index[*number as usize] = at);
        let last = self.numbers.iter().map(|number| index[*number as usize]).max();
        assert!(last < Some(kept.drawn) || last.is_none(), "index {last:?} was told, {} are drawn", kept.drawn);
        for (id, (first, count)) in &self.named {
            let named = kept.named.iter().find(|(own, _)| own.name() == id);
            assert_eq!(named.map(|(_, named)| named.draw.clone()), Some(*first..first + count), "{id}");
        }
    }
}

#[test]
fn a_power_loss_takes_nothing_that_was_told() {
    let seed = crate::seed();
    for nth in 0..2 {
        lose_power(&mut Rng::with_seed(seed), ahead(nth));
    }
}

/// Loses power again and again, spread over all that a server does whose ledger may be `ahead`.
fn lose_power(random: &mut Rng, ahead: u32) {
    let steps = record(ahead);
    let (mut platter, mut told, wanted, mut states) = (Platter::default(), Told::default(), cases(40, 2_500), 0);
    for (at, step) in steps.iter().enumerate() {
        platter.take(step);
        if let Step::Said(said) = step {
            told.hear(said);
        }
        // Spread over all steps.
        for _ in 0..wanted * (at + 1) / steps.len() - wanted * at / steps.len() {
            let loss = random.choice(Loss::KINDS).expect("there are some");
            let directory = tempfile::Builder::new().prefix("aliquot-power-").tempdir().unwrap();
            platter.lose_power(loss, random, directory.path());
            let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| told.check(directory.path())));
            if let Err(broken) = checked {
                eprintln!("power was lost after step {at}, {loss:?} of what was unsynced");
                std::panic::resume_unwind(broken);
            }
            states += 1;
        }
    }
    assert!(!told.numbers.is_empty() && !told.named.is_empty(), "nothing was told in {} steps", steps.len());
    let seen = format!("{} steps, {} numbers told, ledger ahead by {ahead}", steps.len(), told.numbers.len());
    kept(
        "power loss of loot, any part of what wasn't synced",
        "the ledger opens, all that was told is drawn",
        states,
        &seen,
    );
}
