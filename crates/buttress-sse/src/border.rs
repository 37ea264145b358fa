//! Where one event of a stream ends and the next has not begun (pure).

use crate::edge::MARK;

/// Follows the bytes of an event stream and knows whether it stands on a border: at its start, or after a blank line,
/// where a comment or an event of somebody else's can be put without changing any other.
///
/// Line ends are LF, CR and CRLF (SSE-4), a byte order mark at the start is none of the first line (SSE-3), and it is
/// all one how the bytes are cut. It holds no bytes, and looks at no more than the last three of a piece: whatever comes
/// before them, three bytes of line ends hold a blank line.
///
/// A CR that ends a blank line makes a border at once (SSE-12); if the LF of a CRLF comes after it, that is one blank
/// line more, which means nothing.
///
/// # Examples
///
/// ```
/// use buttress_sse::Border;
///
/// let mut border = Border::new();
/// let stands: Vec<_> = ["data: one\n\nda", "ta: two\r", "\n", "\r", "\n"].map(|piece| {
///     border.follow(piece.as_bytes());
///     border.is_border()
/// }).into();
/// assert_eq!(stands, [false, false, false, true, true]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Border(At);

/// What came before the next byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Nothing but so many bytes of the byte order mark.
    Start(u8),
    /// A blank line, or nothing but the byte order mark.
    Blank { after_cr: bool },
    /// The end of a line that was not blank.
    LineEnd { after_cr: bool },
    /// A part of a line.
    Line,
}

impl Border {
    /// At the start of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self(At::Start(0))
    }

    /// Whether the stream stands on a border after all the bytes so far.
    ///
    /// At the very start it does. Who writes something there has to keep back the byte order mark that may follow: it
    /// would be none any more.
    #[must_use]
    #[inline]
    pub const fn is_border(&self) -> bool {
        matches!(self.0, At::Start(0) | At::Blank { .. })
    }

    /// Goes past the next bytes of the stream.
    #[inline]
    pub fn follow(&mut self, bytes: &[u8]) {
        let bytes = if let At::Start(seen) = self.0 { self.mark(seen, bytes) } else { bytes };
        match bytes {
            // Whatever a line holds, it is one that has begun.
            [.., _, a, b, c] => {
                self.0 = At::Line;
                [a, b, c].into_iter().for_each(|byte| self.step(*byte));
            }
            few => few.iter().for_each(|byte| self.step(*byte)),
        }
    }

    /// Goes past the next bytes, and tells how many of them lie before the last border among them.
    #[cfg(any(feature = "layer", test))]
    pub(crate) fn last_in(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut last = None;
        for (at, byte) in bytes.iter().enumerate() {
            self.follow(std::slice::from_ref(byte));
            last = if self.is_border() { Some(at + 1) } else { last };
        }
        last
    }

    #[inline]
    fn step(&mut self, byte: u8) {
        self.0 = match (byte, self.0) {
            // The second half of a CRLF.
            (b'\n', At::Blank { after_cr: true }) => At::Blank { after_cr: false },
            (b'\n', At::LineEnd { after_cr: true }) => At::LineEnd { after_cr: false },
            (b'\n' | b'\r', At::Line | At::Start(_)) => At::LineEnd { after_cr: byte == b'\r' },
            (b'\n' | b'\r', At::Blank { .. } | At::LineEnd { .. }) => At::Blank { after_cr: byte == b'\r' },
            _ => At::Line,
        };
    }

    /// Goes past what there is of a byte order mark, and hands back what comes after it.
    #[cold]
    fn mark<'a>(&mut self, seen: u8, bytes: &'a [u8]) -> &'a [u8] {
        let missing = &MARK[usize::from(seen)..];
        let more = common(missing, bytes);
        let rest = &bytes[more..];
        self.0 = if more == missing.len() {
            At::Blank { after_cr: false }
        } else if rest.is_empty() {
            // Below three, so it fits.
            At::Start(seen + more as u8)
        } else if seen == 0 && more == 0 {
            At::Blank { after_cr: false }
        } else {
            At::Line
        };
        rest
    }
}

impl Default for Border {
    fn default() -> Self {
        Self::new()
    }
}

/// How many bytes two texts have in common at their start.
pub(crate) fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(pieces: &[&[u8]]) -> bool {
        let mut border = Border::new();
        pieces.iter().for_each(|piece| border.follow(piece));
        border.is_border()
    }

    // SSE-3, SSE-4, SSE-12
    #[test]
    fn a_border_is_the_start_or_what_follows_a_blank_line() {
        let table: [(&[&[u8]], bool); 22] = [
            (&[], true),
            (&[b""], true),
            (&[b"\n"], true),
            (&[b"\r", b"\n"], true),
            (&[b"a\n"], false),
            (&[b"a\n\n"], true),
            (&[b"a\r\n"], false),
            (&[b"a\r", b"\n"], false),
            (&[b"a\r", b"", b"\n"], false),
            (&[b"a\r", b"\n", b"\n"], true),
            (&[b"a\r\r"], true),
            (&[b"a\r\n\r"], true),
            (&[b"a\r\n\r", b"\n"], true),
            (&[b"a\n\r\n"], true),
            (&[b"a\n\nb"], false),
            (&[b"a\n\nb\r\n"], false),
            (&[b"a\n\x0B\n"], false),
            (&[b"\xEF"], false),
            (&[b"\xEF\xBB", b"\xBF"], true),
            (&[b"\xEF\xBB", b"\xBF\n"], true),
            (&[b"\xEF\xBB", b"\n"], false),
            (&[b"\n\xEF\xBB\xBF"], false),
        ];
        for (pieces, expected) in table {
            assert_eq!(after(pieces), expected, "{pieces:?}");
        }
    }

    #[test]
    fn the_last_border_among_many_is_found() {
        let table: [(&[u8], Option<usize>); 5] =
            [(b"a\n\nb\n\nc", Some(6)), (b"\n\r\n", Some(3)), (b"a\r\n\r\nb", Some(5)), (b"\n", None), (b"a", None)];
        for (bytes, expected) in table {
            assert_eq!(Border(At::Line).last_in(bytes), expected, "{bytes:?}");
        }
    }
}
