//! What a line asks for. Pure.
//!
//! A message is any bytes without LF, but none begins with NUL: a line that does is a request of the extended form.

use super::puzzle::Difficulty;

/// What begins a request of the extended form.
pub const EXTENDED: u8 = 0;

/// What a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// A proof for this message, of its own difficulty if it names one.
    Prove(&'a [u8], Option<Difficulty>),
    /// What the server has done.
    Status,
}

/// Reads a line, without its end.
///
/// # Errors
/// What is wrong with it.
pub fn read(line: &[u8]) -> Result<Request<'_>, String> {
    let Some(extended) = line.strip_prefix(&[EXTENDED]) else { return Ok(Request::Prove(line, None)) };
    if extended == b"status" {
        return Ok(Request::Status);
    }
    let asked = extended.strip_prefix(b"pow ").and_then(|rest| rest.split_first_chunk::<2>());
    match asked {
        Some(([digit, b' '], message)) if digit.is_ascii_digit() => {
            Ok(Request::Prove(message, Difficulty::new(digit - b'0')))
        }
        _ => Err("behind NUL: neither \"status\" nor \"pow DIGIT MESSAGE\"".to_owned()),
    }
}

/// Appends a request for `message` of `difficulty`, LF included.
pub fn write(difficulty: Option<Difficulty>, message: &[u8], out: &mut Vec<u8>) {
    if let Some(difficulty) = difficulty {
        out.extend_from_slice(&[EXTENDED, b'p', b'o', b'w', b' ', b'0' + difficulty.digits(), b' ']);
    }
    out.extend_from_slice(message);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_both_forms_are_told_apart() {
        assert_eq!(read(b"pow 5 a"), Ok(Request::Prove(b"pow 5 a", None)));
        assert_eq!(read(b""), Ok(Request::Prove(b"", None)));
        assert_eq!(read(b"a\0b"), Ok(Request::Prove(b"a\0b", None)));
        assert_eq!(read(b"\0status"), Ok(Request::Status));
        let mut line = Vec::new();
        write(Difficulty::new(5), b"\0, b", &mut line);
        assert_eq!(line.pop(), Some(b'\n'));
        assert_eq!(read(&line), Ok(Request::Prove(b"\0, b", Difficulty::new(5))));
        assert_eq!(read(b"\0pow 5 "), Ok(Request::Prove(b"", Difficulty::new(5))));
        for wrong in [&b"\0"[..], b"\0pow", b"\0pow 5", b"\0pow a b", b"\0pow 10 a", b"\0status ", b"\0\0status"] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
