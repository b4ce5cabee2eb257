//! What a process writes, as it comes.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use super::PATIENCE;

#[derive(Default)]
struct Captured {
    text: String,
    ended: bool,
    closed: bool,
}

/// One stream of a process, read by a thread of its own so that the process never waits for the test.
#[derive(Clone)]
pub struct Output(Arc<(Mutex<Captured>, Condvar)>);

impl Output {
    /// Reads `stream` to its end.
    pub fn of(mut stream: impl Read + Send + 'static) -> Self {
        let output = Self(Arc::default());
        let theirs = output.clone();
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut chunk) {
                theirs.captured().text.push_str(&String::from_utf8_lossy(&chunk[..count]));
                theirs.0.1.notify_all();
                if theirs.captured().closed {
                    break;
                }
            }
            drop(stream);
            theirs.captured().ended = true;
            theirs.0.1.notify_all();
        });
        output
    }

    /// Reads what comes next, and then no more: from then on nobody listens.
    pub fn close(&self) {
        self.captured().closed = true;
    }

    /// What has come so far.
    pub fn text(&self) -> String {
        self.captured().text.clone()
    }

    /// Everything, once the last process that could write to it has gone.
    pub fn all(&self) -> String {
        self.wait("its end", |captured| captured.ended.then(|| captured.text.clone()))
    }

    /// The first whole line with `part` in it.
    pub fn line(&self, part: &str) -> String {
        self.lines(part, 1).remove(0)
    }

    /// The first whole line with `part` in it; `None` if everything has come and there is none.
    pub fn line_or_end(&self, part: &str) -> Option<String> {
        self.wait(&format!("line with {part:?}"), |captured| {
            let whole = captured.text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            let found = whole.lines().find(|line| line.contains(part)).map(str::to_owned);
            (found.is_some() || captured.ended).then_some(found)
        })
    }

    /// The whole lines with `part` in them, as soon as there are `count`.
    pub fn lines(&self, part: &str, count: usize) -> Vec<String> {
        self.wait(&format!("{count} lines with {part:?}"), |captured| {
            let whole = captured.text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            let found: Vec<_> = whole.lines().filter(|line| line.contains(part)).map(str::to_owned).collect();
            (found.len() >= count).then_some(found)
        })
    }

    fn wait<T>(&self, what: &str, answer: impl Fn(&Captured) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut captured = self.captured();
        loop {
            if let Some(answer) = answer(&captured) {
                return answer;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && !captured.ended, "no {what} in:\n{}", captured.text);
            captured = self.0.1.wait_timeout(captured, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn captured(&self) -> MutexGuard<'_, Captured> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
