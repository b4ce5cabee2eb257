//! The types of attribute values: how each is read, and what is asked of it.

use std::fmt::{self, Display};
use std::str::FromStr;

use super::code::Code;
use crate::common::limits::{CELLS_MAX, HITS_MAX, HOST_MAX_BYTES};
use crate::common::named::named;
use crate::common::signal::Ending;
use crate::divisors::Method;

/// A type that an attribute can have. An `Option` is an attribute that may be missing.
pub(super) trait Value: Sized {
    /// What is expected, for an error message.
    const WHAT: &'static str;

    /// What kind of fault it is if it isn't.
    const FAULT: Code = Code::BadValue;

    /// Reads the attribute's text; `None` if it isn't of this type.
    fn parse(text: &str) -> Option<Self>;

    /// What a missing attribute means; `None` if it may not be missing.
    fn missing() -> Option<Self> {
        None
    }

    /// What is written; `None` if nothing is.
    fn shown(&self) -> Option<&dyn Display>;
}

impl<T: Value> Value for Option<T> {
    const WHAT: &'static str = T::WHAT;
    const FAULT: Code = T::FAULT;

    fn parse(text: &str) -> Option<Self> {
        T::parse(text).map(Some)
    }

    fn missing() -> Option<Self> {
        Some(None)
    }

    fn shown(&self) -> Option<&dyn Display> {
        self.as_ref().and_then(Value::shown)
    }
}

/// Unsigned decimal digits without sign or leading zeros: each number has exactly one form.
fn parse_number<T: FromStr>(text: &str) -> Option<T> {
    let canonical = text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
    if canonical { text.parse().ok() } else { None }
}

/// Implements `Value` by a function from text, and `Display`.
macro_rules! value {
    ($type:ty, $what:literal, $parse:expr) => {
        impl Value for $type {
            const WHAT: &'static str = $what;

            fn parse(text: &str) -> Option<Self> {
                $parse(text)
            }

            fn shown(&self) -> Option<&dyn Display> {
                Some(self)
            }
        }
    };
}

value!(u32, "a number below 2^32", parse_number);
value!(u64, "a number below 2^64", parse_number);
value!(u128, "a number below 2^128", parse_number);
value!(bool, "true or false", |text: &str| text.parse().ok());
value!(Method, "trial or sieve", |text: &str| text.parse().ok());
value!(Ending, "INT, QUIT, HUP or TERM", |text: &str| text.parse().ok());
value!(Code, "a code of the protocol", |text: &str| text.parse().ok());
value!(Role, "compute, control or report", |text: &str| text.parse().ok());
value!(Stage, "timing, idle, busy, lost or struck", |text: &str| text.parse().ok());
value!(Instance, "16 hexadecimal digits", Instance::parse);
value!(Numbers, "at most 16 ascending numbers", Numbers::parse);
value!(CellCount, "a number from 1 to 1000", CellCount::parse);
value!(Cells, "1 to 1000 of 0 to 9 and X", Cells::parse);
value!(String, "at most 255 printable characters", parse_text);

/// The one version of the protocol that this program speaks. It is read before anything else of a greeting, so that
/// a greeting of another version is refused for that, whatever else is new in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version;

impl Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("1")
    }
}

impl Value for Version {
    const WHAT: &'static str = "1, the version that is spoken here";
    const FAULT: Code = Code::WrongVersion;

    fn parse(text: &str) -> Option<Self> {
        (text == "1").then_some(Self)
    }

    fn shown(&self) -> Option<&dyn Display> {
        Some(self)
    }
}

/// A short text that can be shown on a terminal as it is.
fn parse_text(text: &str) -> Option<String> {
    (!text.is_empty() && text.len() <= HOST_MAX_BYTES && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

named! {
    /// What a connection is for.
    Role {
        /// The data connection of a compute.
        Compute = "compute",
        /// The control connection, held by a compute's monitor.
        Control = "control",
        /// Somebody who asks.
        Report = "report",
    }
}

named! {
    /// What a compute does.
    Stage {
        /// It measures its speed.
        Timing = "timing",
        /// It waits for a range.
        Idle = "idle",
        /// It works on a range.
        Busy = "busy",
        /// Its connection is gone.
        Lost = "lost",
        /// Its host has sent too many wrong results and gets no more work.
        Struck = "struck",
    }
}

/// What tells one compute process from every other that ever was: 64 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance(pub u64);

impl Instance {
    fn parse(text: &str) -> Option<Self> {
        let valid = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if valid { u64::from_str_radix(text, 16).ok().map(Self) } else { None }
    }
}

impl Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// How many cells a picture of the coverage shall have: 1 to `CELLS_MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellCount(usize);

impl CellCount {
    /// So many, or the nearest number that can be asked for.
    #[must_use]
    pub fn new(cells: u32) -> Self {
        Self(usize::try_from(cells).unwrap_or(CELLS_MAX).clamp(1, CELLS_MAX))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> usize {
        self.0
    }

    fn parse(text: &str) -> Option<Self> {
        parse_number(text).filter(|cells| (1..=CELLS_MAX).contains(cells)).map(Self)
    }
}

impl Display for CellCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A character a cell: `0` nothing of it, `1` to `9` so many tenths, `X` all. What isn't nothing is never `0`, and what isn't all
/// never `X`. 1 to `CELLS_MAX` of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cells(String);

impl Cells {
    /// Of shares: how many, of how many, which are not fewer nor 0. There are 1 to `CELLS_MAX` of them.
    #[must_use]
    pub fn of(shares: impl Iterator<Item = (u64, u64)>) -> Self {
        let tenths = |part: u64, of: u64| (u128::from(part) * 10 / u128::from(of)).clamp(1, 9) as u8;
        let cell = |(part, of)| match part {
            0 => '0',
            all if all == of => 'X',
            part => char::from(b'0' + tenths(part, of)),
        };
        Self(shares.map(cell).collect())
    }

    /// The characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let valid = (1..=CELLS_MAX).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit() || c == b'X');
        valid.then(|| Self(text.to_owned()))
    }
}

impl Display for Cells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Numbers in ascending order, each once, at most `HITS_MAX`; separated by one space on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers(pub Vec<u64>);

impl Numbers {
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::default());
        }
        let numbers: Vec<u64> = text.split(' ').take(HITS_MAX + 1).map(parse_number).collect::<Option<_>>()?;
        (numbers.len() <= HITS_MAX && numbers.is_sorted_by(|a, b| a < b)).then_some(Self(numbers))
    }
}

impl Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, number) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{number}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_is_never_nothing_and_never_all() {
        let of = 1 << 62;
        let cells = [(0, 1), (1, 1), (1, of), (of / 2, of), (of - 1, of), (of, of), (99, 1_000), (1, 3), (2, 3)];
        assert_eq!(Cells::of(cells.into_iter()).as_str(), "0X159X136");
    }

    #[test]
    fn as_many_cells_as_can_be_asked_for() {
        assert_eq!([0, 1, 240, 1_000, u32::MAX].map(|cells| CellCount::new(cells).get()), [1, 1, 240, 1_000, 1_000]);
    }
}
