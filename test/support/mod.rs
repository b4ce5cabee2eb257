//! What the tests of the programs stand on: real processes in a directory of their own, and peers that speak the
//! protocol by hand.
//!
//! A [`Scene`] starts programs and ends every one of them, however its test ends; if that is by a failure, it prints
//! what each of them was called with and has said. Nothing here sleeps until something is probably ready: it waits for
//! what shows it, and [`PATIENCE`] only keeps a broken program from hanging the suite.

mod browser;
mod cgroup;
mod client;
mod crowd;
mod draws;
mod fake;
mod fake_collect;
mod family;
mod hosts;
pub mod http;
mod ledger;
mod mount;
mod output;
mod peer;
mod platter;
mod process;
mod proofs;
mod relay;
mod scene;
mod secure;
pub mod trace;
mod watch;

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use aliquot::manage::rights::Bearer;
use aliquot::manage::state::Event;

pub use browser::Browser;
pub use cgroup::Cgroup;
pub use client::Client;
pub use crowd::{Crowd, Heard};
pub use draws::{Cut, Cutter, Loot};
pub use fake::{FakeCompute, FakeManage};
pub use fake_collect::{FakeCollect, frame, set_to};
pub use family::Member;
pub use hosts::{Hosts, NEAR_ADDRESS, Way};
pub use ledger::Ledger;
pub use mount::Mount;
pub use peer::Peer;
pub use platter::{Loss, Platter};
pub use process::{Process, SIGKILL};
pub use relay::Relay;
pub use scene::{Manage, Scene, executable, number};
pub use secure::{Keys, Secure, context, replace};
pub use trace::Step;
pub use watch::{Agent, Collect, framed, value};

/// Somebody connects to a manage without keys.
pub fn opened(peer: u64) -> Event {
    Event::Opened(peer, IpAddr::V4(Ipv4Addr::LOCALHOST), Bearer::Anyone)
}

/// How long a test waits for what must happen. Far longer than it ever takes: it bounds a failure, it measures nothing.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer.
///
/// # Panics
/// When there is none within [`PATIENCE`].
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
