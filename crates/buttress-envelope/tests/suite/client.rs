use std::{convert::Infallible, error::Error as _, future::ready, io, sync::Arc, task::Poll};

use buttress_core::{Body, Problem};
use buttress_envelope::{ApiError, BoxError, DecodeLayer, EnvelopeLayer, HTTP_CODES};
use http::Response;
use http_body_util::Full;
use proptest::prelude::*;
use serde_json::Value;
use tokio::runtime::Builder;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn, timeout::TimeoutLayer};

use crate::{
    decode::{any_json, any_problem, same},
    support::{ID, JSON, Step, answer, full, request, script},
};

/// What a client makes of an answer.
async fn decoded<B>(layer: DecodeLayer<Value>, answer: Response<B>) -> Result<Value, ApiError>
where
    B: http_body::Body<Data = bytes::Bytes>,
    B::Error: Into<BoxError>,
{
    let mut answer = Some(answer);
    let inner = service_fn(move |_| ready(Ok::<_, Infallible>(answer.take().unwrap())));
    layer.layer(inner).oneshot(request("GET", &[])).await
}

fn limited(bytes: usize) -> DecodeLayer<Value> {
    DecodeLayer::new().limit(bytes.try_into().unwrap())
}

proptest! {
    // ENV-1, ENV-2: the layer is the inverse of the envelope, whatever the server says and whichever form is asked for
    #[test]
    fn what_a_server_says_comes_out_at_the_client(said in prop_oneof![
        any_json().prop_map(Ok),
        any_problem().prop_map(Err),
    ], details in any::<bool>()) {
        let answer: Result<Value, Problem> = said.clone();
        let server = service_fn(move |_| {
            let response: Response<Body<Full<bytes::Bytes>>> = match answer.clone() {
                Ok(data) => self::answer(200, &[JSON], Body::full(data.to_string())),
                Err(problem) => problem.into_response(None),
            };
            ready(Ok::<_, Infallible>(response))
        });
        let client = ServiceBuilder::new().layer(DecodeLayer::<Value>::new()).layer(EnvelopeLayer::new());
        let accept = if details { "application/problem+json" } else { "*/*" };
        let call = client.service(server).oneshot(request("GET", &[("accept", accept)]));
        let got = Builder::new_current_thread().build().unwrap().block_on(call);
        match (got, said) {
            (Ok(got), Ok(said)) => prop_assert_eq!(got, said),
            (Err(error), Err(problem)) => same(&error, &problem, Some(&ID.parse().unwrap())),
            (got, said) => prop_assert!(false, "{:?} of {:?}", got, said),
        }
    }
}

#[tokio::test]
async fn data_as_long_as_the_limit_is_read_and_not_a_byte_more() {
    assert_eq!(decoded(limited(7), answer(200, &[], full("\"12345\""))).await.unwrap(), "12345");
    let parts = || script([Step::Data("\"123"), Step::Pause, Step::Data("45\""), Step::Trailers]);
    assert_eq!(decoded(limited(7), answer(200, &[], parts())).await.unwrap(), "12345");
    for too_long in [
        decoded(limited(6), answer(200, &[], full("\"12345\""))).await,
        decoded(limited(6), answer(200, &[], parts())).await,
    ] {
        let error = too_long.unwrap_err();
        assert_eq!(
            (error.code(), error.source().unwrap().to_string().as_str()),
            ("internal", "it has more than 6 bytes")
        );
    }
    // Nothing of what says that it is too long is asked for.
    let endless = script([Step::Hang]).says(u64::MAX);
    assert_eq!(decoded(DecodeLayer::new(), answer(200, &[], endless)).await.unwrap_err().code(), "internal");
}

#[tokio::test]
async fn a_failure_that_cannot_be_read_is_told_by_its_head() {
    for body in [script([Step::Data("123456789")]), script([Step::Data("1"), Step::Fail("broke")])] {
        let error = decoded(limited(8), answer(429, &[("retry-after", "9")], body)).await.unwrap_err();
        assert_eq!((error.status().as_u16(), error.code(), error.delay().unwrap().as_secs()), (429, "rate_limited", 9));
        assert!(error.source().is_some());
    }
}

#[tokio::test]
async fn what_comes_to_no_answer_is_unavailable() {
    let broken =
        decoded(DecodeLayer::new(), answer(200, &[JSON], script([Step::Data("1"), Step::Fail("broke")]))).await;
    let refused = service_fn(|_| ready(Err::<Response<Full<bytes::Bytes>>, _>(io::Error::other("refused"))));
    let refused = DecodeLayer::<Value>::new().layer(refused).oneshot(request("GET", &[])).await;
    for (failed, cause) in [(broken, "broke"), (refused, "refused")] {
        let error = failed.unwrap_err();
        assert_eq!((error.code(), error.retryable()), ("unavailable", true));
        assert_eq!(error.source().unwrap().to_string(), cause);
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_out_below_is_one_above() {
    let slow = service_fn(|_| std::future::pending::<Result<Response<Full<bytes::Bytes>>, BoxError>>());
    let client = ServiceBuilder::new()
        .layer(DecodeLayer::<Value>::new())
        .layer(TimeoutLayer::new(std::time::Duration::from_secs(5)))
        .service(slow);
    let error = client.oneshot(request("GET", &[])).await.unwrap_err();
    assert_eq!((error.code(), error.status().as_u16()), ("timeout", 504));
}

#[tokio::test]
async fn an_error_of_readiness_is_an_api_error_too() {
    #[derive(Clone)]
    struct Closed;
    impl Service<http::Request<()>> for Closed {
        type Response = Response<Full<bytes::Bytes>>;
        type Error = io::Error;
        type Future = std::future::Ready<Result<Self::Response, io::Error>>;
        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), io::Error>> {
            Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
        }
        fn call(&mut self, _: http::Request<()>) -> Self::Future {
            unreachable!("it is never ready")
        }
    }
    let error = DecodeLayer::<Value>::new().layer(Closed).oneshot(request("GET", &[])).await.unwrap_err();
    assert_eq!(error.code(), "timeout");
}

#[tokio::test]
async fn a_future_that_is_dropped_at_any_poll_lets_go_of_the_call_and_of_the_body() {
    for times in 0..=3 {
        let held = Arc::new(());
        let of_call = held.clone();
        let inner = service_fn(move |_| {
            let held = of_call.clone();
            async move {
                tokio::task::yield_now().await;
                let _held = held;
                Ok::<_, Infallible>(answer(200, &[JSON], script([Step::Pause, Step::Data("1"), Step::Pause])))
            }
        });
        let mut future = Box::pin(DecodeLayer::<Value>::new().layer(inner).oneshot(request("GET", &[])));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        for _ in 0..times {
            assert!(future.as_mut().poll(&mut cx).is_pending());
        }
        drop(future);
        assert_eq!(Arc::strong_count(&held), 1, "{times}");
    }
}

// ENV-12: a client goes by the code, whatever the message is
#[test]
fn every_code_reaches_the_client_by_its_name() {
    for code in HTTP_CODES {
        let problem = code.problem("x");
        let response: Response<Body<Full<bytes::Bytes>>> = problem.into_response(None);
        let got = Builder::new_current_thread().build().unwrap().block_on(decoded(DecodeLayer::new(), response));
        assert_eq!(got.unwrap_err().code(), code.code().as_str());
    }
}
