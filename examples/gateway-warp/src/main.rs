//! The example gateway for pictures and videos, on warp: `cargo run --release -p gateway-warp`.

mod filters;
mod handlers;
mod routes;

use std::process::ExitCode;

use buttress_correlation_id::CorrelationLayer;
use buttress_envelope::EnvelopeLayer;
use buttress_request_log::{Record, RequestLogLayer};
use gateway_common::{Gateway, ReportLayer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;

fn main() -> ExitCode {
    gateway_common::run(serve)
}

/// Serves until `shutdown` is cancelled, then drains; see [`gateway_common::serve`].
///
/// The whole stack, outermost first: correlation id, reports, request log, envelope, who it is, limits, idempotency,
/// heartbeats of event streams, routes. `warp::serve` has no place for layers: a filter that is made a service stands below
/// them like any other.
pub async fn serve(listener: TcpListener, gateway: Gateway, shutdown: CancellationToken) {
    let identifying = gateway.clone();
    let stack = ServiceBuilder::new()
        .layer(CorrelationLayer::new())
        .layer(ReportLayer)
        .layer(RequestLogLayer::new().level_by(Record::severity))
        .layer(EnvelopeLayer::new().mode(gateway.settings().envelope))
        .map_request(move |request| identifying.identify(request))
        .layer(gateway.limits())
        .layer(gateway.idempotency())
        .layer(gateway.heartbeats())
        .map_request(filters::keep_extensions)
        .map_request(filters::with_a_path)
        .service(warp::service(routes::routes(&gateway)));
    gateway_common::serve(listener, gateway, stack, shutdown).await;
}
