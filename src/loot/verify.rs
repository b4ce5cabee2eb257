//! `loot verify`: recomputes the order of a box from what its server revealed, and checks records of draws against it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use crate::common::error::{Error, Result, printable};
use crate::common::exit::Status;
use crate::common::limits::{RECORD_LINE_MAX_BYTES, SIZE_MAX};
use crate::common::output;
use crate::common::store;
use crate::common::view::grouped;

use super::ledger;
use super::options::Verify;
use super::record::Line;
use super::request::Id;
use super::shuffle::{Commitment, Seed};

/// Checks the records, or the ledgers, and prints what they prove.
///
/// # Errors
/// Failed, if something in them is wrong or missing; I/O, if one can't be read.
pub fn run(options: &Verify) -> Result<()> {
    let mut records = Records::default();
    let mut said = String::new();
    for path in &options.files {
        if store::is_store(path) {
            let (sound, commitment) = ledger::check(path)?;
            if options.commitment.is_some_and(|published| published != commitment) {
                return Err(wrong(path, format!("its commitment is {commitment}, not the one published")));
            }
            said.push_str(&sound);
        } else {
            records.read(path)?;
        }
    }
    if let Some(commitment) = options.commitment {
        records.commitments.push(("--commitment".to_owned(), commitment, None));
    }
    if options.files.iter().any(|path| !store::is_store(path)) {
        said.push_str(&records.prove()?);
    }
    output::print(said.as_bytes())
}

/// Where something was read, as `file:line`.
type Place = String;

/// Numbers that were drawn in one go, as somebody has recorded them.
struct Draw {
    place: Place,
    /// Its id, the index of its first number and how many there are, where it has an id.
    named: Option<(Id, u32, u32)>,
    numbers: Vec<u32>,
}

/// All that was recorded.
#[derive(Default)]
struct Records {
    commitments: Vec<(Place, Commitment, Option<u32>)>,
    reveals: Vec<(Place, Seed, u32, u32)>,
    draws: Vec<Draw>,
}

fn wrong(place: &str, cause: impl std::fmt::Display) -> Error {
    Error::new(Status::Failed, place, cause)
}

impl Records {
    fn read(&mut self, path: &str) -> Result<()> {
        let failed = |error: io::Error| Error::new(Status::Io, path, error);
        if path == "-" {
            return self.read_lines("standard input", io::stdin().lock());
        }
        self.read_lines(path, BufReader::new(File::open(path).map_err(failed)?))
    }

    fn read_lines(&mut self, path: &str, mut input: impl BufRead) -> Result<()> {
        for at in 1_u64.. {
            let (place, mut line) = (format!("{path}:{at}"), Vec::new());
            let count = input.by_ref().take(RECORD_LINE_MAX_BYTES as u64).read_until(b'\n', &mut line);
            if count.map_err(|error| Error::new(Status::Io, path, error))? == 0 {
                return self.finish_draw();
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end();
            if !text.is_empty() {
                let line = text.parse().map_err(|fault| wrong(&place, format!("{fault}: {}", printable(text))))?;
                self.take(place, line)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, place: Place, line: Line) -> Result<()> {
        let whole = |draw: &Draw| draw.named.as_ref().is_none_or(|(_, _, count)| draw.numbers.len() == *count as usize);
        match line {
            Line::Number(number) => match self.draws.last_mut() {
                Some(draw) if draw.named.is_none() || !whole(draw) => draw.numbers.push(number),
                _ => self.draws.push(Draw { place, named: None, numbers: vec![number] }),
            },
            other => {
                self.finish_draw()?;
                match other {
                    Line::Commitment(commitment, size) => self.commitments.push((place, commitment, Some(size))),
                    Line::Reveal(seed, size, drawn) => self.reveals.push((place, seed, size, drawn)),
                    Line::Named(id, first, count) => {
                        self.draws.push(Draw { place, named: Some((id, first, count)), numbers: Vec::new() });
                    }
                    Line::Error(_) | Line::Number(_) => {}
                }
            }
        }
        Ok(())
    }

    /// A draw with an id has as many numbers as it says.
    fn finish_draw(&mut self) -> Result<()> {
        let Some(Draw { place, named: Some((_, _, count)), numbers }) = self.draws.last() else { return Ok(()) };
        if numbers.len() == *count as usize {
            return Ok(());
        }
        Err(wrong(place, format!("{} of its {count} numbers are there", numbers.len())))
    }

    /// What all that proves.
    fn prove(&self) -> Result<String> {
        let (seed, size, drawn) = self.revealed()?;
        self.prove_commitment(seed, size)?;
        let list = seed.list(size);
        let mut index = vec![0; size as usize + 1];
        (0..).zip(&list).for_each(|(at, number)| index[*number as usize] = at);
        self.prove_ids()?;
        let placed: usize = self.draws.iter().filter(|draw| draw.named.is_some()).map(|draw| draw.numbers.len()).sum();
        let mut owners: BTreeMap<u32, &Draw> = BTreeMap::new();
        for draw in &self.draws {
            for (nth, number) in (0..).zip(&draw.numbers) {
                let Some(at) = index.get(*number as usize).filter(|_| *number > 0) else {
                    return Err(wrong(&draw.place, format!("{number} is no number of a box of {size}")));
                };
                if let Some(first) = draw.named.as_ref().map(|(_, first, _)| *first).filter(|first| first + nth != *at)
                {
                    let own = first + nth;
                    return Err(wrong(
                        &draw.place,
                        format!("{number} isn't at index {own}: the secret puts it at {at}"),
                    ));
                }
                if *at >= drawn {
                    return Err(wrong(&draw.place, format!("{number} has index {at}, but only {drawn} were drawn")));
                }
                if let Some(other) = owners.insert(*at, draw).filter(|other| !is_same(other, draw)) {
                    return Err(wrong(&draw.place, format!("{number} was drawn twice: also at {}", other.place)));
                }
            }
        }
        Ok(format!(
            "right  the secret is the one that was committed to; it gives {} numbers their order\n\
             right  {} of the {} numbers drawn are recorded, none twice; {}\n",
            grouped(size.into()),
            grouped(owners.len() as u64),
            grouped(drawn.into()),
            if placed > 0 { "those drawn by id are where the secret puts them" } else { "none says where it stood" },
        ))
    }

    /// An id has one draw, however often that is recorded.
    fn prove_ids(&self) -> Result<()> {
        let mut known = BTreeMap::new();
        for (place, (id, first, count)) in
            self.draws.iter().filter_map(|draw| Some((&draw.place, draw.named.as_ref()?)))
        {
            if let Some((other, ..)) =
                known.insert(id, (place, first, count)).filter(|(_, at, n)| (*at, *n) != (first, count))
            {
                return Err(wrong(place, format!("the id {} has another draw at {other}", id.name())));
            }
        }
        Ok(())
    }

    /// The secret, the size and how many were drawn at the end.
    fn revealed(&self) -> Result<(Seed, u32, u32)> {
        let missing = "no record has a line \"reveal …\": ask the server for it, once the draw has ended";
        let (place, seed, size, drawn) = self.reveals.last().ok_or_else(|| wrong("verify", missing))?;
        let differs = |(_, own, count, end): &&(Place, Seed, u32, u32)| (own, count, end) != (seed, size, drawn);
        if let Some((other, ..)) = self.reveals.iter().find(differs) {
            return Err(wrong(place, format!("it reveals another box, or another end, than {other}")));
        }
        if !(1..=SIZE_MAX).contains(size) || drawn > size {
            return Err(wrong(place, format!("a box has 1 to {SIZE_MAX} numbers, and no more are drawn")));
        }
        Ok((*seed, *size, *drawn))
    }

    fn prove_commitment(&self, seed: Seed, size: u32) -> Result<()> {
        let missing = "no record has a line \"commitment …\", and there is no --commitment: what was said before the first draw \
                       is what the secret is checked against";
        if self.commitments.is_empty() {
            return Err(wrong("verify", missing));
        }
        for (place, commitment, count) in &self.commitments {
            if count.is_some_and(|count| count != size) || *commitment != seed.commitment(size) {
                return Err(wrong(place, "the secret that was revealed is not the one committed to"));
            }
        }
        Ok(())
    }
}

/// True if both are the record of one draw, which its id makes it.
fn is_same(one: &Draw, other: &Draw) -> bool {
    one.named.is_some() && one.named == other.named
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record that begins with a commitment, with these lines behind it, and a reveal of six drawn of ten.
    fn proved(lines: &str) -> Result<String> {
        let seed = Seed([5; 32]);
        let list = seed.list(10);
        let mut text =
            format!("{}\n{lines}\n{}\n", Line::Commitment(seed.commitment(10), 10), Line::Reveal(seed, 10, 6));
        (0..10).for_each(|at| text = text.replace(&format!("@{at}"), &list[at].to_string()));
        let mut records = Records::default();
        records.read_lines("it", text.as_bytes()).and_then(|()| records.prove())
    }

    fn fault(lines: &str) -> String {
        proved(lines).unwrap_err().to_string()
    }

    #[test]
    fn a_record_is_right_if_all_of_it_is() {
        for lines in
            ["", "@0\n@1\n@5", "@5\n@0", "#a 1 2\n@1\n@2\n@4", "#a 1 2\n@1\n@2\n#a 1 2\n@1\n@2", "@0\nerror x: y\n@1\r"]
        {
            assert!(proved(lines).is_ok(), "{lines}: {:?}", proved(lines));
        }
        assert!(proved("#a 1 2\n@1\n@2\n@4").unwrap().contains("3 of the 6 numbers drawn are recorded"));
    }

    #[test]
    fn whatever_is_wrong_is_found() {
        assert!(fault("@0\n@1\n@0").contains("twice"));
        assert!(fault("#a 1 1\n@1\n#b 1 1\n@1").contains("twice"));
        assert!(fault("#a 0 1\n@0\n@0").contains("twice"));
        assert!(fault("@6").contains("only 6 were drawn"));
        assert!(fault("11").contains("no number of a box of 10"));
        assert!(fault("0").contains("no number of a box of 10"));
        assert!(fault("#a 1 2\n@1\n@3").contains("isn't at index 2"));
        assert!(fault("#a 1 2\n@1").contains("1 of its 2 numbers"));
        assert!(fault("#a 0 1\n@0\n#a 1 1\n@1").contains("the id a has another draw"));
        assert!(fault("+7").contains("is not a number"));
        assert!(fault("#a 1 1\n@1\nx").contains("it:4: \"x\" is not a number"));
    }

    #[test]
    fn a_seed_has_to_be_the_one_committed_to() {
        let (seed, other) = (Seed([5; 32]), Seed([6; 32]));
        let reveal = Line::Reveal(seed, 10, 6);
        let check = |commitment: Option<Line>, reveal: Option<&Line>| {
            let lines = commitment.iter().chain(reveal).map(Line::to_string).collect::<Vec<_>>().join("\n");
            let mut records = Records::default();
            records.read_lines("it", lines.as_bytes()).and_then(|()| records.prove()).map_err(|error| error.to_string())
        };
        assert!(check(Some(Line::Commitment(seed.commitment(10), 10)), Some(&reveal)).is_ok());
        for (commitment, size) in [(other.commitment(10), 10), (seed.commitment(11), 10), (seed.commitment(11), 11)] {
            let fault = check(Some(Line::Commitment(commitment, size)), Some(&reveal)).unwrap_err();
            assert!(fault.contains("not the one committed to"), "{fault}");
        }
        assert!(check(None, Some(&reveal)).unwrap_err().contains("no record has a line \"commitment"));
        assert!(
            check(Some(Line::Commitment(seed.commitment(10), 10)), None)
                .unwrap_err()
                .contains("no record has a line \"reveal")
        );
    }
}
