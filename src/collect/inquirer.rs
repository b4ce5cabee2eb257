//! The thread that asks manage for its report, over and over, as `report` would.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use slog::{Logger, info, warn};

use crate::common::clock;
use crate::common::epoll::Waker;
use crate::common::error::Error;
use crate::common::exit::Status;
use crate::common::inquiry::{Client, Interrupt, Stop, Target};
use crate::common::limits::{COVERAGE_CELLS_DEFAULT, INQUIRY_MS};
use crate::common::poll::{Interest, Set};

use super::shared::Shared;

/// Who asks.
pub struct Inquirer {
    /// Whom.
    pub target: Target,
    /// Where the answers go.
    pub shared: Arc<Shared>,
    /// What ends it.
    pub end: Arc<Waker>,
    /// Where its log goes.
    pub log: Logger,
}

impl Inquirer {
    /// Asks until it is told to end. The log hears when manage goes and when it is back, not of each try.
    pub fn run(self) {
        let mut end = &*self.end;
        let mut away = false;
        while !end.has_come() {
            let Err(Stop::Failed(error)) = self.ask_on(&mut away) else { return };
            if !std::mem::replace(&mut away, true) {
                warn!(self.log, "{error}: asking until it answers");
            }
            let mut search = self.shared.search();
            search.rate.move_on(clock::now());
            search.fault = Some(error.to_string());
            drop(search);
            if self.pause().is_err() {
                return;
            }
        }
    }

    /// Asks over one connection for as long as it holds.
    fn ask_on(&self, away: &mut bool) -> Result<(), Stop> {
        let mut end = &*self.end;
        let mut client = Client::connect(&self.target, &mut end)?;
        loop {
            let report = client.query(Some(COVERAGE_CELLS_DEFAULT))?;
            if std::mem::take(away) {
                info!(self.log, "manage at {} answers", self.target.address);
            }
            let now = clock::now();
            let mut search = self.shared.search();
            search.rate.say(report.status.rate_per_s as f64, now);
            search.report = Some((report, now));
            search.fault = None;
            drop(search);
            self.pause()?;
        }
    }

    /// Waits until it is time to ask again.
    fn pause(&self) -> Result<(), Stop> {
        let mut set = Set::new();
        let mut end = &*self.end;
        set.add(self.end.as_fd(), Interest::Read);
        let failed = |error: io::Error| Error::new(Status::Failed, "poll", error);
        set.wait(Duration::from_millis(INQUIRY_MS)).map_err(failed)?;
        if end.has_come() { Err(Stop::Ended) } else { Ok(()) }
    }
}
