use std::time::{Duration, SystemTime};

use buttress_rate_limit::{Advice, ClientAddr, Fields, Limit, RateLimitLayer};
use http_body_util::BodyExt;
use tokio::time::advance;

use super::common::{ask, both, by_address, from, header, of, quota};

// RLM-6
#[tokio::test(start_paused = true)]
async fn every_limited_answer_tells_all_its_limits() {
    let layer = both("60/min burst 20", "2/min burst 2");
    let answer = ask(&layer, of("alice", "192.0.2.1")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(header(&answer, "ratelimit-policy"), r#""user";q=60;w=60, "address";q=2;w=60"#);
    assert_eq!(header(&answer, "ratelimit"), r#""user";r=19;t=1, "address";r=1;t=30"#);
    ask(&layer, of("bob", "192.0.2.1")).await;
    let refused = ask(&layer, of("carol", "192.0.2.1")).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(header(&refused, "ratelimit"), r#""user";r=20;t=0, "address";r=0;t=30"#);
}

// RLM-6: never in trailers.
#[tokio::test(start_paused = true)]
async fn they_are_not_in_trailers() {
    let answer = ask(&by_address("1/s"), from("192.0.2.1")).await;
    assert!(answer.into_body().collect().await.unwrap().trailers().is_none());
}

// RLM-7
#[tokio::test(start_paused = true)]
async fn retry_after_is_never_earlier_than_a_reset() {
    let layer = RateLimitLayer::new([
        Limit::new("second", quota("1/s"), ClientAddr::peer()),
        Limit::new("costly", quota("6/min burst 3"), ClientAddr::peer()).cost(|_| 3),
    ])
    .unwrap();
    ask(&layer, from("192.0.2.1")).await;
    for _ in 0..100 {
        advance(Duration::from_millis(290)).await;
        let answer = ask(&layer, from("192.0.2.1")).await;
        if answer.status() == 429 {
            let retry: u64 = header(&answer, "retry-after").parse().unwrap();
            let advice = Advice::of(answer.headers());
            assert_eq!(advice.limits().len(), 2);
            let violated = advice.limits().iter().filter_map(|limit| limit.reset);
            assert!(violated.max().unwrap() <= Duration::from_secs(retry), "{:?}", answer.headers());
            assert_eq!(advice.wait(SystemTime::now()), Some(Duration::from_secs(retry)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_trio_from_before_is_there_on_request() {
    let layer = both("60/min burst 20", "2/min burst 2").fields(Fields::Legacy);
    let answer = ask(&layer, of("alice", "192.0.2.1")).await;
    let [limit, remaining, reset] = ["limit", "remaining", "reset"].map(|name| format!("x-ratelimit-{name}"));
    assert_eq!((header(&answer, &limit), header(&answer, &remaining), header(&answer, &reset)), ("2", "1", "30"));
    assert_eq!(header(&answer, "ratelimit"), "");
    let answer = ask(&layer.fields(Fields::None), of("alice", "192.0.2.1")).await;
    assert!(answer.headers().is_empty());
}

#[tokio::test(start_paused = true)]
async fn two_layers_add_to_one_list() {
    use tower::{Layer, ServiceExt};
    let inner = by_address("60/min");
    let outer = RateLimitLayer::new([Limit::new("outer", quota("9/min"), ClientAddr::peer())]).unwrap();
    let Ok(answer) = outer.layer(inner.layer(super::common::handler())).oneshot(from("192.0.2.1")).await;
    let names: Vec<_> = Advice::of(answer.headers()).policies().iter().map(|policy| policy.name.clone()).collect();
    assert_eq!(names, ["address", "outer"]);
}

// RLM-17
#[tokio::test(start_paused = true)]
async fn those_who_were_refused_together_are_told_different_times() {
    let layer = by_address("1/min").jitter(Duration::from_secs(100));
    ask(&layer, from("192.0.2.1")).await;
    let mut waits = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let wait: u64 = header(&ask(&layer, from("192.0.2.1")).await, "retry-after").parse().unwrap();
        assert!((60..=160).contains(&wait));
        waits.insert(wait);
    }
    assert!(waits.len() > 10, "{waits:?}");
}
