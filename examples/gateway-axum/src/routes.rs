use axum::{
    body::Body,
    extract::{RawQuery, Request, State},
    response::Response,
};
use gateway_common::{Gateway, NewImage, NewVideo, accepted, json, streamed};
use http::{HeaderMap, StatusCode};

use super::extract::{Cx, Failure, Id, Json};

type Answer = Result<Response, Failure>;

pub(crate) async fn page(State(gateway): State<Gateway>, request: Request) -> Response {
    gateway_common::page(&gateway, &request.into_parts().0).map(Body::new)
}

pub(crate) async fn asset(Id(name): Id) -> Answer {
    answer(gateway_common::asset(&name)?)
}

pub(crate) async fn create_image(State(gateway): State<Gateway>, Cx(cx): Cx, Json(new): Json<NewImage>) -> Answer {
    let job = gateway.create_image(&cx, new).await?;
    answer(accepted(&job, cx))
}

pub(crate) async fn create_video(State(gateway): State<Gateway>, Cx(cx): Cx, Json(new): Json<NewVideo>) -> Answer {
    let job = gateway.create_video(&cx, new).await?;
    answer(accepted(&job, cx))
}

pub(crate) async fn upload(State(gateway): State<Gateway>, Cx(cx): Cx, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let file = gateway.upload(&cx, &parts.headers, body.into_data_stream()).await?;
    answer(cx.finish(json(StatusCode::CREATED, &file)))
}

pub(crate) async fn job(State(gateway): State<Gateway>, Cx(cx): Cx, Id(id): Id) -> Answer {
    answer(json(StatusCode::OK, &gateway.job(&cx, &id)?))
}

pub(crate) async fn result(State(gateway): State<Gateway>, Cx(cx): Cx, Id(id): Id) -> Answer {
    answer(json(StatusCode::OK, &gateway.result(&cx, &id).await?))
}

pub(crate) async fn events(
    State(gateway): State<Gateway>,
    Cx(cx): Cx,
    Id(id): Id,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    answer(streamed(gateway.events(&cx, &id, &headers, query.as_deref())?))
}

pub(crate) async fn models(State(gateway): State<Gateway>, Cx(cx): Cx) -> Answer {
    answer(json(StatusCode::OK, &*gateway.models(&cx).await?))
}

pub(crate) async fn openapi() -> Response {
    gateway_common::openapi().map(Body::new)
}

pub(crate) async fn health(State(gateway): State<Gateway>, request: Request) -> Answer {
    answer(gateway_common::health(&gateway, &request.into_parts().0)?)
}

pub(crate) async fn metrics(State(gateway): State<Gateway>, request: Request) -> Answer {
    answer(gateway_common::metrics(&gateway, &request.into_parts().0)?)
}

fn answer(answer: gateway_common::Answer) -> Answer {
    Ok(answer.map(Body::new))
}
