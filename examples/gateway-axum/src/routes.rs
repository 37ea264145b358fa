use std::net::IpAddr;

use axum::{
    Extension,
    body::Body,
    extract::{RawQuery, Request, State},
    response::{IntoResponse, Response},
};
use buttress_core::PeerAddr;
use buttress_envelope::Raw;
use gateway_common::{Context, Gateway, JobView, NewImage, NewVideo, json, not_found};
use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_TYPE, LOCATION},
};

use crate::extract::{Cx, Failure, Id, Json};

type Answer = Result<Response, Failure>;

pub(crate) async fn page(State(gateway): State<Gateway>, request: Request) -> Response {
    // The page is for everybody; who is not let in learns it from the first call.
    let context = gateway.context(&request.into_parts().0).ok();
    gateway_common::page(gateway.settings(), context).map(Body::from)
}

pub(crate) async fn asset(Id(name): Id) -> Answer {
    let asset = gateway_common::asset(&name).ok_or_else(|| not_found("there is nothing at this address"))?;
    Ok(asset.map(Body::from))
}

pub(crate) async fn create_image(State(gateway): State<Gateway>, Cx(cx): Cx, Json(new): Json<NewImage>) -> Answer {
    let job = gateway.create_image(&cx, new).await?;
    Ok(accepted(&job, cx))
}

pub(crate) async fn create_video(State(gateway): State<Gateway>, Cx(cx): Cx, Json(new): Json<NewVideo>) -> Answer {
    let job = gateway.create_video(&cx, new).await?;
    Ok(accepted(&job, cx))
}

pub(crate) async fn upload(State(gateway): State<Gateway>, Cx(cx): Cx, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let file = gateway.upload(&cx, &parts.headers, body.into_data_stream()).await?;
    Ok(cx.finish(json(StatusCode::CREATED, &file).map(Body::from)))
}

pub(crate) async fn job(State(gateway): State<Gateway>, Cx(cx): Cx, Id(id): Id) -> Answer {
    let job = gateway.job(&cx, &id)?;
    Ok(json(StatusCode::OK, &job).map(Body::from))
}

pub(crate) async fn result(State(gateway): State<Gateway>, Cx(cx): Cx, Id(id): Id) -> Answer {
    let artifact = gateway.result(&cx, &id).await?;
    Ok(json(StatusCode::OK, &artifact).map(Body::from))
}

pub(crate) async fn events(
    State(gateway): State<Gateway>,
    Cx(cx): Cx,
    Id(id): Id,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let stream = gateway.events(&cx, &id, &headers, query.as_deref())?;
    Ok(stream.map_or_else(|| StatusCode::NO_CONTENT.into_response(), |stream| stream.map(Body::new)))
}

pub(crate) async fn models(State(gateway): State<Gateway>, Cx(cx): Cx) -> Answer {
    let models = gateway.models(&cx).await?;
    Ok(json(StatusCode::OK, &*models).map(Body::from))
}

pub(crate) async fn health(State(gateway): State<Gateway>, peer: Option<Extension<PeerAddr>>) -> Answer {
    on_loopback(peer)?;
    let mut health = json(StatusCode::OK, &gateway.health()).map(Body::from);
    health.extensions_mut().insert(Raw);
    Ok(health)
}

pub(crate) async fn metrics(State(gateway): State<Gateway>, peer: Option<Extension<PeerAddr>>) -> Answer {
    on_loopback(peer)?;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], gateway.metrics()).into_response())
}

/// What only this machine may see does not exist for others.
fn on_loopback(peer: Option<Extension<PeerAddr>>) -> Result<(), Failure> {
    let local = |addr: IpAddr| addr.to_canonical().is_loopback();
    match peer {
        Some(Extension(PeerAddr(addr))) if local(addr.ip()) => Ok(()),
        _ => Err(not_found("there is nothing at this address").into()),
    }
}

fn accepted(job: &JobView, cx: Context) -> Response {
    let mut response = json(StatusCode::ACCEPTED, job).map(Body::from);
    let location = job.location().parse().expect("an id is made of letters, digits and dashes");
    response.headers_mut().insert(LOCATION, location);
    cx.finish(response)
}
