use std::{convert::Infallible, pin::pin};

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use tower_service::Service;
use tracing::warn;

use super::{connection::Connections, listener::accept};
use crate::Gateway;

/// Serves a stack over HTTP/1.1 and HTTP/2 (by prior knowledge: h2c) until `shutdown` is cancelled, then drains: no new
/// connections, running requests finish, event streams end at the border of an event. What has not finished within the
/// grace time is cut off.
///
/// A connection that does not send a whole head of a request in time is closed: `header_timeout` of the settings. Each
/// request carries the address of its peer as [`PeerAddr`](buttress_core::PeerAddr).
///
/// # Cancel safety
///
/// Dropping it closes the listener and cuts every connection off.
pub async fn serve<S, B>(listener: TcpListener, gateway: Gateway, stack: S, shutdown: CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    B::Data: Send,
{
    let settings = gateway.settings();
    let (graceful, mut tasks) = (GracefulShutdown::new(), JoinSet::new());
    let connections = Connections::new(stack, settings.header_timeout);
    let mut stopped = pin!(shutdown.cancelled());
    loop {
        tokio::select! {
            () = &mut stopped => break,
            (stream, peer) = accept(&listener) => {
                tasks.spawn(connections.clone().serve(stream, peer, graceful.watcher()));
            }
            Some(_) = tasks.join_next() => {}
        }
    }
    drop(listener);
    gateway.drain();
    let drained = async {
        graceful.shutdown().await;
        gateway.stop().await;
    };
    if timeout(settings.shutdown_grace, drained).await.is_err() {
        warn!("grace_is_over");
    }
}
