//! `pow verify`: checks proofs, by code that shares nothing with what finds them.

use std::io::{self, BufRead, Read};
use std::os::unix::ffi::OsStrExt;

use crate::common::error::{Error, Result, printable};
use crate::common::exit::Status;
use crate::common::limits::LINE_MAX_BYTES;
use crate::common::output;

use super::options::Verify;
use super::puzzle::{PROOF_EXTRA_BYTES, verify};

/// Checks the lines that were given, or those of standard input, and prints a verdict on each.
///
/// # Errors
/// Failed, if one is wrong or there is none.
pub fn run(options: &Verify) -> Result<()> {
    let mut verdicts = Verdicts { options, checked: 0, wrong: 0 };
    if options.lines.is_empty() {
        verdicts.check_input(io::stdin().lock())?;
    }
    options.lines.iter().try_for_each(|line| verdicts.check(line.as_bytes()))?;
    match (verdicts.checked, verdicts.wrong) {
        (0, _) => Err(Error::new(Status::Failed, "verify", "no line was given")),
        (_, 0) => Ok(()),
        (all, wrong) => Err(Error::new(Status::Failed, "verify", format!("not proofs: {wrong} of {all}"))),
    }
}

struct Verdicts<'a> {
    options: &'a Verify,
    checked: u64,
    wrong: u64,
}

impl Verdicts<'_> {
    /// Checks line after line, each within the longest that a server takes.
    fn check_input(&mut self, mut input: impl BufRead) -> Result<()> {
        let max = (LINE_MAX_BYTES + PROOF_EXTRA_BYTES + 1) as u64;
        loop {
            let mut line = Vec::new();
            let count = input.by_ref().take(max).read_until(b'\n', &mut line);
            let count = count.map_err(|error| Error::new(Status::Io, "standard input", error))?;
            if count == 0 {
                return Ok(());
            }
            if line.pop_if(|last| *last == b'\n').is_none() && count as u64 == max {
                return Err(Error::new(
                    Status::Failed,
                    "standard input",
                    format!("a line of more than {} bytes", max - 1),
                ));
            }
            self.check(&line)?;
        }
    }

    fn check(&mut self, line: &[u8]) -> Result<()> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let verdict = verify(line, None, self.options.difficulty);
        self.checked += 1;
        self.wrong += u64::from(verdict.is_err());
        if self.options.quiet {
            return Ok(());
        }
        let shown = printable(&String::from_utf8_lossy(line));
        let said = match verdict {
            Ok(()) => format!("right  {shown}\n"),
            Err(fault) => format!("wrong  {shown}: {fault}\n"),
        };
        output::print(said.as_bytes())
    }
}
