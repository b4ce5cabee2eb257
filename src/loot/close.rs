//! `loot close`: ends the draw of a box before it is exhausted, so that its order can be revealed.

use std::time::Duration;

use crate::common::error::{Error, Result, printable};
use crate::common::exit::Status;
use crate::common::net;
use crate::common::output;
use crate::common::signal::Signals;

use super::options::Close;
use super::record::Line;
use super::wire::Wire;

/// Says so to the server, and prints what it reveals.
///
/// # Errors
/// Unreachable; refused, if this isn't the server's host.
pub fn run(options: &Close) -> Result<()> {
    let address = net::with_port(&options.address, super::PORT)?;
    let mut signals = Signals::open()?;
    let mut wire = Wire::dial(&address, Duration::MAX, &mut signals)?;
    let mut ask = |request: &str| {
        let line = wire.say(request).and_then(|()| wire.line()).map_err(|fault| fault.about(&address))?;
        let fault = |status, cause: &str| Err(Error::new(status, format!("server at {address}"), printable(cause)));
        match line.strip_prefix("error ") {
            Some(cause) if cause.starts_with("refused") => fault(Status::Refused, cause),
            Some(cause) => fault(Status::Failed, cause),
            None if line == "closed" || matches!(line.parse(), Ok(Line::Reveal(..))) => Ok(line),
            None => fault(Status::Protocol, &format!("what answered is no loot server: {line}")),
        }
    };
    ask("close\n")?;
    let revealed = ask("reveal\n")?;
    output::print(format!("{revealed}\n").as_bytes())
}
