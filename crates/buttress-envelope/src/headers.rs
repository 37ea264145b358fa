//! What a changed body means for the header fields that speak of it.

use std::time::{Duration, SystemTime};

use buttress_core::{CorrelationId, Problem, RetryAfter};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH,
        CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, RETRY_AFTER, TRAILER, TRANSFER_ENCODING,
        VARY,
    },
};

use crate::decide::Media;

/// `x-envelope`, by which a caller chooses in [`Mode::Dual`](crate::Mode::Dual).
pub(crate) const X_ENVELOPE: HeaderName = HeaderName::from_static("x-envelope");

const DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

/// What one walk over the header fields of an answer finds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) media: Media,
    /// A `Content-Encoding` other than identity.
    pub(crate) encoded: bool,
    /// A `Content-Length`.
    pub(crate) length: bool,
    /// Fields that are wrong once the bytes change.
    pub(crate) stale: bool,
}

/// Whether a `Content-Type` of `application/json` is all there is, as in what a framework makes of a value.
#[inline]
pub(crate) fn only_json(headers: &HeaderMap) -> bool {
    let first = if headers.len() == 1 { headers.iter().next() } else { None };
    first.is_some_and(|(name, value)| *name == CONTENT_TYPE && value.as_bytes() == b"application/json")
}

/// One walk instead of nine look-ups: most answers have three fields.
pub(crate) fn look(headers: &HeaderMap) -> Seen {
    let mut seen = Seen { media: Media::Missing, encoded: false, length: false, stale: false };
    for (name, value) in headers {
        // The names that `http` knows are compared as numbers.
        if *name == CONTENT_TYPE {
            if seen.media == Media::Missing {
                seen.media = Media::of(value.as_bytes());
            }
        } else if *name == CONTENT_LENGTH {
            seen.length = true;
        } else if *name == CONTENT_ENCODING {
            seen.encoded |= !value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
        } else {
            seen.stale |= *name == ETAG || *name == ACCEPT_RANGES || DIGESTS.contains(name);
        }
    }
    seen
}

/// Makes the fields right for a wrapped body of this length, if it is known.
#[inline]
pub(crate) fn success(headers: &mut HeaderMap, seen: &Seen, length: Option<u64>) {
    if seen.length || seen.stale || seen.media != Media::Json {
        correct(headers, seen, length);
    }
}

#[inline(never)]
fn correct(headers: &mut HeaderMap, seen: &Seen, length: Option<u64>) {
    if seen.length {
        relength(headers, length);
    }
    // What is wrapped is no longer of a narrower type.
    if seen.media != Media::Json {
        headers.insert(CONTENT_TYPE, JSON);
    }
    if seen.stale {
        weaken(headers);
        headers.remove(ACCEPT_RANGES);
        remove_all(headers, &DIGESTS);
    }
}

/// Corrects a `Content-Length`, or removes it where the length is not known.
fn relength(headers: &mut HeaderMap, length: Option<u64>) {
    let Some(length) = length else {
        headers.remove(CONTENT_LENGTH);
        return;
    };
    // In place, as a look-up costs more than a walk. Where fields have a second line, the length may have one too.
    if headers.len() == headers.keys_len()
        && let Some((_, value)) = headers.iter_mut().find(|(name, _)| **name == CONTENT_LENGTH)
    {
        *value = decimal(length);
    } else {
        headers.insert(CONTENT_LENGTH, decimal(length));
    }
}

/// The length that the GET of this HEAD would have.
pub(crate) fn stated_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Makes a strong `ETag` weak: it was given to other bytes. What is no entity tag is removed.
pub(crate) fn weaken(headers: &mut HeaderMap) {
    let Some(etag) = headers.get(ETAG).map(HeaderValue::as_bytes) else { return };
    if etag.starts_with(b"W/\"") {
        return;
    }
    let weak = [b"W/", etag].concat();
    match HeaderValue::from_bytes(&weak) {
        Ok(weak) if etag.len() > 1 && etag.starts_with(b"\"") && etag.ends_with(b"\"") => headers.insert(ETAG, weak),
        _ => headers.remove(ETAG),
    };
}

/// Makes the fields right for a failure that was rendered anew. What does not speak of the body stays: `Allow`,
/// `WWW-Authenticate`, `Set-Cookie`, those of CORS.
pub(crate) fn failure(headers: &mut HeaderMap, problem: &Problem, media: HeaderValue, length: Option<usize>) {
    remove_all(headers, &DIGESTS);
    remove_all(headers, &OF_THE_OLD_BODY);
    // In a 416 it tells the length of the whole.
    if problem.status() != 416 {
        headers.remove(CONTENT_RANGE);
    }
    headers.insert(CONTENT_TYPE, media);
    match length {
        Some(length) => headers.insert(CONTENT_LENGTH, decimal(length as u64)),
        None => headers.remove(CONTENT_LENGTH),
    };
    // It carries the id of one request.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if let Some(delay) = problem.delay() {
        headers.entry(RETRY_AFTER).or_insert_with(|| RetryAfter::header_value(delay));
    }
}

/// How long the answer itself asks to wait.
pub(crate) fn wait(headers: &HeaderMap) -> Option<Duration> {
    RetryAfter::from_headers(headers).map(|after| after.delay(SystemTime::now()))
}

/// The id in the header is that of the body (ENV-5).
pub(crate) fn correlate(headers: &mut HeaderMap, id: Option<&CorrelationId>) {
    if let Some(id) = id {
        headers.insert(CorrelationId::HEADER, id.to_header_value());
    }
}

/// Adds a name to `Vary`, if it is not there.
pub(crate) fn vary(headers: &mut HeaderMap, name: HeaderName) {
    let lines = headers.get_all(VARY).iter();
    let mut names = lines.flat_map(|line| line.as_bytes().split(|b| *b == b',')).map(<[u8]>::trim_ascii);
    if !names.any(|own| own == b"*" || own.eq_ignore_ascii_case(name.as_str().as_bytes())) {
        headers.append(VARY, name.into());
    }
}

/// A number as a field value, in one allocation: `HeaderValue::from` takes two.
fn decimal(mut number: u64) -> HeaderValue {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] += (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return HeaderValue::from_bytes(&digits[first..]).expect("digits are a field value");
        }
    }
}

fn remove_all(headers: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        headers.remove(name);
    }
}

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

const OF_THE_OLD_BODY: [HeaderName; 9] = [
    ACCEPT_RANGES,
    CONTENT_DISPOSITION,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LOCATION,
    ETAG,
    LAST_MODIFIED,
    TRAILER,
    TRANSFER_ENCODING,
];

#[cfg(test)]
mod tests {
    use http::header::ACCEPT;

    use super::*;

    fn etag_of(value: &'static str) -> Option<String> {
        let mut headers = HeaderMap::from_iter([(ETAG, HeaderValue::from_static(value))]);
        weaken(&mut headers);
        headers.get(ETAG).map(|etag| etag.to_str().unwrap().to_owned())
    }

    #[test]
    fn an_etag_is_made_weak_and_what_is_none_is_removed() {
        assert_eq!(etag_of("\"abc\"").as_deref(), Some("W/\"abc\""));
        assert_eq!(etag_of("W/\"abc\"").as_deref(), Some("W/\"abc\""));
        for none in ["abc", "\"", "", "\"abc"] {
            assert_eq!(etag_of(none), None, "{none}");
        }
    }

    #[test]
    fn numbers_are_written_in_full() {
        for number in [0, 9, 10, 1_234_567_890, u64::MAX] {
            assert_eq!(decimal(number), number.to_string());
        }
    }

    #[test]
    fn vary_names_each_field_once() {
        for (before, after) in [
            (&[][..], &["accept"][..]),
            (&["origin"], &["origin", "accept"]),
            (&["Origin, Accept"], &["Origin, Accept"]),
            (&["*"], &["*"]),
            (&["accept-encoding"], &["accept-encoding", "accept"]),
        ] {
            let mut headers: HeaderMap = before.iter().map(|v| (VARY, HeaderValue::from_static(v))).collect();
            vary(&mut headers, ACCEPT);
            assert_eq!(headers.get_all(VARY).iter().collect::<Vec<_>>(), after);
        }
    }
}
