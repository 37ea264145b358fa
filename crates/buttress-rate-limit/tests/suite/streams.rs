use buttress_core::Problem;
use buttress_rate_limit::{ClientAddr, Failure, Limit, RateLimitLayer};
use http::{Method, Request};

use super::common::{Far, Manner, ask, by_address, from, header, quota, status, text, with};

fn events() -> Request<()> {
    with(from("192.0.2.1"), "accept", "text/event-stream")
}

// SSE-57
#[tokio::test(start_paused = true)]
async fn a_refused_event_stream_is_told_when_to_come_back_and_ends() {
    let layer = by_address("1/min");
    assert_eq!(text(ask(&layer, events()).await).await, "hello");
    let answer = ask(&layer, events()).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), (200, ""));
    assert_eq!(header(&answer, "content-type"), "text/event-stream; charset=utf-8");
    assert_eq!((header(&answer, "cache-control"), header(&answer, "x-accel-buffering")), ("no-store", "no"));
    assert!(answer.extensions().get::<Problem>().is_none(), "an envelope would make a failure of it");
    assert!(!header(&answer, "ratelimit").is_empty());
    assert_eq!(text(answer).await, "retry: 60000\n\n");
}

// SSE-57
#[tokio::test(start_paused = true)]
async fn routes_can_be_named_and_other_requests_are_refused_as_usual() {
    let layer = by_address("1/min").event_streams(|head| head.path().ends_with("/events"));
    ask(&layer, from("192.0.2.1")).await;
    assert_eq!(status(&layer, events()).await, 429, "by path alone");
    let mut request = from("192.0.2.1");
    *request.uri_mut() = "/jobs/1/events".parse().unwrap();
    assert_eq!(status(&layer, request).await, 200);

    let layer = by_address("1/min");
    ask(&layer, events()).await;
    let mut post = events();
    *post.method_mut() = Method::POST;
    assert_eq!(status(&layer, post).await, 429, "no browser reconnects with POST");
}

// SSE-57, RLM-11
#[tokio::test(start_paused = true)]
async fn nor_does_a_store_that_fails_stop_a_browser() {
    let limit = Limit::new("address", quota("1/min"), ClientAddr::peer()).on_failure(Failure::Closed);
    let layer = RateLimitLayer::with_store(Far::new(Manner::Broken), [limit]).unwrap();
    assert_eq!(status(&layer, from("192.0.2.1")).await, 503);
    assert_eq!(text(ask(&layer, events()).await).await, "retry: 1000\n\n");
}
