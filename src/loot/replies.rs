//! Which answers a server still owes to the lines that it was sent, and what of them belongs into a record. Pure.

use std::collections::VecDeque;

use super::desk::HELP;
use super::record::Line;
use super::request::{Request, read};

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owed {
    /// So many numbers, or an error.
    Numbers(u32),
    /// The head of a draw with an id, or an error.
    Head,
    /// So many lines, whatever they say.
    Lines(usize),
}

/// The answers that are owed, in the order of the requests.
#[derive(Debug, Default)]
pub struct Replies {
    owed: VecDeque<Owed>,
    errors: u64,
}

impl Replies {
    /// This line, without its end, was sent.
    pub fn sent(&mut self, line: &[u8]) {
        self.owed.push_back(match read(line.strip_suffix(b"\r").unwrap_or(line)) {
            Ok(Request::Draw(wanted, None)) => Owed::Numbers(wanted),
            Ok(Request::Draw(_, Some(_))) => Owed::Head,
            Ok(Request::Help) => Owed::Lines(HELP.lines().count()),
            _ => Owed::Lines(1),
        });
    }

    /// A line of an answer; true if it belongs into a record: what was drawn, and what proves it.
    pub fn heard(&mut self, line: &str) -> bool {
        let line = line.parse::<Line>();
        self.errors += u64::from(matches!(line, Ok(Line::Error(_))));
        let next = self.owed.pop_front();
        let rest = match (next, &line) {
            (Some(Owed::Numbers(count @ 2..)), Ok(Line::Number(_))) => Some(Owed::Numbers(count - 1)),
            (Some(Owed::Head), Ok(Line::Named(_, _, count @ 1..))) => Some(Owed::Numbers(*count)),
            (Some(Owed::Lines(count @ 2..)), _) => Some(Owed::Lines(count - 1)),
            _ => None,
        };
        rest.into_iter().for_each(|rest| self.owed.push_front(rest));
        match line {
            Ok(Line::Number(_)) => matches!(next, Some(Owed::Numbers(_))),
            Ok(Line::Named(..)) => next == Some(Owed::Head),
            Ok(Line::Commitment(..) | Line::Reveal(..)) => true,
            _ => false,
        }
    }

    /// How many requests were answered by an error, or at their end.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// True if nothing is owed.
    #[must_use]
    pub fn are_whole(&self) -> bool {
        self.owed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of the lines heard belong into a record, and whether all is answered then.
    fn record(sent: &[&str], heard: &[&str]) -> (Vec<usize>, bool) {
        let mut replies = Replies::default();
        sent.iter().for_each(|line| replies.sent(line.as_bytes()));
        let kept = (0..heard.len()).filter(|at| replies.heard(heard[*at])).collect();
        (kept, replies.are_whole())
    }

    #[test]
    fn what_was_drawn_is_told_from_other_numbers() {
        assert_eq!(record(&["draw 2", "left", "draw 1\r"], &["7", "9", "5", "3"]), (vec![0, 1, 3], true));
        assert_eq!(record(&["left", "draw 1 #a", "drawn"], &["5", "#a 0 1", "3", "4"]), (vec![1, 2], true));
        let hash = "commitment ".to_owned() + &"0".repeat(64) + " size 5";
        assert_eq!(record(&["commitment", "x", "draw 1"], &[&hash, "error request: x", "3"]), (vec![0, 2], true));
        let help: Vec<_> = HELP.lines().chain(["3"]).collect();
        assert_eq!(record(&["help", "draw 1"], &help), (vec![help.len() - 1], true));
    }

    #[test]
    fn an_error_ends_an_answer() {
        assert_eq!(
            record(
                &["draw 5", "draw 1", "left"],
                &["7", "error exhausted: 1 of 5 were left", "error exhausted: x", "0"]
            ),
            (vec![0], true)
        );
        assert_eq!(record(&["draw 5 #a", "left"], &["error id: x", "0"]), (vec![], true));
    }

    #[test]
    fn what_is_missing_is_known() {
        assert!(!record(&["draw 2"], &["7"]).1);
        assert!(!record(&["draw 2 #a"], &["#a 0 2", "7"]).1);
        assert!(!record(&["help"], &["draw N"]).1);
        assert!(!record(&["left"], &[]).1);
        assert!(record(&[], &[]).1);
    }
}
