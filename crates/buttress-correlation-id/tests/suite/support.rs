//! Probes that several tests share.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use buttress_core::CorrelationId;
use http::{Request, Response};
use tower::{Service, ServiceExt, service_fn};
use tracing::{
    Dispatch, Event, Metadata, Subscriber,
    dispatcher::{self, DefaultGuard},
    field::{Field, Visit},
    span,
    subscriber::NoSubscriber,
};

/// The parts of a request, to look at after it has gone.
pub(crate) type Seen = http::request::Parts;

/// Answers with what it got.
pub(crate) async fn echo(request: Request<()>) -> Result<Response<Seen>, Infallible> {
    Ok(Response::new(request.into_parts().0))
}

/// What a service below `layer` gets of a request, and the headers of the answer.
pub(crate) async fn through<L>(layer: &L, request: Request<()>) -> (Seen, http::HeaderMap)
where
    L: tower::Layer<Echo>,
    L::Service: Service<Request<()>, Response = Response<buttress_core::Body<Seen>>, Error = Infallible>,
{
    let seen = Arc::new(Mutex::new(None));
    let response = layer.layer(Echo(seen.clone())).oneshot(request).await.unwrap();
    let seen = seen.lock().unwrap().take().expect("the request came as far as the service");
    (seen, response.into_parts().0.headers)
}

/// Keeps what it got.
#[derive(Clone)]
pub(crate) struct Echo(pub(crate) Arc<Mutex<Option<Seen>>>);

impl Service<Request<()>> for Echo {
    type Response = Response<Seen>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Seen>, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let parts = request.into_parts().0;
        *self.0.lock().unwrap() = Some(parts.clone());
        std::future::ready(Ok(Response::new(parts)))
    }
}

pub(crate) fn id(text: &str) -> CorrelationId {
    text.parse().unwrap()
}

/// A service that a test spells out as an async closure.
pub(crate) fn service<F, Fut, B, E>(
    handle: F,
) -> impl Service<Request<()>, Response = Response<B>, Error = E, Future = Fut> + Clone
where
    F: FnMut(Request<()>) -> Fut + Clone,
    Fut: Future<Output = Result<Response<B>, E>>,
{
    service_fn(handle)
}

/// Subscribers that want nothing, for as long as the process runs.
///
/// While there are fewer than two, a span or an event that is first met on a thread without one is off for all threads.
static OTHERS: LazyLock<[Dispatch; 2]> =
    LazyLock::new(|| [NoSubscriber::new(), NoSubscriber::new()].map(Dispatch::new));

/// What was logged: spans and events with their fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    next: AtomicU64,
    spans: Mutex<BTreeMap<u64, Line>>,
    entered: Mutex<Vec<u64>>,
    events: Mutex<Vec<Line>>,
}

/// A span or an event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) level: String,
    pub(crate) fields: BTreeMap<String, String>,
    /// The name of the innermost span around.
    pub(crate) within: Option<String>,
}

impl Log {
    /// Keeps what is logged on this thread, until the guard goes.
    pub(crate) fn keep(&self) -> DefaultGuard {
        LazyLock::force(&OTHERS);
        dispatcher::set_default(&self.clone().into())
    }

    pub(crate) fn spans(&self) -> Vec<Line> {
        self.0.spans.lock().unwrap().values().cloned().collect()
    }

    pub(crate) fn events(&self) -> Vec<Line> {
        self.0.events.lock().unwrap().clone()
    }

    /// Everything that was logged, as one text.
    pub(crate) fn text(&self) -> String {
        format!("{:?} {:?}", self.spans(), self.events())
    }

    fn within(&self) -> Option<String> {
        let entered = self.0.entered.lock().unwrap().last().copied()?;
        Some(self.0.spans.lock().unwrap()[&entered].name.clone())
    }

    fn line(&self, metadata: &Metadata<'_>) -> Line {
        let (name, level) = (metadata.name().to_owned(), metadata.level().to_string());
        Line { name, level, fields: BTreeMap::new(), within: self.within() }
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("buttress_correlation_id") || metadata.target() == "handler"
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed) + 1;
        let mut line = self.line(attributes.metadata());
        attributes.record(&mut line);
        self.0.spans.lock().unwrap().insert(id, line);
        span::Id::from_u64(id)
    }

    fn record(&self, span: &span::Id, values: &span::Record<'_>) {
        values.record(self.0.spans.lock().unwrap().get_mut(&span.into_u64()).unwrap());
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = self.line(event.metadata());
        event.record(&mut line);
        self.0.events.lock().unwrap().push(line);
    }

    fn enter(&self, span: &span::Id) {
        self.0.entered.lock().unwrap().push(span.into_u64());
    }

    fn exit(&self, span: &span::Id) {
        let exited = self.0.entered.lock().unwrap().pop();
        assert_eq!(exited, Some(span.into_u64()), "spans are left in the order they were entered");
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name().to_owned(), value.to_owned());
    }
}
