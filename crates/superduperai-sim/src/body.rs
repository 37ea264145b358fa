//! Bodies: JSON out, JSON in as FastAPI reads it.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};

use crate::detail::Refusal;

/// A 200 with this JSON.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        json_response(StatusCode::OK, &self.0)
    }
}

pub(crate) fn json_response(status: StatusCode, value: &impl Serialize) -> Response {
    let bytes = serde_json::to_vec(value).expect("answers have string keys and finite numbers");
    (status, [(header::CONTENT_TYPE, "application/json")], Body::from(bytes)).into_response()
}

/// Reads a JSON body; a body of another media type is taken for a string, as FastAPI does.
pub(crate) fn read_json(headers: &HeaderMap, body: &Bytes) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Err(Refusal::unprocessable(vec![json!({
            "type": "missing", "loc": ["body"], "msg": "Field required", "input": null,
        })]));
    }
    if !is_json(headers) {
        return Ok(Value::String(String::from_utf8_lossy(body).into_owned()));
    }
    serde_json::from_slice(body).map_err(|err| json_invalid(body, &err))
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return true;
    };
    let text = value.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim();
    let subtype = essence.strip_prefix("application/");
    subtype.is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

fn json_invalid(body: &[u8], err: &serde_json::Error) -> Refusal {
    let lines = body.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines.take(err.line().saturating_sub(1)).map(<[u8]>::len).sum();
    let position = before + err.column().saturating_sub(1);
    Refusal::unprocessable(vec![json!({
        "type": "json_invalid", "loc": ["body", position], "msg": "JSON decode error", "input": {},
        "ctx": { "error": if err.is_eof() { "Expecting value" } else { "Expecting property name enclosed in double quotes" } },
    })])
}
