//! The heads of answers, and which of them a request gets (pure).

use buttress_core::{Body, CorrelationId, Problem, ProblemCode};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, response::Parts};

use crate::{
    Cursor, Event, Excerpt, StreamState, head,
    replay::{EARLIEST, REPLAY_FROM},
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

/// The head of the service's own answer, made fit for the reader's body.
pub(crate) fn adapt(head: &mut Parts, arrival: Arrival, from: &Cursor) {
    head.headers.remove(header::CONTENT_LENGTH);
    complete(&mut head.headers, arrival, from);
}

/// The head of an answer from the log alone.
pub(crate) fn head(arrival: Arrival, from: &Cursor) -> Parts {
    let (mut head, ()) = Response::new(()).into_parts();
    complete(&mut head.headers, arrival, from);
    head
}

// SSE-54
fn complete(headers: &mut HeaderMap, arrival: Arrival, from: &Cursor) {
    head::complete(headers);
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
    head::complete(response.headers_mut());
    response
}

const MALFORMED_CURSOR: ProblemCode = ProblemCode::new("malformed_cursor");

#[cfg(test)]
mod tests {
    use super::*;

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
