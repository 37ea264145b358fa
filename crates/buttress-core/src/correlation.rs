use std::{fmt, str, str::FromStr};

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
/// As for [`TryFrom<&HeaderValue>`](#impl-TryFrom<%26HeaderValue>-for-CorrelationId).
impl FromStr for CorrelationId {
    type Err = InvalidCorrelationId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check(text.as_bytes())?;
        let value = HeaderValue::from_str(text).expect("the alphabet is a part of what headers take");
        Ok(Self(value))
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

fn check(bytes: &[u8]) -> Result<(), InvalidCorrelationId> {
    let length_fits = (1..=CorrelationId::MAX_LEN).contains(&bytes.len());
    // Without an early exit the compiler looks at many bytes at a time.
    let in_alphabet = |b: u8| b.is_ascii_alphanumeric() | (b == b'.') | (b == b'_') | (b == b'-');
    let alphabet_fits = length_fits && bytes.iter().fold(true, |fits, b| fits & in_alphabet(*b));
    if alphabet_fits { Ok(()) } else { Err(InvalidCorrelationId(())) }
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

    #[test]
    fn a_header_value_is_taken_over_and_given_back_unchanged() {
        let value = HeaderValue::from_static("given-by-the-caller");
        let id = CorrelationId::try_from(&value).unwrap();
        assert_eq!(id.to_header_value(), value);
        assert_eq!(format!("{id} {id:?}"), r#"given-by-the-caller CorrelationId("given-by-the-caller")"#);
    }

    // COR-10
    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let value = HeaderValue::from_bytes(b"\xff\xfe").unwrap();
        assert!(CorrelationId::try_from(&value).is_err());
    }
}
