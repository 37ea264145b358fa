//! What others do wrong, each as a test that fails on that behaviour.

use std::time::Duration;

use buttress_idempotency::{Effect, Lease};
use http::Response;
use tokio::time::sleep;
use tower::ServiceExt;

use crate::common::{Handler, Script, Step, layer, over, post, send};

// D21
#[tokio::test]
async fn no_store_on_every_answer_does_not_switch_the_protection_off() {
    let handler =
        Handler::with(|| Response::builder().header("cache-control", "no-store").body(Script::text("job")).unwrap());
    let service = over(&layer(), &handler);
    for _ in 0..5 {
        let seen = send(&service, post("a", "x")).await;
        assert_eq!((seen.body.as_str(), seen.header("cache-control")), ("job", Some("no-store")));
    }
    assert_eq!(handler.runs(), 1);
}

// D22
#[tokio::test(start_paused = true)]
async fn a_short_answer_of_unknown_length_is_recorded() {
    let handler = Handler::with(|| Response::new(Script::new([Step::Data("o"), Step::Data("k")])));
    let lease = Lease::new(Duration::from_millis(200)).unwrap();
    let service = over(&layer().lease(lease), &handler);
    for i in 0..4 {
        let seen = send(&service, post("a", "x")).await;
        assert_eq!((seen.status, seen.body.as_str(), seen.is_replay()), (200, "ok", i > 0));
        sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(handler.runs(), 1);
}

// D23
#[tokio::test]
async fn trailers_reach_the_first_caller_and_all_later_ones() {
    let handler = Handler::with(|| Response::new(Script::new([Step::Data("a"), Step::Trailers("x-sum", "97")])));
    let service = over(&layer(), &handler);
    for i in 0..2 {
        let seen = send(&service, post("a", "x")).await;
        assert_eq!(seen.trailers.as_ref().unwrap()["x-sum"], "97", "{i}");
        assert_eq!((seen.body.as_str(), seen.is_replay()), ("a", i > 0));
    }
    let secret = Handler::with(|| Response::new(Script::new([Step::Data("a"), Step::Trailers("set-cookie", "a=b")])));
    let service = over(&layer(), &secret);
    assert!(send(&service, post("b", "x")).await.trailers.is_some());
    assert_eq!(send(&service, post("b", "x")).await.trailers, None);
}

// D27: by policy. Without an effect a retry runs at once; with one, it is told at once that nobody knows.
#[tokio::test]
async fn after_an_error_of_the_service_a_retry_is_not_held_up_by_the_lease() {
    let fails = || Handler::new(|_, _| async { Err(crate::common::Broken) });
    let free = over(&layer().effect(Effect::None), &fails());
    free.clone().oneshot(post("a", "x")).await.unwrap_err();
    free.clone().oneshot(post("a", "x")).await.unwrap_err();
    assert_eq!(free.get_ref().runs(), 2);
    let effective = over(&layer(), &fails());
    effective.clone().oneshot(post("a", "x")).await.unwrap_err();
    assert_eq!(send(&effective, post("a", "x")).await.code(), "operation_uncertain");
    assert_eq!(effective.get_ref().runs(), 1);
}
