//! Threads that go on while something is measured.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const LOOK: Duration = Duration::from_millis(5);

/// That it is time to end, for the thread and for who measures beside it: either is over when the other is.
pub struct Over(AtomicBool);

impl Over {
    /// True once it is time.
    pub fn has_come(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits until `instant`.
    pub fn until(&self, instant: Instant) -> Result<(), String> {
        loop {
            let left = instant.saturating_duration_since(Instant::now());
            if self.has_come() {
                return Err("what was to go on meanwhile has ended".to_owned());
            }
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(LOOK));
        }
    }

    /// Waits so long.
    pub fn pause(&self, time: Duration) -> Result<(), String> {
        self.until(Instant::now() + time)
    }
}

/// Tells it, whatever happens.
struct Tell<'a>(&'a Over);

impl Drop for Tell<'_> {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Measures by `body` while `work` goes on in a thread, and ends that; of two failures the thread's, which is the cause.
pub fn beside<T>(
    work: impl FnOnce(&Over) -> Result<(), String> + Send,
    body: impl FnOnce(&Over) -> Result<T, String>,
) -> Result<T, String> {
    let over = Over(AtomicBool::new(false));
    thread::scope(|scope| {
        let working = scope.spawn(|| {
            let _tell = Tell(&over);
            work(&over)
        });
        let measured = {
            let _tell = Tell(&over);
            body(&over)
        };
        working.join().map_err(|_| "a thread has panicked".to_owned())?.and(measured)
    })
}
