//! Progress for whoever watches: a line that is drawn anew on a terminal, now and then a log line elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use slog::{Logger, info};

use crate::common::clock::Millis;
use crate::common::limits::{PROGRESS_LOG_MAX_MS, PROGRESS_LOG_MIN_MS, PROGRESS_MS};
use crate::common::log::{Screen, is_writable, on_terminal, under_systemd};
use crate::common::message::Status;
use crate::common::view::{duration, grouped, list, percent, scaled};

use super::state::State;

/// What shows the progress.
pub struct Progress {
    bar: Option<ProgressBar>,
    started: Millis,
    next: Millis,
}

impl Progress {
    /// A line on the terminal, if standard error is one; log lines go around it. Nothing in the journal of systemd,
    /// which shall not fill with what report tells anybody who asks.
    #[must_use]
    pub fn open(screen: &Screen, now: Millis) -> Self {
        let bar = on_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            screen.attach(bar.clone());
            bar
        });
        let first = match bar {
            Some(_) => PROGRESS_MS,
            None if under_systemd() => u64::MAX,
            None => PROGRESS_LOG_MIN_MS,
        };
        Self { bar, started: now, next: now.after(first) }
    }

    /// Shows how far `state` is, if it is time to.
    pub fn show(&mut self, state: &State, log: &Logger, now: Millis) {
        if now < self.next {
            return;
        }
        if !is_writable() {
            self.next = now.after(PROGRESS_MS);
            return;
        }
        let uptime = now.since(self.started);
        if let Some(bar) = &self.bar {
            draw(bar, state);
            self.next = now.after(PROGRESS_MS);
        } else {
            info!(log, "{}", line(&state.status(), state.computes_here()));
            self.next = now.after((uptime / 4).clamp(PROGRESS_LOG_MIN_MS, PROGRESS_LOG_MAX_MS));
        }
    }

    /// When `show` is to be called next.
    #[must_use]
    pub fn due(&self) -> Millis {
        self.next
    }

    /// Takes the line off the terminal.
    pub fn close(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn draw(bar: &ProgressBar, state: &State) {
    let status = state.status();
    let template = if status.last.is_some() { "[{bar:24}] {wide_msg}" } else { "{wide_msg}" };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    if let Some(whole) = status.whole() {
        bar.set_length(whole);
        bar.set_position(status.tested);
    }
    bar.set_message(line(&status, state.computes_here()));
    bar.tick();
}

/// `48.2 %   48,210,000,000 tested   3.94 M/s   3h 39m to go   2 computes   perfect 6  28`.
fn line(status: &Status, computes: usize) -> String {
    let mut parts = Vec::new();
    if let Some(whole) = status.whole() {
        parts.push(percent(status.tested, whole));
    }
    parts.push(format!("{} tested", grouped(status.tested)));
    parts.push(format!("{}/s", scaled(status.rate_per_s)));
    if status.unchecked > 0 {
        parts.push(format!("{} wait for a second compute", grouped(status.unchecked)));
    }
    if let Some(eta) = status.eta_s {
        parts.push(format!("{} to go", duration(eta)));
    }
    parts.push(match computes {
        1 => "1 compute".to_owned(),
        many => format!("{many} computes"),
    });
    parts.push(format!("perfect: {}", list(&status.perfect)));
    parts.join("   ")
}
