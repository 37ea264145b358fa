//! `GET /api/v1/events/{channel}`

use axum::{
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};

use super::Shared;
use crate::{
    detail::{Refusal, edge_timeout},
    events,
};

/// Opens a stream on any channel, known or not; nobody is asked for a token.
pub(super) async fn open(State(world): State<Shared>, Path(channel): Path<String>) -> Response {
    let mode = world.mode();
    if let Some(hang) = mode.hang_524 {
        tokio::time::sleep(hang).await;
        return edge_timeout();
    }
    if mode.test {
        return stream(Body::from(events::TEST));
    }
    match world.bus.subscribe(channel) {
        Some(subscription) => stream(events::body(world, subscription, &mode)),
        None => Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "Too many streams").into_response(),
    }
}

fn stream(body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONNECTION, "keep-alive"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, body).into_response()
}
