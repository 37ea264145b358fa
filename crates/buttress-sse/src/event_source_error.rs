use std::{error::Error, fmt};

use http::StatusCode;

/// Why an [`EventSource`](crate::EventSource) has no line, or no longer one.
#[derive(Debug)]
pub struct EventSourceError {
    kind: EventSourceErrorKind,
    source: Option<BoxError>,
}

/// What happened to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventSourceErrorKind {
    /// The service said that it will never be ready again.
    NotReady,
    /// The service gave no answer.
    Transport,
    /// The answer has this status code.
    Status(StatusCode),
    /// The answer is no `text/event-stream`.
    MediaType,
    /// A redirect without a `Location`, to a place that is none, with another method, or one too
    /// many.
    Redirect,
    /// The body failed.
    Cut,
    /// The body ended.
    Ended,
    /// Not a byte came for too long.
    Silence,
    /// A line or an event is over its limit; the source is a [`DecodeError`](crate::DecodeError).
    TooLong,
    /// No header can carry the last id: it holds a control character.
    LastEventId,
}

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

impl EventSourceError {
    pub(crate) fn new(kind: EventSourceErrorKind, source: impl Into<BoxError>) -> Self {
        Self { kind, source: Some(source.into()) }
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> EventSourceErrorKind {
        self.kind
    }
}

impl From<EventSourceErrorKind> for EventSourceError {
    fn from(kind: EventSourceErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl fmt::Display for EventSourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            EventSourceErrorKind::NotReady => "the service of the event stream is no longer ready",
            EventSourceErrorKind::Transport => "no answer to the request for an event stream",
            EventSourceErrorKind::Status(status) => {
                return write!(f, "the request for an event stream was answered with {status}");
            }
            EventSourceErrorKind::MediaType => "the answer is no event stream",
            EventSourceErrorKind::Redirect => "the request for an event stream was redirected to nowhere",
            EventSourceErrorKind::Cut => "the event stream was cut",
            EventSourceErrorKind::Ended => "the event stream ended",
            EventSourceErrorKind::Silence => "the event stream was silent for too long",
            EventSourceErrorKind::TooLong => "the event stream is over a limit",
            EventSourceErrorKind::LastEventId => "no header can carry the last id of the event stream",
        })
    }
}

impl Error for EventSourceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
