use std::{
    fmt,
    num::NonZeroU32,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use buttress_core::RetryAfter;
use bytes::{Buf, Bytes};
use futures_core::{FusedStream, Stream};
use http::{Request, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use crate::{
    Decoder, EventSourceError, EventSourceErrorKind as Kind, Frame, Lost, Signal,
    attempt::Attempt,
    event_source_error::BoxError,
    heartbeat::up_to,
    reconnect::{Action, Admission, Reconnect, admit},
    timer::Timer,
};

pin_project! {
    /// A client of one event stream that comes back after every loss, over any service that
    /// carries HTTP requests.
    ///
    /// It is a [`Stream`] of `Result<Signal, EventSourceError>`. An error is its last item: the
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
        service: S,
        attempt: Attempt<ReqBody>,
        reconnect: Reconnect,
        decoder: Decoder,
        silence: Duration,
        #[pin]
        state: State<S::Future, ResBody>,
        #[pin]
        timer: Timer,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B> {
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

/// An attempt is over, and how long the server wants to be left alone.
struct Loss {
    error: EventSourceError,
    at_least: Duration,
}

impl<E: Into<EventSourceError>> From<E> for Loss {
    fn from(error: E) -> Self {
        Self { error: error.into(), at_least: Duration::ZERO }
    }
}

/// A signal for the caller; without one, the next state is to be looked at.
type Step = Poll<Result<Option<Signal>, Loss>>;

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

impl<S, ReqBody, ResBody> EventSource<S, ReqBody, ResBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Error: Into<BoxError>,
    ReqBody: Clone,
    ResBody: Body,
    ResBody::Error: Into<BoxError>,
{
    fn poll_step(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Step {
        let mut this = self.as_mut().project();
        match this.state.as_mut().project() {
            // Due → Held
            StateProj::Due => {
                this.timer.set(*this.silence);
                this.state.set(State::Held);
                Poll::Ready(Ok(None))
            }
            StateProj::Held => self.poll_held(cx),
            StateProj::Called { answer } => match answer.poll(cx) {
                Poll::Ready(Ok(response)) => Poll::Ready(self.take(response)),
                Poll::Ready(Err(error)) => Poll::Ready(Err(EventSourceError::new(Kind::Transport, error).into())),
                Poll::Pending => this.timer.poll(cx).map(|()| Err(Kind::Silence.into())),
            },
            StateProj::Open { .. } => self.poll_open(cx),
            // Lost → Due
            StateProj::Lost => {
                ready!(this.timer.poll(cx));
                this.state.set(State::Due);
                Poll::Ready(Ok(None))
            }
            StateProj::Over => Poll::Ready(Ok(None)),
        }
    }

    /// Held → Called
    fn poll_held(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Step {
        let mut this = self.project();
        match this.service.poll_ready(cx) {
            Poll::Pending => return this.timer.poll(cx).map(|()| Err(Kind::Silence.into())),
            Poll::Ready(ready) => ready.map_err(|error| EventSourceError::new(Kind::NotReady, error))?,
        }
        let request = this.attempt.request(this.decoder.last_event_id())?;
        let answer = this.service.call(request);
        this.state.set(State::Called { answer });
        Poll::Ready(Ok(None))
    }

    /// Called → (Open | Due | Lost)
    fn take(self: Pin<&mut Self>, response: Response<ResBody>) -> Result<Option<Signal>, Loss> {
        let mut this = self.project();
        match admit(response.status(), response.headers()) {
            Admission::Open => {
                this.decoder.restart();
                this.timer.clear();
                let (head, body) = response.into_parts();
                this.state.set(State::Open { body, rest: Bytes::new(), since: Instant::now() });
                Ok(Some(Signal::Opened(Response::from_parts(head, ()))))
            }
            Admission::Follow => {
                this.attempt.follow(&response)?;
                this.state.set(State::Due);
                Ok(None)
            }
            Admission::Refused(kind) => {
                let after = RetryAfter::from_headers(response.headers());
                let at_least = after.map(|after| after.delay(SystemTime::now())).unwrap_or_default();
                Err(Loss { error: kind.into(), at_least })
            }
        }
    }

    fn poll_open(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Step {
        let mut this = self.project();
        let StateProj::Open { mut body, rest, .. } = this.state.project() else {
            return Poll::Ready(Ok(None));
        };
        loop {
            match this.decoder.decode(rest).map_err(|error| EventSourceError::new(Kind::TooLong, error))? {
                Some(Frame::Message(message)) => {
                    this.reconnect.note_use();
                    return Poll::Ready(Ok(Some(Signal::Message(message))));
                }
                Some(Frame::Retry(delay)) => this.reconnect.note_retry(delay),
                Some(Frame::Comment) => {}
                None => {
                    let Poll::Ready(frame) = body.as_mut().poll_frame(cx) else {
                        // From now on: how long the caller was busy says nothing about the line.
                        this.timer.as_mut().start(*this.silence);
                        return this.timer.poll(cx).map(|()| Err(Kind::Silence.into()));
                    };
                    let frame = frame.ok_or(Kind::Ended)?;
                    let frame = frame.map_err(|error| EventSourceError::new(Kind::Cut, error))?;
                    // Anything else is a trailer, which says nothing here.
                    if let Ok(mut data) = frame.into_data()
                        && data.has_remaining()
                    {
                        *rest = data.copy_to_bytes(data.remaining());
                        this.timer.as_mut().clear();
                    }
                }
            }
        }
    }

    /// (Held | Called | Open) → (Lost | Over)
    fn settle(self: Pin<&mut Self>, loss: Loss) -> Option<Result<Signal, EventSourceError>> {
        let mut this = self.project();
        if let StateProj::Open { since, .. } = this.state.as_mut().project() {
            this.reconnect.note_stand(since.elapsed());
        }
        this.attempt.restart();
        let Loss { error: cause, at_least } = loss;
        match this.reconnect.after(cause.kind(), at_least, up_to) {
            Action::Wait { attempt, delay } => {
                this.timer.set(delay);
                this.state.set(State::Lost);
                Some(Ok(Signal::Lost(Lost { attempt, delay, cause })))
            }
            Action::Finish => {
                this.state.set(State::Over);
                None
            }
            Action::Fail => {
                this.state.set(State::Over);
                Some(Err(cause))
            }
        }
    }
}

impl<S, ReqBody, ResBody> Stream for EventSource<S, ReqBody, ResBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Error: Into<BoxError>,
    ReqBody: Clone,
    ResBody: Body,
    ResBody::Error: Into<BoxError>,
{
    type Item = Result<Signal, EventSourceError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while !self.is_terminated() {
            match ready!(self.as_mut().poll_step(cx)) {
                Ok(None) => {}
                Ok(Some(signal)) => return Poll::Ready(Some(Ok(signal))),
                Err(loss) => return Poll::Ready(self.settle(loss)),
            }
        }
        Poll::Ready(None)
    }
}

impl<S, ReqBody, ResBody> FusedStream for EventSource<S, ReqBody, ResBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Error: Into<BoxError>,
    ReqBody: Clone,
    ResBody: Body,
    ResBody::Error: Into<BoxError>,
{
    fn is_terminated(&self) -> bool {
        matches!(self.state, State::Over)
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
