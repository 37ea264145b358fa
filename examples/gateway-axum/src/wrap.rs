use std::{any::Any, panic::AssertUnwindSafe};

use axum::{
    body::Body,
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
use buttress_core::{CorrelationId, Problem};
use futures_util::FutureExt;
use gateway_common::{correlation_id, failure, failure_of_status, internal, request_finished};
use http::{
    HeaderMap,
    header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE},
};
use tokio::time::Instant;
use tracing::{Instrument, error, info, info_span};

/// Gives every request a correlation id, and every failure the same shape: a problem of a handler, a bare status of
/// the router, and a panic alike.
pub(crate) async fn wrap(mut request: Request, next: Next) -> Response {
    let (started, id) = (Instant::now(), correlation_id(request.headers()));
    let (method, accept) = (request.method().clone(), accepted(request.headers()));
    let route = request.extensions().get::<MatchedPath>().map_or("none".to_owned(), |path| path.as_str().to_owned());
    let span = info_span!("request", correlation_id = %id, %method, route);
    request.extensions_mut().insert(id.clone());
    let answer = async {
        let outcome = AssertUnwindSafe(next.run(request)).catch_unwind().await;
        let mut response =
            outcome.map_or_else(|panic| panicked(panic.as_ref(), &id, &accept), |r| shaped(r, &id, &accept));
        response.headers_mut().insert(CorrelationId::HEADER, id.to_header_value());
        let took = started.elapsed();
        info!(status = response.status().as_u16(), took_ms = took.as_millis(), "answered");
        request_finished(&route, &method, response.status(), took);
        response
    };
    answer.instrument(span).await
}

fn accepted(headers: &HeaderMap) -> HeaderMap {
    headers.get_all(ACCEPT).iter().map(|value| (ACCEPT, value.clone())).collect()
}

/// A failure in the shape that the caller asked for; everything else as it is.
fn shaped(response: Response, id: &CorrelationId, accept: &HeaderMap) -> Response {
    let status = response.status();
    let rendered = match response.extensions().get::<Problem>() {
        Some(problem) => failure(problem, id, accept),
        None if status.is_client_error() || status.is_server_error() => failure_of_status(status, id, accept),
        None => return response,
    };
    // Other headers stay: `Allow` of a 405, for instance.
    let (mut parts, body) = rendered.into_parts();
    let mut headers = response.headers().clone();
    headers.remove(CONTENT_LENGTH);
    headers.remove(CONTENT_TYPE);
    headers.extend(parts.headers.drain());
    parts.headers = headers;
    Response::from_parts(parts, Body::from(body))
}

fn panicked(panic: &(dyn Any + Send), id: &CorrelationId, accept: &HeaderMap) -> Response {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text");
    error!(panic = text, "handler_panicked");
    failure(&internal(), id, accept).map(Body::from)
}
