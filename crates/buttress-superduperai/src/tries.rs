//! One try of a call, and the time it has.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use buttress_correlation_id::{Outbound, OutboundLayer};
use http::{Request, Response};
use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower_layer::Layer;
use tower_service::Service;

use crate::{Operation, RequestBody, Resilience, ResponseBody, Transport, TransportError};

type Carrier = Outbound<Transport>;

/// Single tries over a [`Transport`], below everything that watches tries: the time of one try, and the correlation id of
/// the current scope on it.
///
/// A try that has no answer in time is given up with an error, so that it counts as one. Events and uploads run long, and
/// have times of their own.
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
    type Response = Response<ResponseBody>;
    type Error = TransportError;
    type Future = TryFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Service::<Request<RequestBody>>::poll_ready(&mut self.inner, cx)
    }

    fn call(&mut self, request: Request<RequestBody>) -> TryFuture {
        let runs_long = request.extensions().get().is_some_and(Operation::runs_long);
        let sleep = (!runs_long).then(|| tokio::time::sleep(self.time));
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
    type Output = Result<Response<ResponseBody>, TransportError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match (this.inner.poll(cx), this.sleep.as_pin_mut()) {
            (Poll::Pending, Some(sleep)) => sleep.poll(cx).map(|()| Err(TransportError::new(TimedOut))),
            (polled, _) => polled,
        }
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
