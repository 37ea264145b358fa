//! What servers say about a retry in header fields (pure).

use std::time::{Duration, SystemTime};

use buttress_core::RetryAfter;
use http::{HeaderMap, HeaderValue};

/// What the head of an answer says, in so far as a retry depends on it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Signals<'a> {
    pub(crate) word: Option<Word>,
    pub(crate) content_type: Option<&'a HeaderValue>,
    /// Of gRPC.
    pushback: Option<Duration>,
    asks_for_time: bool,
}

/// The word of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Never,
    Retry,
}

impl<'a> Signals<'a> {
    /// Reads all of it at once; the first field of a name counts. Fields are few: to look names up in the map, all of them
    /// would be hashed.
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        let mut signals = Self::default();
        let (mut pushback, mut should_retry) = (None, None);
        for (name, value) in headers {
            match name.as_str() {
                "content-type" => _ = signals.content_type.get_or_insert(value),
                "retry-after" | "retry-after-ms" => signals.asks_for_time = true,
                "grpc-retry-pushback-ms" => _ = pushback.get_or_insert(value),
                // What OpenAI and Anthropic send, and what Stripe sends.
                "x-should-retry" | "stripe-should-retry" => _ = should_retry.get_or_insert(value),
                _ => {}
            }
        }
        signals.pushback = pushback.and_then(millis);
        // RTY-14; gRPC A6: what is no number of milliseconds forbids a retry.
        let never = pushback.is_some() && signals.pushback.is_none();
        signals.word = if never { Some(Word::Never) } else { should_retry.and_then(word) };
        signals
    }

    /// How long the server wants to be left alone.
    pub(crate) fn delay(&self, headers: &HeaderMap) -> Option<Duration> {
        let after = || RetryAfter::from_headers(headers).map(|after| after.delay(SystemTime::now()));
        if self.pushback.is_none() && self.asks_for_time { after() } else { self.pushback }
    }
}

fn word(said: &HeaderValue) -> Option<Word> {
    match said.as_bytes().trim_ascii() {
        said if said.eq_ignore_ascii_case(b"false") => Some(Word::Never),
        said if said.eq_ignore_ascii_case(b"true") => Some(Word::Retry),
        _ => None,
    }
}

fn millis(pushback: &HeaderValue) -> Option<Duration> {
    let millis = pushback.to_str().ok()?.trim().parse().ok();
    millis.map(|millis: u32| Duration::from_millis(millis.into()))
}
