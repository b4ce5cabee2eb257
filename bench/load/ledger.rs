//! A ledger of many accepted ranges: how large its file is, how long a restart and a report take with it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aliquot::common::message::{Found, Instance, Numbers};
use aliquot::manage::coverage::Span;
use aliquot::manage::ledger::{Ledger, Wanted, Written};
use aliquot::manage::state::{Holder, Leased, Record};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use super::master::{Cores, Master};

/// Candidates of a range: what a fast core tests of them in 15 s, so that ten million ranges go up to 10^14.
const LENGTH: u64 = 10_000_000;
/// The computes that take turns. Of the last ranges every second is still leased, one to each.
const COMPUTES: u64 = 9_500;
/// Records of one transaction.
const BATCH: usize = 50_000;
const RUNS: usize = 5;

/// Writes a ledger of `count` accepted ranges to `file`, unless it is there, and measures; a line of JSON.
pub fn measure(count: u64, file: &Path) -> Result<String, String> {
    let begin = Instant::now();
    if !file.exists() {
        write(count, file).map_err(|error| error.to_string())?;
    }
    let wrote = begin.elapsed().as_secs_f64();
    let cores = Cores::allowed();
    cores.stay_on_last()?;
    let bytes = std::fs::metadata(file).map_err(|error| format!("{}: {error}", file.display()))?.len();
    forget_pages(file)?;
    let cold = restart(&cores, file)?.0;
    let (mut restarts, mut reports) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let (restart, report) = restart(&cores, file)?;
        restarts.push(restart);
        reports.push(report);
    }
    let ms = |time: &Duration| format!("{:.1}", time.as_secs_f64() * 1e3);
    let all = |times: &[Duration]| times.iter().map(ms).collect::<Vec<_>>().join(",");
    Ok(format!(
        r#"{{"ranges":{count},"bytes":{bytes},"wrote_s":{wrote:.1},"cold_ms":{},"restart_ms":[{}],"report_ms":[{}]}}"#,
        ms(&cold),
        all(&restarts),
        all(&reports),
    ))
}

/// Writes it as manage does, but in large transactions: all done up to the last ranges, of which every second is leased.
fn write(count: u64, file: &Path) -> aliquot::common::error::Result<()> {
    let (mut ledger, ..) = Ledger::open(&file.display().to_string(), Wanted::default())?;
    let firm = count.saturating_sub(COMPUTES);
    let joined = (0..firm).map(|nth| accepted(nth, 0));
    let apart = (0..count - firm).map(|nth| firm + 2 * nth + 1).map(|nth| accepted(nth, nth));
    let leased = (0..count - firm).map(|nth| firm + 2 * nth).map(|nth| Record::Leased(leased(nth)));
    let mut records = joined.chain(apart).chain(leased);
    loop {
        let batch: Vec<Record> = records.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            return ledger.close();
        }
        if let Written::NoRoom(why) = ledger.commit(batch.iter())? {
            return Err(why);
        }
    }
}

/// The `nth` range.
fn span(nth: u64) -> Span {
    Span { first: nth * LENGTH + 1, last: (nth + 1) * LENGTH }
}

/// The `nth` range is done, as are all from the range `from` on.
fn accepted(nth: u64, from: u64) -> Record {
    let Span { first, last } = span(nth);
    // About what it is: s(n) is (π²/6 − 1)·n on average. So it has as many digits.
    let sum = (0.644_934 * (first as f64 + last as f64) / 2.0 * LENGTH as f64) as u128;
    let nanoseconds = 14_900_000_000 + nth % 1_000 * 200_000;
    let perfect = Numbers::default();
    let found = Found { lease: nth + 1, first, last, tested: LENGTH, sum, nanoseconds, perfect };
    let joined = Span { first: span(from).first, last };
    Record::Accepted { found, holder: holder(nth), proved: true, recheck: false, joined }
}

fn leased(nth: u64) -> Leased {
    Leased { lease: nth + 1, span: span(nth), holder: holder(nth), recheck: false }
}

/// Whose turn the `nth` range is.
fn holder(nth: u64) -> Holder {
    let compute = nth / 2 % COMPUTES;
    let host = format!("node{:04}.cluster.example", compute / 64);
    Holder { instance: Instance((compute + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)), host, pid: 1_000 + compute as u32 }
}

/// Has the system forget what it keeps in memory of the file.
fn forget_pages(file: &Path) -> Result<(), String> {
    let file = std::fs::File::open(file).map_err(|error| error.to_string())?;
    file.sync_all().map_err(|error| error.to_string())?;
    posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).map_err(|errno| errno.to_string())
}

/// Starts manage on the ledger and asks for a report: what each takes.
fn restart(cores: &Cores, file: &Path) -> Result<(Duration, Duration), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let master = Master::start(cores, folder.path(), &["--ledger".as_ref(), file.as_os_str()])?;
    let begin = Instant::now();
    let mut report = Command::new(env!("CARGO_BIN_EXE_report"));
    let status =
        report.arg(&master.address).stdout(Stdio::null()).status().map_err(|error| format!("report: {error}"))?;
    let took = begin.elapsed();
    if !status.success() {
        return Err(format!("report: {status}"));
    }
    let restart = master.took;
    master.end()?;
    Ok((restart, took))
}
