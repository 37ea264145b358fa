//! `/generated/…` and `/uploaded/…`: what the urls of files lead to, for anybody.

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};

use super::Shared;
use crate::{
    detail::Refusal,
    range::{self, Wanted},
};

pub(super) async fn serve(State(world): State<Shared>, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    let found = world.library.read(uri.path()).await;
    let (media_type, bytes) = found.ok_or_else(Refusal::not_found)?;
    let tag = etag(uri.path());
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let mut answer = if text(header::IF_NONE_MATCH) == Some(&tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let stale = text(header::IF_RANGE).is_some_and(|only| only != tag);
        part(text(header::RANGE).filter(|_| !stale), bytes)
    };
    let describe = [
        (header::CONTENT_TYPE, media_type),
        (header::ETAG, &tag),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::ACCEPT_RANGES, "bytes"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    for (name, value) in describe {
        let value = HeaderValue::from_str(value).expect("paths that exist are of plain letters");
        answer.headers_mut().insert(name, value);
    }
    Ok(answer)
}

fn part(range: Option<&str>, bytes: Bytes) -> Response {
    let len = bytes.len();
    match range::wanted(range, len) {
        Wanted::Whole => Body::from(bytes).into_response(),
        Wanted::Part(part) => {
            let shown = format!("bytes {}-{}/{len}", part.start, part.end - 1);
            let headers = [(header::CONTENT_RANGE, shown)];
            let body = Body::from(bytes.slice(part));
            (StatusCode::PARTIAL_CONTENT, headers, body).into_response()
        }
        Wanted::Unsatisfiable => {
            let headers = [(header::CONTENT_RANGE, format!("bytes */{len}"))];
            (StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response()
        }
    }
}

/// What a path leads to never changes, so its name is its tag.
fn etag(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    format!("\"{name}\"")
}
