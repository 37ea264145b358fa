use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use buttress_core::{Body, CorrelationId, Problem};
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{BoxError, telemetry, walk::problem_of};

type Map = dyn Fn(&BoxError) -> Option<Problem> + Send + Sync;

/// Makes answers of the errors of services: of time-outs, load shedding, buffers, body limits and whatever else.
///
/// Lies between an [`Envelope`](crate::Envelope) and layers whose errors are boxed. An error is logged and becomes the
/// [`Problem`] that [`problem_of`] finds, as `application/problem+json` and as an extension that the envelope
/// renders.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use buttress_envelope::{AnswerErrorsLayer, EnvelopeLayer};
/// use tower::{ServiceBuilder, timeout::TimeoutLayer};
///
/// let stack = ServiceBuilder::new()
///     .layer(EnvelopeLayer::new())
///     .layer(AnswerErrorsLayer::new())
///     .layer(TimeoutLayer::new(Duration::from_secs(30)));
/// ```
#[must_use]
#[derive(Clone, Default)]
pub struct AnswerErrorsLayer {
    map: Option<Arc<Map>>,
}

impl AnswerErrorsLayer {
    /// A layer that knows the errors that [`problem_of`] knows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks `map` first, for errors of the caller's own; `None` leaves them to [`problem_of`].
    pub fn map(mut self, map: impl Fn(&BoxError) -> Option<Problem> + Send + Sync + 'static) -> Self {
        self.map = Some(Arc::new(map));
        self
    }
}

impl fmt::Debug for AnswerErrorsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerErrorsLayer").field("map", &self.map.is_some()).finish()
    }
}

impl<S> Layer<S> for AnswerErrorsLayer {
    type Service = AnswerErrors<S>;

    fn layer(&self, inner: S) -> AnswerErrors<S> {
        AnswerErrors { inner, layer: self.clone(), failed: None }
    }
}

/// A service whose errors are answers. Made by [`AnswerErrorsLayer`].
///
/// An error of `poll_ready` is final: from then on every call of this instance is answered with it.
///
/// # Cancel safety
///
/// A future that is dropped drops the inner one, and nothing else is left.
#[derive(Debug)]
pub struct AnswerErrors<S> {
    inner: S,
    layer: AnswerErrorsLayer,
    failed: Option<Problem>,
}

impl<S: Clone> Clone for AnswerErrors<S> {
    fn clone(&self) -> Self {
        // The clone of a service that failed may be sound: it has to say itself.
        Self { inner: self.inner.clone(), layer: self.layer.clone(), failed: None }
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for AnswerErrors<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<Body<ResB>>;
    type Error = Infallible;
    type Future = ErrorsFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.failed.is_none()
            && let Err(error) = ready!(self.inner.poll_ready(cx))
        {
            self.failed = Some(judge(&error.into(), &self.layer, None));
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let id = request.extensions().get().cloned();
        let kind = match &self.failed {
            Some(problem) => Kind::Failed { problem: Some(problem.clone()) },
            None => Kind::Calling { future: self.inner.call(request), layer: self.layer.clone() },
        };
        ErrorsFuture { kind, id }
    }
}

fn judge(error: &BoxError, layer: &AnswerErrorsLayer, id: Option<&CorrelationId>) -> Problem {
    telemetry::cause("service_failed", error, id);
    let own = layer.map.as_ref().and_then(|map| map(error));
    own.unwrap_or_else(|| problem_of(&**error))
}

pin_project! {
    /// The answer of a service, or of its error.
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct ErrorsFuture<F> {
        #[pin]
        kind: Kind<F>,
        id: Option<CorrelationId>,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind<F> {
        Calling { #[pin] future: F, layer: AnswerErrorsLayer },
        Failed { problem: Option<Problem> },
    }
}

impl<F, B, E> Future for ErrorsFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<Body<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let problem = match this.kind.project() {
            KindProj::Calling { future, layer } => match ready!(future.poll(cx)) {
                Ok(response) => return Poll::Ready(Ok(response.map(Body::inner))),
                Err(error) => judge(&error.into(), layer, this.id.as_ref()),
            },
            KindProj::Failed { problem } => problem.take().expect("not polled again after it was ready"),
        };
        Poll::Ready(Ok(problem.into_response(this.id.as_ref())))
    }
}
