//! `POST /api/v1/file/generate-*`

use std::sync::Arc;

use axum::extract::State;
use bytes::Bytes;
use http::HeaderMap;

use super::Shared;
use crate::{
    admit,
    body::{Json, read_json},
    detail::Refusal,
    order::{self, Order},
    wire::FileRead,
    world::World,
};

pub(super) async fn image(
    State(world): State<Shared>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Vec<FileRead>>, Refusal> {
    let order = order::image(&read_json(&headers, &body)?)?;
    start(&world, order).map(Json)
}

pub(super) async fn video(
    State(world): State<Shared>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<FileRead>, Refusal> {
    let order = order::video(&read_json(&headers, &body)?)?;
    start(&world, order).map(single)
}

pub(super) async fn audio(
    State(world): State<Shared>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<FileRead>, Refusal> {
    let order = order::audio(&read_json(&headers, &body)?)?;
    start(&world, order).map(single)
}

fn start(world: &Arc<World>, order: Order) -> Result<Vec<FileRead>, Refusal> {
    let admitted = admit::admit(world, order)?;
    let copies = 0..admitted.order.copies;
    Ok(copies.map(|copy| admitted.make(world, copy)).collect())
}

fn single(mut files: Vec<FileRead>) -> Json<FileRead> {
    Json(files.pop().expect("an order makes at least one file"))
}
