//! `GET /api/v1/generation-config`

use axum::{extract::RawQuery, response::Response};
use http::StatusCode;

use crate::{
    body::json_response,
    detail::{Refusal, internal_error},
    models::{self, Model},
    query,
    wire::Page,
};

pub(super) async fn list(RawQuery(query): RawQuery) -> Result<Response, Refusal> {
    let paging = query::read(query.as_deref(), &[], query::paging)?;
    let mut all: Vec<&Model> = models::all().iter().collect();
    match paging.order_by.as_deref().unwrap_or("name") {
        "name" => all.sort_by_key(|model| &model.name),
        "label" => all.sort_by_key(|model| &model.label),
        "type" => all.sort_by_key(|model| &model.kind),
        "source" => all.sort_by_key(|model| &model.source),
        // An unknown column is an exception of the database.
        _ => return Ok(internal_error()),
    }
    if !paging.ascending {
        all.reverse();
    }
    let page = Page::cut(all.into_iter(), paging.limit, paging.offset);
    Ok(json_response(StatusCode::OK, &page))
}
