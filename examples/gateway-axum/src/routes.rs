use std::net::IpAddr;

use axum::{
    Extension,
    body::Body,
    extract::{RawQuery, Request, State},
    response::{IntoResponse, Response},
};
use buttress_core::{CorrelationId, PeerAddr};
use gateway_common::{Caller, Gateway, JobView, NewImage, NewVideo, init_metrics, not_found, success};
use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_TYPE, LOCATION, SET_COOKIE},
};

use crate::extract::{Failure, Id, Json, Who};

type Answer = Result<Response, Failure>;

pub(crate) async fn page(State(gateway): State<Gateway>, headers: HeaderMap) -> Response {
    // The page is for everybody; who is not let in learns it from the first call.
    let caller = gateway.identify(&headers).ok();
    gateway_common::page(gateway.settings(), caller).map(Body::from)
}

pub(crate) async fn asset(Id(name): Id) -> Answer {
    let asset = gateway_common::asset(&name).ok_or_else(|| not_found("there is nothing at this address"))?;
    Ok(asset.map(Body::from))
}

pub(crate) async fn create_image(
    State(gateway): State<Gateway>,
    Extension(id): Extension<CorrelationId>,
    Who(caller): Who,
    Json(new): Json<NewImage>,
) -> Answer {
    let job = gateway.create_image(&caller.user, id, new).await?;
    Ok(accepted(&job, caller))
}

pub(crate) async fn create_video(
    State(gateway): State<Gateway>,
    Extension(id): Extension<CorrelationId>,
    Who(caller): Who,
    Json(new): Json<NewVideo>,
) -> Answer {
    let job = gateway.create_video(&caller.user, id, new).await?;
    Ok(accepted(&job, caller))
}

pub(crate) async fn upload(
    State(gateway): State<Gateway>,
    Extension(id): Extension<CorrelationId>,
    Who(caller): Who,
    request: Request,
) -> Answer {
    let (parts, body) = request.into_parts();
    let file = gateway.upload(&caller.user, id, &parts.headers, body.into_data_stream()).await?;
    Ok(with_cookie(success(StatusCode::CREATED, &file).map(Body::from), caller))
}

pub(crate) async fn job(State(gateway): State<Gateway>, Who(caller): Who, Id(id): Id) -> Answer {
    let job = gateway.job(&caller.user, &id)?;
    Ok(success(StatusCode::OK, &job).map(Body::from))
}

pub(crate) async fn result(State(gateway): State<Gateway>, Who(caller): Who, Id(id): Id) -> Answer {
    let artifact = gateway.result(&caller.user, &id).await?;
    Ok(success(StatusCode::OK, &artifact).map(Body::from))
}

pub(crate) async fn events(
    State(gateway): State<Gateway>,
    Who(caller): Who,
    Id(id): Id,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let stream = gateway.events(&caller.user, &id, &headers, query.as_deref())?;
    Ok(stream.map_or_else(|| StatusCode::NO_CONTENT.into_response(), |stream| stream.map(Body::new)))
}

pub(crate) async fn models(
    State(gateway): State<Gateway>,
    Extension(id): Extension<CorrelationId>,
    Who(_): Who,
) -> Answer {
    let models = gateway.models(id).await?;
    Ok(success(StatusCode::OK, &&*models).map(Body::from))
}

pub(crate) async fn health(State(gateway): State<Gateway>, peer: Option<Extension<PeerAddr>>) -> Answer {
    on_loopback(peer)?;
    Ok(([(CONTENT_TYPE, "application/json")], gateway.health().to_string()).into_response())
}

pub(crate) async fn metrics(peer: Option<Extension<PeerAddr>>) -> Answer {
    on_loopback(peer)?;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], init_metrics().render()).into_response())
}

/// What only this machine may see does not exist for others.
fn on_loopback(peer: Option<Extension<PeerAddr>>) -> Result<(), Failure> {
    let local = |addr: IpAddr| addr.to_canonical().is_loopback();
    match peer {
        Some(Extension(PeerAddr(addr))) if local(addr.ip()) => Ok(()),
        _ => Err(not_found("there is nothing at this address").into()),
    }
}

fn accepted(job: &JobView, caller: Caller) -> Response {
    let mut response = success(StatusCode::ACCEPTED, job).map(Body::from);
    let location = job.location().parse().expect("an id is made of letters, digits and dashes");
    response.headers_mut().insert(LOCATION, location);
    with_cookie(response, caller)
}

fn with_cookie(mut response: Response, caller: Caller) -> Response {
    response.headers_mut().extend(caller.cookie.map(|cookie| (SET_COOKIE, cookie)));
    response
}
