//! The time of one try, below everything that watches tries.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use buttress_retry::ReplayBody;
use http::{Request, Response};
use http_body::Body as _;
use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower_service::Service;

use crate::{RequestBody, ResponseBody, TransportError};

/// Gives up a try that has no answer in time, with an error, so that it counts as one.
#[derive(Clone, Debug)]
pub(crate) struct Timed<S> {
    inner: S,
    time: Duration,
}

impl<S> Timed<S> {
    pub(crate) fn new(inner: S, time: Duration) -> Self {
        Self { inner, time }
    }
}

impl<S> Service<Request<ReplayBody<RequestBody>>> for Timed<S>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>, Error = TransportError>,
{
    type Response = Response<ResponseBody>;
    type Error = TransportError;
    type Future = Timely<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReplayBody<RequestBody>>) -> Self::Future {
        let request =
            request.map(|body| if body.is_end_stream() { RequestBody::empty() } else { RequestBody::stream(body) });
        Timely { inner: self.inner.call(request), sleep: tokio::time::sleep(self.time) }
    }
}

pin_project! {
    /// The answer of a try, or the end of its time.
    pub(crate) struct Timely<F> {
        #[pin]
        inner: F,
        #[pin]
        sleep: Sleep,
    }
}

impl<F> Future for Timely<F>
where
    F: Future<Output = Result<Response<ResponseBody>, TransportError>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.inner.poll(cx) {
            Poll::Ready(answer) => Poll::Ready(answer),
            Poll::Pending => this.sleep.poll(cx).map(|()| Err(TransportError::new(TimedOut))),
        }
    }
}

/// A try took too long.
#[derive(Debug)]
pub(crate) struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there was no answer in time")
    }
}

impl Error for TimedOut {}
