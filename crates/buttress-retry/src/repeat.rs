use http::{HeaderName, Method, request::Parts};

/// Whether a request may be sent more than once.
///
/// As an extension of a request it is the caller's own word, and goes before anything that the request looks like.
///
/// # Examples
///
/// ```
/// use buttress_retry::Repeat;
///
/// let mut request = http::Request::post("https://example.com/search").body(())?;
/// // This one only looks something up.
/// request.extensions_mut().insert(Repeat::Always);
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Repeat {
    /// Two are as good as one.
    Always,
    /// Only if it provably never left, or was refused before it was looked at.
    IfUnsent,
    /// It is sent once.
    Never,
}

impl Repeat {
    /// What the request says of itself: its extension of this type; else [`Always`](Self::Always) for GET, HEAD,
    /// OPTIONS, TRACE, PUT and DELETE (RFC 9110 section 9.2.2) and for whatever carries an idempotency key
    /// (`Idempotency-Key` or `x-idempotency-key`, not empty); else [`Never`](Self::Never) (RTY-1).
    #[must_use]
    #[inline]
    pub fn of(request: &Parts) -> Self {
        match request.extensions.get() {
            Some(mark) => *mark,
            None if is_idempotent(&request.method) || has_key(request) => Self::Always,
            None => Self::Never,
        }
    }
}

fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE)
}

fn has_key(request: &Parts) -> bool {
    // Looked through, as there are few: to look a name up, all of it has to be hashed.
    request.headers.iter().any(|(name, key)| is_of_key(name) && !key.is_empty())
}

fn is_of_key(name: &HeaderName) -> bool {
    matches!(name.as_str(), "idempotency-key" | "x-idempotency-key")
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn of(method: &str, header: Option<(&str, &str)>, mark: Option<Repeat>) -> Repeat {
        let mut request = Request::builder().method(method);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let mut parts = request.body(()).unwrap().into_parts().0;
        mark.map(|mark| parts.extensions.insert(mark));
        Repeat::of(&parts)
    }

    // RTY-1
    #[test]
    fn methods_without_a_second_effect_are_repeated_and_others_are_not() {
        for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] {
            assert_eq!(of(method, None, None), Repeat::Always, "{method}");
        }
        for method in ["POST", "PATCH", "CONNECT", "PURGE", "get"] {
            assert_eq!(of(method, None, None), Repeat::Never, "{method}");
        }
    }

    // RTY-1
    #[test]
    fn a_key_of_either_name_opens_a_post() {
        for name in ["Idempotency-Key", "x-idempotency-key"] {
            assert_eq!(of("POST", Some((name, "\"k\"")), None), Repeat::Always);
            assert_eq!(of("POST", Some((name, "")), None), Repeat::Never);
        }
        assert_eq!(of("PATCH", Some(("x-request-id", "k")), None), Repeat::Never);
    }

    // RTY-1
    #[test]
    fn the_callers_word_goes_first() {
        assert_eq!(of("POST", None, Some(Repeat::Always)), Repeat::Always);
        assert_eq!(of("GET", None, Some(Repeat::Never)), Repeat::Never);
        assert_eq!(of("PUT", Some(("idempotency-key", "k")), Some(Repeat::IfUnsent)), Repeat::IfUnsent);
    }
}
