use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::timeout;
use tower_service::Service;

use crate::{BoxError, RequestBody};

/// The built-in HTTP client: hyper with rustls, HTTP/1.1 and HTTP/2, roots of the web PKI compiled in.
///
/// | | |
/// |---|---|
/// | connect | gives up after 5 s, name lookup and TLS included |
/// | idle connections | at most 32 to a host, for 60 s |
/// | TCP | no delay, keep-alive after 30 s |
/// | redirects | not followed: the token goes to no other host |
///
/// It is always ready. A clone shares its connections.
#[derive(Clone)]
pub struct Transport(Client<Hurried<HttpsConnector<HttpConnector>>, RequestBody>);

const CONNECT: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(60);
const MAX_IDLE: usize = 32;
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

impl Transport {
    /// A client without a connection yet.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub fn new() -> Result<Self, TransportError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEP_ALIVE));
        let tls = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .map_err(TransportError::new)?;
        let connector = tls.https_or_http().enable_all_versions().wrap_connector(tcp);
        let connector = Hurried(connector);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MAX_IDLE)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .build(connector);
        Ok(Self(client))
    }
}

impl Service<Request<RequestBody>> for Transport {
    type Response = Response<ResponseBody>;
    type Error = TransportError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        self.0.poll_ready(cx).map_err(TransportError::new)
    }

    fn call(&mut self, request: Request<RequestBody>) -> ResponseFuture {
        ResponseFuture(self.0.call(request))
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

/// A connector that gives up, whatever it waits for. What it gives up has provably sent nothing, which could not be
/// said of a call that is still connecting when its own time is over.
#[derive(Clone)]
struct Hurried<C>(C);

impl<C> Service<Uri> for Hurried<C>
where
    C: Service<Uri, Error: Into<BoxError>, Future: Send + 'static>,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let connected = timeout(CONNECT, self.0.call(target));
        Box::pin(async move { connected.await?.map_err(Into::into) })
    }
}

/// The answer to come of a [`Transport`].
///
/// # Cancel safety
///
/// Dropped, it breaks the request off; the server may have taken it all the same.
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture(legacy::ResponseFuture);

impl Future for ResponseFuture {
    type Output = Result<Response<ResponseBody>, TransportError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = Pin::new(&mut self.0).poll(cx);
        answer.map_ok(|response| response.map(ResponseBody)).map_err(TransportError::new)
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// The body of an answer, as it arrives.
#[derive(Debug)]
pub struct ResponseBody(Incoming);

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        let frame = Pin::new(&mut self.0).poll_frame(cx);
        frame.map(|frame| frame.map(|frame| frame.map_err(TransportError::new)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// An exchange failed; the cause is its source.
#[derive(Debug)]
pub struct TransportError(BoxError);

impl TransportError {
    pub(crate) fn new(cause: impl Into<BoxError>) -> Self {
        Self(cause.into())
    }

    /// Whether there was no connection at all, so that nothing was sent.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        self.0.downcast_ref().is_some_and(legacy::Error::is_connect)
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_connect() { "no connection" } else { "the HTTP exchange failed" })
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
