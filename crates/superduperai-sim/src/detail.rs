//! Refusals: a status, and `{"detail": …}` as FastAPI words it.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::{Value, json};

use crate::body::json_response;

#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    detail: Value,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, detail: impl Into<Value>) -> Self {
        Self { status, detail: detail.into() }
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized")
    }

    pub(crate) fn payment_required() -> Self {
        Self::new(StatusCode::PAYMENT_REQUIRED, "Payment required")
    }

    pub(crate) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden")
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not Found")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
    }

    pub(crate) fn conflict() -> Self {
        Self::new(StatusCode::CONFLICT, "Integrity error, create")
    }

    pub(crate) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large")
    }

    pub(crate) fn unprocessable(problems: Vec<Value>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, problems)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        json_response(self.status, &json!({ "detail": self.detail }))
    }
}

/// What an uncaught exception looks like from outside.
pub(crate) fn internal_error() -> Response {
    plain(StatusCode::INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", "Internal Server Error")
}

/// What the edge says when nothing came from behind it in time.
pub(crate) fn edge_timeout() -> Response {
    let status = StatusCode::from_u16(524).expect("524 has three digits");
    plain(status, "text/plain; charset=UTF-8", "error code: 524")
}

fn plain(status: StatusCode, media_type: &'static str, text: &'static str) -> Response {
    (status, [(header::CONTENT_TYPE, media_type)], text).into_response()
}
