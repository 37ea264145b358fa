use std::{error::Error, fmt, str::FromStr};

use crate::{
    encode::{DIGITS, decimal},
    small::Small,
};

/// A position in one event log: right after one of its events.
///
/// Written `epoch-offset`, in at most 128 bytes of letters, digits and `-`, so that a browser
/// needs no CORS preflight to send it back (SSE-51). The epoch is drawn at random for each
/// stream, 80 bits of it, and the offset counts its events from 1 without gaps (SSE-50): the
/// cursor of one stream says nothing about any other and replays nothing there (SSE-49).
///
/// # Examples
///
/// ```
/// use buttress_sse::Cursor;
///
/// let cursor: Cursor = "k3v9-17".parse()?;
/// assert_eq!(cursor.offset(), 17);
/// assert_eq!(cursor.to_string(), "k3v9-17");
/// assert!("no offset".parse::<Cursor>().is_err());
/// # Ok::<(), buttress_sse::MalformedCursor>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    epoch: Epoch,
    offset: u64,
}

impl Cursor {
    /// The most bytes a cursor may have.
    pub const MAX_LEN: usize = 128;

    pub(crate) fn new(epoch: Epoch, offset: u64) -> Self {
        Self { epoch, offset }
    }

    /// The position before the first event of a new stream, with an epoch that nobody can guess.
    ///
    /// # Errors
    ///
    /// When the system gives no randomness.
    pub fn random() -> Result<Self, NoRandomness> {
        Epoch::random().map(|epoch| Self::new(epoch, 0)).map_err(NoRandomness)
    }

    /// The position with this offset in the same stream.
    #[must_use]
    pub fn at(&self, offset: u64) -> Self {
        Self::new(self.epoch.clone(), offset)
    }

    /// On to the next event.
    #[cfg(feature = "resume")]
    pub(crate) fn advance(&mut self) {
        self.offset += 1;
    }

    /// How many events of its stream lie at or before it; 0 is before the first.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The part that tells its stream from every other.
    #[must_use]
    pub fn epoch(&self) -> &str {
        self.epoch.0.as_str()
    }

    pub(crate) fn epoch_key(&self) -> &Epoch {
        &self.epoch
    }

    pub(crate) fn is_of(&self, epoch: &Epoch) -> bool {
        self.epoch == *epoch
    }

    /// The text, in `buffer`; a cursor of this crate always fits.
    pub(crate) fn write<'a>(&self, buffer: &'a mut [u8; Self::MAX_LEN]) -> &'a [u8] {
        let epoch = self.epoch.0.as_bytes();
        let mut digits = [0; DIGITS];
        let digits = decimal(self.offset, &mut digits);
        let end = epoch.len() + 1 + digits.len();
        buffer[..epoch.len()].copy_from_slice(epoch);
        buffer[epoch.len()] = b'-';
        buffer[epoch.len() + 1..end].copy_from_slice(digits);
        &buffer[..end]
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch.0.as_str(), self.offset)
    }
}

impl FromStr for Cursor {
    type Err = MalformedCursor;

    /// # Errors
    ///
    /// When the text is no cursor. One that is well formed but belongs to no stream is not an
    /// error here: a log answers it as lost.
    fn from_str(text: &str) -> Result<Self, MalformedCursor> {
        let (epoch, digits) = text.rsplit_once('-').ok_or(MalformedCursor(()))?;
        let canonical = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
        if text.len() > Self::MAX_LEN || !canonical {
            return Err(MalformedCursor(()));
        }
        let offset = digits.parse().map_err(|_| MalformedCursor(()))?;
        Ok(Self { epoch: Epoch::parse(epoch)?, offset })
    }
}

/// The text of a cursor that moves on by one event at a time.
#[derive(Debug)]
pub(crate) struct IdText {
    text: Vec<u8>,
    /// Where the offset begins.
    digits: usize,
}

impl IdText {
    pub(crate) fn new(cursor: &Cursor) -> Self {
        Self { text: cursor.to_string().into(), digits: cursor.epoch().len() + 1 }
    }

    /// On to the next event.
    #[inline]
    pub(crate) fn count(&mut self) {
        for digit in self.text[self.digits..].iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                return;
            }
            *digit = b'0';
        }
        self.text.insert(self.digits, b'1');
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text
    }
}

/// A text that is no [`Cursor`]: not `epoch-offset`, over 128 bytes, or with other characters
/// than letters, digits and `-`.
///
/// The fault of who sent it, to be answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedCursor(());

impl fmt::Display for MalformedCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed cursor, expected `epoch-offset`")
    }
}

impl Error for MalformedCursor {}

/// The system has no randomness for the epoch of a new stream.
#[derive(Clone, Copy, Debug)]
pub struct NoRandomness(getrandom::Error);

impl fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no randomness for the epoch of an event stream")
    }
}

impl Error for NoRandomness {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// What one stream's cursors have in common and no other's have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Epoch(Small);

impl Epoch {
    /// A new one that nobody can guess.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; LETTERS];
        getrandom::fill(&mut bytes)?;
        // 256 is a multiple of 32, so every letter is equally likely.
        let bytes = bytes.map(|byte| ALPHABET[usize::from(byte) % ALPHABET.len()]);
        Ok(Self(Small::decode(&bytes)))
    }

    fn parse(text: &str) -> Result<Self, MalformedCursor> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if text.is_empty() || !text.bytes().all(allowed) {
            return Err(MalformedCursor(()));
        }
        Ok(Self(Small::new(text)))
    }
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Of a drawn epoch, five bits each.
const LETTERS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch() -> Epoch {
        Epoch::random().unwrap()
    }

    // SSE-50, SSE-51
    #[test]
    fn a_drawn_cursor_reads_back_and_fits_the_safe_alphabet() {
        for offset in [0, 1, 10, u64::MAX] {
            let cursor = Cursor::new(epoch(), offset);
            let text = cursor.to_string();
            assert_eq!(text.parse(), Ok(cursor.clone()));
            assert_eq!(cursor.write(&mut [0; Cursor::MAX_LEN]), text.as_bytes());
            assert!(text.len() <= Cursor::MAX_LEN);
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
        }
    }

    // SSE-50
    #[test]
    fn the_text_of_a_cursor_counts_along() {
        let cursor = Cursor::new(epoch(), 0);
        let mut text = IdText::new(&cursor);
        for offset in 1..=1_100 {
            text.count();
            assert_eq!(text.as_bytes(), cursor.at(offset).to_string().as_bytes());
        }
    }

    // SSE-49
    #[test]
    fn two_epochs_differ() {
        assert_ne!(epoch(), epoch());
    }

    // SSE-51
    #[test]
    fn a_foreign_cursor_of_up_to_128_bytes_is_well_formed() {
        for epoch in [1, LETTERS, 38, 39, 126] {
            let text = format!("{}-1", "x".repeat(epoch));
            assert_eq!(text.parse::<Cursor>().unwrap().to_string(), text);
        }
        assert_eq!("a-b-7".parse::<Cursor>().unwrap().epoch(), "a-b");
    }

    #[test]
    fn everything_else_is_malformed() {
        let long = format!("{}-1", "x".repeat(127));
        let faults =
            ["", "-", "-1", "a", "a-", "a-b", "a-01", "a-+1", "a-1 ", " a-1", "é-1", "a:b-1", "a-99999999999999999999"];
        for text in faults.into_iter().chain([&*long]) {
            assert_eq!(text.parse::<Cursor>(), Err(MalformedCursor(())), "{text}");
        }
    }
}
