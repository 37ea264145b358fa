//! The heads of answers, and which of them a request gets (pure).

use buttress_core::{Body, CorrelationId, Problem, ProblemCode};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, response::Parts};

use crate::{
    Cursor, Event, Excerpt, StreamState,
    replay::{ACCEL_BUFFERING, EARLIEST, REPLAY_FROM},
    resume::{reader::Arrival, settings::Settings},
};

/// What to do with a request after a look into the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nobody has the stream: begin it.
    Claim,
    /// Somebody begins it: see what comes of it.
    Wait,
    /// It has ended, and this reader has all of it (SSE-61).
    Seen,
    Play(Arrival),
}

pub(crate) fn judge(excerpt: Option<&Excerpt>, asked: Option<&Cursor>) -> Verdict {
    let Some(excerpt) = excerpt else {
        return Verdict::Claim;
    };
    match excerpt.state {
        StreamState::Starting => Verdict::Wait,
        _ if asked.is_some() && !excerpt.covered => Verdict::Play(Arrival::Lost),
        _ if excerpt.is_end() => Verdict::Seen,
        _ if asked.is_some() => Verdict::Play(Arrival::Resumed),
        _ => Verdict::Play(Arrival::Fresh),
    }
}

/// Whether the answer is a stream of events that can be read: not one that is compressed.
pub(crate) fn is_event_stream<B>(response: &Response<B>) -> bool {
    let media_type = response.headers().get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let essence = media_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    response.status() == StatusCode::OK
        && essence.eq_ignore_ascii_case(b"text/event-stream")
        && response.headers().get(header::CONTENT_ENCODING).is_none_or(|encoding| encoding == "identity")
}

/// The head of the service's own answer, made fit for the reader's body.
pub(crate) fn adapt(head: &mut Parts, arrival: Arrival, from: &Cursor) {
    head.headers.remove(header::CONTENT_LENGTH);
    complete(&mut head.headers, arrival, from);
}

/// The head of an answer from the log alone.
pub(crate) fn head(arrival: Arrival, from: &Cursor) -> Parts {
    let (mut head, ()) = Response::new(()).into_parts();
    let media_type = HeaderValue::from_static("text/event-stream; charset=utf-8");
    head.headers.insert(header::CONTENT_TYPE, media_type);
    complete(&mut head.headers, arrival, from);
    head
}

// SSE-41, SSE-54
fn complete(headers: &mut HeaderMap, arrival: Arrival, from: &Cursor) {
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store, no-transform"));
    headers.entry(ACCEL_BUFFERING).or_insert(HeaderValue::from_static("no"));
    let from = (arrival == Arrival::Resumed).then(|| HeaderValue::try_from(from.to_string()).ok()).flatten();
    headers.insert(REPLAY_FROM, from.unwrap_or(HeaderValue::from_static(EARLIEST)));
}

pub(crate) fn seen<B>() -> Response<Body<B>> {
    let mut response = Response::new(Body::full(""));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

pub(crate) fn malformed<B>(correlation_id: Option<&CorrelationId>) -> Response<Body<B>> {
    let message = "the last event id is no cursor of a stream";
    Problem::new(StatusCode::BAD_REQUEST, MALFORMED_CURSOR, message)
        .refused_by("sse_resume")
        .into_response(correlation_id)
}

/// The log cannot be asked, or takes no more: come back later. Not a 503, at which browsers stop
/// for good (SSE-57).
pub(crate) fn later<B>(settings: &Settings) -> Response<Body<B>> {
    let mut response = Response::new(Body::full(Event::empty().retry(settings.retry).encode()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

const MALFORMED_CURSOR: ProblemCode = ProblemCode::new("malformed_cursor");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_readable_event_streams_are_kept() {
        let response = |status: u16, media_type: &str, encoding: Option<&str>| {
            let response = Response::builder().status(status).header("content-type", media_type);
            let response =
                encoding.iter().fold(response, |response, encoding| response.header("content-encoding", *encoding));
            response.body(()).unwrap()
        };
        let table = [
            (200, "text/event-stream", None, true),
            (200, "Text/Event-Stream ; charset=utf-8", None, true),
            (200, "text/event-stream;", Some("identity"), true),
            (200, "text/event-stream", Some("gzip"), false),
            (200, "text/event-stream2", None, false),
            (200, "application/json", None, false),
            (201, "text/event-stream", None, false),
            (503, "text/event-stream", None, false),
        ];
        for (status, media_type, encoding, kept) in table {
            assert_eq!(
                is_event_stream(&response(status, media_type, encoding)),
                kept,
                "{status} {media_type} {encoding:?}"
            );
        }
        assert!(!is_event_stream(&Response::new(())));
    }

    // SSE-46, SSE-47, SSE-48, SSE-61
    #[test]
    fn what_a_request_gets_follows_from_the_stream_and_its_cursor() {
        use StreamState::*;
        let excerpt = |state, covered, from, last| {
            let from = "e-0".parse::<Cursor>().unwrap().at(from);
            Some(Excerpt { state, from, covered, events: vec![], last })
        };
        let cursor = "e-7".parse().unwrap();
        let table = [
            (None, None, Verdict::Claim),
            (None, Some(&cursor), Verdict::Claim),
            (excerpt(Starting, false, 0, 0), Some(&cursor), Verdict::Wait),
            (excerpt(Live, false, 0, 9), None, Verdict::Play(Arrival::Fresh)),
            (excerpt(Live, false, 8, 9), Some(&cursor), Verdict::Play(Arrival::Lost)),
            (excerpt(Live, true, 7, 9), Some(&cursor), Verdict::Play(Arrival::Resumed)),
            (excerpt(Live, true, 7, 7), Some(&cursor), Verdict::Play(Arrival::Resumed)),
            (excerpt(Abandoned, true, 7, 7), Some(&cursor), Verdict::Play(Arrival::Resumed)),
            (excerpt(Finished, true, 7, 9), Some(&cursor), Verdict::Play(Arrival::Resumed)),
            (excerpt(Finished, true, 7, 7), Some(&cursor), Verdict::Seen),
            (excerpt(Finished, false, 0, 0), Some(&cursor), Verdict::Play(Arrival::Lost)),
            (excerpt(Finished, false, 0, 0), None, Verdict::Seen),
            (excerpt(Finished, false, 0, 9), None, Verdict::Play(Arrival::Fresh)),
        ];
        for (excerpt, asked, verdict) in table {
            assert_eq!(judge(excerpt.as_ref(), asked), verdict, "{excerpt:?} {asked:?}");
        }
    }
}
