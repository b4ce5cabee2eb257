//! The counter's own code, with the locks of a model checker: every way in which threads can follow each other is tried.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::sync::Arc;
use loom::thread;

/// What `src/loot/counter.rs` takes its lock from.
mod sync {
    pub use loom::sync::{Mutex, MutexGuard};
}

#[path = "../../src/loot/counter.rs"]
mod counter;

/// The same counter without a lock around the whole: it is read, and then advanced. Lives here alone.
mod racy {
    use std::ops::Range;

    use super::sync::Mutex;

    pub struct Counter {
        size: u32,
        next: Mutex<u32>,
    }

    impl Counter {
        pub fn new(size: u32) -> Self {
            Self { size, next: Mutex::new(0) }
        }

        pub fn draw(&self, wanted: u32) -> Range<u32> {
            let first = *self.next.lock().unwrap();
            let end = first + wanted.min(self.size - first);
            *self.next.lock().unwrap() = end;
            first..end
        }
    }
}

const SIZE: u32 = 7;
/// What each of three threads draws, one behind the other: eight of seven.
const WANTED: [&[u32]; 3] = [&[1, 2], &[2, 1], &[2]];

/// Runs the threads in every order; `check` gets the indices that each of them has drawn.
fn in_every_order<C: Send + Sync + 'static>(
    make: impl Fn() -> C + Send + Sync + 'static,
    draw: fn(&C, u32) -> Vec<u32>,
    check: impl Fn(&C, Vec<Vec<u32>>) + Send + Sync + 'static,
) {
    loom::model(move || {
        let counter = Arc::new(make());
        let spawn = |wanted: &'static [u32]| {
            let counter = Arc::clone(&counter);
            thread::spawn(move || wanted.iter().flat_map(|wanted| draw(&counter, *wanted)).collect())
        };
        let threads = WANTED.map(spawn);
        let drawn = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        check(&counter, drawn);
    });
}

/// Every index up to the end of the list is drawn by one thread, and each thread's follow each other.
fn check_once(drawn: &[Vec<u32>]) {
    let mut all: Vec<_> = drawn.concat();
    all.sort_unstable();
    assert_eq!(all, (0..SIZE).collect::<Vec<_>>());
    assert!(drawn.iter().all(|own| own.is_sorted()));
}

#[test]
fn every_index_is_drawn_once_in_every_order_of_threads() {
    let draw = |counter: &counter::Counter, wanted| counter.draw(wanted).map_or_else(|_| Vec::new(), Iterator::collect);
    in_every_order(
        || counter::Counter::new(SIZE, 0, false),
        draw,
        |counter, drawn| {
            check_once(&drawn);
            assert_eq!(counter.draw(1), Err(counter::Refusal::Exhausted));
            assert_eq!(counter.standing(), (SIZE, false));
        },
    );
}

#[test]
fn the_end_of_the_draw_comes_at_one_moment_for_all_threads() {
    loom::model(|| {
        let counter = Arc::new(counter::Counter::new(SIZE, 0, false));
        let (own, other) = (Arc::clone(&counter), Arc::clone(&counter));
        let draws = thread::spawn(move || [own.draw(1), own.draw(1)].map(|drawn| drawn.is_ok()));
        let closes = thread::spawn(move || {
            other.close();
            other.standing()
        });
        let (drawn, (at_close, closed)) = (draws.join().unwrap(), closes.join().unwrap());
        assert!(closed && drawn != [false, true], "nothing is drawn after the end");
        assert_eq!(drawn.into_iter().filter(|drawn| *drawn).count(), at_close as usize, "{drawn:?}");
    });
}

#[test]
fn a_counter_that_is_not_guarded_is_found_out_by_the_model() {
    let race = catch_unwind(AssertUnwindSafe(|| {
        in_every_order(
            || racy::Counter::new(SIZE),
            |counter, wanted| counter.draw(wanted).collect(),
            |_, drawn| check_once(&drawn),
        );
    }));
    assert!(race.is_err(), "no order of the threads has drawn an index twice");
}
