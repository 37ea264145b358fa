//! How an event source goes from one state to the next.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use buttress_core::RetryAfter;
use bytes::{Buf, Bytes};
use futures_core::{FusedStream, Stream};
use http::{Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower_service::Service;

use crate::{
    EventSource, EventSourceError, EventSourceErrorKind as Kind, Frame, Lost, Signal,
    event_source::{State, StateProj},
    event_source_error::BoxError,
    heartbeat::up_to,
    reconnect::{Action, Admission, admit},
};

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
