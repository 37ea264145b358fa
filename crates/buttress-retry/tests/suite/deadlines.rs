//! The time of a try, and that of a call.

use std::time::Duration;

use buttress_core::{CorrelationId, Deadline, Problem};
use buttress_retry::{Backoff, Repeat, RetryLayer};
use http_body_util::BodyExt;
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

use crate::common::*;

fn layer() -> RetryLayer {
    RetryLayer::new().backoff(Backoff::NONE)
}

// RTY-5
#[tokio::test(start_paused = true)]
async fn a_try_that_hangs_is_broken_off_before_the_next_begins() {
    let server = Server::new([Try::Hang, Try::Hang]);
    let layer = layer().attempt_timeout(ms(500)).unwrap();
    let started = Instant::now();
    let response = layer.layer(server.clone()).oneshot(get()).await.unwrap();
    assert_eq!((response.status().as_u16(), server.tries(), server.dropped()), (200, 3, 2));
    assert!((ms(1_000)..=ms(1_004)).contains(&started.elapsed()), "{:?}", started.elapsed());
}

// RTY-5
#[tokio::test(start_paused = true)]
async fn when_all_tries_hang_the_answer_is_a_504_that_says_who_made_it() {
    let server = Server::new([Try::Hang, Try::Hang, Try::Hang]);
    let mut request = get();
    let id: CorrelationId = "abc".parse().unwrap();
    request.extensions_mut().insert(id);
    let layer = layer().attempt_timeout(ms(500)).unwrap();
    let response = layer.layer(server.clone()).oneshot(request).await.unwrap();
    assert_eq!((response.status().as_u16(), server.dropped()), (504, 3));
    let problem = response.extensions().get::<Problem>().unwrap();
    assert_eq!(
        (problem.code().as_str(), problem.layer(), problem.retryable()),
        ("upstream_timeout", Some("retry"), true)
    );
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("\"correlationId\":\"abc\""));
}

// RTY-5
#[tokio::test(start_paused = true)]
async fn what_is_sent_once_has_no_more_time() {
    let server = Server::new([Try::Hang]);
    let told = Told::default();
    let layer = told.by(layer().attempt_timeout(ms(500)).unwrap());
    let response = layer.layer(server.clone()).oneshot(post("x")).await.unwrap();
    let problem = response.extensions().get::<Problem>().unwrap();
    assert_eq!((problem.status().as_u16(), problem.retryable(), server.tries()), (504, false, 1));
    assert_eq!(told.reasons(), ["unrepeatable"]);
}

// RTY-4
#[tokio::test(start_paused = true)]
async fn no_wait_is_begun_that_would_reach_the_deadline() {
    let told = Told::default();
    let layer = told.by(RetryLayer::new().deadline(ms(3_000)).unwrap());
    let server = Server::answers([answer(503, &[("retry-after", "3")], "busy")]);
    let started = Instant::now();
    let response = layer.layer(server.clone()).oneshot(get()).await.unwrap();
    assert_eq!((response.status().as_u16(), server.tries(), started.elapsed()), (503, 1, Duration::ZERO));
    assert_eq!(text(response).await, "busy");
    assert_eq!(told.reasons(), ["deadline"]);
}

// RTY-4
#[tokio::test(start_paused = true)]
async fn one_deadline_covers_all_tries() {
    let server = Server::new([Try::Hang, Try::Hang, Try::Hang]);
    let layer = layer().attempt_timeout(ms(500)).unwrap().deadline(ms(1_200)).unwrap();
    let started = Instant::now();
    let response = layer.layer(server.clone()).oneshot(get()).await.unwrap();
    assert_eq!((response.status().as_u16(), server.tries(), server.dropped()), (504, 3, 3));
    assert!((ms(1_200)..=ms(1_202)).contains(&started.elapsed()), "{:?}", started.elapsed());
}

// RTY-4
#[tokio::test(start_paused = true)]
async fn the_earlier_of_two_deadlines_holds_and_layers_below_are_told() {
    for (given, own, holds) in [(500, 800, 500), (800, 500, 500)] {
        let server = Server::new([Try::Hang]);
        let mut request = get();
        let started = Instant::now();
        request.extensions_mut().insert(Deadline::at((started + ms(given)).into_std()));
        let layer = layer().deadline(ms(own)).unwrap();
        let response = layer.layer(server.clone()).oneshot(request).await.unwrap();
        assert_eq!(response.status(), 504);
        assert!((ms(holds)..=ms(holds + 2)).contains(&started.elapsed()), "{:?}", started.elapsed());
        let seen = server.seen();
        let deadline = seen[0].head.extensions.get::<Deadline>().unwrap();
        assert_eq!(deadline.left(started.into_std()), ms(holds));
    }
}

// RTY-15, RTY-16
#[tokio::test(start_paused = true)]
async fn a_callers_deadline_that_has_passed_is_not_tried_at_all() {
    let server = Server::default();
    let mut request = get();
    request.extensions_mut().insert(Deadline::at(Instant::now().into_std()));
    let response = layer().layer(server.clone()).oneshot(request).await.unwrap();
    assert_eq!((response.status().as_u16(), server.tries()), (504, 0));
    assert!(!response.extensions().get::<Problem>().unwrap().retryable());
}

// RTY-16
#[tokio::test(start_paused = true)]
async fn a_504_that_comes_when_the_callers_time_is_over_is_handed_on() {
    let deadline = Instant::now() + ms(500);
    let mut request = get();
    request.extensions_mut().insert(Deadline::at(deadline.into_std()));
    request.extensions_mut().insert(Repeat::Always);
    let tries = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = tries.clone();
    let inner = tower::service_fn(move |_| {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async move {
            tokio::time::sleep_until(deadline).await;
            Ok::<_, Broken>(answer(504, &[], "theirs"))
        }
    });
    let response = layer().layer(inner).oneshot(request).await.unwrap();
    assert_eq!((response.status().as_u16(), tries.load(std::sync::atomic::Ordering::Relaxed)), (504, 1));
    // An answer that is there goes before a time that is over.
    assert_eq!(text(response).await, "theirs");
}

// RTY-3
#[tokio::test(start_paused = true)]
async fn no_time_of_the_layer_cuts_an_answer_that_has_begun() {
    let body = script(&[Step::Data("a"), Step::Pending, Step::Data("b")]);
    let layer = layer().attempt_timeout(ms(5)).unwrap().deadline(ms(10)).unwrap();
    let response = layer.layer(Instantly(move |_| http::Response::new(body.clone()))).oneshot(get()).await.unwrap();
    tokio::time::advance(ms(60_000)).await;
    assert_eq!(text(response).await, "ab");
}

#[test]
fn no_time_at_all_is_refused() {
    assert!(RetryLayer::new().attempt_timeout(Duration::ZERO).is_err());
    assert!(RetryLayer::new().deadline(Duration::ZERO).is_err());
    assert!(RetryLayer::new().deadline(Duration::MAX).is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_longest_times_there_are_mean_never() {
    let layer = layer().deadline(Duration::MAX).unwrap().attempt_timeout(Duration::MAX).unwrap();
    let layer = layer.drain(usize::MAX, Duration::MAX).longest_wait(Duration::MAX);
    let server = Server::answers([answer(503, &[], "busy")]);
    assert_eq!(layer.layer(server).oneshot(get()).await.unwrap().status(), 200);
}
