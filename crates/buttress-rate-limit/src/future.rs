use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    Answer, RateStore, Reply, ResponseBody,
    core::Core,
    in_flight::Permit,
    judge::{Pass, Pending},
    refusal::Refusal,
    settings::Settings,
    telemetry,
    waiting::{Settling, Waiting},
};

pin_project! {
    /// The future of a [`RateLimit`](crate::RateLimit).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, units stay taken, and places of concurrency limits are given back.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, ReqB, St>
    where
        S: Service<Request<ReqB>>,
        St: RateStore,
    {
        #[pin]
        state: State<S, ReqB, St>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, ReqB, St>
    where
        S: Service<Request<ReqB>>,
        St: RateStore,
    {
        Refused { refusal: Option<Box<Refusal>> },
        Waiting { waiting: Pin<Box<Waiting<S, ReqB, St>>> },
        Plain { #[pin] future: S::Future },
        Called { #[pin] future: S::Future, pass: Option<Pass<St>> },
        Settling { settling: Pin<Box<Settling<St>>>, response: Option<(S::Response, Vec<Permit>)> },
    }
}

impl<S, ReqB, St> ResponseFuture<S, ReqB, St>
where
    S: Service<Request<ReqB>>,
    St: RateStore,
{
    pub(crate) fn refused(refusal: Box<Refusal>) -> Self {
        Self { state: State::Refused { refusal: Some(refusal) } }
    }

    /// The answer goes out as it is.
    #[inline]
    pub(crate) fn plain(future: S::Future) -> Self {
        Self { state: State::Plain { future } }
    }

    pub(crate) fn called(future: S::Future, pass: Pass<St>) -> Self {
        Self { state: State::Called { future, pass: Some(pass) } }
    }

    pub(crate) fn waiting(
        inner: S,
        request: Request<ReqB>,
        pending: Box<Pending<St>>,
        core: Arc<Core<St>>,
        settings: Arc<Settings>,
    ) -> Self {
        let waiting = Box::pin(Waiting::new(inner, request, pending, core, settings));
        Self { state: State::Waiting { waiting } }
    }
}

impl<S, ReqB, ResB, St> Future for ResponseFuture<S, ReqB, St>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    St: RateStore,
{
    type Output = Result<Response<ResponseBody<ResB>>, S::Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match self.as_mut().project().state.project() {
                StateProj::Plain { future } => {
                    return match future.poll(cx) {
                        Poll::Ready(Ok(response)) => Poll::Ready(Ok(response.map(ResponseBody::plain))),
                        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                        Poll::Pending => Poll::Pending,
                    };
                }
                StateProj::Refused { refusal } => {
                    let refusal = refusal.take().expect("polled after completion");
                    return Poll::Ready(Ok(refusal.into_response().map(ResponseBody::refused)));
                }
                StateProj::Waiting { waiting } => ready!(waiting.as_mut().poll(cx)).state,
                StateProj::Called { future, pass } => {
                    let response = ready!(future.poll(cx))?;
                    let pass = pass.take().expect("polled after completion");
                    match finish(response, pass) {
                        Ok(response) => return Poll::Ready(Ok(response)),
                        Err(settling) => settling,
                    }
                }
                StateProj::Settling { settling, response } => {
                    ready!(settling.as_mut().poll(cx));
                    let (response, permits) = response.take().expect("polled after completion");
                    return Poll::Ready(Ok(response.map(|body| ResponseBody::passed(body, permits))));
                }
            };
            self.as_mut().project().state.set(next);
        }
    }
}

/// The answer with its fields; or first what it changes about the units that were taken.
fn finish<S, ReqB, ResB, St>(
    mut response: Response<ResB>,
    pass: Pass<St>,
) -> Result<Response<ResponseBody<ResB>>, State<S, ReqB, St>>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    St: RateStore,
{
    let Pass { written, permits, tab } = pass;
    written.write(response.headers_mut());
    let Some((reply, time)) = tab.and_then(|tab| tab.settle(&answer(&response))) else {
        return Ok(response.map(|body| ResponseBody::passed(body, permits)));
    };
    match reply {
        Reply::Later(deciding) => {
            let settling = Box::pin(Settling::new(deciding, time));
            Err(State::Settling { settling, response: Some((response, permits)) })
        }
        Reply::Now(outcome) => {
            if let Err(error) = outcome {
                telemetry::store_failed(Some(&error));
            }
            Ok(response.map(|body| ResponseBody::passed(body, permits)))
        }
    }
}

fn answer<B>(response: &Response<B>) -> Answer<'_> {
    Answer { status: response.status(), headers: response.headers(), extensions: response.extensions() }
}

impl<S, ReqB, St> fmt::Debug for ResponseFuture<S, ReqB, St>
where
    S: Service<Request<ReqB>>,
    St: RateStore,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Refused { .. } => "ResponseFuture(refused)",
            State::Waiting { .. } => "ResponseFuture(waiting for the store)",
            State::Plain { .. } | State::Called { .. } => "ResponseFuture(called)",
            State::Settling { .. } => "ResponseFuture(settling)",
        })
    }
}
