//! The lines in which a box is proved: what a server says, `loot draw --out` writes and `loot verify` reads. Pure.

use std::fmt;
use std::str::FromStr;

use super::request::Id;
use super::shuffle::{Commitment, Seed};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// `commitment HEX size N`.
    Commitment(Commitment, u32),
    /// `reveal HEX size N drawn K`.
    Reveal(Seed, u32, u32),
    /// `#ID FIRST COUNT`: the numbers of the next `COUNT` lines are the list's from the index `FIRST` on.
    Named(Id, u32, u32),
    /// A number that was drawn.
    Number(u32),
    /// What a server couldn't do.
    Error(String),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commitment(commitment, size) => write!(f, "commitment {commitment} size {size}"),
            Self::Reveal(seed, size, drawn) => write!(f, "reveal {seed} size {size} drawn {drawn}"),
            Self::Named(id, first, count) => write!(f, "#{} {first} {count}", id.name()),
            Self::Number(number) => write!(f, "{number}"),
            Self::Error(text) => write!(f, "error {text}"),
        }
    }
}

impl FromStr for Line {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        // `parse` alone would take a sign.
        let digits = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
        let number = |text: &str| {
            Some(text)
                .filter(digits)
                .and_then(|text| text.parse::<u32>().ok())
                .ok_or_else(|| format!("{text:?} is not a number"))
        };
        if let Some(name) = line.strip_prefix('#') {
            let parts: Vec<_> = name.split(' ').collect();
            let [name, first, count] = parts[..] else { return Err("behind #: not ID FIRST COUNT".to_owned()) };
            let id = Id::new(name).ok_or("behind #: not the id of a draw")?;
            return Ok(Self::Named(id, number(first)?, number(count)?));
        }
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["commitment", hash, "size", size] => Ok(Self::Commitment(hash.parse()?, number(size)?)),
            ["reveal", seed, "size", size, "drawn", drawn] => {
                Ok(Self::Reveal(seed.parse()?, number(size)?, number(drawn)?))
            }
            ["error", ..] => Ok(Self::Error(line["error ".len().min(line.len())..].to_owned())),
            [one] => Ok(Self::Number(number(one)?)),
            _ => Err("not a line of a record".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let seed = Seed([3; 32]);
        let lines = [
            Line::Commitment(seed.commitment(10), 10),
            Line::Reveal(seed, 10, 4),
            Line::Named(Id::new("a-1").unwrap(), 0, 4),
            Line::Number(7),
            Line::Error("exhausted: none are left".to_owned()),
        ];
        for line in lines {
            assert_eq!(line.to_string().parse(), Ok(line));
        }
        for wrong in
            ["", "a", "-1", "1 2", "#a", "#a 1", "#a 1 b", "# 1 2", "commitment 00 size 10", "reveal x size 1 drawn 1"]
        {
            assert!(wrong.parse::<Line>().is_err(), "{wrong:?}");
        }
    }
}
