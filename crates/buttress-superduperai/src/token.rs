use std::{fmt, str::FromStr};

use http::HeaderValue;
use thiserror::Error;

/// The token that the provider knows us by.
///
/// It can be sent, and nothing else: it is never printed, in no form, and no error repeats it (AIC-13). A clone shares
/// its bytes.
///
/// # Examples
///
/// ```
/// use buttress_superduperai::Token;
///
/// let token = Token::new("Bearer 0123456789abcdef0123456789abcdef")?;
/// assert_eq!(format!("{token:?}"), "Token(***)");
/// # Ok::<(), buttress_superduperai::InvalidToken>(())
/// ```
#[derive(Clone)]
pub struct Token(HeaderValue);

/// A text that cannot be a [`Token`]. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a token is 1 to 8192 printable ASCII characters without a space")]
pub struct InvalidToken(());

const SCHEME: &str = "Bearer ";
const MAX_LEN: usize = 8_192;

impl Token {
    /// Takes a token, with or without `Bearer ` before it.
    ///
    /// # Errors
    ///
    /// When it is empty, too long, or could not stand in a header.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidToken> {
        let text = text.as_ref();
        let token = match text.get(..SCHEME.len()) {
            Some(scheme) if scheme.eq_ignore_ascii_case(SCHEME) => &text[SCHEME.len()..],
            _ => text,
        };
        let fits = (1..=MAX_LEN).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic());
        let value = HeaderValue::try_from([SCHEME, token].concat()).ok().filter(|_| fits);
        let mut value = value.ok_or(InvalidToken(()))?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// The value of `Authorization`, marked as sensitive.
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    /// Whether a text repeats the token, so that it must not be shown.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        let token = self.0.to_str().unwrap_or_default().strip_prefix(SCHEME).unwrap_or_default();
        text.contains(token)
    }
}

/// # Errors
///
/// As for [`Token::new`].
impl FromStr for Token {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        Self::new(text)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_may_be_there_or_not() {
        for text in ["abc", "Bearer abc", "bearer abc"] {
            let token = Token::new(text).unwrap();
            assert_eq!(token.header(), "Bearer abc");
            assert!(token.is_in("it is abc!") && !token.is_in("it is ab"));
        }
    }

    #[test]
    fn what_cannot_stand_in_a_header_is_refused_and_not_repeated() {
        for bad in ["", "Bearer ", "se cret", "secret\n", "secret\r\nx: y", "sécret", "Bearer  secret", " secret"] {
            let error = Token::new(bad).expect_err(bad);
            assert!(!format!("{error} {error:?}").contains("secret"), "{bad:?}");
        }
        assert!(Token::new("x".repeat(8_193)).is_err());
        assert!(Token::new("x".repeat(8_192)).is_ok());
    }

    // AIC-13
    #[test]
    fn a_token_is_never_printed() {
        let token = Token::new("top-secret").unwrap();
        let mut request = http::Request::new(());
        request.headers_mut().insert(http::header::AUTHORIZATION, token.header());
        assert!(!format!("{token:?} {request:?} {:?}", request.headers()).contains("top-secret"));
    }
}
