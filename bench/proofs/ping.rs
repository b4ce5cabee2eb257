//! What redis is asked: PING, which it answers by +PONG.

use aliquot::pow::load::exchange::{Exchange, Verdict};

const PONG: &[u8] = b"+PONG\r\n";

/// One connection to redis.
pub struct Ping;

impl Exchange for Ping {
    fn request(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"PING\r\n");
    }

    fn reply(&mut self, input: &[u8]) -> Option<(usize, Verdict)> {
        let end = input.iter().position(|byte| *byte == b'\n')? + 1;
        let verdict = match &input[..end] {
            PONG => Verdict::Right,
            line if line.starts_with(b"-") => Verdict::Refused,
            _ => Verdict::Wrong,
        };
        Some((end, verdict))
    }
}
