use std::pin::pin;

use buttress_core::Problem;
use bytes::{Buf, BufMut};
use futures_util::{Stream, StreamExt};
use http::HeaderMap;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::{BODY_LIMIT, BODY_TIMEOUT, codes, parse_json};

/// Reads a JSON body whole, and then as [`parse_json`] does.
///
/// # Errors
///
/// 413 when it is longer than [`BODY_LIMIT`], 400 when it breaks off or takes longer than [`BODY_TIMEOUT`] to arrive,
/// and those of [`parse_json`].
///
/// # Cancel safety
///
/// What was read is lost.
pub async fn read_json<T, D, E>(headers: &HeaderMap, body: impl Stream<Item = Result<D, E>>) -> Result<T, Problem>
where
    T: DeserializeOwned,
    D: Buf,
{
    let late = |_| codes::bad_request("the body did not arrive in time");
    let body = timeout(BODY_TIMEOUT, collect(body)).await.map_err(late)??;
    parse_json(headers, &body)
}

async fn collect<D: Buf, E>(body: impl Stream<Item = Result<D, E>>) -> Result<Vec<u8>, Problem> {
    let (mut body, mut collected) = (pin!(body), Vec::new());
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| codes::bad_request("the body broke off"))?;
        if collected.len() + chunk.remaining() > BODY_LIMIT {
            return Err(codes::payload_too_large(BODY_LIMIT));
        }
        collected.put(chunk);
    }
    Ok(collected)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::stream;
    use http::{HeaderValue, header::CONTENT_TYPE};
    use serde_json::Value;

    use super::*;

    async fn read(body: impl Stream<Item = Result<Bytes, &'static str>>) -> Result<Value, (u16, String)> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        let outcome = read_json::<serde_json::Map<String, Value>, _, _>(&headers, body).await;
        outcome.map(Value::from).map_err(|problem| (problem.status().as_u16(), problem.message().to_owned()))
    }

    fn chunks(chunks: &[&'static str]) -> impl Stream<Item = Result<Bytes, &'static str>> + use<> {
        stream::iter(chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))).collect::<Vec<_>>())
    }

    #[tokio::test]
    async fn a_body_in_pieces_is_put_together() {
        assert_eq!(read(chunks(&["{\"a\"", ":", "1}"])).await, Ok(serde_json::json!({ "a": 1 })));
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_not_read_on() {
        let endless = stream::repeat_with(|| Ok(Bytes::from_static(&[b' '; 1024])));
        assert_eq!(read(endless).await.unwrap_err().0, 413);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_a_bad_request() {
        let broken = chunks(&["{"]).chain(stream::iter([Err("gone")]));
        assert_eq!(read(broken).await, Err((400, "the body broke off".into())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_given_up() {
        let silent = chunks(&["{"]).chain(stream::pending());
        assert_eq!(read(silent).await, Err((400, "the body did not arrive in time".into())));
    }
}
