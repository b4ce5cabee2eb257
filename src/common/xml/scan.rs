//! How far a name, a text or a value goes on without anything special: eight bytes at a time while all is plain ASCII,
//! then byte by byte with the table of classes, which alone decides.
//!
//! A word of eight bytes is tested by arithmetic on all of them at once. A test may also stop at a byte that is plain
//! (the table then goes on) but never passes one that isn't. In each term the high bit of a byte is set where it stops;
//! a borrow can only come from a lower byte that stops already, so the lowest stop is exact.

use super::chars::{self, NAME, TEXT, VALUE};

/// `byte` in each of the eight places.
const fn eight(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Bytes at the beginning of `bytes` that may stand in a name. Words go on over lower-case letters alone.
#[inline]
pub(super) fn name(bytes: &[u8]) -> usize {
    run(bytes, NAME, |word| word.wrapping_sub(eight(b'a')) | eight(b'z').wrapping_sub(word))
}

/// Bytes at the beginning of `bytes` that text takes as they are.
#[inline]
pub(super) fn text(bytes: &[u8]) -> usize {
    run(bytes, TEXT, |word| controls(word) | equal(word, b'<') | equal(word, b'&') | equal(word, b']'))
}

/// Bytes at the beginning of `bytes` that a value takes as they are.
#[inline]
pub(super) fn value(bytes: &[u8]) -> usize {
    // Without their bits 0 and 2, both quotes and the ampersand are 0x22, as is the number sign, which is plain.
    run(bytes, VALUE, |word| controls(word) | equal(word, b'<') | equal(word & eight(!0x05), 0x22))
}

/// Stops at bytes below the space.
#[inline]
fn controls(word: u64) -> u64 {
    word.wrapping_sub(eight(b' '))
}

/// Stops at bytes that are `byte`, if all are ASCII.
#[inline]
fn equal(word: u64, byte: u8) -> u64 {
    (word ^ eight(byte)).wrapping_sub(eight(1))
}

/// Bytes at the beginning of `bytes` that are of `class`; words without a stop, in ASCII, are known to be.
#[inline(always)]
fn run(bytes: &[u8], class: u8, stops: impl Fn(u64) -> u64) -> usize {
    let mut length = 0;
    let mut rest = bytes;
    while let Some((word, behind)) = rest.split_first_chunk() {
        let word = u64::from_le_bytes(*word);
        let stops = (stops(word) | word) & eight(0x80);
        if stops != 0 {
            length += stops.trailing_zeros() as usize / 8;
            break;
        }
        length += 8;
        rest = behind;
    }
    length + bytes[length..].iter().take_while(|&&byte| chars::is(byte, class)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Scan = fn(&[u8]) -> usize;

    /// A byte of each value at each place of two words and a rest is found as the table has it.
    #[test]
    fn words_agree_with_the_table() {
        let scans: [(Scan, u8); 3] = [(name, NAME), (text, TEXT), (value, VALUE)];
        for (scan, class) in scans {
            for byte in 0..=255 {
                for at in 0..19 {
                    let mut bytes = *b"abcdefghijklmnopqrs";
                    bytes[at] = byte;
                    let expected = bytes.iter().take_while(|&&byte| chars::is(byte, class)).count();
                    assert_eq!(scan(&bytes), expected, "class {class}, byte {byte:#x} at {at}");
                }
            }
        }
    }

    /// A stop behind another is not lost, nor moved by the borrow of the first.
    #[test]
    fn the_first_of_two_stops_counts() {
        for (first, second) in (0..=255).flat_map(|first| (0..=255).map(move |second| (first, second))) {
            let bytes = [b'a', first, second, b'a', b'a', b'a', b'a', b'a'];
            assert_eq!(text(&bytes), bytes.iter().take_while(|&&byte| chars::is(byte, TEXT)).count(), "{bytes:?}");
            assert_eq!(value(&bytes), bytes.iter().take_while(|&&byte| chars::is(byte, VALUE)).count(), "{bytes:?}");
        }
    }
}
