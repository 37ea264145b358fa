use std::{
    convert::Infallible,
    future::{pending, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::Poll,
    time::Duration,
};

use buttress_rate_limit::{ClientAddr, Limit, MemoryStore, RateLimitLayer, RateStore, Settlement, by_nothing};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, StreamBody};
use serde_json::{Value, json};
use tokio::time::advance;
use tower::{Layer, Service, ServiceExt, service_fn};

use super::common::{Far, Manner, ask, by_user, from, handler, header, json, of, quota, status};

fn at_once(most: u32) -> RateLimitLayer {
    RateLimitLayer::new([Limit::concurrent("streams", most, ClientAddr::peer())]).unwrap()
}

// RLM-13
#[tokio::test(start_paused = true)]
async fn a_place_is_taken_until_the_body_ends_or_is_dropped() {
    let layer = at_once(2);
    let (first, second) = (ask(&layer, from("192.0.2.1")).await, ask(&layer, from("192.0.2.1")).await);
    assert_eq!(header(&second, "ratelimit-policy"), r#""streams";q=2;qu="concurrent-requests""#);
    assert_eq!((header(&first, "ratelimit"), header(&second, "ratelimit")), (r#""streams";r=1"#, r#""streams";r=0"#));
    let refused = ask(&layer, from("192.0.2.1")).await;
    assert_eq!((refused.status().as_u16(), header(&refused, "retry-after")), (429, "1"));
    assert_eq!(status(&layer, from("192.0.2.2")).await, 200, "somebody else has places of its own");
    drop(first);
    assert_eq!(status(&layer, from("192.0.2.1")).await, 200);
    // The last frame is the end, also for who never asks for more.
    let mut body = second.into_body();
    body.frame().await.unwrap().unwrap();
    assert!(body.is_end_stream());
    let (third, fourth) = (ask(&layer, from("192.0.2.1")).await, ask(&layer, from("192.0.2.1")).await);
    assert_eq!((third.status().as_u16(), fourth.status().as_u16()), (200, 200));
}

// RLM-13: also for streams.
#[tokio::test(start_paused = true)]
async fn a_stream_keeps_its_place_between_frames_and_loses_it_with_an_error() {
    let layer = at_once(1);
    let stream = |ok: bool| {
        service_fn(move |_: Request<()>| {
            let last = if ok { Ok(Frame::data(Bytes::from("b"))) } else { Err("broken") };
            let body = StreamBody::new(futures_util::stream::iter([Ok(Frame::data(Bytes::from("a"))), last]));
            async move { Ok::<_, Infallible>(Response::new(body)) }
        })
    };
    for ok in [true, false] {
        let answer = layer.layer(stream(ok)).oneshot(from("192.0.2.1")).await.unwrap();
        let mut body = answer.into_body();
        assert!(body.frame().await.unwrap().is_ok());
        assert_eq!(status(&layer, from("192.0.2.1")).await, 429);
        while let Some(Ok(_)) = body.frame().await {}
        assert_eq!(status(&layer, from("192.0.2.1")).await, 200, "{ok}");
    }
}

// RLM-13: on drop and on panic.
#[tokio::test(start_paused = true)]
async fn a_place_comes_back_from_a_future_that_is_dropped_or_panics() {
    let layer = at_once(1);
    let never = service_fn(async |_: Request<()>| {
        pending::<()>().await;
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let mut service = layer.layer(never);
    let unpolled = service.call(from("192.0.2.1"));
    assert_eq!(status(&layer, from("192.0.2.1")).await, 429);
    drop(unpolled);
    assert_eq!(status(&layer, from("192.0.2.1")).await, 200);
    let broken = service_fn(async |_: Request<()>| -> Result<Response<String>, Infallible> { panic!("on purpose") });
    let panicked = tokio::spawn(layer.layer(broken).oneshot(from("192.0.2.1"))).await;
    assert!(panicked.is_err());
    assert_eq!(status(&layer, from("192.0.2.1")).await, 200);
}

// RLM-13: also while a store elsewhere is waited for, before the request and after it.
#[tokio::test(start_paused = true)]
async fn a_place_comes_back_from_a_future_that_is_dropped_at_any_poll() {
    let rate = Limit::new("rate", quota("100/h"), ClientAddr::peer()).settle(|_| Settlement::Refund);
    let limits = [Limit::concurrent("streams", 1, ClientAddr::peer()), rate.time_out(Duration::from_secs(1))];
    let layer = RateLimitLayer::with_store(Far::new(Manner::Slow(Duration::from_millis(8))), limits).unwrap();
    for polls in 0..5 {
        let mut future = Box::pin(layer.layer(handler()).oneshot(from("192.0.2.1")));
        for _ in 0..polls {
            assert!(poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await);
            advance(Duration::from_millis(5)).await;
        }
        if polls > 0 {
            assert_eq!(status(&layer, from("192.0.2.1")).await, 429, "{polls}");
        }
        drop(future);
        assert_eq!(status(&layer, from("192.0.2.1")).await, 200, "{polls}");
    }
}

// RLM-3, RLM-13: no place, nothing taken.
#[tokio::test(start_paused = true)]
async fn a_full_limit_takes_no_units_and_a_refusal_for_units_takes_no_place() {
    let layer = RateLimitLayer::new([
        Limit::new("user", quota("3/h"), by_user()),
        Limit::concurrent("streams", 1, ClientAddr::peer()),
    ])
    .unwrap();
    let held = ask(&layer, of("alice", "192.0.2.1")).await;
    for _ in 0..5 {
        assert_eq!(json(ask(&layer, of("alice", "192.0.2.1")).await).await["violated-policies"], json!(["streams"]));
    }
    drop(held);
    assert_eq!(status(&layer, of("alice", "192.0.2.1")).await, 200);
    assert_eq!(status(&layer, of("alice", "192.0.2.1")).await, 200);
    assert_eq!(json(ask(&layer, of("alice", "192.0.2.1")).await).await["violated-policies"][0], "user");
    assert_eq!(status(&layer, of("bob", "192.0.2.1")).await, 200);
}

/// What a request is told for which there is no place, after one that holds it: names of limits, and a wait.
async fn told_beside_a_full_limit<St: RateStore>(store: St) -> (Value, String) {
    let limits = [
        Limit::new("user", quota("1/min"), by_user()).time_out(Duration::from_secs(1)),
        Limit::concurrent("streams", 1, ClientAddr::peer()),
        Limit::new("new", quota("1/h"), by_user()).shadow(),
    ];
    let layer = RateLimitLayer::with_store(store, limits).unwrap();
    let _held = ask(&layer, of("alice", "192.0.2.1")).await;
    let refused = ask(&layer, of("alice", "192.0.2.1")).await;
    assert_eq!(status(&layer, of("alice", "192.0.2.1")).await, 429);
    let wait = header(&refused, "retry-after").to_owned();
    (json(refused).await["violated-policies"].clone(), wait)
}

// RLM-3
#[tokio::test(start_paused = true)]
async fn a_full_limit_hides_no_rate_that_is_used_up_as_well() {
    let both = (json!(["user", "streams"]), "60".to_owned());
    assert_eq!(told_beside_a_full_limit(MemoryStore::default()).await, both);
    assert_eq!(told_beside_a_full_limit(Far::new(Manner::Slow(Duration::from_millis(3)))).await, both);
    for manner in [Manner::Broken, Manner::BrokenAtOnce, Manner::Silent, Manner::Panicking, Manner::PanickingLater] {
        let alone = (json!(["streams"]), "1".to_owned());
        assert_eq!(told_beside_a_full_limit(Far::new(manner)).await, alone, "{manner:?}");
    }
}

// RLM-13
#[tokio::test(start_paused = true)]
async fn who_finds_no_place_keeps_none_while_the_store_is_asked() {
    let limits = [
        Limit::concurrent("all", 2, by_nothing()),
        Limit::concurrent("user", 1, by_user()),
        Limit::new("rate", quota("9/h"), by_user()).time_out(Duration::from_secs(1)),
    ];
    let layer = RateLimitLayer::with_store(Far::new(Manner::Slow(Duration::from_millis(500))), limits).unwrap();
    let _held = ask(&layer, of("alice", "192.0.2.1")).await;
    let mut refused = Box::pin(layer.layer(handler()).oneshot(of("alice", "192.0.2.1")));
    assert!(poll_fn(|cx| Poll::Ready(refused.as_mut().poll(cx).is_pending())).await);
    assert_eq!(status(&layer, of("bob", "192.0.2.1")).await, 200);
}

// RLM-14
#[tokio::test(start_paused = true)]
async fn critical_requests_keep_a_share_and_the_others_are_told_that_the_server_is_busy() {
    let limit = Limit::concurrent("work", 5, buttress_rate_limit::by_nothing())
        .reserve(1, |head| head.headers().contains_key("x-critical"));
    let layer = RateLimitLayer::new([limit]).unwrap();
    let critical = || super::common::with(from("192.0.2.1"), "x-critical", "1");
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(ask(&layer, from("192.0.2.1")).await);
    }
    let shed = ask(&layer, from("192.0.2.1")).await;
    assert_eq!((shed.status().as_u16(), header(&shed, "retry-after")), (503, "1"));
    let problem = json(shed).await;
    assert_eq!(problem["type"], "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity");
    held.push(ask(&layer, critical()).await);
    assert!(held.iter().all(|answer| answer.status() == 200));
    assert_eq!(status(&layer, critical()).await, 503, "nothing is left for anybody");
}

// RLM-15
#[tokio::test(start_paused = true)]
async fn a_shadow_lets_everybody_in_and_is_told() {
    let told = Arc::new(AtomicU32::new(0));
    let hook = told.clone();
    let layer = RateLimitLayer::new([Limit::concurrent("streams", 1, ClientAddr::peer()).shadow()]).unwrap();
    let layer =
        layer.on_refused(move |refused| _ = hook.fetch_add(if refused.shadow { 1 } else { 10 }, Ordering::SeqCst));
    let mut held = Vec::new();
    for expected in [0, 1] {
        held.push(ask(&layer, from("192.0.2.1")).await);
        assert_eq!(told.load(Ordering::SeqCst), expected);
    }
    assert!(held.iter().all(|answer| answer.status() == 200));
}
