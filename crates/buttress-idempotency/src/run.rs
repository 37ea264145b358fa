use crate::{CallKey, RecordKey, Token};

/// The run of an operation with a key: an extension of its request.
///
/// # Examples
///
/// A handler that keeps one key over all tries of a call:
///
/// ```
/// use buttress_idempotency::{CallKey, Run};
/// use http::Request;
///
/// fn key_for_calls<B>(request: &Request<B>) -> CallKey {
///     request.extensions().get::<Run>().map_or_else(CallKey::random, Run::call_key)
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    key: RecordKey,
    token: Token,
}

impl Run {
    pub(crate) fn new(key: RecordKey, token: Token) -> Self {
        Self { key, token }
    }

    /// Where its record lies.
    #[must_use]
    pub fn key(&self) -> &RecordKey {
        &self.key
    }

    /// With which it alone may change its record, greater than those of all runs before it in the same store.
    #[must_use]
    pub fn token(&self) -> Token {
        self.token
    }

    /// A key for the calls that it makes to others.
    #[must_use]
    pub fn call_key(&self) -> CallKey {
        CallKey::of(&self.key)
    }
}
