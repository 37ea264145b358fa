//! How the head of an answer tells an event stream (pure).

use http::{HeaderMap, HeaderName, HeaderValue, header};
#[cfg(any(feature = "layer", feature = "resume"))]
use http::{Response, StatusCode};

/// Whether the answer is a stream of events to whose bytes something can be done: not one that is compressed.
#[cfg(any(feature = "layer", feature = "resume"))]
pub(crate) fn is_event_stream<B>(response: &Response<B>) -> bool {
    response.status() == StatusCode::OK
        && has_event_stream_type(response.headers())
        && response.headers().get_all(header::CONTENT_ENCODING).iter().all(is_identity)
}

/// With any parameters, or with a `;` and none (SSE-22).
#[cfg(any(feature = "client", feature = "layer", feature = "resume"))]
pub(crate) fn has_event_stream_type(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let essence = media_type.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

#[cfg(any(feature = "layer", feature = "resume"))]
fn is_identity(coding: &HeaderValue) -> bool {
    let mut codings = coding.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    codings.all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity"))
}

/// Where a reader says what it has.
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// `no` keeps nginx and its like from holding events back (SSE-41).
pub(crate) const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Names an answer as an event stream that is to be passed on as it comes, and not to be kept (SSE-41). What is said
/// already stays.
pub(crate) fn complete(headers: &mut HeaderMap) {
    headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store, no-transform"));
    headers.entry(ACCEL_BUFFERING).or_insert(HeaderValue::from_static("no"));
}

#[cfg(all(test, any(feature = "layer", feature = "resume")))]
mod tests {
    use super::*;

    fn response(status: u16, media_type: &str, encoding: Option<&str>) -> Response<()> {
        let response = Response::builder().status(status).header("content-type", media_type);
        let response =
            encoding.into_iter().fold(response, |response, coding| response.header("content-encoding", coding));
        response.body(()).expect("a valid head")
    }

    // SSE-22
    #[test]
    fn the_media_type_counts_whatever_its_case_and_parameters() {
        let good =
            ["text/event-stream", "text/event-stream;", "Text/Event-Stream ; charset=utf-8;x", " text/event-stream ;a"];
        for media_type in good {
            assert!(is_event_stream(&response(200, media_type, None)), "{media_type}");
        }
        let bad = [
            "",
            "text/event-streams",
            "text/event-stream x",
            "text/plain; text/event-stream",
            "text/event-stream, a/b",
        ];
        for media_type in bad {
            assert!(!is_event_stream(&response(200, media_type, None)), "{media_type}");
        }
        assert!(!is_event_stream(&Response::new(())));
        assert!(!is_event_stream(&response(201, "text/event-stream", None)));
    }

    #[test]
    fn only_identity_is_no_coding() {
        for (coding, expected) in [("identity", true), ("Identity, ", true), ("gzip", false), ("identity, br", false)] {
            assert_eq!(is_event_stream(&response(200, "text/event-stream", Some(coding))), expected, "{coding}");
        }
    }
}
