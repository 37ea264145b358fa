//! The wire form of one block of fields (pure).

use std::{array, borrow::Cow, time::Duration};

use bytes::Bytes;
use memchr::memchr2;

/// What one block may carry; nothing in it is trusted to hold no line end but `id` and `name`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Block<'a> {
    pub(crate) aside: Option<&'a Aside>,
    pub(crate) id: Option<&'a [u8]>,
    pub(crate) name: Option<&'a [u8]>,
    pub(crate) data: Option<&'a [u8]>,
}

/// What few blocks carry, before everything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Aside {
    pub(crate) comment: Option<Cow<'static, str>>,
    pub(crate) retry: Option<Duration>,
}

impl Block<'_> {
    /// The block and the blank line that ends it, in one exact allocation.
    #[inline]
    #[expect(clippy::slow_vector_initialization, reason = "zeros from the system take longer for so little")]
    pub(crate) fn encode(self) -> Bytes {
        let block = Measured::new(self);
        let mut out = Vec::with_capacity(block.len);
        out.resize(block.len, 0);
        block.write(&mut out);
        Bytes::from(out)
    }
}

/// A block of which it is known how long it gets.
pub(crate) struct Measured<'a> {
    block: Block<'a>,
    /// The data is.
    one_line: bool,
    /// Of the block and the blank line that ends it.
    pub(crate) len: usize,
}

impl<'a> Measured<'a> {
    #[inline]
    pub(crate) fn new(block: Block<'a>) -> Self {
        let Block { aside, id, name, data } = block;
        let one_line = is_one_line(data);
        let data = text_len(DATA, data, one_line);
        let len = aside.map_or(0, Aside::len) + line_len(ID, id) + line_len(NAME, name) + data + 1;
        Self { block, one_line, len }
    }

    /// Fills `out`, which has just that length.
    #[inline]
    pub(crate) fn write(self, mut out: &mut [u8]) {
        let Block { aside, id, name, data } = self.block;
        if let Some(aside) = aside {
            out = aside.write(out);
        }
        out = put_line(out, ID, id);
        out = put_line(out, NAME, name);
        out = put_text(out, DATA, data, self.one_line);
        out = put(out, b"\n");
        debug_assert!(out.is_empty(), "measured exactly");
    }
}

impl Aside {
    #[cold]
    fn len(&self) -> usize {
        let retry = self.retry.map_or(0, |wait| RETRY.len() + decimal(millis(wait), &mut [0; DIGITS]).len() + 1);
        let comment = self.comment();
        text_len(COMMENT, comment, is_one_line(comment)) + retry
    }

    #[cold]
    fn write<'a>(&self, mut out: &'a mut [u8]) -> &'a mut [u8] {
        let comment = self.comment();
        out = put_text(out, COMMENT, comment, is_one_line(comment));
        match self.retry {
            None => out,
            Some(wait) => put_line(out, RETRY, Some(decimal(millis(wait), &mut [0; DIGITS]))),
        }
    }

    fn comment(&self) -> Option<&[u8]> {
        self.comment.as_ref().map(|comment| comment.as_bytes())
    }
}

/// Whole milliseconds, the unit of `retry`; what does not fit is as long as can be said.
fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

/// `number` in base ten, without leading zeros, at the end of `buffer`.
pub(crate) fn decimal(mut number: u64, buffer: &mut [u8; DIGITS]) -> &[u8] {
    let mut at = DIGITS;
    while number >= 10 {
        at -= 2;
        // Below a hundred, so it fits.
        buffer[at..at + 2].copy_from_slice(&PAIRS[(number % 100) as usize]);
        number /= 100;
    }
    if number > 0 || at == DIGITS {
        at -= 1;
        buffer[at] = b'0' + number as u8;
    }
    &buffer[at..]
}

/// Two digits for each number below a hundred.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

fn line_len(label: &[u8], value: Option<&[u8]>) -> usize {
    value.map_or(0, |value| label.len() + value.len() + 1)
}

#[inline(always)]
fn text_len(label: &[u8], text: Option<&[u8]>, one_line: bool) -> usize {
    if one_line { line_len(label, text) } else { lines_len(label, text) }
}

/// So is what is not there: it has no second one.
#[inline(always)]
fn is_one_line(text: Option<&[u8]>) -> bool {
    !text.is_some_and(has_line_end)
}

/// Looks at all of it, and so is done sooner with the texts of most events than a search.
#[inline]
fn has_line_end(text: &[u8]) -> bool {
    match text.last_chunk() {
        Some(last) if text.len() <= SHORT => {
            let (steps, _) = text.as_chunks();
            let least = steps.iter().fold(nearest([u8::MAX; STEP], last), nearest);
            // Without an early end, which would cost more than it spares.
            least.iter().fold(false, |any, difference| any | (*difference == 0))
        }
        _ => memchr2(b'\r', b'\n', text).is_some(),
    }
}

/// In each place the least difference to a line end so far: zero if one was there.
#[inline(always)]
fn nearest(so_far: [u8; STEP], step: &[u8; STEP]) -> [u8; STEP] {
    array::from_fn(|place| so_far[place].min(step[place] ^ b'\r').min(step[place] ^ b'\n'))
}

#[cold]
fn lines_len(label: &[u8], text: Option<&[u8]>) -> usize {
    Lines(text).map(|line| line_len(label, Some(line))).sum()
}

/// Writes at the front of `out`; like all that put something it answers the rest, so that nobody needs a pointer to a
/// pointer.
#[inline(always)]
fn put<'a>(out: &'a mut [u8], bytes: &[u8]) -> &'a mut [u8] {
    let (place, rest) = out.split_at_mut(bytes.len());
    place.copy_from_slice(bytes);
    rest
}

#[inline(always)]
fn put_line<'a>(out: &'a mut [u8], label: &[u8], value: Option<&[u8]>) -> &'a mut [u8] {
    match value {
        None => out,
        Some(value) => put(put(put(out, label), value), b"\n"),
    }
}

#[inline(always)]
fn put_text<'a>(out: &'a mut [u8], label: &[u8], text: Option<&[u8]>, one_line: bool) -> &'a mut [u8] {
    if one_line { put_line(out, label, text) } else { put_lines(out, label, text) }
}

#[cold]
fn put_lines<'a>(out: &'a mut [u8], label: &[u8], text: Option<&[u8]>) -> &'a mut [u8] {
    Lines(text).fold(out, |out, line| put_line(out, label, Some(line)))
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

/// Bytes that are looked at together.
const STEP: usize = 16;

/// Up to here looking at a text costs less than the call of a search.
const SHORT: usize = 128;

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

    // SSE-40
    #[test]
    fn a_line_end_is_found_wherever_it_is_and_nothing_else_is_one() {
        for len in 0..=SHORT + STEP {
            for byte in (0..=u8::MAX).filter(|byte| !b"\r\n".contains(byte)) {
                assert!(!has_line_end(&vec![byte; len]), "{len} times {byte}");
            }
            for at in 0..len {
                for end in [b'\r', b'\n'] {
                    let mut text = vec![b'x'; len];
                    text[at] = end;
                    assert!(has_line_end(&text), "{end} at {at} of {len}");
                }
            }
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
