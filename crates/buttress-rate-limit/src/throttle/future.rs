use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use buttress_core::Body;
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_service::Service;

use crate::{
    Advice,
    throttle::{
        line::{Called, Line, Turn},
        refusal::Refusal,
    },
};

pin_project! {
    /// The future of a [`Throttle`](crate::Throttle).
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, it gives its turn back.
    #[must_use = "futures do nothing unless polled"]
    pub struct ThrottleFuture<S, ReqB>
    where
        S: Service<Request<ReqB>>,
    {
        #[pin]
        state: State<S, ReqB>,
        heed: Option<(Arc<Line>, Duration)>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, ReqB>
    where
        S: Service<Request<ReqB>>,
    {
        Refused { refusal: Option<Refusal> },
        Waiting { held: Option<(S, Request<ReqB>)>, turn: Turn, #[pin] timer: Option<Sleep> },
        Called { #[pin] future: S::Future },
    }
}

impl<S, ReqB> ThrottleFuture<S, ReqB>
where
    S: Service<Request<ReqB>>,
{
    pub(crate) fn refused(refusal: Refusal) -> Self {
        Self { state: State::Refused { refusal: Some(refusal) }, heed: None }
    }

    pub(crate) fn called(future: S::Future, heed: Option<(Arc<Line>, Duration)>) -> Self {
        Self { state: State::Called { future }, heed }
    }

    pub(crate) fn waiting(inner: S, request: Request<ReqB>, turn: Turn, heed: Option<(Arc<Line>, Duration)>) -> Self {
        Self { state: State::Waiting { held: Some((inner, request)), turn, timer: None }, heed }
    }
}

impl<S, ReqB, ResB> Future for ThrottleFuture<S, ReqB>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Output = Result<Response<Body<ResB>>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut this = self.as_mut().project();
            let next = match this.state.as_mut().project() {
                StateProj::Refused { refusal } => {
                    let refusal = refusal.take().expect("polled after completion");
                    return Poll::Ready(Ok(refusal.into_response()));
                }
                StateProj::Called { future } => {
                    let response = ready!(future.poll(cx))?;
                    if let Some((line, most)) = this.heed {
                        heed(&response, line, *most);
                    }
                    return Poll::Ready(Ok(response.map(Body::inner)));
                }
                StateProj::Waiting { held, turn, timer } => {
                    let outcome = ready!(wait(turn, timer, cx));
                    let (mut inner, request) = held.take().expect("it is called once");
                    match outcome {
                        Ok(()) => State::Called { future: inner.call(request) },
                        Err(wait) => State::Refused { refusal: Some(Refusal::of(&request, Some(wait))) },
                    }
                }
            };
            this.state.set(next);
        }
    }
}

/// Until it is its turn, or its patience ends: then an error says how long it would have to wait still.
fn wait(turn: &Turn, mut timer: Pin<&mut Option<Sleep>>, cx: &mut Context<'_>) -> Poll<Result<(), Duration>> {
    loop {
        let time = match turn.poll(cx.waker()) {
            Called::Go => return Poll::Ready(Ok(())),
            Called::TooLong(wait) => return Poll::Ready(Err(wait)),
            Called::First(time) | Called::Later(time) => time,
        };
        timer.set(Some(sleep(time)));
        ready!(timer.as_mut().as_pin_mut().expect("it was just set").poll(cx));
    }
}

fn heed<B>(response: &Response<B>, line: &Line, most: Duration) {
    let told_to_wait = matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    if let Some(wait) = Advice::of(response.headers()).wait(SystemTime::now()).filter(|_| told_to_wait) {
        line.close_for(wait.min(most));
    }
}

impl<S, ReqB> fmt::Debug for ThrottleFuture<S, ReqB>
where
    S: Service<Request<ReqB>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Refused { .. } => "ThrottleFuture(refused)",
            State::Waiting { .. } => "ThrottleFuture(waiting)",
            State::Called { .. } => "ThrottleFuture(called)",
        })
    }
}
