//! What is said on one connection: a request, and how to tell whether the reply to it is right. Pure.

use fastrand::Rng;

use crate::common::limits::LOAD_REPLY_MAX_BYTES;
use crate::pow::puzzle::{self, Difficulty};
use crate::pow::request;

/// Characters of a message that is asked about, as in `70NVO`.
const MESSAGE_BYTES: usize = 5;

/// What a reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// What was asked for.
    Right,
    /// The server says that it won't, or can't.
    Refused,
    /// Anything else.
    Wrong,
}

/// One connection's side of a protocol in which a reply follows each request.
pub trait Exchange {
    /// Appends the next request to `out`.
    fn request(&mut self, out: &mut Vec<u8>);

    /// Looks at what has come since that: the length of the reply and what it is, or `None` while some of it is missing.
    fn reply(&mut self, input: &[u8]) -> Option<(usize, Verdict)>;

    /// Longest reply that is waited for the end of: what is longer is wrong.
    fn reply_max_bytes(&self) -> usize {
        LOAD_REPLY_MAX_BYTES
    }
}

/// Asks `pow serve` for proofs, each of another message.
pub struct Proofs {
    random: Rng,
    message: [u8; MESSAGE_BYTES],
    /// What each request asks for; without it the server's own difficulty holds, which nobody knows here.
    difficulty: Option<Difficulty>,
}

impl Proofs {
    /// Asks about messages that come of `seed`.
    #[must_use]
    pub fn new(seed: u64, difficulty: Option<Difficulty>) -> Self {
        Self { random: Rng::with_seed(seed), message: [0; MESSAGE_BYTES], difficulty }
    }
}

impl Exchange for Proofs {
    fn request(&mut self, out: &mut Vec<u8>) {
        let random = &mut self.random;
        self.message.fill_with(|| puzzle::ALPHABET[random.usize(..puzzle::ALPHABET.len())]);
        request::write(self.difficulty, &self.message, out);
    }

    fn reply(&mut self, input: &[u8]) -> Option<(usize, Verdict)> {
        let end = input.iter().position(|byte| *byte == b'\n')?;
        let line = &input[..end];
        let verdict = match puzzle::verify(line, Some(&self.message), self.difficulty.unwrap_or(Difficulty::NONE)) {
            Ok(()) => Verdict::Right,
            Err(_) if line.starts_with(b"error ") => Verdict::Refused,
            Err(_) => Verdict::Wrong,
        };
        Some((end + 1, verdict))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request, and a reply to it: the first proof of so many digits.
    fn asked(difficulty: Option<u8>, found: u8) -> (Proofs, Vec<u8>, Vec<u8>) {
        let mut proofs = Proofs::new(4711, difficulty.and_then(Difficulty::new));
        let (mut request, mut line) = (Vec::new(), Vec::new());
        proofs.request(&mut request);
        let exact = |hash: &_| {
            let met = |digits| Difficulty::new(digits).unwrap().is_met_by(hash);
            met(found) && !met(found + 1)
        };
        let seeds = (0..).map(|head| puzzle::Seed { head, last: 7 }.bytes());
        let seed = seeds.into_iter().find(|seed| exact(&puzzle::hash(*seed, &proofs.message))).unwrap();
        puzzle::write_proof(&proofs.message, seed, &puzzle::hash(seed, &proofs.message), &mut line);
        (proofs, request, line)
    }

    #[test]
    fn a_request_has_another_message_each_time() {
        let (mut proofs, first, _) = asked(None, 0);
        let mut second = Vec::new();
        proofs.request(&mut second);
        assert!(first != second && first.len() == 6 && first.ends_with(b"\n"), "{first:?} {second:?}");
        assert!(first[..5].iter().all(u8::is_ascii_alphanumeric));
        let (_, asked, _) = asked(Some(4), 4);
        assert!(asked.starts_with(b"\0pow 4 ") && asked.len() == 13);
    }

    #[test]
    fn a_reply_is_right_if_all_of_it_is() {
        let (mut proofs, _, line) = asked(None, 0);
        assert_eq!(proofs.reply(&line), Some((line.len(), Verdict::Right)));
        assert_eq!(proofs.reply(&line[..line.len() - 1]), None);
        assert_eq!(proofs.reply(b""), None);
        for at in 0..line.len() - 1 {
            let mut other = line.clone();
            other[at] ^= 1;
            assert_eq!(proofs.reply(&other), Some((line.len(), Verdict::Wrong)), "byte {at}");
        }
        for short in 0..line.len() - 1 {
            let other = [&line[..short], b"\n"].concat();
            assert_eq!(proofs.reply(&other), Some((short + 1, Verdict::Wrong)), "{short} bytes");
        }
        assert_eq!(proofs.reply(&[b"a", &line[..]].concat()), Some((line.len() + 1, Verdict::Wrong)));
        let capital = line.to_ascii_uppercase();
        assert_eq!(proofs.reply(&capital), Some((line.len(), Verdict::Wrong)));
        assert_eq!(proofs.reply(&[&line[..], b"more"].concat()), Some((line.len(), Verdict::Right)));
    }

    #[test]
    fn a_reply_has_the_difficulty_that_was_asked_for() {
        for (wanted, found, verdict) in
            [(2, 2, Verdict::Right), (2, 3, Verdict::Right), (3, 2, Verdict::Wrong), (1, 0, Verdict::Wrong)]
        {
            let (mut proofs, _, line) = asked(Some(wanted), found);
            assert_eq!(proofs.reply(&line), Some((line.len(), verdict)), "{wanted} {found}");
        }
    }

    #[test]
    fn an_error_is_a_refusal() {
        let (mut proofs, ..) = asked(None, 0);
        assert_eq!(proofs.reply(b"error busy\n"), Some((11, Verdict::Refused)));
        assert_eq!(proofs.reply(b"errors\n"), Some((7, Verdict::Wrong)));
    }
}
