//! Texts that are nearly always short, held in place (pure).

use std::{fmt, sync::Arc};

/// A text that allocates only when it is long, and whose clone never does.
///
/// Which form holds a text depends on its length alone, so equal texts are equal values.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Small(Form);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Form {
    /// UTF-8, with zeros behind it.
    Inline {
        len: u8,
        bytes: [u8; INLINE],
    },
    Long(Arc<str>),
}

impl Small {
    pub(crate) fn new(text: &str) -> Self {
        match inline(text.as_bytes()) {
            Some(bytes) => Self(Form::Inline { len: text.len() as u8, bytes }),
            None => Self(Form::Long(text.into())),
        }
    }

    /// Bytes that are no UTF-8 become U+FFFD, as in a browser (SSE-2).
    #[inline]
    pub(crate) fn decode(text: &[u8]) -> Self {
        match inline(text) {
            // The zeros are ASCII too, and a whole array is looked through at once.
            Some(bytes) if bytes.is_ascii() => Self(Form::Inline { len: text.len() as u8, bytes }),
            _ => Self::new(&String::from_utf8_lossy(text)),
        }
    }

    /// The text up to the line end in `line`, if that is short and plain: it ends in LF or CR with more bytes behind it,
    /// fits in place, and is ASCII without NUL. Finds the end, checks and copies in one go.
    #[inline]
    pub(crate) fn plain(line: &[u8]) -> Option<Self> {
        let mut bytes = [0; WORD * INLINE.div_ceil(WORD)];
        let mut len = 0;
        for (place, word) in bytes.chunks_exact_mut(WORD).zip(line.chunks_exact(WORD)) {
            let word = u64::from_le_bytes(word.try_into().ok()?);
            let end = zeros(word ^ every(b'\n')) | zeros(word ^ every(b'\r'));
            // All of the word, or what comes before the line end.
            let before = (end & end.wrapping_neg()) >> 7;
            let text = word & before.wrapping_sub(1);
            if (text | zeros(word) & before.wrapping_sub(1)) & every(0x80) != 0 {
                return None;
            }
            place.copy_from_slice(&text.to_le_bytes());
            if end != 0 {
                len += end.trailing_zeros() as usize / 8;
                let bytes = *bytes.first_chunk::<INLINE>()?;
                return (len <= INLINE).then_some(Self(Form::Inline { len: len as u8, bytes }));
            }
            len += WORD;
        }
        None
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Form::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Form::Long(text) => text.as_bytes(),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match &self.0 {
            Form::Inline { .. } => str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Form::Long(text) => text,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.as_bytes().len()
    }
}

impl Default for Small {
    fn default() -> Self {
        Self(Form::Inline { len: 0, bytes: [0; INLINE] })
    }
}

impl fmt::Debug for Small {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// The text with zeros behind it, if there is room.
#[inline]
fn inline(text: &[u8]) -> Option<[u8; INLINE]> {
    let mut bytes = [0; INLINE];
    bytes.get_mut(..text.len())?.copy_from_slice(text);
    Some(bytes)
}

/// This byte in every place of a word.
const fn every(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; WORD])
}

/// The highest bit of each byte that is zero, right for the lowest such byte and all below it.
#[inline]
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(every(1)) & !word & every(0x80)
}

/// Bytes that are looked at together.
const WORD: usize = 8;

/// Room for a UUID, a cursor of this crate, and any name people choose; it makes 40 bytes of the whole.
const INLINE: usize = 38;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_any_length_reads_back() {
        for len in [0, 1, INLINE - 1, INLINE, INLINE + 1, 1000] {
            let text = "x".repeat(len);
            let small = Small::new(&text);
            assert_eq!((small.as_str(), small.as_bytes(), small.len()), (&*text, text.as_bytes(), len));
            assert_eq!(small, Small::decode(text.as_bytes()));
        }
    }

    #[test]
    fn a_plain_text_is_read_up_to_its_line_end() {
        for len in 0..=INLINE {
            let text = "x".repeat(len);
            for end in ["\n", "\r", "\r\n"] {
                let line = format!("{text}{end}data: more than enough to look at");
                assert_eq!(Small::plain(line.as_bytes()), Some(Small::new(&text)), "{line:?}");
            }
        }
        let long = "x".repeat(INLINE + 1) + "\n-------";
        for other in ["", "a\n", "a\nb", "é\n-------", "a\0\n-------", "no end at all here", &long] {
            assert_eq!(Small::plain(other.as_bytes()), None, "{other:?}");
        }
        // What comes after the line end is another line's.
        for line in ["a\n\0\u{E9}-----", "\n\0\0\0\0\0\0\0"] {
            assert!(Small::plain(line.as_bytes()).is_some(), "{line:?}");
        }
    }

    // SSE-2
    #[test]
    fn a_text_that_grows_when_it_is_decoded_still_reads_back() {
        let decoded = Small::decode(&[0xFF; INLINE]);
        assert_eq!(decoded.as_str(), "\u{FFFD}".repeat(INLINE));
        assert_eq!(Small::decode("é".as_bytes()).as_str(), "é");
    }
}
