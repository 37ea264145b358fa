//! One try of a call, and the time it has.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use buttress_correlation_id::{Outbound, OutboundLayer};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep, sleep_until};
use tower_layer::Layer;
use tower_service::Service;

use crate::{Operation, RequestBody, Resilience, ResponseBody, Transport, TransportError};

type Carrier = Outbound<Transport>;

/// Single tries over a [`Transport`], below everything that watches tries: the time of one try, and the correlation id of
/// the current scope on it.
///
/// A try whose answer has not come in time, to its last byte, is given up with an error, so that it counts as one. Events
/// and uploads run long, and have times of their own.
///
/// # Cancel safety
///
/// A try that is dropped is broken off; the provider may have taken it all the same.
#[derive(Clone, Debug)]
pub struct Tries {
    inner: Carrier,
    time: Duration,
}

impl Tries {
    /// Tries that have as much time as it says.
    pub fn new(transport: Transport, resilience: &Resilience) -> Self {
        Self { inner: OutboundLayer::new().layer(transport), time: resilience.attempt }
    }
}

impl Service<Request<RequestBody>> for Tries {
    type Response = Response<TryBody>;
    type Error = TransportError;
    type Future = TryFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Service::<Request<RequestBody>>::poll_ready(&mut self.inner, cx)
    }

    fn call(&mut self, request: Request<RequestBody>) -> TryFuture {
        let runs_long = request.extensions().get().is_some_and(Operation::runs_long);
        let sleep = (!runs_long).then(|| sleep(self.time));
        TryFuture { inner: self.inner.call(request), sleep }
    }
}

pin_project! {
    /// The answer of a try, or the end of its time.
    #[must_use = "futures do nothing unless polled"]
    pub struct TryFuture {
        #[pin]
        inner: <Carrier as Service<Request<RequestBody>>>::Future,
        #[pin]
        sleep: Option<Sleep>,
    }
}

impl Future for TryFuture {
    type Output = Result<Response<TryBody>, TransportError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        match (this.inner.poll(cx), this.sleep.as_mut().as_pin_mut()) {
            (Poll::Pending, Some(sleep)) => sleep.poll(cx).map(|()| Err(TransportError::new(TimedOut))),
            (polled, _) => {
                let sleep = this.sleep.as_ref().get_ref().as_ref().map(|sleep| sleep_until(sleep.deadline()));
                polled.map_ok(|answer| answer.map(|inner| TryBody { inner, sleep }))
            }
        }
    }
}

pin_project! {
    /// The body of the answer of a try, or the end of its time.
    pub struct TryBody {
        #[pin]
        inner: ResponseBody,
        #[pin]
        sleep: Option<Sleep>,
    }
}

impl Body for TryBody {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        let this = self.project();
        match (this.inner.poll_frame(cx), this.sleep.as_pin_mut()) {
            (Poll::Pending, Some(sleep)) => sleep.poll(cx).map(|()| Some(Err(TransportError::new(TimedOut)))),
            (polled, _) => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl fmt::Debug for TryBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryBody").finish_non_exhaustive()
    }
}

impl fmt::Debug for TryFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryFuture").finish_non_exhaustive()
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
