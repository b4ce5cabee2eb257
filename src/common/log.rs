//! Logs: slog records to standard error, one write(2) each, with role and pid on every line.
//!
//! Synchronous on purpose: slog-async starts a thread, which a forked child doesn't have.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::ProgressBar;
use slog::{Drain, Level, Logger, debug, error, info, o, warn};
use slog_term::{FullFormat, PlainSyncDecorator, RecordDecorator, ThreadSafeTimestampFn};

use super::limits::LOG_LINE_MAX_BYTES;
use super::poll::{Interest, Set};

/// Where log lines go: standard error, and around the line of progress if one is drawn there.
///
/// Nothing here waits for a reader: a program whose log isn't read (a pager, a terminal that was stopped) goes on, and
/// says later how many lines it has dropped.
#[derive(Clone, Default)]
pub struct Screen(Arc<Mutex<Shown>>);

#[derive(Default)]
struct Shown {
    bar: Option<ProgressBar>,
    dropped: u64,
}

impl Screen {
    /// From now on a log line first clears `bar`, and draws it again below itself.
    pub fn attach(&self, bar: ProgressBar) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).bar = Some(bar);
    }
}

impl Write for Screen {
    /// Writes one record, or drops it.
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let shown = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.dropped > 0 && is_writable() {
            let _ = writeln!(io::stderr(), "({} log lines were dropped: nobody has read them)", shown.dropped);
            shown.dropped = 0;
        }
        if !is_writable() {
            shown.dropped += 1;
            return Ok(record.len());
        }
        let line = cut(record);
        let written = match &shown.bar {
            Some(bar) => bar.suspend(|| io::stderr().write(&line)),
            None => io::stderr().write(&line),
        };
        written.map(|_| record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// True if standard error takes `LOG_LINE_MAX_BYTES` now.
#[must_use]
pub fn is_writable() -> bool {
    let stderr = io::stderr();
    let mut set = Set::new();
    let slot = set.add(stderr.as_fd(), Interest::Write);
    set.wait(Duration::ZERO).is_ok() && set.ready(slot).writable
}

/// A record of at most `LOG_LINE_MAX_BYTES`, its end left out if it is longer.
fn cut(record: &[u8]) -> Cow<'_, [u8]> {
    if record.len() <= LOG_LINE_MAX_BYTES {
        return Cow::Borrowed(record);
    }
    let mut line = String::from_utf8_lossy(&record[..LOG_LINE_MAX_BYTES - "…\n".len() - 3]).into_owned();
    line.push_str("…\n");
    Cow::Owned(line.into_bytes())
}

/// The level of a command line: info, debug after one `-v`, trace after two.
#[must_use]
pub fn level(verbose: u8) -> Level {
    match verbose {
        0 => Level::Info,
        1 => Level::Debug,
        _ => Level::Trace,
    }
}

/// The logger of a process whose program is `role`. A forked child makes its own, since its pid differs.
pub fn open(role: impl Into<String>, level: Level, screen: Screen) -> Logger {
    let (role, pid, journal) = (role.into(), std::process::id(), under_systemd());
    let header = move |stamp: &dyn ThreadSafeTimestampFn<Output = io::Result<()>>,
                       line: &mut dyn RecordDecorator,
                       record: &slog::Record<'_>,
                       _: bool| {
        print_header(journal, stamp, line, record.level())?;
        line.start_msg()?;
        write!(line, "{role}[{pid}]: {}", record.msg())?;
        Ok(true)
    };
    let format =
        FullFormat::new(PlainSyncDecorator::new(screen)).use_original_order().use_custom_header_print(header).build();
    Logger::root(format.filter_level(level).ignore_res(), o!())
}

/// Time and level; under systemd the journal has the time, and takes the level as a number in angle brackets.
fn print_header(
    journal: bool,
    stamp: &dyn ThreadSafeTimestampFn<Output = io::Result<()>>,
    line: &mut dyn RecordDecorator,
    level: Level,
) -> io::Result<()> {
    if journal {
        return write!(line, "<{}>", journal_priority(level));
    }
    line.start_timestamp()?;
    stamp(line)?;
    line.start_level()?;
    write!(line, " {} ", level.as_short_str())
}

/// syslog(3)'s number of a level.
fn journal_priority(level: Level) -> u8 {
    match level {
        Level::Critical => 2,
        Level::Error => 3,
        Level::Warning => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

/// True if standard error is the journal's stream (systemd.exec(5), `JOURNAL_STREAM`).
#[must_use]
pub fn under_systemd() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let Ok(stderr) = std::fs::metadata("/proc/self/fd/2") else { return false };
    stream == format!("{}:{}", stderr.dev(), stderr.ino())
}

/// True if a person watches standard error, so that a line of progress is of use.
#[must_use]
pub fn on_terminal() -> bool {
    io::stderr().is_terminal() && !under_systemd()
}

/// Says `text` at a `level` that is known only now.
pub fn tell(log: &Logger, level: Level, text: &str) {
    match level {
        Level::Critical | Level::Error => error!(log, "{text}"),
        Level::Warning => warn!(log, "{text}"),
        Level::Info => info!(log, "{text}"),
        Level::Debug | Level::Trace => debug!(log, "{text}"),
    }
}
