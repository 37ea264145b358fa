use buttress_core::{Body, Problem};
use buttress_envelope::Raw;
use buttress_rate_limit::Head;
use buttress_sse::EventBody;
use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE},
    request::Parts,
};
use serde::Serialize;

use crate::{Context, Gateway, JobView, codes, idempotency::verdict, limits::client_addr};

/// What a handler answers: a body that is known whole, or a stream of events.
pub type Answer = Response<Body<EventBody>>;

/// An answer with JSON: the envelope wraps it.
pub fn json<T: Serialize + ?Sized>(status: StatusCode, data: &T) -> Answer {
    let body = serde_json::to_vec(data).expect("the gateway's own answers serialise");
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // The envelope makes it that of the wrapped body, also where there is none to measure: in the answer to a HEAD.
    headers.insert(CONTENT_LENGTH, length);
    // What a user may see changes from moment to moment and from user to user.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A job that was just accepted: 202, with its address, and the cookie of a guest who just came.
pub fn accepted(job: &JobView, cx: Context) -> Answer {
    let mut response = json(StatusCode::ACCEPTED, job);
    let location = job.location().parse().expect("an id is made of letters, digits and dashes");
    response.headers_mut().insert(LOCATION, location);
    cx.finish(response)
}

/// An event stream, or 204 when there is nothing more to tell.
pub fn streamed(stream: Option<Response<EventBody>>) -> Answer {
    stream.map_or_else(|| empty(StatusCode::NO_CONTENT), |stream| stream.map(Body::inner))
}

/// A failure: the envelope renders it, and the layer of idempotency keys is told what it means for the key.
pub fn failed(problem: Problem) -> Answer {
    let challenge = problem.status() == StatusCode::UNAUTHORIZED;
    let verdict = verdict(&problem);
    let mut response = problem.into_response(None);
    if let Some(verdict) = verdict {
        response.extensions_mut().insert(verdict);
    }
    if challenge {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// No body: where the server itself has nothing to say. The envelope finds words for a failure.
pub fn empty(status: StatusCode) -> Answer {
    let mut response = Response::new(Body::full(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// 405, with the methods that would do. The envelope finds the words.
pub fn not_allowed(allowed: &'static str) -> Answer {
    let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// `GET /healthz`: bare JSON, for this machine alone.
///
/// # Errors
///
/// 404 for everybody else.
pub fn health(gateway: &Gateway, parts: &Parts) -> Result<Answer, Problem> {
    on_loopback(gateway, parts)?;
    let mut health = json(StatusCode::OK, &gateway.health());
    health.extensions_mut().insert(Raw);
    Ok(health)
}

/// `GET /metrics`: Prometheus text, for this machine alone.
///
/// # Errors
///
/// 404 for everybody else.
pub fn metrics(gateway: &Gateway, parts: &Parts) -> Result<Answer, Problem> {
    on_loopback(gateway, parts)?;
    let mut metrics = Response::new(Body::full(gateway.metrics()));
    metrics.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"));
    Ok(metrics)
}

/// What only this machine may see does not exist for others. Whoever comes through a proxy that is named is not here
/// because the proxy is.
fn on_loopback(gateway: &Gateway, parts: &Parts) -> Result<(), Problem> {
    let request = Request::from_parts(parts.clone(), ());
    match client_addr(gateway.settings()).find(&Head::of(&request)) {
        Ok(addr) if addr.is_loopback() => Ok(()),
        _ => Err(codes::nothing_here()),
    }
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

#[cfg(test)]
mod tests {
    use buttress_core::PeerAddr;

    use super::*;

    fn from(peer: Option<&str>, forwarded: &str) -> Parts {
        let (mut parts, ()) =
            Request::get("/metrics").header("x-forwarded-for", forwarded).body(()).unwrap().into_parts();
        if let Some(peer) = peer {
            parts.extensions.insert(PeerAddr(peer.parse().unwrap()));
        }
        parts
    }

    #[tokio::test]
    async fn metrics_are_for_this_machine_alone() {
        let gateway = Gateway::start(crate::Settings::default()).await.unwrap();
        for near in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(metrics(&gateway, &from(Some(near), "")).is_ok(), "{near}");
        }
        for far in [Some("192.0.2.1:1"), Some("[2001:db8::1]:1"), None] {
            assert_eq!(metrics(&gateway, &from(far, "127.0.0.1")).unwrap_err().status(), 404);
        }
    }

    // IPA-3
    #[tokio::test]
    async fn who_comes_through_a_proxy_on_this_machine_is_not_this_machine() {
        let trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        let gateway = Gateway::start(crate::Settings { trusted_proxies, ..crate::Settings::default() }).await.unwrap();
        let proxied = |forwarded| from(Some("127.0.0.1:1"), forwarded);
        assert!(health(&gateway, &proxied("")).is_ok(), "the machine itself");
        for forwarded in ["203.0.113.9", "127.0.0.1, 203.0.113.9"] {
            assert_eq!(health(&gateway, &proxied(forwarded)).unwrap_err().status(), 404, "{forwarded}");
            assert_eq!(metrics(&gateway, &proxied(forwarded)).unwrap_err().status(), 404, "{forwarded}");
        }
    }

    #[test]
    fn a_401_says_what_credentials_are_wanted() {
        assert_eq!(failed(codes::unauthorized("no")).headers()[WWW_AUTHENTICATE], "Bearer");
        assert!(!failed(codes::bad_request("no")).headers().contains_key(WWW_AUTHENTICATE));
    }
}
