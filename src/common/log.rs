//! Logs: slog records to standard error, one write(2) each, with role and pid on every line.
//!
//! Synchronous on purpose: slog-async starts a thread, which a forked child doesn't have.

use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::ProgressBar;
use slog::{Drain, Level, Logger, o};
use slog_term::{FullFormat, PlainSyncDecorator, RecordDecorator, ThreadSafeTimestampFn};

/// Where log lines go: standard error, and around the line of progress if one is drawn there.
#[derive(Clone, Default)]
pub struct Screen(Arc<Mutex<Option<ProgressBar>>>);

impl Screen {
    /// From now on a log line first clears `bar`, and draws it again below itself.
    pub fn attach(&self, bar: ProgressBar) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar);
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(bar) => bar.suspend(|| io::stderr().write(bytes)),
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
pub fn open(role: &'static str, level: Level, screen: Screen) -> Logger {
    let (pid, journal) = (std::process::id(), under_systemd());
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
