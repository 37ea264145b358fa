use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use buttress_core::{Body, CorrelationId};
use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use crate::{
    Policy, ReplayBody, Reread, Verdict,
    call::{Call, Turn, hand_on, too_late},
    reading::{Drain, Reading},
    timer::Timer,
};

pin_project! {
    /// The answer to a call, after as many tries as it took.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it breaks off the try that is under way, and there is no other. The server may have taken it all the
    /// same. What a retry took out of the budget stays spent; nothing else is left.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, P, F, ReqB, ResB>
    where
        ResB: http_body::Body,
    {
        #[pin]
        state: State<F, ResB>,
        #[pin]
        timer: Timer,
        // None: it is sent once, and may take as long as it likes.
        call: Option<Call<S, P, ReqB>>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B>
    where
        B: http_body::Body,
    {
        TooLate { id: Option<CorrelationId> },
        Calling { #[pin] future: F },
        Reading { reading: Option<Box<Reading<B>>> },
        Draining { #[pin] drain: Drain<B>, due: Option<Instant> },
        Waiting,
        Readying,
        // Between two of the others.
        Turning,
    }
}

impl<S, P, F, ReqB, ResB: http_body::Body> ResponseFuture<S, P, F, ReqB, ResB> {
    #[inline]
    pub(crate) fn new(future: F, by: Option<Instant>, call: Call<S, P, ReqB>) -> Self {
        Self { state: State::Calling { future }, timer: Timer::at(by), call: Some(call) }
    }

    #[inline]
    pub(crate) fn once(future: F) -> Self {
        Self { state: State::Calling { future }, timer: Timer::default(), call: None }
    }

    pub(crate) fn too_late(id: Option<CorrelationId>) -> Self {
        Self { state: State::TooLate { id }, timer: Timer::default(), call: None }
    }
}

impl<S, P, ReqB, ResB> Future for ResponseFuture<S, P, S::Future, ReqB, ResB>
where
    S: Service<Request<ReplayBody<ReqB>>, Response = Response<ResB>> + Clone,
    P: Policy<S::Error>,
    ReqB: http_body::Body,
    ResB: http_body::Body,
    ResB::Data: From<Bytes>,
{
    type Output = Result<Response<Body<Reread<ResB>>>, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(call) = this.call else {
            return match this.state.project() {
                StateProj::Calling { future } => future.poll(cx).map_ok(hand_on),
                StateProj::TooLate { id } => Poll::Ready(Ok(too_late(false, id.take().as_ref()))),
                _ => unreachable!("a call that is sent once is never tried again"),
            };
        };
        loop {
            let turn = if let StateProj::Calling { future } = this.state.as_mut().project() {
                // Calling → answered | Reading | Draining | Waiting | Readying
                // An answer that is there goes before a time that is over; and the try lets go of everything before
                // anything else begins (RTY-5).
                match future.poll(cx) {
                    Poll::Ready(Ok(response)) => match call.judge(&response) {
                        Some(Verdict::Final) => return Poll::Ready(Ok(hand_on(response))),
                        verdict => {
                            this.state.set(State::Turning);
                            call.settle(response, verdict)
                        }
                    },
                    Poll::Ready(Err(error)) => {
                        this.state.set(State::Turning);
                        call.fail(error)
                    }
                    Poll::Pending => {
                        ready!(this.timer.as_mut().poll(cx));
                        this.state.set(State::Turning);
                        call.time_out()
                    }
                }
            } else {
                ready!(advance(this.state.as_mut(), this.timer.as_mut(), call, cx))
            };
            let (state, by) = match turn {
                Turn::Return(result) => return Poll::Ready(result),
                Turn::Read(reading) => (State::Reading { reading: Some(reading) }, None),
                Turn::Drain(drain, due) => (State::Draining { drain, due }, None),
                Turn::Wait(due) => (State::Waiting, Some(due)),
                Turn::Ready(by) => (State::Readying, by),
                Turn::Start => {
                    let (service, request) = call.request();
                    this.state.set(State::Calling { future: service.call(request) });
                    continue;
                }
            };
            this.timer.as_mut().set(by);
            this.state.set(state);
        }
    }
}

/// Goes on from a state between two tries, or waits in it.
fn advance<S, P, ReqB, ResB>(
    state: Pin<&mut State<S::Future, ResB>>,
    timer: Pin<&mut Timer>,
    call: &mut Call<S, P, ReqB>,
    cx: &mut Context<'_>,
) -> Poll<Turn<ResB, S::Error>>
where
    S: Service<Request<ReplayBody<ReqB>>, Response = Response<ResB>> + Clone,
    P: Policy<S::Error>,
    ReqB: http_body::Body,
    ResB: http_body::Body,
{
    Poll::Ready(match state.project() {
        // Reading → answered | Draining | Waiting | Readying
        StateProj::Reading { reading } => {
            if reading.as_mut().is_some_and(|reading| reading.poll(cx).is_pending()) {
                ready!(timer.poll_or(|| call.read_by(), cx));
            }
            call.read(*reading.take().expect("a failure is read once"))
        }
        // Draining → Waiting | Readying
        StateProj::Draining { drain, due } => {
            if drain.poll(cx).is_pending() {
                ready!(timer.poll_or(|| call.read_by(), cx));
            }
            call.wait(*due)
        }
        // Waiting → Readying
        StateProj::Waiting => {
            ready!(timer.poll(cx));
            call.wait(None)
        }
        // Readying → Calling | answered | Waiting | Readying
        StateProj::Readying => match call.service().poll_ready(cx) {
            // A failure that was read, or a timer that was late, may have taken all the time there was (RTY-4).
            Poll::Ready(Ok(())) if call.is_over() => call.not_ready_in_time(),
            Poll::Ready(Ok(())) => Turn::Start,
            Poll::Ready(Err(error)) => Turn::Return(Err(error)),
            Poll::Pending => {
                ready!(timer.poll(cx));
                call.not_ready_in_time()
            }
        },
        StateProj::TooLate { .. } | StateProj::Calling { .. } | StateProj::Turning => {
            unreachable!("polled after it was done")
        }
    })
}

impl<S, P, F, ReqB, ResB: http_body::Body> fmt::Debug for ResponseFuture<S, P, F, ReqB, ResB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::TooLate { .. } => "too late",
            State::Calling { .. } => "calling",
            State::Reading { .. } => "reading",
            State::Draining { .. } => "draining",
            State::Waiting => "waiting",
            State::Readying => "readying",
            State::Turning => "done",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish_non_exhaustive()
    }
}
