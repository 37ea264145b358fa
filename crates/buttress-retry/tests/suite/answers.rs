//! Answers: the last one comes back as it is, failed ones are read so that their connections live on.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use buttress_core::{Body, Problem, ProblemCode};
use buttress_retry::{Backoff, Reread, RetryLayer};
use http::{Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

use crate::common::*;

fn layer() -> RetryLayer {
    RetryLayer::new().backoff(Backoff::NONE)
}

/// A server that always answers this, and what became of its bodies.
async fn call<P>(
    layer: RetryLayer<P>,
    code: u16,
    media_type: &str,
    body: Script,
) -> (Response<Body<Reread<Script>>>, usize)
where
    P: buttress_retry::Policy<std::convert::Infallible> + Clone,
{
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = tries.clone();
    let response = Response::builder().status(code).header("content-type", media_type).header("x-kept", "1");
    let response = Mutex::new(Some(response.extension("kept").body(body).unwrap()));
    let response = Arc::new(response);
    let inner = Instantly(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        let first = response.lock().unwrap();
        let first = first.as_ref().unwrap();
        let mut again = Response::new(first.body().clone());
        *again.status_mut() = first.status();
        *again.headers_mut() = first.headers().clone();
        *again.extensions_mut() = first.extensions().clone();
        again
    });
    let response = layer.layer(inner).oneshot(get()).await.unwrap();
    (response, tries.load(Ordering::Relaxed))
}

const FRAMES: [Step; 4] = [Step::Data("ab"), Step::Pending, Step::Data("c"), Step::Trailers];

#[tokio::test(start_paused = true)]
async fn the_last_answer_comes_back_untouched() {
    let (response, tries) = call(layer(), 503, "text/plain", Script { length: Some(3), ..script(&FRAMES) }).await;
    assert_eq!((tries, response.status().as_u16(), &response.headers()["x-kept"]), (3, 503, &"1".parse().unwrap()));
    assert_eq!(response.extensions().get(), Some(&"kept"));
    assert_eq!(response.body().size_hint().exact(), Some(3));
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers(), Some(&trailers()));
    assert_eq!(body.to_bytes(), "abc");
}

// RTY-3
#[tokio::test(start_paused = true)]
async fn an_answer_whose_body_breaks_is_not_tried_again() {
    let (response, tries) = call(layer(), 200, "text/plain", script(&[Step::Data("a"), Step::Error])).await;
    let mut body = response.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "a");
    assert_eq!(body.frame().await.unwrap().unwrap_err(), Broken);
    assert_eq!(tries, 1);
}

const NO: &str = r#"{"ok":false,"error":{"code":"x","message":"x","retryable":false}}"#;
const YES: &str = r#"{"title":"x","retryable":true}"#;

// RTY-14
#[tokio::test(start_paused = true)]
async fn what_the_body_says_is_obeyed_and_the_body_is_whole_all_the_same() {
    let steps = [Step::Data(&NO[..20]), Step::Pending, Step::Data(&NO[20..]), Step::Trailers];
    for length in [None, Some(NO.len() as u64)] {
        let (response, tries) =
            call(layer(), 503, "application/json; charset=utf-8", Script { length, ..script(&steps) }).await;
        assert_eq!(tries, 1);
        assert_eq!(response.body().size_hint().exact(), Some(NO.len() as u64), "it is known by now");
        assert!(!response.body().is_end_stream());
        let body = response.into_body().collect().await.unwrap();
        assert_eq!(body.trailers(), Some(&trailers()));
        assert_eq!(body.to_bytes(), NO);
    }
    let (_, tries) = call(layer(), 409, "application/problem+json", script(&[Step::Data(YES)])).await;
    assert_eq!(tries, 3);
    let (_, tries) = call(layer(), 422, "application/problem+json", script(&[Step::Data(YES)])).await;
    assert_eq!(tries, 1);
}

// RTY-14
#[tokio::test(start_paused = true)]
async fn only_short_json_of_a_failure_is_looked_into() {
    for (code, media_type, tries) in
        [(503, "text/plain", 3), (503, "application/json", 1), (503, "text/event-stream", 3)]
    {
        assert_eq!(call(layer(), code, media_type, script(&[Step::Data(NO)])).await.1, tries, "{media_type}");
    }
    let long = layer().drain(NO.len() - 1, ms(100));
    assert_eq!(call(long, 503, "application/json", script(&[Step::Data(NO)])).await.1, 3);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_was_too_long_to_look_into_is_whole_in_the_last_answer() {
    // The last try is not looked into; a policy that gives up early makes the others the last.
    let layer =
        layer().drain(100, ms(100)).policy(|outcome: &buttress_retry::Outcome<'_, std::convert::Infallible>| {
            match outcome {
                buttress_retry::Outcome::Answer(answer) => assert_eq!(answer.told, None),
                _ => unreachable!(),
            }
            buttress_retry::Verdict::Final
        });
    let steps = [
        Step::Data("{\"a\":"),
        Step::Data("\"0123456789012345678901234567890123456789\""),
        Step::Data("}"),
        Step::Trailers,
    ];
    let (response, tries) = call(layer, 503, "application/json", script(&steps)).await;
    assert_eq!(tries, 1);
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers(), Some(&trailers()));
    assert_eq!(body.to_bytes(), "{\"a\":\"0123456789012345678901234567890123456789\"}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_breaks_while_it_is_looked_into_breaks_for_the_caller_at_the_same_place() {
    let layer =
        layer().policy(|_: &buttress_retry::Outcome<'_, std::convert::Infallible>| buttress_retry::Verdict::Final);
    let (response, _) = call(layer, 503, "application/json", script(&[Step::Data("{"), Step::Error])).await;
    assert_eq!(response.body().size_hint().exact(), None);
    let mut body = response.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "{");
    assert_eq!(body.frame().await.unwrap().unwrap_err(), Broken);
    assert!(body.frame().await.is_none());
}

/// A body of endless data, or of none that ever comes, which counts its bytes and its end.
#[derive(Clone)]
struct Endless {
    data: Option<bytes::Bytes>,
    read: Arc<AtomicUsize>,
}

impl http_body::Body for Endless {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        match &self.data {
            Some(data) => {
                self.read.fetch_add(data.len(), Ordering::Relaxed);
                std::task::Poll::Ready(Some(Ok(http_body::Frame::data(data.clone()))))
            }
            None => std::task::Poll::Pending,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_answer_is_drained_within_its_bounds() {
    for media_type in ["text/plain", "application/json"] {
        let read = Arc::new(AtomicUsize::new(0));
        let endless = Endless { data: Some(bytes::Bytes::from_static(&[b' '; 100])), read: read.clone() };
        let answer = move |_| Response::builder().status(503).header("content-type", media_type).body(endless.clone());
        let inner = Instantly(move |request: http::Request<_>| answer(request).unwrap());
        let _ = layer().drain(1_000, ms(50)).layer(inner).oneshot(get()).await.unwrap();
        let read = read.load(Ordering::Relaxed);
        assert!((2_000..=2_200).contains(&read), "two failures of a thousand bytes and a frame: {read}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_answer_that_stalls_is_drained_no_longer_than_allowed() {
    for media_type in ["text/plain", "application/json"] {
        let stalled = Endless { data: None, read: Arc::default() };
        let inner = Instantly(move |_| {
            Response::builder().status(503).header("content-type", media_type).body(stalled.clone()).unwrap()
        });
        let started = Instant::now();
        let _ = layer().drain(1_000, ms(50)).layer(inner).oneshot(get()).await.unwrap();
        assert!((ms(100)..=ms(102)).contains(&started.elapsed()), "two failures: {:?}", started.elapsed());
    }
}

// RTY-4
#[tokio::test(start_paused = true)]
async fn no_try_begins_when_all_the_time_went_into_a_failed_answer() {
    let tries = Arc::new(AtomicUsize::new(0));
    let (counted, stalled) = (tries.clone(), Endless { data: None, read: Arc::default() });
    let inner = Instantly(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        Response::builder().status(503).body(stalled.clone()).unwrap()
    });
    let told = Told::default();
    let layer = told.by(layer().drain(1_000, ms(50)).deadline(ms(30)).unwrap());
    let started = Instant::now();
    let response = layer.layer(inner).oneshot(get()).await.unwrap();
    assert_eq!((response.status().as_u16(), tries.load(Ordering::Relaxed)), (504, 1));
    assert!((ms(30)..=ms(32)).contains(&started.elapsed()), "{:?}", started.elapsed());
    assert_eq!(told.reasons(), ["deadline"]);
}

// RTY-14
#[tokio::test(start_paused = true)]
async fn a_problem_of_a_layer_on_this_side_is_read_from_the_extensions() {
    let tries = async |problem: Problem| {
        let tries = Arc::new(AtomicUsize::new(0));
        let counted = tries.clone();
        let inner = Instantly(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            problem.clone().into_response::<Script>(None)
        });
        let response = layer().throttled_backoff(Backoff::NONE).layer(inner).oneshot(get()).await.unwrap();
        assert!(response.extensions().get::<Problem>().is_some());
        tries.load(Ordering::Relaxed)
    };
    let problem = |code| Problem::new(StatusCode::from_u16(code).unwrap(), ProblemCode::new("x"), "x");
    assert_eq!(tries(problem(503)).await, 1);
    assert_eq!(tries(problem(409).may_retry()).await, 3);
    assert_eq!(tries(problem(429).may_retry().refused_by("throttle")).await, 3);
}
