//! Connections dropped in the middle of a body.

use std::{io, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Response, header};
use http_body::Body as _;

/// Time for what was written before a cut to leave.
const FLUSH: Duration = Duration::from_millis(10);

/// The error that makes the server drop a connection, once all before it is on its way.
pub(crate) async fn cut() -> io::Error {
    tokio::time::sleep(FLUSH).await;
    io::Error::new(io::ErrorKind::ConnectionAborted, "cut by the script")
}

/// Lets `n` bytes of the body pass, then drops the connection; a known length is still announced.
pub(crate) fn after_bytes(answer: Response<Body>, n: usize) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    if let Some(len) = body.size_hint().exact() {
        parts.headers.insert(header::CONTENT_LENGTH, len.into());
    }
    let inner = body.into_data_stream();
    let cut = stream::unfold(Some((inner, n)), |state| async {
        let (mut inner, left) = state?;
        let chunk = if left == 0 { None } else { inner.next().await };
        match chunk {
            Some(Ok(mut chunk)) => {
                chunk.truncate(left);
                let left = left - chunk.len();
                Some((Ok::<Bytes, io::Error>(chunk), Some((inner, left))))
            }
            _ => Some((Err(cut().await), None)),
        }
    });
    Response::from_parts(parts, Body::from_stream(cut))
}
