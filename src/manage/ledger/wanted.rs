//! What a search shall be, by the command line, beside what the ledger says it is.

use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::limits::CANDIDATE_MAX;
use crate::divisors::Method;
use crate::manage::state::Settings;

/// What the command line asks of a search; what it leaves open is the ledger's, or the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// `--method`.
    pub method: Option<Method>,
    /// `--first`.
    pub first: Option<u64>,
    /// `--last`.
    pub last: Option<u64>,
}

/// The search to run: the ledger's where there is one, else what is wanted, else the defaults.
pub(super) fn reconcile(path: &str, stored: Option<Settings>, wanted: Wanted) -> Result<Settings> {
    let Some(stored) = stored else {
        let method = wanted.method.unwrap_or(Method::Trial);
        return Ok(Settings { method, first: wanted.first.unwrap_or(1), last: wanted.last });
    };
    let contradiction = |flag: &str, has: String, asked: String| {
        let cause = format!("its search has --{flag} {has}, not {asked}: leave the flag out, or name another ledger");
        Err(Error::new(Status::Usage, super::KIND.subject(path), cause))
    };
    if let Some(method) = wanted.method.filter(|method| *method != stored.method) {
        return contradiction("method", stored.method.to_string(), method.to_string());
    }
    if let Some(first) = wanted.first.filter(|first| *first != stored.first) {
        return contradiction("first", stored.first.to_string(), first.to_string());
    }
    let bound = stored.last.unwrap_or(CANDIDATE_MAX);
    if let Some(last) = wanted.last.filter(|last| *last < bound) {
        let has = stored.last.map_or("none".to_owned(), |last| last.to_string());
        return contradiction("last", has, format!("{last}, which is lower"));
    }
    Ok(Settings { last: if wanted.last.is_some() { wanted.last } else { stored.last }, ..stored })
}
