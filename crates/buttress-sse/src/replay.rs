use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Response, header};

use crate::{
    Cursor, Event, EventBody, EventName, Heartbeat, MalformedCursor,
    body::Manner,
    head::{self, LAST_EVENT_ID},
    heartbeat::Make,
    stream::{Reader, Start, Stream},
};

/// What a log answers a reader that wants the events after its cursor.
#[derive(Debug)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "a fourth answer is for every handler to decide on")]
pub enum Resume {
    /// There is something to read, now or later.
    Play(Replay),
    /// The stream has finished and this reader has read all of it: answer 204, at which a browser
    /// stops reconnecting (SSE-61).
    Finished,
    /// No such stream is known, or no longer: answer 404.
    Unknown,
}

/// The events that a reader is owed, and those to come.
///
/// | setting | default |
/// |---|---|
/// | [`retry`](Self::retry) | 3 s, what browsers wait by themselves |
/// | [`heartbeat`](Self::heartbeat) | a comment after 15 s of silence |
/// | [`reset`](Self::reset) | `{"type":"reset"}` |
#[must_use]
pub struct Replay {
    stream: Arc<Stream>,
    /// Where to begin; with the oldest event if not said.
    next: Option<u64>,
    lost: bool,
    retry: Duration,
    heartbeat: Heartbeat,
    reset: Option<Make>,
}

impl Replay {
    pub(crate) fn new(stream: Arc<Stream>, start: Start) -> Option<Self> {
        let (next, lost) = match start {
            Start::Finished => return None,
            Start::At(offset) => (Some(offset), false),
            Start::Oldest => (None, false),
            Start::Lost => (None, true),
        };
        let (retry, heartbeat) = (Duration::from_secs(3), Heartbeat::default());
        Some(Self { stream, next, lost, retry, heartbeat, reset: None })
    }

    /// How long the reader is to wait before it reconnects, in whole milliseconds.
    ///
    /// When the log is drained, each reader is told to wait up to twice as long.
    pub fn retry(self, wait: Duration) -> Self {
        Self { retry: wait, ..self }
    }

    /// What is sent in silence.
    pub fn heartbeat(self, heartbeat: Heartbeat) -> Self {
        Self { heartbeat, ..self }
    }

    /// What a reader is told when events between its cursor and the first that is kept are lost.
    ///
    /// The event is made when it is needed, is named [`RESET`] whatever its own name, and goes out
    /// without an id.
    pub fn reset(self, make: impl Fn() -> Event + Send + Sync + 'static) -> Self {
        Self { reset: Some(Arc::new(make)), ..self }
    }

    /// Whether the reader begins with a loss: its cursor is of another stream or of another life
    /// of this one, lies in the future, or is older than what is kept.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// The stream as the body of a response, for a host that writes its own head.
    ///
    /// # Panics
    ///
    /// The body does when it has to wait for a heartbeat outside of a Tokio runtime with time.
    pub fn into_body(self) -> EventBody {
        let Self { stream, next, lost, retry, heartbeat, reset } = self;
        EventBody::new(Reader::new(stream, next), lost, Manner { retry, heartbeat, reset })
    }

    /// A 200 with the stream as its body.
    ///
    /// Its headers are `Content-Type: text/event-stream; charset=utf-8`, `Cache-Control: no-store`,
    /// `X-Accel-Buffering: no` (SSE-41), and [`REPLAY_FROM`] with the cursor after which it
    /// begins or `earliest` (SSE-54): a reader whose own cursor does not come back has lost events (SSE-47).
    ///
    /// # Panics
    ///
    /// As [`into_body`](Self::into_body).
    pub fn into_response(self) -> Response<EventBody> {
        let from = self.next.map(|next| self.stream.cursor(next - 1).to_string());
        let from = from.and_then(|cursor| HeaderValue::try_from(cursor).ok());
        let mut response = Response::new(self.into_body());
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        head::complete(headers);
        headers.insert(REPLAY_FROM, from.unwrap_or(HeaderValue::from_static(EARLIEST)));
        response
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("next", &self.next).field("lost", &self.lost).finish()
    }
}

/// The cursor that a request wants to resume after, if any.
///
/// It is the header `Last-Event-ID`, else the query parameter `lastEventId` for clients that
/// cannot set a header (SSE-52). An empty one counts as none, and so does `earliest` (SSE-53).
///
/// # Errors
///
/// When the one that counts is no cursor: answer 400.
///
/// # Examples
///
/// ```
/// let request = http::Request::get("/events?lastEventId=k3v9-16").header("last-event-id", "k3v9-17").body(())?;
///
/// let cursor = buttress_sse::last_event_id(request.headers(), request.uri().query())?;
/// assert_eq!(cursor.map(|cursor| cursor.offset()), Some(17));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn last_event_id(headers: &HeaderMap, query: Option<&str>) -> Result<Option<Cursor>, MalformedCursor> {
    let header = headers.get(LAST_EVENT_ID).map(HeaderValue::as_bytes).filter(|id| !id.is_empty());
    let in_query = || {
        let pairs = query.unwrap_or_default().split('&');
        pairs.filter_map(|pair| pair.strip_prefix("lastEventId=")).next().map(str::as_bytes)
    };
    match header.or_else(in_query) {
        None | Some(b"") => Ok(None),
        Some(id) if id == EARLIEST.as_bytes() => Ok(None),
        // What is no UTF-8 is no cursor either.
        Some(id) => str::from_utf8(id).unwrap_or_default().parse().map(Some),
    }
}

/// The name of the event that tells a reader of a loss.
pub const RESET: EventName = EventName::from_static("reset");

/// The response header with the cursor after which a replay begins, or `earliest`.
pub const REPLAY_FROM: HeaderName = HeaderName::from_static("replay-from");

pub(crate) const EARLIEST: &str = "earliest";
