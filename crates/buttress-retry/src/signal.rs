//! What servers say about a retry in header fields (pure).

use std::time::Duration;

use http::{HeaderMap, HeaderName};

/// What OpenAI and Anthropic send, and what Stripe sends.
const SHOULD_RETRY: [HeaderName; 2] =
    [HeaderName::from_static("x-should-retry"), HeaderName::from_static("stripe-should-retry")];

/// gRPC A6: milliseconds; anything that is none forbids a retry.
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// The word of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Never,
    Retry,
}

/// RTY-14
pub(crate) fn word(headers: &HeaderMap) -> Option<Word> {
    if headers.contains_key(PUSHBACK) && pushback(headers).is_none() {
        return Some(Word::Never);
    }
    let said = SHOULD_RETRY.iter().find_map(|name| headers.get(name))?.as_bytes().trim_ascii();
    if said.eq_ignore_ascii_case(b"false") {
        Some(Word::Never)
    } else {
        said.eq_ignore_ascii_case(b"true").then_some(Word::Retry)
    }
}

pub(crate) fn pushback(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(PUSHBACK)?.to_str().ok()?;
    value.trim().parse().ok().map(|millis: u32| Duration::from_millis(millis.into()))
}
