//! The example gateway for pictures and videos, on axum: `cargo run --release -p gateway-axum`.

mod extract;
mod routes;

use std::{future::ready, mem, process::ExitCode};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    middleware::{map_request, map_request_with_state},
    routing::{get, post},
};
use buttress_core::Notes;
use buttress_correlation_id::CorrelationLayer;
use buttress_envelope::EnvelopeLayer;
use buttress_request_log::{Record, RequestLogLayer};
use gateway_common::{Gateway, ReportLayer};
use http::Uri;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::util::MapRequest;

fn main() -> ExitCode {
    gateway_common::run(serve)
}

/// The whole stack, outermost first: correlation id, reports, request log, envelope, who it is, limits, idempotency,
/// heartbeats of event streams, routes.
fn app(gateway: Gateway) -> Router {
    let identify = |State(gateway): State<Gateway>, request: Request| ready(gateway.identify(request));
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
        .route("/openapi.json", get(routes::openapi))
        .route("/healthz", get(routes::health))
        .route("/metrics", get(routes::metrics))
        .layer(gateway.heartbeats())
        .layer(gateway.idempotency())
        .layer(gateway.limits())
        .layer(map_request_with_state(gateway.clone(), identify))
        .layer(EnvelopeLayer::new().mode(gateway.settings().envelope))
        .layer(map_request(route))
        .layer(RequestLogLayer::new().level_by(Record::severity))
        .layer(ReportLayer)
        .layer(CorrelationLayer::new())
        .with_state(gateway)
}

/// Serves until `shutdown` is cancelled, then drains; see [`gateway_common::serve`].
///
/// The loop that accepts connections is the one of all hosts, not `axum::serve`, which waits for ever for the end of a
/// request's head.
pub async fn serve(listener: TcpListener, gateway: Gateway, shutdown: CancellationToken) {
    let stack = MapRequest::new(app(gateway.clone()), addressed);
    gateway_common::serve(listener, gateway, stack, shutdown).await;
}

/// Routes of axum take an empty segment for a name. Such an address is none, whatever the method: it is cut off after that
/// segment, and no route ends so.
fn addressed<B>(mut request: http::Request<B>) -> http::Request<B> {
    if let Some((before, _)) = request.uri().path().split_once("//") {
        let path = format!("{before}//").parse().expect("the beginning of a path is one");
        let mut uri = mem::take(request.uri_mut()).into_parts();
        uri.path_and_query = Some(path);
        *request.uri_mut() = Uri::from_parts(uri).expect("only its path is another");
    }
    request
}

/// The layers of the kit read the route from the notes of the request.
async fn route(request: Request) -> Request {
    let extensions = request.extensions();
    if let (Some(path), Some(notes)) = (extensions.get::<MatchedPath>(), Notes::of(extensions)) {
        notes.write(|noted| noted.route = Some(path.as_str().to_owned().into()));
    }
    request
}
