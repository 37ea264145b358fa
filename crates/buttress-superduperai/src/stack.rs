use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use buttress_circuit_breaker::{self as breaker, Breaker, ByStatus};
use buttress_core::{Body, Problem};
use buttress_correlation_id::{Outbound, OutboundLayer};
use buttress_retry::{Outcome, Policy, Repeat, Reread, Retry, RetryLayer, Verdict};
use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    Operation, RequestBody, Resilience, ResponseBody, Transport, TransportError, error::never_left, timed::Timed,
};

type Carrier = Outbound<Transport>;
type Tried = Retry<Breaker<Timed<Carrier>, ByStatus>, Calls>;

/// The default stack: a [`Transport`] whose calls are tried again where that is safe and useful.
///
/// Outermost first: retry, circuit breaker, the time of one try, the correlation id of the current scope, the transport.
/// So every try counts for the breaker, and one that takes too long counts as a failure.
///
/// - **Looks** (status, models, lookups) are tried again after no answer in time, a broken connection, 408, 429, 500, 502,
///   503, 504 and 520 to 524, as `buttress-retry` says.
/// - **Creations** are tried again only if they provably never left: there was no connection. They are looked up by the
///   adapter where they are in doubt.
/// - **While the breaker is open** nothing is sent, and nothing waits for it: the refusal comes back at once, as
///   [`LocalRefusal`](crate::LocalRefusal).
/// - **Events and uploads** go past all of this: they run long, and each of them has times of its own.
///
/// # Cancel safety
///
/// A call that is dropped is broken off, and not tried again; the provider may have taken it all the same.
#[derive(Clone)]
pub struct Stack {
    direct: Carrier,
    tried: Tried,
}

impl Stack {
    /// A stack over a transport.
    pub fn new(transport: Transport, resilience: &Resilience) -> Self {
        let direct = OutboundLayer::new().layer(transport);
        let retry = RetryLayer::new()
            .policy(Calls)
            .attempts(resilience.attempts)
            .backoff(resilience.full())
            .throttled_backoff(resilience.throttled())
            .budget(resilience.budget.clone());
        let tried = retry.layer(resilience.breaker.layer(Timed::new(direct.clone(), resilience.attempt)));
        Self { direct, tried }
    }
}

impl Service<Request<RequestBody>> for Stack {
    type Response = Response<StackBody>;
    type Error = TransportError;
    type Future = StackFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        // Which of the two it will be is not known yet. Neither queues: a transport is always ready.
        let direct = Service::<Request<RequestBody>>::poll_ready(&mut self.direct, cx)?;
        let tried = Service::<Request<RequestBody>>::poll_ready(&mut self.tried, cx)?;
        if direct.is_ready() && tried.is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn call(&mut self, request: Request<RequestBody>) -> StackFuture {
        let kind = match request.extensions().get() {
            Some(Operation::Events | Operation::Upload) => FutureKind::Direct { future: self.direct.call(request) },
            _ => FutureKind::Tried { future: self.tried.call(request) },
        };
        StackFuture { kind }
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").finish_non_exhaustive()
    }
}

/// What of the provider's calls is tried again.
#[derive(Clone, Copy, Debug)]
struct Calls;

impl Policy<TransportError> for Calls {
    fn repeat(&self, request: &Parts) -> Repeat {
        match request.extensions.get::<Operation>() {
            Some(operation) if operation.is_paid() => Repeat::IfUnsent,
            _ => Repeat::of(request),
        }
    }

    fn judge(&self, outcome: &Outcome<'_, TransportError>) -> Verdict {
        match outcome {
            Outcome::Error(error) if never_left(*error) => Verdict::Unsent,
            // A provider that is known to be down is not waited for: whoever asked is told at once.
            Outcome::Answer(answer) if answer.extensions.get().and_then(Problem::layer) == Some("circuit_breaker") => {
                Verdict::Final
            }
            outcome => outcome.verdict(),
        }
    }
}

pin_project! {
    /// The answer to come of a [`Stack`].
    ///
    /// # Cancel safety
    ///
    /// As of the [`Stack`].
    #[must_use = "futures do nothing unless polled"]
    pub struct StackFuture {
        #[pin]
        kind: FutureKind,
    }
}

pin_project! {
    #[project = FutureProj]
    enum FutureKind {
        Direct { #[pin] future: <Carrier as Service<Request<RequestBody>>>::Future },
        Tried { #[pin] future: <Tried as Service<Request<RequestBody>>>::Future },
    }
}

impl Future for StackFuture {
    type Output = Result<Response<StackBody>, TransportError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            FutureProj::Direct { future } => {
                future.poll(cx).map_ok(|answer| answer.map(|body| StackBody { kind: BodyKind::Direct { body } }))
            }
            FutureProj::Tried { future } => {
                future.poll(cx).map_ok(|answer| answer.map(|body| StackBody { kind: BodyKind::Tried { body } }))
            }
        }
    }
}

impl fmt::Debug for StackFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackFuture").finish_non_exhaustive()
    }
}

pin_project! {
    /// The body of an answer of a [`Stack`], as it arrives.
    pub struct StackBody {
        #[pin]
        kind: BodyKind,
    }
}

pin_project! {
    #[project = BodyProj]
    enum BodyKind {
        Direct { #[pin] body: ResponseBody },
        Tried { #[pin] body: Body<Reread<breaker::ResponseBody<ResponseBody>>> },
    }
}

impl http_body::Body for StackBody {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        match self.project().kind.project() {
            BodyProj::Direct { body } => body.poll_frame(cx),
            BodyProj::Tried { body } => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            BodyKind::Direct { body } => body.is_end_stream(),
            BodyKind::Tried { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            BodyKind::Direct { body } => body.size_hint(),
            BodyKind::Tried { body } => body.size_hint(),
        }
    }
}

impl fmt::Debug for StackBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackBody").finish_non_exhaustive()
    }
}
