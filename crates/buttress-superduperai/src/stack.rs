use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use buttress_circuit_breaker::{self as breaker, Breaker, ByStatus};
use buttress_core::{Body, Problem};
use buttress_retry::{Outcome, Policy, Repeat, ReplayBody, Reread, Retry, RetryLayer, Verdict};
use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{Operation, RequestBody, Resilience, Transport, TransportError, Tries, error::never_left};

type Tried<S> = Retry<Breaker<Replayed<S>, ByStatus>, Calls>;
type TriedBody<B> = Body<Reread<breaker::ResponseBody<B>>>;

/// The default stack: calls are tried again where that is safe and useful, and not made to a provider that is down.
///
/// Outermost first: retry, circuit breaker, then what [`over`](Self::over) is given: by default [`Tries`] alone, so the
/// time of one try, the correlation id of the current scope, the transport. Every try counts for the breaker, and one
/// that takes too long counts as a failure.
///
/// - **Looks** (status, models, lookups) are tried again after no answer in time, a broken connection, 408, 429, 500, 502,
///   503, 504 and 520 to 524, as `buttress-retry` says.
/// - **Creations** are tried again only if they provably never left: there was no connection. They are looked up by the
///   adapter where they are in doubt.
/// - **While the breaker is open** nothing is sent, and nothing waits for it: the refusal comes back at once, as
///   [`LocalRefusal`](crate::LocalRefusal).
/// - **Events and uploads** go past retry and breaker: they run long, and each of them has times of its own.
///
/// # Cancel safety
///
/// A call that is dropped is broken off, and not tried again; the provider may have taken it all the same.
#[derive(Clone)]
pub struct Stack<S = Tries> {
    direct: S,
    tried: Tried<S>,
}

impl Stack {
    /// A stack over a transport.
    pub fn new(transport: Transport, resilience: &Resilience) -> Self {
        Self::over(Tries::new(transport, resilience), resilience)
    }
}

impl<S: Clone> Stack<S> {
    /// Retry and circuit breaker over [`Tries`] that have layers of your own around them: a throttle for instance, whose
    /// waits then belong to no try and count for no failure.
    pub fn over(tries: S, resilience: &Resilience) -> Self {
        let retry = RetryLayer::new()
            .policy(Calls)
            .attempts(resilience.attempts)
            .backoff(resilience.full())
            .throttled_backoff(resilience.throttled())
            .budget(resilience.budget.clone());
        let tried = retry.layer(resilience.breaker.layer(Replayed(tries.clone())));
        Self { direct: tries, tried }
    }
}

impl<S, B> Service<Request<RequestBody>> for Stack<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = TransportError> + Clone,
    B: HttpBody<Data = Bytes>,
{
    type Response = Response<StackBody<B>>;
    type Error = TransportError;
    type Future = StackFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        // Which of the two it will be is not known yet. One place for each call is asked for, and not two.
        Service::<Request<RequestBody>>::poll_ready(&mut self.tried, cx)
    }

    fn call(&mut self, request: Request<RequestBody>) -> StackFuture<S, B> {
        let runs_long = request.extensions().get().is_some_and(Operation::runs_long);
        let kind = if runs_long {
            // Gives the place back that was kept for a call that is tried.
            self.tried = self.tried.clone();
            FutureKind::Waiting { service: self.direct.clone(), request: Some(request) }
        } else {
            FutureKind::Tried { future: self.tried.call(request) }
        };
        StackFuture { kind }
    }
}

impl<S> fmt::Debug for Stack<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").finish_non_exhaustive()
    }
}

/// Turns the body of a try into one that carriers know.
#[derive(Clone, Debug)]
struct Replayed<S>(S);

impl<S: Service<Request<RequestBody>>> Service<Request<ReplayBody<RequestBody>>> for Replayed<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReplayBody<RequestBody>>) -> S::Future {
        let carried = |body: ReplayBody<RequestBody>| {
            if body.is_end_stream() { RequestBody::empty() } else { RequestBody::stream(body) }
        };
        self.0.call(request.map(carried))
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
    pub struct StackFuture<S, B>
    where
        S: Service<Request<RequestBody>, Response = Response<B>, Error = TransportError>,
        S: Clone,
        B: HttpBody<Data = Bytes>,
    {
        #[pin]
        kind: FutureKind<S, S::Future, <Tried<S> as Service<Request<RequestBody>>>::Future>,
    }
}

pin_project! {
    #[project = FutureProj]
    enum FutureKind<S, D, T> {
        Waiting { service: S, request: Option<Request<RequestBody>> },
        Direct { #[pin] future: D },
        Tried { #[pin] future: T },
    }
}

impl<S, B> Future for StackFuture<S, B>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = TransportError> + Clone,
    B: HttpBody<Data = Bytes>,
{
    type Output = Result<Response<StackBody<B>>, TransportError>;

    // Waiting → Direct
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut kind = self.project().kind;
        loop {
            let direct = match kind.as_mut().project() {
                FutureProj::Waiting { service, request } => {
                    ready!(service.poll_ready(cx))?;
                    service.call(request.take().expect("what waits has its request"))
                }
                FutureProj::Direct { future } => {
                    let answer = future.poll(cx);
                    return answer.map_ok(|answer| answer.map(|body| StackBody { kind: BodyKind::Direct { body } }));
                }
                FutureProj::Tried { future } => {
                    let answer = future.poll(cx);
                    return answer.map_ok(|answer| answer.map(|body| StackBody { kind: BodyKind::Tried { body } }));
                }
            };
            kind.set(FutureKind::Direct { future: direct });
        }
    }
}

impl<S, B> fmt::Debug for StackFuture<S, B>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = TransportError> + Clone,
    B: HttpBody<Data = Bytes>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackFuture").finish_non_exhaustive()
    }
}

pin_project! {
    /// The body of an answer of a [`Stack`], as it arrives.
    pub struct StackBody<B>
    where
        B: HttpBody<Data = Bytes>,
    {
        #[pin]
        kind: BodyKind<B, TriedBody<B>>,
    }
}

pin_project! {
    #[project = BodyProj]
    enum BodyKind<D, T> {
        Direct { #[pin] body: D },
        Tried { #[pin] body: T },
    }
}

impl<B: HttpBody<Data = Bytes>> HttpBody for StackBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
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

impl<B: HttpBody<Data = Bytes>> fmt::Debug for StackBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackBody").finish_non_exhaustive()
    }
}
