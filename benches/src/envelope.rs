use std::convert::Infallible;

use buttress_envelope::EnvelopeLayer;
use bytes::Bytes;
use http::{HeaderValue, header};
use http_body_util::{BodyExt, Full};
use serde::Serialize;
use serde_json::{Value, json as value, value::RawValue};
use tower::{ServiceBuilder, ServiceExt};

use crate::{
    BARE, Case, Group, Operation,
    http::{Answer, bare, json, operation, request},
};

pub(super) fn groups() -> Vec<Group> {
    vec![
        Group::new("envelope, 200 B", cases::<200>()),
        Group::new("envelope, 10 KB", cases::<10_000>()),
        Group::new("envelope, 1 MB", cases::<1_000_000>()).heavy(),
    ]
}

fn cases<const LEN: usize>() -> [Case; 4] {
    [
        Case::new(BARE, || operation(bare(json(LEN)), request)),
        Case::new("buttress", ours::<LEN>),
        Case::new("serde_json, `Value`", || {
            operation(bare(json(LEN)).and_then(|answer| again(answer, with_value)), request)
        }),
        Case::new("serde_json, `RawValue`", || {
            operation(bare(json(LEN)).and_then(|answer| again(answer, with_raw_value)), request)
        }),
    ]
}

fn ours<const LEN: usize>() -> Operation {
    operation(ServiceBuilder::new().layer(EnvelopeLayer::new()).service(bare(json(LEN))), request)
}

/// Wraps as applications usually do: reads the whole body, takes it apart and writes it anew.
pub(super) async fn again(answer: Answer, wrap: fn(&[u8]) -> Vec<u8>) -> Result<Answer, Infallible> {
    let (mut head, body) = answer.into_parts();
    let Ok(body) = body.collect().await;
    let body = wrap(&body.to_bytes());
    head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    Ok(Answer::from_parts(head, Full::new(Bytes::from(body))))
}

pub(super) fn with_value(body: &[u8]) -> Vec<u8> {
    let data: Value = serde_json::from_slice(body).expect("JSON");
    serde_json::to_vec(&value!({ "ok": true, "data": data })).expect("JSON")
}

pub(super) fn with_raw_value(body: &[u8]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Wrapped<'a> {
        ok: bool,
        data: &'a RawValue,
    }

    let data = serde_json::from_slice(body).expect("JSON");
    serde_json::to_vec(&Wrapped { ok: true, data }).expect("JSON")
}
