use std::{
    sync::Arc,
    task::{Context, Poll},
};

use buttress_core::CorrelationId;
use http::{HeaderName, Request};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    baggage::{BAGGAGE, Baggage},
    current::{current, current_baggage, with_current},
    generate::{MakeCorrelationId, UuidV7},
    trace_context::TraceContext,
    trace_state::{InvalidTraceState, TraceState},
};

/// Sets id and trace on calls that leave (COR-2, COR-13).
///
/// Put it innermost in a client's stack, below retries: each attempt is then a child of its own in the same trace.
///
/// # Examples
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use std::convert::Infallible;
/// use buttress_correlation_id::{OutboundLayer, scope};
/// use http::{Request, Response};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// // In place of a connection: a service that gives back the headers it got.
/// let echo = service_fn(async |request: Request<()>| Ok::<_, Infallible>(Response::new(request.into_parts().0.headers)));
/// let client = ServiceBuilder::new().layer(OutboundLayer::new()).service(echo);
///
/// let id = "order-42".parse().expect("letters, digits and -");
/// let sent = scope(id, client.oneshot(Request::new(()))).await?.into_body();
/// assert_eq!(sent["x-correlation-id"], "order-42");
/// assert!(sent.contains_key("traceparent"));
/// # Ok::<_, Infallible>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct OutboundLayer<M = UuidV7> {
    header: HeaderName,
    member: Option<Arc<(String, String)>>,
    baggage: bool,
    make: Option<M>,
}

impl OutboundLayer {
    /// The layer with its defaults: id and trace of the request's extensions, else of the current scope, else none.
    pub fn new() -> Self {
        Self { header: CorrelationId::HEADER, member: None, baggage: false, make: None }
    }
}

impl Default for OutboundLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<M> OutboundLayer<M> {
    /// The header that carries the id. `x-correlation-id` unless said otherwise.
    pub fn header(self, name: HeaderName) -> Self {
        Self { header: name, ..self }
    }

    /// Sets this member at the left of each `tracestate`: the place of this system in the trace (COR-3).
    ///
    /// # Errors
    ///
    /// When the key or the value is outside the grammar of [`TraceState`].
    pub fn trace_state_member(self, key: &str, value: &str) -> Result<Self, InvalidTraceState> {
        TraceState::new(key, value)?;
        Ok(Self { member: Some(Arc::new((key.to_owned(), value.to_owned()))), ..self })
    }

    /// Whether [`Baggage`] of the request's extensions, else of the current scope, leaves with the call (COR-6).
    /// Off unless said otherwise: say so for clients of hosts that may know it.
    pub fn baggage(self, baggage: bool) -> Self {
        Self { baggage, ..self }
    }

    /// Makes an id, and begins a trace, for calls that have none. Off unless said otherwise.
    ///
    /// Each attempt of a retry is such a call: run the whole in a [`scope`](crate::scope) to give them one id.
    pub fn or_make<N: MakeCorrelationId>(self, make: N) -> OutboundLayer<N> {
        OutboundLayer { header: self.header, member: self.member, baggage: self.baggage, make: Some(make) }
    }
}

impl<M: MakeCorrelationId> OutboundLayer<M> {
    /// Writes into the headers what is known of the call, in place of what is there.
    fn stamp<B>(&self, request: &mut Request<B>) {
        if let Some(id) = self.id(request) {
            request.headers_mut().insert(self.header.clone(), id.to_header_value());
        }
        if let Some(trace) = self.child(request) {
            trace.write(request.headers_mut());
        }
        if self.baggage {
            let given = request.extensions().get::<Baggage>().cloned();
            if let Some(baggage) = given.or_else(current_baggage) {
                request.headers_mut().insert(BAGGAGE, baggage.to_header_value());
            }
        }
    }

    fn id<B>(&self, request: &Request<B>) -> Option<CorrelationId> {
        let given = request.extensions().get::<CorrelationId>().cloned();
        given.or_else(current).or_else(|| self.make.as_ref().map(M::make_correlation_id))
    }

    fn child<B>(&self, request: &Request<B>) -> Option<TraceContext> {
        let child = match request.extensions().get::<TraceContext>() {
            Some(trace) => Some(trace.child()),
            None => with_current(|current| current.trace().child()),
        };
        let child = child.or_else(|| self.make.as_ref().map(|_| TraceContext::begin()))?;
        Some(match self.member.as_deref() {
            Some((key, value)) => with_member(child, key, value),
            None => child,
        })
    }
}

fn with_member(trace: TraceContext, key: &str, value: &str) -> TraceContext {
    let state = match trace.state() {
        Some(state) => state.with(key, value),
        None => TraceState::new(key, value),
    };
    trace.with_state(Some(state.expect("the member was checked when it was set")))
}

impl<S, M: Clone> Layer<S> for OutboundLayer<M> {
    type Service = Outbound<S, M>;

    fn layer(&self, inner: S) -> Self::Service {
        Outbound { inner, layer: self.clone() }
    }
}

/// Sets id and trace on calls that leave: made by [`OutboundLayer`].
///
/// # Cancel safety
///
/// As safe as the service below, whose future it returns.
#[derive(Clone, Debug)]
pub struct Outbound<S, M = UuidV7> {
    inner: S,
    layer: OutboundLayer<M>,
}

impl<S, M> Outbound<S, M> {
    /// The service below.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service below, to be changed.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The service below, alone.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, M, ReqBody> Service<Request<ReqBody>> for Outbound<S, M>
where
    S: Service<Request<ReqBody>>,
    M: MakeCorrelationId,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        self.layer.stamp(&mut request);
        self.inner.call(request)
    }
}
