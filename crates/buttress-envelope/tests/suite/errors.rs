use std::{
    convert::Infallible,
    task::{Context, Poll},
    time::Duration,
};

use buttress_core::Body;
use buttress_envelope::{AnswerErrorsLayer, BoxError, CONFLICT, EnvelopeLayer, problem_of};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use serde_json::Value;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, load_shed::LoadShedLayer, service_fn, timeout::TimeoutLayer};

use crate::support::{ID, full, json, request, script};

type Answer = Response<Full<Bytes>>;

async fn error<S, B>(stack: S) -> (u16, Value)
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body,
    B::Error: std::fmt::Debug,
{
    let Ok(answer) = stack.oneshot(request("GET", &[])).await;
    (answer.status().as_u16(), json(answer).await["error"].take())
}

// ENV-3
#[tokio::test(start_paused = true)]
async fn a_time_out_of_tower_is_a_504() {
    let inner = service_fn(|_: Request<()>| std::future::pending::<Result<Answer, Infallible>>());
    let stack = ServiceBuilder::new()
        .layer(EnvelopeLayer::new())
        .layer(AnswerErrorsLayer::new())
        .layer(TimeoutLayer::new(Duration::from_secs(1)))
        .service(inner);
    let (status, error) = error(stack).await;
    assert_eq!((status, &error["code"], &error["retryable"]), (504, &"timeout".into(), &true.into()));
    assert_eq!(error["correlationId"], ID);
}

/// Is never ready, or fails to be.
struct Unready(Option<&'static str>);

impl Service<Request<()>> for Unready {
    type Response = Answer;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Answer, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.take().map_or(Poll::Pending, |error| Poll::Ready(Err(error.into())))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        panic!("called without being ready")
    }
}

// ENV-3
#[tokio::test]
async fn the_load_shed_of_tower_is_a_503() {
    let stack = ServiceBuilder::new()
        .layer(EnvelopeLayer::new())
        .layer(AnswerErrorsLayer::new())
        .layer(LoadShedLayer::new())
        .service(Unready(None));
    let (status, error) = error(stack).await;
    assert_eq!((status, &error["code"]), (503, &"unavailable".into()));
}

// ENV-3, and an error of readiness that a rival panics at
#[tokio::test]
async fn an_error_of_readiness_is_answered_and_the_service_is_not_asked_again() {
    let mut service = AnswerErrorsLayer::new().layer(Unready(Some("secret")));
    for _ in 0..2 {
        let answer = service.ready().await.unwrap().call(request("GET", &[])).await.unwrap();
        assert_eq!(answer.status(), 500);
        let body = json(answer).await;
        assert_eq!((&body["code"], &body["correlationId"]), (&"internal".into(), &ID.into()));
        assert!(!body.to_string().contains("secret"));
    }
}

#[tokio::test]
async fn a_service_that_is_not_ready_is_waited_for() {
    let mut service = AnswerErrorsLayer::new().layer(Unready(None));
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(service.poll_ready(&mut cx).is_pending());
}

// ENV-3
#[tokio::test]
async fn a_body_above_its_limit_is_a_413() {
    let inner = service_fn(|_: Request<()>| async {
        let body = Limited::new(full("too long"), 3);
        body.collect().await.map(|_| Response::new(Full::<Bytes>::default())).map_err(|error| wrapped(wrapped(error)))
    });
    let stack = ServiceBuilder::new().layer(EnvelopeLayer::new()).layer(AnswerErrorsLayer::new()).service(inner);
    let (status, error) = error(stack).await;
    assert_eq!((status, &error["code"]), (413, &"payload_too_large".into()));
}

/// An error that only its source explains.
#[derive(Debug)]
struct Wrapped(BoxError);

fn wrapped(source: impl Into<BoxError>) -> Wrapped {
    Wrapped(source.into())
}

impl std::fmt::Display for Wrapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the handler failed")
    }
}

impl std::error::Error for Wrapped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

#[tokio::test(start_paused = true)]
async fn the_errors_of_tokio_and_of_sockets_are_known_by_their_type() {
    let elapsed = tokio::time::timeout(Duration::ZERO, std::future::pending::<()>()).await.unwrap_err();
    assert_eq!(problem_of(&wrapped(elapsed)).status(), 504);
    let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    assert_eq!(problem_of(&refused).status(), 500);
}

#[tokio::test]
async fn own_errors_can_be_mapped() {
    let inner = service_fn(|_: Request<()>| async { Err::<Answer, _>("taken") });
    let layer =
        AnswerErrorsLayer::new().map(|error| (error.to_string() == "taken").then(|| CONFLICT.problem("is taken")));
    let answer = layer.layer(inner).oneshot(request("GET", &[])).await.unwrap();
    assert_eq!(answer.status(), 409);
}

#[tokio::test]
async fn answers_go_through_untouched() {
    let inner = service_fn(|_: Request<()>| async { Ok::<_, BoxError>(Response::new(script([]).says(0))) });
    let answer = AnswerErrorsLayer::new().layer(inner).oneshot(request("GET", &[])).await.unwrap();
    let body: Body<_> = answer.into_body();
    assert_eq!(http_body::Body::size_hint(&body).exact(), Some(0));
}
