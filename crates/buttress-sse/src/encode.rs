//! The wire form of one block of fields, written in one exact allocation (pure).

use std::time::Duration;

use bytes::Bytes;
use memchr::memchr2;

/// What one block may carry; nothing in it is trusted to hold no line end but `id` and `name`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Block<'a> {
    pub(crate) comment: Option<&'a [u8]>,
    pub(crate) retry: Option<Duration>,
    pub(crate) id: Option<&'a [u8]>,
    pub(crate) name: Option<&'a [u8]>,
    pub(crate) data: Option<&'a [u8]>,
}

impl Block<'_> {
    /// The block and the blank line that ends it.
    pub(crate) fn encode(self) -> Bytes {
        let mut digits = [0; DIGITS];
        let retry = self.retry.map(|wait| decimal(millis(wait), &mut digits));
        let fields = [
            (COMMENT, self.comment, true),
            (RETRY, retry, false),
            (ID, self.id, false),
            (NAME, self.name, false),
            (DATA, self.data, true),
        ];
        let mut len = 1;
        for (label, value, split) in fields {
            len += value.map_or(0, |value| field_len(label, value, split));
        }
        let mut out = Vec::with_capacity(len);
        for (label, value, split) in fields {
            if let Some(value) = value {
                put_field(&mut out, label, value, split);
            }
        }
        out.push(b'\n');
        debug_assert_eq!(out.len(), len, "reserved exactly");
        Bytes::from(out)
    }
}

/// Whole milliseconds, the unit of `retry`; what does not fit is as long as can be said.
fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

/// `number` in base ten, without leading zeros, at the end of `buffer`.
pub(crate) fn decimal(mut number: u64, buffer: &mut [u8; DIGITS]) -> &[u8] {
    let mut at = DIGITS;
    loop {
        at -= 1;
        // Below ten, so it fits.
        buffer[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &buffer[at..];
        }
    }
}

fn field_len(label: &[u8], value: &[u8], split: bool) -> usize {
    if split {
        Lines(Some(value)).map(|line| label.len() + line.len() + 1).sum()
    } else {
        label.len() + value.len() + 1
    }
}

fn put_field(out: &mut Vec<u8>, label: &[u8], value: &[u8], split: bool) {
    if split {
        Lines(Some(value)).for_each(|line| put_line(out, label, line));
    } else {
        put_line(out, label, value);
    }
}

fn put_line(out: &mut Vec<u8>, label: &[u8], value: &[u8]) {
    out.extend_from_slice(label);
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// The lines of a text, whichever of CR, LF and CRLF ends them. A text that ends in one has an
/// empty last line, so that joining the lines again gives the text back.
struct Lines<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let text = self.0.take()?;
        let Some(end) = memchr2(b'\r', b'\n', text) else {
            return Some(text);
        };
        let ending = if text[end..].starts_with(b"\r\n") { 2 } else { 1 };
        self.0 = Some(&text[end + ending..]);
        Some(&text[..end])
    }
}

/// Digits of `u64::MAX`.
pub(crate) const DIGITS: usize = 20;

const COMMENT: &[u8] = b": ";
const RETRY: &[u8] = b"retry: ";
const ID: &[u8] = b"id: ";
const NAME: &[u8] = b"event: ";
const DATA: &[u8] = b"data: ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_without_leading_zeros() {
        for number in [0, 7, 10, 1_234_567_890, u64::MAX] {
            assert_eq!(decimal(number, &mut [0; DIGITS]), number.to_string().as_bytes());
        }
    }

    #[test]
    fn an_endless_wait_is_as_long_as_can_be_said() {
        assert_eq!(millis(Duration::MAX), u64::MAX);
    }

    #[test]
    fn a_last_line_end_leaves_an_empty_line() {
        let lines: Vec<_> = Lines(Some(b"a\r\nb\rc\n")).collect();
        assert_eq!(lines, [&b"a"[..], b"b", b"c", b""]);
    }
}
