//! Errors and what came before them, sent to Sentry.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use buttress_config::{ExposeSecret, SecretString};
use buttress_core::CorrelationId;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use sentry::{ClientInitGuard, ClientOptions, Hub, types::Dsn};
use tower_layer::Layer;
use tower_service::Service;
use tracing::Subscriber;
use tracing_subscriber::{Layer as _, filter::LevelFilter, registry::LookupSpan};

/// Sends errors to Sentry for as long as this lives, and what is left when it is dropped.
#[must_use = "nothing is sent once it is dropped"]
pub struct Reports {
    client: Option<ClientInitGuard>,
}

impl Reports {
    /// Starts to send, if there is an address, whose form the settings have checked.
    pub(crate) fn start(dsn: Option<&SecretString>) -> Self {
        let options =
            |dsn: &SecretString| ClientOptions::new().dsn(dsn.expose_secret()).maybe_release(sentry::release_name!());
        Self { client: dsn.map(|dsn| sentry::init(options(dsn))) }
    }
}

impl fmt::Debug for Reports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reports").field("sent", &self.client.is_some()).finish()
    }
}

/// Whether a text is the address of a Sentry project. What is wrong with it is told without it: it holds a key.
pub(crate) fn dsn(text: SecretString) -> Result<SecretString, &'static str> {
    match text.expose_secret().parse::<Dsn>() {
        Ok(_) => Ok(text),
        Err(_) => Err("it is the address of a Sentry project: https://KEY@HOST/ID"),
    }
}

/// Lines of level `ERROR` become events, those of `WARN` and `INFO` the breadcrumbs of the next event.
pub(crate) fn layer<S>() -> impl tracing_subscriber::Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    // A span that Sentry follows would lose, at every poll, the breadcrumbs of the one before.
    sentry_tracing::layer().span_filter(|_| false).with_filter(LevelFilter::INFO)
}

/// Gives each request a hub of its own, so that its events carry its breadcrumbs and its correlation id, and nobody
/// else's. Belongs outside of the request log, and inside of the correlation id. Costs next to nothing without a DSN.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReportLayer;

impl<S> Layer<S> for ReportLayer {
    type Service = Report<S>;

    fn layer(&self, inner: S) -> Report<S> {
        Report { inner }
    }
}

/// The service of a [`ReportLayer`].
#[derive(Clone, Debug)]
pub struct Report<S> {
    inner: S,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Report<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Response = Response<ReportBody<ResB>>;
    type Error = S::Error;
    type Future = ReportFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let hub = hub_for(request.extensions().get());
        let inner = within(hub.as_ref(), || self.inner.call(request));
        ReportFuture { inner, hub }
    }
}

/// `None` where nothing is sent.
fn hub_for(id: Option<&CorrelationId>) -> Option<Arc<Hub>> {
    Hub::main().client()?;
    let hub = Hub::new_from_top(Hub::main());
    hub.configure_scope(|scope| {
        // Those of the process and of its jobs.
        scope.clear_breadcrumbs();
        if let Some(id) = id {
            scope.set_tag("correlation_id", id);
        }
    });
    Some(Arc::new(hub))
}

fn within<T>(hub: Option<&Arc<Hub>>, work: impl FnOnce() -> T) -> T {
    match hub {
        Some(hub) => Hub::run(hub.clone(), work),
        None => work(),
    }
}

pin_project! {
    /// The future of a [`Report`].
    #[derive(Debug)]
    pub struct ReportFuture<F> {
        #[pin]
        inner: F,
        hub: Option<Arc<Hub>>,
    }
}

impl<F, B, E> Future for ReportFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ReportBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = within(this.hub.as_ref(), || this.inner.poll(cx));
        let response = ready!(polled)?;
        Poll::Ready(Ok(response.map(|inner| ReportBody { inner, hub: this.hub.take() })))
    }
}

pin_project! {
    /// The body of an answer: the line of its request is written when it ends, and belongs to the same hub.
    #[derive(Debug)]
    pub struct ReportBody<B> {
        #[pin]
        inner: B,
        hub: Option<Arc<Hub>>,
    }
}

impl<B: Body<Data = Bytes>> Body for ReportBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        within(this.hub.as_ref(), || this.inner.poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
