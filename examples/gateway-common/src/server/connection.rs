use std::{convert::Infallible, net::SocketAddr, time::Duration};

use buttress_core::PeerAddr;
use http::{HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_LENGTH};
use http_body::Body;
use http_body_util::{Either, Empty};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::Watcher},
};
use tokio::{net::TcpStream, time::sleep};
use tokio_util::sync::CancellationToken;
use tower_service::Service;
use tracing::debug;

/// How often an HTTP/2 connection without traffic is asked whether it lives, and how long it may take to say so.
const PING: Duration = Duration::from_secs(20);

/// Serves one connection after the other with clones of the same stack.
#[derive(Clone, Debug)]
pub(super) struct Connections<S> {
    stack: S,
    header_timeout: Duration,
    http: auto::Builder<TokioExecutor>,
}

impl<S> Connections<S> {
    pub(super) fn new(stack: S, header_timeout: Duration) -> Self {
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1().timer(TokioTimer::new()).header_read_timeout(header_timeout);
        http.http2().timer(TokioTimer::new()).keep_alive_interval(PING).keep_alive_timeout(PING);
        Self { stack, header_timeout, http }
    }
}

impl<S, B> Connections<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    B::Data: Send,
{
    /// Ends when the connection does: by either side, by a silence before the first request, or by the watcher.
    pub(super) async fn serve(self, stream: TcpStream, peer: SocketAddr, watcher: Watcher) {
        let Self { stack, header_timeout, http } = self;
        let arrived = CancellationToken::new();
        let first = arrived.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            first.cancel();
            answer(stack.clone(), request, peer)
        });
        let connection = watcher.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            outcome = connection => {
                if let Err(error) = outcome {
                    debug!(%error, "connection_failed");
                }
            }
            // Before hyper knows which HTTP is spoken, it waits for ever.
            () = silence(&arrived, header_timeout) => debug!("no_request_came"),
        }
    }
}

/// Ends only when no request has come in time.
async fn silence(arrived: &CancellationToken, patience: Duration) {
    tokio::select! {
        () = arrived.cancelled() => std::future::pending().await,
        () = sleep(patience) => {}
    }
}

/// One request through the stack, from a clone of it that is made ready first.
async fn answer<S, B>(
    mut stack: S,
    mut request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<Response<Either<B, Empty<B::Data>>>, Infallible>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    B: Body,
{
    let is_head = request.method() == Method::HEAD;
    request.extensions_mut().insert(PeerAddr(peer));
    std::future::poll_fn(|cx| stack.poll_ready(cx)).await?;
    let mut response = stack.call(request).await?;
    if response.status() == StatusCode::NO_CONTENT {
        // RFC 9110, 8.6: not even zero.
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    Ok(if is_head { without_body(response) } else { response.map(Either::Left) })
}

/// The answer to a HEAD: the head of the answer to the GET alone, with its length where that is known.
fn without_body<B: Body>(mut response: Response<B>) -> Response<Either<B, Empty<B::Data>>> {
    let length = response.body().size_hint().exact().filter(|length| *length > 0);
    let headers = response.headers_mut();
    // A host that has taken the body off says the length of nothing, which is not that of the GET.
    if headers.get(CONTENT_LENGTH).is_none_or(|told| told == "0") {
        headers.remove(CONTENT_LENGTH);
        headers.extend(length.map(|length| (CONTENT_LENGTH, HeaderValue::from(length))));
    }
    response.map(|_| Either::Right(Empty::new()))
}
