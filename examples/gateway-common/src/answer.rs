use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use serde::Serialize;

/// An answer with JSON, as a handler gives it: the envelope wraps it.
pub fn json<T: Serialize + ?Sized>(status: StatusCode, data: &T) -> Response<Bytes> {
    let body = serde_json::to_vec(data).expect("the gateway's own answers serialise");
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // What a user may see changes from moment to moment and from user to user.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What went wrong with a job, as callers see it in the job and in its events: as in a failed answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorView<'a> {
    pub(crate) code: &'a str,
    pub(crate) message: &'a str,
    pub(crate) retryable: bool,
    pub(crate) correlation_id: &'a str,
}
