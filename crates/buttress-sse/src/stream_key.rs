use std::{fmt, sync::Arc};

/// Which stream of a log is meant, and whose it is.
///
/// It can be made only by saying whose it is, so that nobody reads a stream by guessing its name
/// (SSE-49): the same stream of two users is two streams. Two different pairs never make the same
/// key, whatever is in them.
///
/// Its `Debug` form does not show what it holds.
///
/// # Examples
///
/// ```
/// use buttress_sse::StreamKey;
///
/// let key = StreamKey::scoped("alice", "42");
/// assert_ne!(key, StreamKey::scoped("bob", "42"));
/// assert_ne!(key, StreamKey::unscoped("42"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StreamKey(Arc<str>);

impl StreamKey {
    /// The most bytes of scope and stream together that a `ResumeLayer` takes; it hands requests with longer keys to its service as if they had none.
    pub const MAX_LEN: usize = 1024;

    /// A stream of one user, tenant or session.
    #[must_use]
    pub fn scoped(scope: &str, stream: &str) -> Self {
        Self(format!("{}:{scope}{stream}", scope.len()).into())
    }

    /// A stream that everybody may read who may make the request.
    #[must_use]
    pub fn unscoped(stream: &str) -> Self {
        Self(format!(":{stream}").into())
    }

    /// The key as one text, for stores to go by.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn to_shared(&self) -> Arc<str> {
        self.0.clone()
    }

    /// Whether it is within [`MAX_LEN`](Self::MAX_LEN).
    #[cfg(feature = "resume")]
    pub(crate) fn fits(&self) -> bool {
        self.0.split_once(':').is_some_and(|(_, rest)| rest.len() <= Self::MAX_LEN)
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // SSE-49
    #[test]
    fn no_two_pairs_share_a_key() {
        let texts = ["", "a", "ab", "b", ":", "1:a", "1:", "0:", "2:ab"];
        let scoped = texts.iter().flat_map(|scope| texts.iter().map(|stream| StreamKey::scoped(scope, stream)));
        let keys: Vec<_> = scoped.chain(texts.iter().map(|stream| StreamKey::unscoped(stream))).collect();
        let different: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
    }

    #[test]
    fn a_key_does_not_show_whose_it_is() {
        assert_eq!(format!("{:?}", StreamKey::scoped("secret", "42")), "StreamKey { .. }");
    }
}
