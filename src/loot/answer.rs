//! An answer to a draw, said piece by piece: however many numbers it has, little of it is kept. Pure.

use std::ops::Range;

use crate::common::limits::ANSWER_CHUNK_BYTES;

use super::memory::Memory;
use super::request::Id;

/// A draw that its client is to be told.
#[derive(Clone, Debug)]
pub struct Answer {
    draw: Range<u32>,
    wanted: u32,
    id: Option<Id>,
    /// The index of the first number that isn't said yet; `None` before anything is.
    next: Option<u32>,
    form: Form,
}

/// In what form a client takes numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Each with its line's end.
    Lines,
    /// One at a time, with nothing.
    Bare,
}

/// How far an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// There is more.
    Part,
    /// That was the end of it.
    All,
}

impl Answer {
    /// Of `wanted` numbers those with these indices.
    #[must_use]
    pub fn new(draw: Range<u32>, wanted: u32, id: Option<Id>, form: Form) -> Self {
        Self { draw, wanted, id, next: None, form }
    }

    /// The index behind its last number: when the ledger has that, it may be said.
    #[must_use]
    pub fn end(&self) -> u32 {
        self.draw.end
    }

    /// How many numbers it has.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.draw.end - self.draw.start
    }

    /// The id of its draw.
    #[must_use]
    pub fn id(&self) -> Option<&Id> {
        self.id.as_ref()
    }

    /// Appends the next piece to `out`.
    pub fn say(&mut self, memory: &Memory, out: &mut Vec<u8>) -> Said {
        let mut digits = itoa::Buffer::new();
        if self.form == Form::Bare {
            memory.numbers(self.draw.clone()).iter().for_each(|number| out.extend(digits.format(*number).bytes()));
            return Said::All;
        }
        if self.next.is_none()
            && let Some(id) = &self.id
        {
            out.extend(format!("#{} {} {}\n", id.name(), self.draw.start, self.count()).bytes());
        }
        let first = self.next.unwrap_or(self.draw.start);
        let last = self.draw.end.min(first + NUMBERS_MAX);
        for number in memory.numbers(first..last) {
            out.extend_from_slice(digits.format(*number).as_bytes());
            out.push(b'\n');
        }
        self.next = Some(last);
        if last < self.draw.end {
            return Said::Part;
        }
        if self.id.is_none() && self.count() < self.wanted {
            out.extend(format!("error exhausted: {} of {} were left\n", self.count(), self.wanted).bytes());
        }
        Said::All
    }
}

/// Numbers of one piece: the longest has nine digits and its line's end.
const NUMBERS_MAX: u32 = (ANSWER_CHUNK_BYTES / 10) as u32;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::loot::memory::Kept;
    use crate::loot::shuffle::Seed;

    fn memory(size: u32) -> Memory {
        let kept = Kept { seed: Seed([1; 32]), size, drawn: 0, told: 0, closed: false, named: HashMap::new() };
        Memory::new(kept, None)
    }

    fn said(memory: &Memory, mut answer: Answer) -> (String, usize) {
        let (mut all, mut pieces) = (Vec::new(), 0);
        loop {
            let mut piece = Vec::new();
            let said = answer.say(memory, &mut piece);
            assert!(piece.len() <= ANSWER_CHUNK_BYTES + 128);
            all.extend(piece);
            pieces += 1;
            if said == Said::All {
                return (String::from_utf8(all).unwrap(), pieces);
            }
        }
    }

    fn lines(numbers: &[u32]) -> String {
        numbers.iter().map(|number| format!("{number}\n")).collect()
    }

    #[test]
    fn an_answer_is_said_in_pieces() {
        let memory = memory(2 * NUMBERS_MAX + 1);
        let answer = |draw: Range<u32>| Answer::new(draw.clone(), draw.end - draw.start, None, Form::Lines);
        for (count, pieces) in [(1, 1), (NUMBERS_MAX, 1), (NUMBERS_MAX + 1, 2), (2 * NUMBERS_MAX, 2)] {
            assert_eq!(said(&memory, answer(1..1 + count)), (lines(memory.numbers(1..1 + count)), pieces));
        }
    }

    #[test]
    fn each_form_has_what_belongs_to_it() {
        let memory = memory(10);
        let numbers = memory.numbers(2..4).to_vec();
        let id = Id::new("x");
        let (all, _) = said(&memory, Answer::new(2..4, 2, id.clone(), Form::Lines));
        assert_eq!(all, format!("#x 2 2\n{}", lines(&numbers)));
        let (few, _) = said(&memory, Answer::new(2..4, 5, None, Form::Lines));
        assert_eq!(few, format!("{}error exhausted: 2 of 5 were left\n", lines(&numbers)));
        let (few, _) = said(&memory, Answer::new(2..4, 5, id, Form::Lines));
        assert_eq!(few, format!("#x 2 2\n{}", lines(&numbers)), "it says itself how many there are");
        let (bare, _) = said(&memory, Answer::new(2..3, 1, None, Form::Bare));
        assert_eq!(bare, numbers[0].to_string());
    }
}
