use std::net::IpAddr;

use buttress_core::{Body, PeerAddr, Problem};
use buttress_envelope::Raw;
use buttress_sse::EventBody;
use bytes::Bytes;
use http::{
    Extensions, HeaderValue, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE},
};
use serde::Serialize;

use crate::{Context, Gateway, JobView, codes, idempotency::verdict};

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
pub fn health(gateway: &Gateway, extensions: &Extensions) -> Result<Answer, Problem> {
    on_loopback(extensions)?;
    let mut health = json(StatusCode::OK, &gateway.health());
    health.extensions_mut().insert(Raw);
    Ok(health)
}

/// `GET /metrics`: Prometheus text, for this machine alone.
///
/// # Errors
///
/// 404 for everybody else.
pub fn metrics(gateway: &Gateway, extensions: &Extensions) -> Result<Answer, Problem> {
    on_loopback(extensions)?;
    let mut metrics = Response::new(Body::full(gateway.metrics()));
    metrics.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"));
    Ok(metrics)
}

/// What only this machine may see does not exist for others.
fn on_loopback(extensions: &Extensions) -> Result<(), Problem> {
    let local = |addr: IpAddr| addr.to_canonical().is_loopback();
    match extensions.get() {
        Some(PeerAddr(addr)) if local(addr.ip()) => Ok(()),
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
    use super::*;

    fn peer(addr: &str) -> Extensions {
        let mut extensions = Extensions::new();
        extensions.insert(PeerAddr(addr.parse().unwrap()));
        extensions
    }

    #[tokio::test]
    async fn metrics_are_for_this_machine_alone() {
        let gateway = Gateway::start(crate::Settings::default()).await.unwrap();
        for near in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(metrics(&gateway, &peer(near)).is_ok(), "{near}");
        }
        for far in [peer("192.0.2.1:1"), peer("[2001:db8::1]:1"), Extensions::new()] {
            assert_eq!(metrics(&gateway, &far).unwrap_err().status(), 404);
        }
    }

    #[test]
    fn a_401_says_what_credentials_are_wanted() {
        assert_eq!(failed(codes::unauthorized("no")).headers()[WWW_AUTHENTICATE], "Bearer");
        assert!(!failed(codes::bad_request("no")).headers().contains_key(WWW_AUTHENTICATE));
    }
}
