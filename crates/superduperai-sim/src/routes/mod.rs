//! The provider's paths.

mod configs;
mod control;
mod events;
mod files;
mod generate;
mod media;
mod upload;
mod user;

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    handler::Handler,
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use http::{HeaderMap, header};

use crate::{detail::Refusal, world::World};

type Shared = Arc<World>;

pub(crate) fn router(world: Shared) -> Router {
    let guarded = Router::new()
        .route("/api/v1/file/generate-image", post(generate::image))
        .route("/api/v1/file/generate-video", post(generate::video))
        .route("/api/v1/file/generate-audio", post(generate::audio))
        .route("/api/v1/file/upload", post(upload::upload))
        .route("/api/v1/file", get_only(files::list))
        .route("/api/v1/file/{id}", get_only(files::read).delete(files::delete))
        .route("/api/v1/generation-config", get_only(configs::list))
        .route("/api/v1/user/me", get_only(user::me))
        .route_layer(from_fn_with_state(Arc::clone(&world), guard));
    let control = Router::new()
        .route("/faults", post(control::add_fault).delete(control::clear_faults))
        .route("/requests", get(control::requests).delete(control::clear_requests))
        .route("/jobs", get(control::jobs))
        .route("/settings", get(control::settings).post(control::change));
    Router::new()
        .merge(guarded)
        .nest("/_sim", control)
        .route("/api/v1/ping", get(user::ping))
        .route("/api/v1/events/{channel}", get_only(events::open))
        .route("/generated/{*path}", get(media::serve))
        .route("/uploaded/{*path}", get(media::serve))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        // The gate has bounded every body.
        .layer(DefaultBodyLimit::disable())
        .with_state(world)
}

/// GET without HEAD, as FastAPI routes it.
fn get_only<H: Handler<T, Shared>, T: 'static>(handler: H) -> MethodRouter<Shared> {
    get(handler).head(method_not_allowed)
}

async fn guard(State(world): State<Shared>, request: Request, next: Next) -> Response {
    let token = bearer(request.headers()).map(str::to_owned);
    if token.as_ref() != Some(&world.live().settings.token) {
        return Refusal::unauthorized().into_response();
    }
    next.run(request).await
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

async fn not_found() -> Refusal {
    Refusal::not_found()
}

async fn method_not_allowed() -> Refusal {
    Refusal::method_not_allowed()
}
