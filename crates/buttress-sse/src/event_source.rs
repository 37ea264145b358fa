use std::{fmt, num::NonZeroU32, pin::Pin, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use crate::{Decoder, attempt::Attempt, reconnect::Reconnect, timer::Timer};

pin_project! {
    /// A client of one event stream that comes back after every loss, over any service that
    /// carries HTTP requests.
    ///
    /// It is a [`Stream`](futures_core::Stream) of `Result<Signal, EventSourceError>`. An error is its last item: the
    /// stream is lost for good. Without an error it ends when the server said that it is over, by
    /// 204 (SSE-23).
    ///
    /// Each attempt sends a clone of the caller's request, with `Accept: text/event-stream` and
    /// `Cache-Control: no-cache` where it says nothing else (SSE-20), and with the last id as
    /// `Last-Event-ID` (SSE-21). A `Last-Event-ID` of the caller's own is the id to begin after.
    ///
    /// | answer, or none | what follows |
    /// |---|---|
    /// | 200 with `text/event-stream` | events |
    /// | 301, 302, 303, 307, 308 | the same request elsewhere, up to 10 times; without credentials and values marked sensitive at another origin; from there nothing is remembered |
    /// | 204 | the end |
    /// | 429, 500, 502, 503, 504 ([`retry_status`](Self::retry_status)) | another attempt, not before `Retry-After` |
    /// | any other, another media type, a redirect to nowhere or with another method | an error |
    /// | no answer, a line that is cut or silent, or that ends | another attempt |
    ///
    /// The wait before another attempt is the [`reconnection_time`](Self::reconnection_time), or
    /// what the server asked for by `retry:` (at least 100 ms), and up to a fifth more. It doubles
    /// for each further loss in a row, up to the [`max_backoff`](Self::max_backoff) and half as
    /// much again. An event, a `retry:`, or a line that stood for as long as the cap starts anew.
    ///
    /// | setting | default |
    /// |---|---|
    /// | [`reconnection_time`](Self::reconnection_time) | 3 s |
    /// | [`max_backoff`](Self::max_backoff) | 30 s |
    /// | [`max_attempts`](Self::max_attempts) | without end |
    /// | [`silence`](Self::silence) | 5 minutes |
    /// | [`max_line`](Self::max_line), [`max_event`](Self::max_event) | 8 MiB, 16 MiB, then an error |
    /// | [`resend`](Self::resend) | methods that are safe, such as `GET` |
    ///
    /// It never calls the service before that very instance said that it is ready, reads no
    /// further than it is polled, and needs a Tokio runtime with its timer enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropping it, at any time, drops the request or the body and ends everything; it has no
    /// task of its own. Dropping a future that waits for its next item loses nothing.
    #[must_use = "a stream does nothing unless it is polled"]
    pub struct EventSource<S, ReqBody, ResBody>
    where
        S: Service<Request<ReqBody>>,
    {
        pub(crate) service: S,
        pub(crate) attempt: Attempt<ReqBody>,
        pub(crate) reconnect: Reconnect,
        pub(crate) decoder: Decoder,
        pub(crate) silence: Duration,
        #[pin]
        pub(crate) state: State<S::Future, ResBody>,
        #[pin]
        pub(crate) timer: Timer,
    }
}

pin_project! {
    #[project = StateProj]
    pub(crate) enum State<F, B> {
        // An attempt is due.
        Due,
        // The service is not ready.
        Held,
        Called { #[pin] answer: F },
        // The rest of the last piece of the body that has not been looked at.
        Open { #[pin] body: B, rest: Bytes, since: Instant },
        // The timer runs until the next attempt.
        Lost,
        Over,
    }
}

impl<S, ReqBody, ResBody> EventSource<S, ReqBody, ResBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    /// The events that `service` gives to requests like this one. Nothing is sent before it is polled.
    pub fn new(service: S, request: Request<ReqBody>) -> Self {
        let (attempt, seed) = Attempt::new(request);
        let mut decoder = Decoder::new();
        if let Some(seed) = seed {
            decoder.set_last_event_id(seed.as_bytes());
        }
        let mut reconnect = Reconnect::default();
        reconnect.policy.may_resend = attempt.is_safe();
        let silence = Duration::from_secs(5 * 60);
        Self { service, attempt, reconnect, decoder, silence, state: State::Due, timer: Timer::default() }
    }

    /// The wait before a reconnect, until the server asks for another one.
    pub fn reconnection_time(mut self, time: Duration) -> Self {
        self.reconnect.policy.reconnection_time = time;
        self
    }

    /// The cap of a wait that has grown. Waits that are asked for by the server, or by
    /// [`reconnection_time`](Self::reconnection_time), may be longer.
    pub fn max_backoff(mut self, cap: Duration) -> Self {
        self.reconnect.policy.max_backoff = cap;
        self
    }

    /// Gives up at the loss that is the `most`th in a row, with the error of that loss. 1 never
    /// reconnects. A line that was of use starts the count anew.
    pub fn max_attempts(mut self, most: NonZeroU32) -> Self {
        self.reconnect.policy.max_attempts = Some(most);
        self
    }

    /// How long there may be not a byte before the line is taken for dead (SSE-28): of the head of
    /// an answer, or of its body, comments included. [`Duration::MAX`] waits for ever.
    ///
    /// Choose more than twice the interval of the server's heartbeats.
    pub fn silence(mut self, limit: Duration) -> Self {
        self.silence = limit;
        self
    }

    /// The longest line, in bytes.
    pub fn max_line(mut self, bytes: usize) -> Self {
        self.decoder = self.decoder.max_line(bytes);
        self
    }

    /// The longest event, in bytes.
    pub fn max_event(mut self, bytes: usize) -> Self {
        self.decoder = self.decoder.max_event(bytes);
        self
    }

    /// Takes a line or an event over its limit for a loss as any other, instead of an error that
    /// ends it all. The server may send the same again.
    pub fn retry_too_long(mut self) -> Self {
        self.reconnect.policy.retry_too_long = true;
        self
    }

    /// Which answers are worth another attempt, instead of 429, 500, 502, 503 and 504. 200, 204 and
    /// redirects are never asked about.
    pub fn retry_status(mut self, is_worth_it: fn(StatusCode) -> bool) -> Self {
        self.reconnect.policy.retry_status = is_worth_it;
        self
    }

    /// Allows to send a request again whose method is not safe, such as a `POST`, with its headers
    /// and its body (SSE-29).
    ///
    /// Otherwise such a stream ends with its first line: without an error if the body just ended.
    pub fn resend(mut self) -> Self {
        self.reconnect.policy.may_resend = true;
        self
    }

    /// The last id so far, empty if there is none: what the next attempt sends, or the process
    /// that goes on after this one.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        self.decoder.last_event_id()
    }

    /// Drops the line, if there is one, and ends the stream without another item.
    pub fn close(self: Pin<&mut Self>) {
        self.project().state.set(State::Over);
    }
}

impl<S, ReqBody, ResBody> fmt::Debug for EventSource<S, ReqBody, ResBody>
where
    S: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Due | State::Held | State::Called { .. } => "connecting",
            State::Open { .. } => "open",
            State::Lost => "lost",
            State::Over => "closed",
        };
        let mut out = f.debug_struct("EventSource");
        out.field("state", &state).field("last_event_id", &self.decoder.last_event_id()).finish_non_exhaustive()
    }
}
