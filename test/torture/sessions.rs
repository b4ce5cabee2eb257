//! Whatever is said, in whatever order: manage's verdict is that of the protocol, those who are honest don't notice, and
//! what is refused leaves the ledger as it was.
//!
//! A session is a list of acts of liars, honest computes and the clock. The model (`sessions/model.rs`) says what manage
//! has to answer; what a message may look like it reads from the tables of doc/protocol.md.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use aliquot::divisors::Method;
use fastrand::Rng;

use crate::support::{Ledger, Scene};
use grammar::Grammar;
use hall::{Bare, Listening};
use model::Model;
use stage::{Act, HONEST, LIARS, Stage};
use truth::{KNOWN, Truth};

mod grammar;
mod hall;
mod liar;
mod model;
mod stage;
mod truth;

/// What is tested and held: the tables that what is refused must leave as they are.
const WORK: &[&str] = &["done", "range", "perfect", "lease"];
/// Who is told the first has lied to one who does the same again, the others are of keys and crowds: no session has these.
const NEVER_SAID: &[&str] = &["distrusted", "busy", "keys", "unauthorized", "forbidden"];
/// Sessions with one manage: it remembers a thousand lost computes.
const SESSIONS_PER_MANAGE: usize = 100;

/// A session before manage's state.
#[derive(Clone, Debug)]
struct Session {
    method: Method,
    first: u64,
    count: u64,
    acts: Vec<Act>,
}

impl Session {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let count = rng.u64(1..400);
        let first = if rng.bool() { 1 } else { rng.u64(1..KNOWN - count) };
        let method = Method::ALL[rng.usize(..Method::ALL.len())];
        let acts = (0..rng.usize(10..120)).flat_map(|_| acts(&mut rng)).collect();
        Self { method, first, count, acts }
    }
}

/// One thing that somebody does, and perhaps the end of a turn.
fn acts(rng: &mut Rng) -> Vec<Act> {
    let act = match rng.u8(..100) {
        0..82 => Act::Say(rng.usize(..LIARS), rng.u64(..)),
        82..85 => Act::Leave(rng.usize(..LIARS)),
        85..97 => Act::Honest(rng.usize(..HONEST), rng.u64(..)),
        97..99 => Act::Wait([500, 1_000, 5_000, 9_000][rng.usize(..4)], rng.u32(1..4)),
        _ => Act::Wait(9_000, [1, 1, 1, 2, 14, 70][rng.usize(..6)]),
    };
    let turn = if rng.u8(..4) == 0 { None } else { Some(Act::Turn(rng.u8(..4) > 0)) };
    [Some(act), turn].into_iter().flatten().collect()
}

/// What the sessions are held against.
struct Judge {
    grammar: Grammar,
    truth: Truth,
}

impl Judge {
    fn new() -> Self {
        Self { grammar: Grammar::of_the_page(), truth: Truth::new() }
    }

    /// Plays a session: the verdicts, or the fault; and what was said, if `traced`.
    fn play(&self, session: &Session, traced: bool) -> (Result<BTreeMap<String, u64>, String>, Vec<String>) {
        let model = Model::new(&self.grammar, &self.truth, session.first, session.count);
        let hall = Bare::new(session.method, session.first, session.count);
        let mut stage = Stage::new(hall, model, &self.grammar, &self.truth, false);
        stage.dress_liars(0);
        stage.trace = traced.then(Vec::new);
        let played = catch_unwind(AssertUnwindSafe(|| {
            session.acts.iter().try_for_each(|act| stage.act(act))?;
            stage.end()
        }));
        let played = played.unwrap_or_else(|_| Err("a panic".to_owned()));
        (played.map(|()| std::mem::take(&mut stage.verdicts)), stage.trace.unwrap_or_default())
    }

    /// The session without what it fails without as well.
    fn shrunk(&self, mut session: Session) -> Session {
        let mut at = session.acts.len();
        while at > 0 {
            at -= 1;
            let mut shorter = session.clone();
            shorter.acts.remove(at);
            if self.play(&shorter, false).0.is_err() {
                session = shorter;
                at = session.acts.len().min(at + 1);
            }
        }
        session
    }
}

/// Adds up what was said.
fn add(sum: &mut BTreeMap<String, u64>, more: BTreeMap<String, u64>) {
    for (verdict, count) in more {
        *sum.entry(verdict).or_default() += count;
    }
}

#[test]
fn every_session_gets_the_verdict_of_the_protocol() {
    let (seed, cases) = (crate::seed(), super::cases(1_000, 100_000));
    let judge = Judge::new();
    let mut verdicts = BTreeMap::new();
    for case in 0..cases as u64 {
        // With this as ALIQUOT_SEED the session comes first.
        let seed = seed.wrapping_add(case);
        let session = Session::new(seed);
        match judge.play(&session, false).0 {
            Ok(more) => add(&mut verdicts, more),
            Err(_) => {
                let shrunk = judge.shrunk(session);
                let (fault, trace) = judge.play(&shrunk, true);
                panic!("ALIQUOT_SEED={seed}: {fault:?}\n{}", trace.join("\n"));
            }
        }
    }
    let codes: Vec<_> = judge.grammar.codes.iter().filter(|code| !NEVER_SAID.contains(&code.as_str())).collect();
    let unheard: Vec<_> = codes.iter().filter(|code| !verdicts.contains_key(**code)).collect();
    assert!(unheard.is_empty(), "too tame: nobody was told {unheard:?}");
    println!("{verdicts:?}");
    let refused: u64 = codes.iter().map(|code| verdicts[*code]).sum();
    let seen = format!("{refused} refusals, {} results accepted", verdicts["accepted"]);
    let promise = "the verdict of the protocol; what is refused changes nothing; honest results are taken";
    super::kept("messages of any kind in any order, before the state", promise, cases, &seen);
}

#[test]
fn over_a_socket_what_is_refused_leaves_the_ledger_as_it_was() {
    let (seed, cases) = (crate::seed(), super::cases(20, 2_000));
    let judge = Judge::new();
    let mut verdicts = BTreeMap::new();
    for begin in (0..cases).step_by(SESSIONS_PER_MANAGE) {
        let sessions = begin..cases.min(begin + SESSIONS_PER_MANAGE);
        add(&mut verdicts, play_over_a_socket(&judge, seed, sessions));
    }
    println!("{verdicts:?}");
    let refused: u64 = judge.grammar.codes.iter().filter_map(|code| verdicts.get(code)).sum();
    let promise = "the same verdicts; the ledger's work is the same before and after; honest results are taken";
    super::kept("the same over TCP, with a ledger", promise, cases, &format!("{refused} refusals"));
}

/// Sessions before one manage, of which only an honest compute gets something done: in the end.
fn play_over_a_socket(judge: &Judge, seed: u64, sessions: std::ops::Range<usize>) -> BTreeMap<String, u64> {
    let scene = Scene::new();
    let manage = scene.manage(&format!("--last {KNOWN}"));
    let model = Model::new(&judge.grammar, &judge.truth, 1, KNOWN);
    let mut stage = Stage::new(Listening::new(manage.address), model, &judge.grammar, &judge.truth, true);
    stage.act(&Act::Honest(0, seed)).unwrap();
    let before = scene.ledger().dump(WORK);
    for session in sessions {
        let seed = seed.wrapping_add(session as u64);
        let mut rng = Rng::with_seed(seed);
        stage.dress_liars(session as u64);
        stage.trace = Some(Vec::new());
        let acts = (0..30).flat_map(|_| acts(&mut rng)).filter(|act| !matches!(act, Act::Wait(..) | Act::Honest(1, _)));
        let played = acts.map(|act| stage.act(&act)).collect::<Result<Vec<()>, _>>().and_then(|_| stage.end_liars());
        let said = || stage.trace.as_deref().unwrap_or_default().join("\n");
        assert!(played.is_ok(), "session {session} of {seed}: {played:?}\n{}", said());
        assert_eq!(scene.ledger().dump(WORK), before, "session {session} of {seed}:\n{}", said());
    }
    stage.end().unwrap();
    let ledger: Ledger = scene.ledger();
    let accepted: Vec<_> = stage.model.books.accepted.iter().map(|(first, last, _)| (*first, *last)).collect();
    assert_eq!((ledger.ranges(), ledger.leases()), (accepted, vec![]));
    assert!(ledger.tested() > 0, "the honest result is taken");
    std::mem::take(&mut stage.verdicts)
}
