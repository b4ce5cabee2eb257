//! The two ways to search, and their names on the command line and on the wire.

use std::fmt;
use std::str::FromStr;

/// How the aliquot sums of a range are computed. Both are exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Every d in 2 ..= ⌊√n⌋ is tested against every n.
    Trial,
    /// Every prime power is multiplied into its multiples; what it doesn't divide is never looked at.
    Sieve,
}

/// The text is neither `trial` nor `sieve`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownMethod(String);

impl Method {
    /// Both methods, the default first.
    pub const ALL: [Method; 2] = [Method::Trial, Method::Sieve];

    /// `trial` or `sieve`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Method::Trial => "trial",
            Method::Sieve => "sieve",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(text: &str) -> Result<Self, UnknownMethod> {
        Self::ALL.into_iter().find(|method| method.name() == text).ok_or_else(|| UnknownMethod(text.to_owned()))
    }
}

impl fmt::Display for UnknownMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "method {:?}: neither trial nor sieve", self.0)
    }
}

impl std::error::Error for UnknownMethod {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for method in Method::ALL {
            assert_eq!(method.to_string().parse(), Ok(method));
        }
        let error = "Trial".parse::<Method>().unwrap_err();
        assert_eq!(error.to_string(), "method \"Trial\": neither trial nor sieve");
    }
}
