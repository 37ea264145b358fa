//! A service that is ready, and the caller that drives it as hyper would.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    net::SocketAddr,
    pin::pin,
    task::{Context, Poll, Waker},
};

use buttress_core::PeerAddr;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body::Body;
use http_body_util::{Empty, Full};
use tower::Service;

use crate::Operation;

pub(crate) type Asked = Request<Empty<Bytes>>;
pub(crate) type Answer = Response<Full<Bytes>>;

/// A request as a host hands it on: four header fields, with room as hyper leaves it, and the peer in its extensions.
pub(crate) fn request() -> Asked {
    let mut request = plain_request();
    request.extensions_mut().insert(PeerAddr(SocketAddr::from(([192, 0, 2, 7], 4711))));
    request
}

/// The same from a host that puts nothing into the extensions.
pub(crate) fn plain_request() -> Asked {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = Uri::from_static("/api/jobs/42");
    let headers = request.headers_mut();
    headers.reserve(4);
    headers.insert(header::HOST, HeaderValue::from_static("gateway.example"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, br"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("bench/1.0"));
    request
}

/// JSON of `len` bytes, in objects as an API lists them.
pub(crate) fn json(len: usize) -> Bytes {
    let mut text = String::from(r#"{"jobs":["#);
    for i in 0.. {
        let job =
            format!(r#"{{"id":"job-{i:06}","status":"processing","progress":0.{:02},"credits":{i}}},"#, i % 90 + 9);
        if text.len() + job.len() + r#"null],"pad":""}"#.len() > len {
            break;
        }
        text += &job;
    }
    text += r#"null],"pad":""#;
    text += &"x".repeat(len - text.len() - 2);
    text += "\"}";
    assert_eq!(text.len(), len, "padded to the length");
    text.into()
}

/// Answers every request at once with this body.
pub(crate) fn bare<B>(
    body: Bytes,
) -> impl Service<Request<B>, Response = Answer, Error = Infallible, Future = Instantly> + Clone {
    tower::service_fn(move |request: Request<B>| {
        black_box(&request);
        let mut answer = Response::new(Full::new(body.clone()));
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        ready(Ok(answer))
    })
}

pub(crate) type Instantly = Ready<Result<Answer, Infallible>>;

/// Makes and sends a request, and reads the answer to its end.
pub(crate) fn operation<S, B>(mut service: S, request: fn() -> Asked) -> Operation
where
    S: Service<Asked, Response = Response<B>> + 'static,
    B: Body<Data = Bytes>,
{
    Box::new(move || drive(&mut service, request()))
}

pub(crate) fn drive<S, B>(service: &mut S, request: Asked)
where
    S: Service<Asked, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(service.poll_ready(&mut cx), Poll::Ready(Ok(()))), "ready at once");
    let Poll::Ready(Ok(answer)) = pin!(service.call(request)).poll(&mut cx) else { panic!("answered at once") };
    black_box((&answer, answer.body().size_hint()));
    let mut body = pin!(answer.into_body());
    while !body.is_end_stream() {
        match body.as_mut().poll_frame(&mut cx) {
            Poll::Ready(Some(Ok(frame))) => _ = black_box(&frame),
            Poll::Ready(None) => break,
            Poll::Ready(Some(Err(_))) | Poll::Pending => panic!("a whole body at once"),
        }
    }
}
