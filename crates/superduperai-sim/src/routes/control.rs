//! `/_sim/*`: the script's side door.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::StatusCode;

use super::Shared;
use crate::{
    JobReport, MAX_FAULTS, ReceivedRequest,
    body::{Json, json_response},
    control::{Patch, View},
    detail::Refusal,
    fault_json,
};

pub(super) async fn add_fault(State(world): State<Shared>, body: Bytes) -> Result<StatusCode, Refusal> {
    let fault = fault_json::parse(&body).map_err(unprocessable)?;
    if !world.faults().add(fault) {
        return Err(unprocessable(format!("{MAX_FAULTS} faults wait already")));
    }
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn clear_faults(State(world): State<Shared>) -> StatusCode {
    world.faults().clear();
    StatusCode::NO_CONTENT
}

pub(super) async fn requests(State(world): State<Shared>) -> Json<Vec<ReceivedRequest>> {
    Json(world.log().all())
}

pub(super) async fn clear_requests(State(world): State<Shared>) -> StatusCode {
    world.log().clear();
    StatusCode::NO_CONTENT
}

pub(super) async fn jobs(State(world): State<Shared>) -> Json<Vec<JobReport>> {
    Json(world.reports().all())
}

pub(super) async fn settings(State(world): State<Shared>) -> Response {
    json_response(StatusCode::OK, &View::from(&*world.live()))
}

pub(super) async fn change(State(world): State<Shared>, body: Bytes) -> Result<Response, Refusal> {
    let patch: Patch = serde_json::from_slice(&body).map_err(|err| unprocessable(format!("settings: {err}")))?;
    patch.apply(&mut world.live());
    Ok(settings(State(world)).await.into_response())
}

fn unprocessable(message: String) -> Refusal {
    Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, message)
}
