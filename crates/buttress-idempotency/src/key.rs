//! The key of a request, in the forms that clients send it. Pure.

use std::{borrow::Cow, error::Error, fmt};

use http::{HeaderMap, HeaderName};

/// What is accepted as a key (IDM-1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyForm {
    /// A string of Structured Fields, `"abc"`, or the same raw, `abc`, as most clients send it: both are one key.
    ///
    /// A raw key is visible ASCII without `"` and `,`, so that two lines which a proxy joined never look like one key.
    #[default]
    Lenient,
    /// A string of Structured Fields alone, as draft-ietf-httpapi-idempotency-key-header-07 has it.
    Strict,
}

/// A key as a caller chose it: 1 to 255 characters of ASCII, without quotes around it and without escapes.
///
/// # Examples
///
/// ```
/// use buttress_idempotency::{Key, KeyForm};
///
/// let quoted = Key::parse(br#""order:123""#, KeyForm::Strict)?;
/// assert_eq!(quoted, Key::parse(b"order:123", KeyForm::Lenient)?);
/// assert!(Key::parse(b"order:123", KeyForm::Strict).is_err());
/// # Ok::<(), buttress_idempotency::InvalidKey>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key<'a>(Cow<'a, [u8]>);

impl<'a> Key<'a> {
    /// `Idempotency-Key`
    pub const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

    /// `X-Idempotency-Key`, as older clients send it.
    pub const OLD_HEADER: HeaderName = HeaderName::from_static("x-idempotency-key");

    /// The longest key that is accepted, in characters (IDM-2).
    pub const MAX_LEN: usize = 255;

    /// Reads the value of one line.
    ///
    /// # Errors
    ///
    /// When it is not of this form, empty, or longer than [`Key::MAX_LEN`].
    pub fn parse(value: &'a [u8], form: KeyForm) -> Result<Self, InvalidKey> {
        let value = value.trim_ascii();
        let key = match (value.first(), form) {
            (None, _) => return Err(InvalidKey::Empty),
            (Some(b'"'), _) => quoted(&value[1..])?,
            (Some(_), KeyForm::Lenient) => raw(value)?,
            (Some(_), KeyForm::Strict) => return Err(InvalidKey::NotQuoted),
        };
        match key.len() {
            0 => Err(InvalidKey::Empty),
            1..=Self::MAX_LEN => Ok(Self(key)),
            _ => Err(InvalidKey::TooLong),
        }
    }

    /// The key of a request, `None` when it has none.
    ///
    /// # Errors
    ///
    /// When it has more than one line with a key, also of the same key, or one that cannot be read.
    #[inline]
    pub fn of(headers: &'a HeaderMap, form: KeyForm) -> Result<Option<Self>, InvalidKey> {
        let mut line = None;
        for (name, value) in headers {
            if Self::is_named(name) && line.replace(value).is_some() {
                return Err(InvalidKey::Repeated);
            }
        }
        line.map(|value| Self::parse(value.as_bytes(), form)).transpose()
    }

    /// Whether a header of this name has a key. To compare names costs less than to hash two of them.
    #[inline]
    pub(crate) fn is_named(name: &HeaderName) -> bool {
        *name == Self::HEADER || *name == Self::OLD_HEADER
    }

    /// The key itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Keys are as good as passwords to a recorded answer: only the length is shown (IDM-24).
impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} bytes)", self.0.len())
    }
}

/// What follows the opening quote: RFC 9651, section 4.2.5.
fn quoted(rest: &[u8]) -> Result<Cow<'_, [u8]>, InvalidKey> {
    let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).ok_or(InvalidKey::NotClosed)?;
    if rest[plain] == b'"' {
        ends(&rest[plain + 1..])?;
        return checked(&rest[..plain]).map(Cow::Borrowed);
    }
    let mut key = checked(&rest[..plain])?.to_vec();
    let mut bytes = rest[plain..].iter();
    loop {
        match bytes.next().ok_or(InvalidKey::NotClosed)? {
            b'"' => {
                ends(bytes.as_slice())?;
                return Ok(Cow::Owned(key));
            }
            b'\\' => match bytes.next() {
                Some(byte @ (b'"' | b'\\')) => key.push(*byte),
                _ => return Err(InvalidKey::Escape),
            },
            byte => key.extend(checked(std::slice::from_ref(byte))?),
        }
    }
}

fn checked(text: &[u8]) -> Result<&[u8], InvalidKey> {
    if text.iter().all(|byte| matches!(byte, 0x20..=0x7e)) { Ok(text) } else { Err(InvalidKey::Character) }
}

/// Parameters are none of the draft's: `"a";b` and `"a", "b"` are no keys.
fn ends(rest: &[u8]) -> Result<(), InvalidKey> {
    if rest.is_empty() { Ok(()) } else { Err(InvalidKey::Trailing) }
}

fn raw(value: &[u8]) -> Result<Cow<'_, [u8]>, InvalidKey> {
    // Sixteen are looked at at once; the last ones are filled up with what fits.
    let is_bad = |byte: u8| u8::from(!byte.is_ascii_graphic()) | u8::from(byte == b'"') | u8::from(byte == b',');
    let all_fit = |bytes: &[u8; 16]| bytes.iter().fold(0, |bad, byte| bad | is_bad(*byte)) == 0;
    let (whole, rest) = value.as_chunks();
    let mut last = [b'a'; 16];
    last[..rest.len()].copy_from_slice(rest);
    if whole.iter().all(all_fit) && all_fit(&last) { Ok(Cow::Borrowed(value)) } else { Err(InvalidKey::Character) }
}

/// Why a request has no key that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidKey {
    /// There is more than one line with a key.
    Repeated,
    /// The key has no character.
    Empty,
    /// The key is longer than [`Key::MAX_LEN`].
    TooLong,
    /// A quoted key was wanted ([`KeyForm::Strict`]).
    NotQuoted,
    /// The closing quote is missing.
    NotClosed,
    /// There is more behind the closing quote.
    Trailing,
    /// A backslash stands before something else than a quote or a backslash.
    Escape,
    /// There is a character that keys are not made of.
    Character,
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Repeated => "there is more than one idempotency key",
            Self::Empty => "the idempotency key is empty",
            Self::TooLong => "the idempotency key is longer than 255 characters",
            Self::NotQuoted => "the idempotency key is not in quotes",
            Self::NotClosed => "the idempotency key has no closing quote",
            Self::Trailing => "there is something behind the idempotency key",
            Self::Escape => "the idempotency key has a backslash that escapes nothing",
            Self::Character => "the idempotency key has a character that is not allowed",
        })
    }
}

impl Error for InvalidKey {}
