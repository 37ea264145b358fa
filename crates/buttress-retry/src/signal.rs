//! What servers say about a retry in header fields (pure).

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

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
    if find(headers, &[PUSHBACK]).is_some() && pushback(headers).is_none() {
        return Some(Word::Never);
    }
    let said = find(headers, &SHOULD_RETRY)?.as_bytes().trim_ascii();
    if said.eq_ignore_ascii_case(b"false") {
        Some(Word::Never)
    } else {
        said.eq_ignore_ascii_case(b"true").then_some(Word::Retry)
    }
}

pub(crate) fn pushback(headers: &HeaderMap) -> Option<Duration> {
    let value = find(headers, &[PUSHBACK])?.to_str().ok()?;
    value.trim().parse().ok().map(|millis: u32| Duration::from_millis(millis.into()))
}

/// The first field of one of these names. Fields are few: to look a name up in the map, all of it would be hashed.
pub(crate) fn find<'a>(headers: &'a HeaderMap, names: &[HeaderName]) -> Option<&'a HeaderValue> {
    headers.iter().find(|(name, _)| names.contains(name)).map(|(_, value)| value)
}
