use std::borrow::Cow;

use buttress_core::Problem;
use bytes::Buf;
use futures_util::{Stream, TryStreamExt};
use gateway_common::{Answer, Gateway, accepted, json, nothing_here, read_json, streamed};
use http::{StatusCode, request::Parts};
use percent_encoding::percent_decode_str;

type Handled = Result<Answer, Problem>;

pub(crate) async fn page(gateway: Gateway, parts: Parts) -> Handled {
    Ok(gateway_common::page(&gateway, &parts))
}

pub(crate) async fn asset(name: String) -> Handled {
    gateway_common::asset(&decoded(&name)?)
}

pub(crate) async fn create_image(
    gateway: Gateway,
    parts: Parts,
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
) -> Handled {
    let cx = gateway.context(&parts)?;
    let job = gateway.create_image(&cx, read_json(&parts.headers, body).await?).await?;
    Ok(accepted(&job, cx))
}

pub(crate) async fn create_video(
    gateway: Gateway,
    parts: Parts,
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
) -> Handled {
    let cx = gateway.context(&parts)?;
    let job = gateway.create_video(&cx, read_json(&parts.headers, body).await?).await?;
    Ok(accepted(&job, cx))
}

pub(crate) async fn upload(
    gateway: Gateway,
    parts: Parts,
    body: impl Stream<Item = Result<impl Buf, warp::Error>> + Send + 'static,
) -> Handled {
    let cx = gateway.context(&parts)?;
    let body = body.map_ok(|mut chunk| chunk.copy_to_bytes(chunk.remaining()));
    let file = gateway.upload(&cx, &parts.headers, body).await?;
    Ok(cx.finish(json(StatusCode::CREATED, &file)))
}

pub(crate) async fn job(id: String, gateway: Gateway, parts: Parts) -> Handled {
    let (cx, id) = (gateway.context(&parts)?, decoded(&id)?);
    Ok(json(StatusCode::OK, &gateway.job(&cx, &id)?))
}

pub(crate) async fn result(id: String, gateway: Gateway, parts: Parts) -> Handled {
    let (cx, id) = (gateway.context(&parts)?, decoded(&id)?);
    Ok(json(StatusCode::OK, &gateway.result(&cx, &id).await?))
}

pub(crate) async fn events(id: String, gateway: Gateway, parts: Parts, query: Option<String>) -> Handled {
    let (cx, id) = (gateway.context(&parts)?, decoded(&id)?);
    Ok(streamed(gateway.events(&cx, &id, &parts.headers, query.as_deref())?))
}

pub(crate) async fn models(gateway: Gateway, parts: Parts) -> Handled {
    let cx = gateway.context(&parts)?;
    Ok(json(StatusCode::OK, &*gateway.models(&cx).await?))
}

pub(crate) async fn openapi() -> Handled {
    Ok(gateway_common::openapi())
}

pub(crate) async fn health(gateway: Gateway, parts: Parts) -> Handled {
    gateway_common::health(&gateway, &parts)
}

pub(crate) async fn metrics(gateway: Gateway, parts: Parts) -> Handled {
    gateway_common::metrics(&gateway, &parts)
}

/// The text behind a segment of a path. One that is no text names nothing.
fn decoded(segment: &str) -> Result<Cow<'_, str>, Problem> {
    percent_decode_str(segment).decode_utf8().map_err(|_| nothing_here())
}
