//! Whole lines as nearly all servers write them, read in few steps (pure).

use bytes::Bytes;
use memchr::memchr2;

use crate::{block::Block, small::Small};

/// How far the plain lines of a chunk go.
pub(crate) struct Plain {
    /// Bytes of the lines that the block has taken.
    pub(crate) used: usize,
    /// The last of them was the blank line that ends an event.
    pub(crate) is_event: bool,
}

/// The most bytes of a line and of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) line: usize,
    pub(crate) event: usize,
}

impl Block {
    /// Takes the lines of a chunk, which begins with one, up to the end of an event or to the first line that needs a
    /// closer look: one that is cut, sets anything but data or a short name or id, or may be over a limit.
    #[inline]
    pub(crate) fn take_plain(&mut self, chunk: &Bytes, limits: Limits) -> Plain {
        let bytes = &chunk[..];
        let mut used = 0;
        loop {
            if self.is_event()
                && let Some(b'\n' | b'\r') = bytes.get(used)
            {
                let next = after(bytes, used);
                return Plain { used: next.unwrap_or(used), is_event: next.is_some() };
            }
            match self.take_line(chunk, used, limits) {
                Some(next) => used = next,
                None => return Plain { used, is_event: false },
            }
        }
    }

    /// Takes the line that begins at `at`, and tells where the next one begins; none if it was left alone.
    #[inline(always)]
    fn take_line(&mut self, chunk: &Bytes, at: usize, limits: Limits) -> Option<usize> {
        let bytes = &chunk[..];
        let head = bytes[at..].first_chunk::<8>()?;
        // Where the value begins, if a space goes before it.
        let start = |colon: usize| at + colon + usize::from(head[colon] == b' ');
        if head.starts_with(b"data:") {
            let value = start(5);
            let end = value + memchr2(b'\n', b'\r', &bytes[value..])?;
            let next = self.fits(end - at, end - value, limits).then(|| after(bytes, end))??;
            self.push_data(chunk.slice(value..end));
            return Some(next);
        }
        let is_id = head.starts_with(b"id:");
        if !is_id && !head.starts_with(b"event:") {
            return None;
        }
        let value = start(if is_id { 3 } else { 6 });
        let text = Small::plain(&bytes[value..])?;
        let end = value + text.len();
        let next = self.fits(end - at, text.len(), limits).then(|| after(bytes, end))??;
        if is_id {
            self.put_id(text)
        } else {
            self.put_name(text)
        }
        Some(next)
    }

    /// Whether a line and its value are within the limits for sure: who takes a closer look counts to the byte.
    #[inline(always)]
    fn fits(&self, line: usize, value: usize, limits: Limits) -> bool {
        line <= limits.line && self.len().saturating_add(value) < limits.event
    }
}

/// Where the line begins that follows the one that ends at `end`, if that can be said already.
#[inline(always)]
fn after(bytes: &[u8], end: usize) -> Option<usize> {
    match (bytes[end], bytes.get(end + 1)) {
        (b'\n', _) => Some(end + 1),
        (_, Some(b'\n')) => Some(end + 2),
        (_, next) => next.map(|_| end + 1),
    }
}
