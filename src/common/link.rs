//! When to connect, when to say something, when to give a connection up. Pure: the same for every connection that its process
//! keeps up: a compute's two to its manage, an agent's to its collect.

use super::clock::Millis;
use super::limits::{BACKOFF_MAX_MS, BACKOFF_MIN_MS, CONNECT_MAX_MS, SILENCE_MAX_MS};

/// How a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// There is none; the next attempt is due then.
    Away(Millis),
    /// It is being opened, or the other side hasn't answered the greeting yet; given up then.
    Opening(Millis),
    /// It stands.
    Up,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Begin to connect.
    Connect,
    /// Say that this side lives.
    Heartbeat,
    /// Close the connection: the other side has been silent for too long.
    GiveUp,
}

/// The upkeep of one connection.
#[derive(Debug)]
pub struct Link {
    heartbeat_ms: u64,
    phase: Phase,
    failures: u32,
    heard: Millis,
    said: Millis,
    random: fastrand::Rng,
}

impl Link {
    /// No connection; the first attempt is due at once. While it stands, a heartbeat is due after each `heartbeat_ms`.
    #[must_use]
    pub fn new(seed: u64, heartbeat_ms: u64, now: Millis) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self { heartbeat_ms, phase: Phase::Away(now), failures: 0, heard: now, said: now, random }
    }

    /// What is due now. Call it again until nothing is.
    pub fn due(&mut self, now: Millis) -> Option<Due> {
        match self.phase {
            Phase::Away(retry) if retry <= now => {
                self.phase = Phase::Opening(now.after(CONNECT_MAX_MS));
                Some(Due::Connect)
            }
            Phase::Opening(deadline) if deadline <= now => Some(Due::GiveUp),
            Phase::Up if now.since(self.heard) >= SILENCE_MAX_MS => Some(Due::GiveUp),
            Phase::Up if now.since(self.said) >= self.heartbeat_ms => {
                self.said = now;
                Some(Due::Heartbeat)
            }
            _ => None,
        }
    }

    /// When `due` has something to say at the latest.
    #[must_use]
    pub fn deadline(&self) -> Millis {
        match self.phase {
            Phase::Away(at) | Phase::Opening(at) => at,
            Phase::Up => self.said.after(self.heartbeat_ms).min(self.heard.after(SILENCE_MAX_MS)),
        }
    }

    /// The other side has answered the greeting.
    pub fn up(&mut self, now: Millis) {
        (self.phase, self.failures, self.heard, self.said) = (Phase::Up, 0, now, now);
    }

    /// How many attempts were in vain since it stood last.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The other side has said something.
    pub fn heard(&mut self, now: Millis) {
        self.heard = now;
    }

    /// The connection is gone, or couldn't be made: gives how long the pause is until the next attempt, in
    /// milliseconds. It doubles with each failure, less up to half of it by chance, so that a thousand of them don't
    /// come back in step.
    pub fn lost(&mut self, now: Millis) -> u64 {
        let pause = (BACKOFF_MIN_MS << self.failures.min(16)).min(BACKOFF_MAX_MS);
        let jittered = self.random.u64(pause / 2..=pause);
        self.failures = self.failures.saturating_add(1);
        self.phase = Phase::Away(now.after(jittered));
        jittered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::limits::HEARTBEAT_MS;

    #[test]
    fn attempts_get_rarer_but_never_end() {
        let mut link = Link::new(1, HEARTBEAT_MS, Millis(0));
        let mut now = Millis(0);
        let mut pauses = Vec::new();
        for _ in 0..100 {
            assert_eq!(link.due(now), Some(Due::Connect));
            assert_eq!(link.due(now), None);
            let pause = link.lost(now);
            pauses.push(pause);
            assert_eq!(link.due(now.after(pause - 1)), None);
            now = now.after(pause);
        }
        assert!(pauses[0] <= BACKOFF_MIN_MS && pauses.iter().all(|pause| *pause <= BACKOFF_MAX_MS));
        assert!(pauses[10..].iter().all(|pause| *pause >= BACKOFF_MAX_MS / 2), "{pauses:?}");
        assert!(pauses[10..].iter().any(|pause| *pause != pauses[10]), "no jitter: {pauses:?}");
    }

    #[test]
    fn an_attempt_and_a_silence_are_bounded() {
        let mut link = Link::new(1, HEARTBEAT_MS, Millis(0));
        link.due(Millis(0));
        assert_eq!(link.due(Millis(CONNECT_MAX_MS - 1)), None);
        assert_eq!(link.due(Millis(CONNECT_MAX_MS)), Some(Due::GiveUp));
        link.up(Millis(0));
        assert_eq!(link.due(Millis(HEARTBEAT_MS)), Some(Due::Heartbeat));
        assert_eq!(link.due(Millis(HEARTBEAT_MS)), None);
        assert_eq!(link.due(Millis(SILENCE_MAX_MS)), Some(Due::GiveUp));
        link.heard(Millis(SILENCE_MAX_MS));
        assert_eq!(link.due(Millis(SILENCE_MAX_MS)), Some(Due::Heartbeat));
    }
}
