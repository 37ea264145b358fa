use std::{fmt, str, str::FromStr};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use thiserror::Error;

/// The id that ties one request to its answer, its log lines and the calls it caused.
///
/// 1 to 128 of `A-Za-z0-9._-`, checked once, so that it can go into a header, a log line or an event stream as it is
/// (COR-7, COR-10). A clone shares its bytes.
///
/// Layers hand it on as a request extension, and the answer carries it in [`CorrelationId::HEADER`].
///
/// # Examples
///
/// ```
/// use buttress_core::CorrelationId;
///
/// let id: CorrelationId = "order-42.retry_1".parse()?;
/// assert_eq!(id.as_str(), "order-42.retry_1");
/// assert!("two words".parse::<CorrelationId>().is_err());
/// # Ok::<(), buttress_core::InvalidCorrelationId>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CorrelationId(HeaderValue);

impl CorrelationId {
    /// `x-correlation-id`, on requests and on answers.
    pub const HEADER: HeaderName = HeaderName::from_static("x-correlation-id");

    /// The longest id that is accepted, in bytes.
    pub const MAX_LEN: usize = 128;

    /// The canonical text of a UUID, 8-4-4-4-12 digits in lower case (RFC 9562 section 4). Its bytes come the first one
    /// first, as `Uuid::into_bytes` of the crate `uuid` gives them.
    ///
    /// One allocation, which all clones share. Nothing has to be checked.
    ///
    /// # Examples
    ///
    /// ```
    /// use buttress_core::CorrelationId;
    ///
    /// let id = CorrelationId::from_uuid(0x017F22E2_79B0_7CC3_98C4_DC0C0C07398F_u128.to_be_bytes());
    /// assert_eq!(id.as_str(), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    /// ```
    #[must_use]
    pub fn from_uuid(uuid: [u8; 16]) -> Self {
        // `HeaderValue::from_bytes` would allocate once more at the first clone.
        let text = Bytes::from_owner(uuid_text(uuid));
        Self(HeaderValue::from_maybe_shared(text).expect("digits and - are what headers take"))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.0.as_bytes()).expect("only ASCII passes the constructor")
    }

    /// The id as a header value, which shares its bytes.
    #[must_use]
    pub fn to_header_value(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// Takes over the header's bytes: no copy is made.
///
/// # Errors
///
/// When the value is empty, longer than [`CorrelationId::MAX_LEN`] or holds a byte outside `A-Za-z0-9._-`.
impl TryFrom<HeaderValue> for CorrelationId {
    type Error = InvalidCorrelationId;

    fn try_from(mut value: HeaderValue) -> Result<Self, Self::Error> {
        check(value.as_bytes())?;
        value.set_sensitive(false);
        Ok(Self(value))
    }
}

/// Shares the header's bytes: no copy is made.
///
/// # Errors
///
/// As for [`TryFrom<HeaderValue>`](#impl-TryFrom<HeaderValue>-for-CorrelationId).
impl TryFrom<&HeaderValue> for CorrelationId {
    type Error = InvalidCorrelationId;

    fn try_from(value: &HeaderValue) -> Result<Self, Self::Error> {
        check(value.as_bytes())?;
        let mut value = value.clone();
        value.set_sensitive(false);
        Ok(Self(value))
    }
}

/// # Errors
///
/// As for [`TryFrom<HeaderValue>`](#impl-TryFrom<HeaderValue>-for-CorrelationId).
impl FromStr for CorrelationId {
    type Err = InvalidCorrelationId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check(text.as_bytes())?;
        let value = HeaderValue::from_str(text).expect("the alphabet is a part of what headers take");
        Ok(Self(value))
    }
}

/// The id as a header value, without a copy.
impl From<CorrelationId> for HeaderValue {
    fn from(id: CorrelationId) -> Self {
        id.0
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CorrelationId").field(&self.as_str()).finish()
    }
}

/// A text that cannot be a [`CorrelationId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a correlation id is 1 to 128 of the characters A-Z a-z 0-9 . _ -")]
pub struct InvalidCorrelationId(());

/// Each byte as two lower-case digits.
static PAIRS: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    pairs
};

/// Where the digits of each byte stand.
const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

fn uuid_text(uuid: [u8; 16]) -> [u8; 36] {
    let mut text = [b'-'; 36];
    for (byte, place) in uuid.into_iter().zip(PLACES) {
        [text[place], text[place + 1]] = PAIRS[usize::from(byte)];
    }
    text
}

/// How many bytes are looked at in one go.
const CHUNK: usize = 16;

#[inline]
fn check(bytes: &[u8]) -> Result<(), InvalidCorrelationId> {
    let length_fits = (1..=CorrelationId::MAX_LEN).contains(&bytes.len());
    if length_fits && in_alphabet(bytes) { Ok(()) } else { Err(InvalidCorrelationId(())) }
}

fn in_alphabet(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk::<CHUNK>() else { return bytes.iter().all(|byte| fits(*byte)) };
    // The last chunk may overlap with the one before: to look twice costs less than to look byte by byte.
    bytes.as_chunks().0.iter().fold(all_fit(last), |all, chunk| all & all_fit(chunk))
}

/// Without an early exit the compiler looks at all of them at once.
#[inline]
fn all_fit(chunk: &[u8; CHUNK]) -> bool {
    chunk.iter().fold(true, |all, byte| all & fits(*byte))
}

/// Few comparisons, each for many bytes at once: `-` to `9` but for `/`, letters of either case, and `_`.
#[inline]
fn fits(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    let digit = (byte.wrapping_sub(b'-') <= b'9' - b'-') & (byte != b'/');
    letter | digit | (byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    // COR-7
    #[test]
    fn length_and_alphabet_are_checked() {
        for good in ["a", "A.b_c-9", &"x".repeat(128)] {
            assert_eq!(good.parse::<CorrelationId>().unwrap().as_str(), good);
        }
        for bad in ["", "a b", "ä", "a\r\nb", "a\0", "a,b", "a/b", &"x".repeat(129)] {
            assert!(bad.parse::<CorrelationId>().is_err(), "{bad:?}");
        }
    }

    // COR-7
    #[test]
    fn a_bad_byte_is_found_wherever_it_stands() {
        for len in 1..=CorrelationId::MAX_LEN {
            let good = vec![b'a'; len];
            assert!(check(&good).is_ok());
            for at in 0..len {
                let mut bad = good.clone();
                bad[at] = b' ';
                assert!(check(&bad).is_err(), "at {at} of {len}");
            }
        }
    }

    #[test]
    fn every_byte_is_judged_alike_alone_and_among_others() {
        for byte in 0..=u8::MAX {
            let good = byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            assert_eq!((check(&[byte]).is_ok(), check(&[byte; 20]).is_ok()), (good, good), "{byte}");
        }
    }

    #[test]
    fn a_uuid_is_written_with_every_digit_in_its_place() {
        let id = CorrelationId::from_uuid(std::array::from_fn(|i| 0x11 * i as u8));
        assert_eq!(id.as_str(), "00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
        assert_eq!(CorrelationId::from_uuid([0xff; 16]).as_str(), "ffffffff-ffff-ffff-ffff-ffffffffffff");
    }

    #[test]
    fn a_header_value_is_taken_over_and_given_back_unchanged() {
        let value = HeaderValue::from_static("given-by-the-caller");
        let id = CorrelationId::try_from(&value).unwrap();
        assert_eq!(id, CorrelationId::try_from(value.clone()).unwrap());
        assert_eq!((id.to_header_value(), HeaderValue::from(id.clone())), (value.clone(), value));
        assert_eq!(format!("{id} {id:?}"), r#"given-by-the-caller CorrelationId("given-by-the-caller")"#);
    }

    // COR-10
    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let value = HeaderValue::from_bytes(b"\xff\xfe").unwrap();
        assert!(CorrelationId::try_from(&value).is_err());
    }
}
