//! The example gateway on axum: its routes, its stack, and how it is served.

mod extract;
mod routes;

use std::{io, net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, MatchedPath, Request},
    middleware::map_request,
    routing::{get, post},
    serve::ListenerExt,
};
use buttress_core::{Notes, PeerAddr};
use buttress_correlation_id::CorrelationLayer;
use buttress_envelope::EnvelopeLayer;
use buttress_request_log::{Record, RequestLogLayer};
use gateway_common::{Gateway, ReportLayer};
use tokio::{net::TcpListener, time};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// The whole stack, outermost first: peer address, correlation id, reports, request log, envelope, heartbeats of event
/// streams, routes.
pub fn app(gateway: Gateway) -> Router {
    Router::new()
        .route("/", get(routes::page))
        .route("/assets/{name}", get(routes::asset))
        .route("/api/images", post(routes::create_image))
        .route("/api/videos", post(routes::create_video))
        .route("/api/uploads", post(routes::upload))
        .route("/api/jobs/{id}", get(routes::job))
        .route("/api/jobs/{id}/result", get(routes::result))
        .route("/api/jobs/{id}/events", get(routes::events))
        .route("/api/models", get(routes::models))
        .route("/healthz", get(routes::health))
        .route("/metrics", get(routes::metrics))
        .layer(gateway.heartbeats())
        .layer(EnvelopeLayer::new().mode(gateway.settings().envelope))
        .layer(map_request(route))
        .layer(RequestLogLayer::new().level_by(Record::severity))
        .layer(ReportLayer)
        .layer(CorrelationLayer::new())
        .layer(map_request(peer))
        .with_state(gateway)
}

/// Serves until `shutdown`, then drains: no new connections, running requests finish, event streams end at the border
/// of an event. What has not finished within the grace time is cut off.
///
/// # Errors
///
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    gateway: Gateway,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (grace, draining) = (gateway.settings().shutdown_grace, CancellationToken::new());
    let drain = {
        let (gateway, draining) = (gateway.clone(), draining.clone());
        async move {
            shutdown.await;
            gateway.drain();
            draining.cancel();
        }
    };
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            warn!(%error, "no_nodelay");
        }
    });
    let app = app(gateway.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, app).with_graceful_shutdown(drain);
    let served = async {
        let outcome = server.await;
        gateway.stop().await;
        outcome
    };
    tokio::select! {
        outcome = served => outcome,
        () = grace_over(draining, grace) => {
            warn!("grace_is_over");
            Ok(())
        }
    }
}

async fn grace_over(draining: CancellationToken, grace: Duration) {
    draining.cancelled().await;
    time::sleep(grace).await;
}

/// The layers of the kit read the route from the notes of the request.
async fn route(request: Request) -> Request {
    let extensions = request.extensions();
    if let (Some(path), Some(notes)) = (extensions.get::<MatchedPath>(), extensions.get::<Notes>()) {
        notes.write(|noted| noted.route = Some(path.as_str().to_owned().into()));
    }
    request
}

/// The layers of the kit read the peer's address from an extension of their own.
async fn peer(mut request: Request) -> Request {
    if let Some(ConnectInfo(addr)) = request.extensions().get::<ConnectInfo<SocketAddr>>().copied() {
        request.extensions_mut().insert(PeerAddr(addr));
    }
    request
}
