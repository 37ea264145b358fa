use std::{
    convert::Infallible,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use buttress_core::Body;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    Answer, RateStore, Reply, ResponseBody, Tab,
    core::Core,
    fields::Written,
    gather::Places,
    judge::{Pass, Pending},
    settings::Settings,
    telemetry,
    undecided::Undecided,
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
        // What goes with the answer, if anything does.
        pass: Option<Pass<St>>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, ReqB, St>
    where
        S: Service<Request<ReqB>>,
        St: RateStore,
    {
        Refused { answer: Option<Response<Body<Infallible>>> },
        Waiting { waiting: Pin<Box<Waiting<S, ReqB, St>>> },
        Called { #[pin] future: S::Future },
        Settling { settling: Pin<Box<Settling<St>>>, response: Option<(S::Response, Option<Box<Places>>)> },
    }
}

impl<S, ReqB, St> ResponseFuture<S, ReqB, St>
where
    S: Service<Request<ReqB>>,
    St: RateStore,
{
    #[inline]
    pub(crate) fn called(future: S::Future, pass: Option<Pass<St>>) -> Self {
        Self { state: State::Called { future }, pass }
    }

    /// In place of the inner service.
    #[inline]
    pub(crate) fn refused(answer: Response<Body<Infallible>>, written: Written) -> Self {
        let pass = (!written.is_empty()).then(|| Pass { written, places: None, tab: None });
        Self { state: State::Refused { answer: Some(answer) }, pass }
    }

    pub(crate) fn waiting(
        inner: S,
        request: Request<ReqB>,
        pending: Box<Pending<St>>,
        core: Arc<Core<St>>,
        settings: Arc<Settings>,
    ) -> Self {
        let waiting = Box::pin(Waiting::new(inner, request, pending, core, settings));
        Self { state: State::Waiting { waiting }, pass: None }
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
        let this = self.as_mut().project();
        let StateProj::Called { future } = this.state.project() else { return self.poll_rarely(cx) };
        if this.pass.is_none() {
            return future.poll(cx).map_ok(|response| response.map(ResponseBody::plain));
        }
        let mut response = ready!(future.poll(cx))?;
        let Pass { written, places, tab } = this.pass.take().expect("it was there just now");
        written.write(response.headers_mut());
        match tab.and_then(|tab| settle(&tab, &response)) {
            None => Poll::Ready(Ok(response.map(|body| ResponseBody::passed(body, places)))),
            Some(settling) => {
                let response = Some((response, places));
                self.as_mut().project().state.set(State::Settling { settling, response });
                self.poll_rarely(cx)
            }
        }
    }
}

impl<S, ReqB, ResB, St> ResponseFuture<S, ReqB, St>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    St: RateStore,
{
    /// What few requests meet, apart from what most do.
    #[inline(never)]
    fn poll_rarely(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<<Self as Future>::Output> {
        loop {
            let this = self.as_mut().project();
            let next = match this.state.project() {
                StateProj::Refused { answer } => {
                    // Where it is, since it is long.
                    if let (Some(answer), Some(pass)) = (answer.as_mut(), this.pass.take()) {
                        pass.written.write(answer.headers_mut());
                    }
                    let answer = answer.take().expect("polled after completion");
                    return Poll::Ready(Ok(answer.map(ResponseBody::refused)));
                }
                StateProj::Waiting { waiting } => ready!(waiting.as_mut().poll(cx)),
                StateProj::Settling { settling, response } => {
                    ready!(settling.as_mut().poll(cx));
                    let (response, places) = response.take().expect("polled after completion");
                    return Poll::Ready(Ok(response.map(|body| ResponseBody::passed(body, places))));
                }
                StateProj::Called { .. } => return self.poll(cx),
            };
            self.set(next);
        }
    }
}

/// What an answer changes about the units that were taken, if that takes time.
#[inline(never)]
fn settle<B, St: RateStore>(tab: &Tab<St>, response: &Response<B>) -> Option<Pin<Box<Settling<St>>>> {
    let why = match catch_unwind(AssertUnwindSafe(|| tab.settle(&answer(response)))) {
        Ok(None | Some((Reply::Now(Ok(_)), _))) => return None,
        Ok(Some((Reply::Later(deciding), time))) => return Some(Box::pin(Settling::new(deciding, time))),
        Ok(Some((Reply::Now(Err(error)), _))) => Undecided::Failed(error),
        Err(_) => Undecided::Panicked,
    };
    telemetry::undecided(&why);
    None
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
            State::Called { .. } => "ResponseFuture(called)",
            State::Settling { .. } => "ResponseFuture(settling)",
        })
    }
}
