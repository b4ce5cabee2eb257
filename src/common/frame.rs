//! Frames of the metrics' wire: a header of 64 bytes, a decimal length padded with spaces, and so many bytes behind it.

use super::limits::{FRAME_HEADER_BYTES, FRAME_MAX_BYTES};

/// What an agent says at its end, in a frame of its own.
pub const DISCONNECT: &[u8] = b"!DISCONNECT";

/// What the beginning of `input` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// A frame whose bytes are these of `input`; it ends where they do.
    Frame(usize, usize),
    /// Not a whole frame yet.
    More,
    /// No length. Where the next frame begins nobody knows.
    NoLength,
    /// A length above `FRAME_MAX_BYTES`.
    TooLong,
}

/// Looks for a frame at the beginning of `input`.
#[must_use]
pub fn cut(input: &[u8]) -> Cut {
    let Some(header) = input.get(..FRAME_HEADER_BYTES) else {
        // One who sends something else should hear so before it has sent 64 bytes of it.
        return if input.iter().all(|byte| is_of_header(*byte)) { Cut::More } else { Cut::NoLength };
    };
    let text = std::str::from_utf8(header).unwrap_or_default().trim_matches(' ');
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<usize>() {
        _ if !digits => Cut::NoLength,
        Ok(length) if length <= FRAME_MAX_BYTES => {
            let end = FRAME_HEADER_BYTES + length;
            if input.len() < end { Cut::More } else { Cut::Frame(FRAME_HEADER_BYTES, end) }
        }
        // Digits that are no number are too many.
        _ => Cut::TooLong,
    }
}

fn is_of_header(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b' '
}

/// Appends a frame with this content to `out`. The other side takes `FRAME_MAX_BYTES` at most.
pub fn put(content: &[u8], out: &mut Vec<u8>) {
    let header = format!("{:<FRAME_HEADER_BYTES$}", content.len());
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_cut_however_it_comes() {
        let mut wire = Vec::new();
        put(b"{}", &mut wire);
        put(DISCONNECT, &mut wire);
        assert_eq!(wire.len(), 2 * FRAME_HEADER_BYTES + 2 + DISCONNECT.len());
        let end = FRAME_HEADER_BYTES + 2;
        for length in 0..end {
            assert_eq!(cut(&wire[..length]), Cut::More, "{length} bytes");
        }
        assert_eq!(cut(&wire), Cut::Frame(FRAME_HEADER_BYTES, end));
        assert_eq!(cut(&wire[end..]), Cut::Frame(FRAME_HEADER_BYTES, wire.len() - end));
    }

    #[test]
    fn a_header_is_a_length_and_spaces() {
        let header = |text: &str| cut(format!("{text:<FRAME_HEADER_BYTES$}").as_bytes());
        assert_eq!(header("0"), Cut::Frame(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES));
        assert_eq!([header("  7"), header("007")], [Cut::More; 2]);
        for none in ["", "abc", "-1", "+1", "1 2", "1.0", "0x10", "1\n"] {
            assert_eq!(header(none), Cut::NoLength, "{none:?}");
        }
        assert_eq!(cut(b"GET / HTTP/1.1"), Cut::NoLength, "whatever it is, it is no length");
        assert_eq!(header(&FRAME_MAX_BYTES.to_string()), Cut::More);
        for long in [(FRAME_MAX_BYTES + 1).to_string(), "99999999999".to_owned(), "9".repeat(64)] {
            assert_eq!(header(&long), Cut::TooLong, "{long}");
        }
    }
}
