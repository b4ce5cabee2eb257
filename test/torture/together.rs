//! Cases that mostly wait, side by side, and what they have shown.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use aliquot::divisors::ClosedForm;

use crate::support::{Process, until};

/// Most of the time they wait for a silence to be noticed; more would keep two cores from computing anything.
const AT_ONCE: usize = 10;

/// Plays all `cases`, some at once; what each has shown, in their order. A failure of one is a failure of all.
pub fn each<C: Sync, S: Send>(cases: &[C], play: impl Fn(&C) -> S + Sync) -> Vec<S> {
    let (queue, shown) = (Mutex::new(cases.iter().enumerate()), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let Some((at, case)) = queue.lock().expect("no case fails while it is drawn").next() else { return };
            let seen = play(case);
            shown.lock().expect("no case fails while it is noted").push((at, seen));
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(cases.len()) {
            scope.spawn(work);
        }
    });
    let mut shown = shown.into_inner().expect("all cases are over");
    shown.sort_unstable_by_key(|(at, _)| *at);
    shown.into_iter().map(|(_, seen)| seen).collect()
}

/// Waits for the end of `manage`, for as long as ranges get done: it may have little of a busy machine. Asks `meanwhile`
/// again and again.
pub fn wait_end(manage: &Process, meanwhile: impl Fn()) -> i32 {
    let done = || manage.log.text().matches(" is done by ").count();
    while manage.status().is_none() {
        let before = done();
        until("another range, or the end of manage", || {
            meanwhile();
            (manage.status().is_some() || done() > before).then_some(())
        });
    }
    manage.wait_gone()
}

/// Σ s(n) up to `last`.
pub fn sum_to(last: u64) -> u128 {
    let mut form = ClosedForm::new(1, last);
    loop {
        match form.result() {
            Some(sum) => return sum,
            None => form.step(1_000_000),
        }
    }
}

/// The least and the most of `times`, for a row of the table.
pub fn span(times: impl Iterator<Item = Duration>) -> String {
    let (least, most) = times.fold((Duration::MAX, Duration::ZERO), |(least, most), t| (least.min(t), most.max(t)));
    if least > most { "never".to_owned() } else { format!("{:.1} to {:.1} s", least.as_secs_f64(), most.as_secs_f64()) }
}
