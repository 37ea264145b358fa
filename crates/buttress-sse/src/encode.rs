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
        let Self { comment, retry, id, name, data } = self;
        let mut digits = [0; DIGITS];
        let retry = retry.map(|wait| decimal(millis(wait), &mut digits));
        let (comment_len, data_len) = (text_len(COMMENT, comment), text_len(DATA, data));
        let len = comment_len + line_len(RETRY, retry) + line_len(ID, id) + line_len(NAME, name) + data_len + 1;
        let mut out = Vec::with_capacity(len);
        put_text(&mut out, COMMENT, comment, comment_len);
        put_line(&mut out, RETRY, retry);
        put_line(&mut out, ID, id);
        put_line(&mut out, NAME, name);
        put_text(&mut out, DATA, data, data_len);
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

fn line_len(label: &[u8], value: Option<&[u8]>) -> usize {
    value.map_or(0, |value| label.len() + value.len() + 1)
}

fn text_len(label: &[u8], text: Option<&[u8]>) -> usize {
    Lines(text).map(|line| line_len(label, Some(line))).sum()
}

fn put_line(out: &mut Vec<u8>, label: &[u8], value: Option<&[u8]>) {
    if let Some(value) = value {
        out.extend_from_slice(label);
        out.extend_from_slice(value);
        out.push(b'\n');
    }
}

fn put_text(out: &mut Vec<u8>, label: &[u8], text: Option<&[u8]>, len: usize) {
    // A second line always makes the text longer, so this is one, which need not be searched again.
    if len == line_len(label, text) {
        put_line(out, label, text);
    } else {
        Lines(text).for_each(|line| put_line(out, label, Some(line)));
    }
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
