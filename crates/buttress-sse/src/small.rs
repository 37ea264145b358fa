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

    // SSE-2
    #[test]
    fn a_text_that_grows_when_it_is_decoded_still_reads_back() {
        let decoded = Small::decode(&[0xFF; INLINE]);
        assert_eq!(decoded.as_str(), "\u{FFFD}".repeat(INLINE));
        assert_eq!(Small::decode("é".as_bytes()).as_str(), "é");
    }
}
