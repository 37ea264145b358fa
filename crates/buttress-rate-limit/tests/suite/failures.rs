use std::time::Duration;

use buttress_rate_limit::{ClientAddr, Failure, Head, Limit, RateLimitLayer, RateStore, by};
use http::Request;
use tokio::time::Instant;

use super::common::{Far, Manner, ask, by_user, from, header, json, of, quota, status};

fn with_far(manner: Manner, failure: Failure) -> RateLimitLayer<Far> {
    let limit = Limit::new("address", quota("2/h"), ClientAddr::peer());
    RateLimitLayer::with_store(Far::new(manner), [limit.on_failure(failure)]).unwrap()
}

async fn statuses(layer: &RateLimitLayer<impl RateStore>) -> [u16; 4] {
    let mut statuses = [0; 4];
    for place in &mut statuses {
        *place = status(layer, from("192.0.2.1")).await;
    }
    statuses
}

const WAYS: [Manner; 5] =
    [Manner::Broken, Manner::BrokenAtOnce, Manner::Silent, Manner::Panicking, Manner::PanickingLater];

// RLM-11, RLM-16
#[tokio::test(start_paused = true)]
async fn what_a_failing_store_means_is_chosen_by_each_limit() {
    for manner in WAYS {
        assert_eq!(statuses(&with_far(manner, Failure::Open)).await, [200; 4], "{manner:?}");
        assert_eq!(statuses(&with_far(manner, Failure::Closed)).await, [503; 4], "{manner:?}");
        assert_eq!(statuses(&with_far(manner, Failure::Local)).await, [200, 200, 429, 429], "{manner:?}");
    }
    let answer = ask(&with_far(Manner::Broken, Failure::Closed), from("192.0.2.1")).await;
    assert_eq!(header(&answer, "retry-after"), "1");
    assert_eq!(json(answer).await["code"], "store_unavailable");
}

// RLM-11: with its own time.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_silent_is_waited_for_as_long_as_a_limit_says() {
    let layer = |user, address, failure| {
        let user = Limit::new("user", quota("2/h"), by_user()).time_out(Duration::from_millis(user));
        let address = Limit::new("address", quota("2/h"), ClientAddr::peer()).time_out(Duration::from_millis(address));
        RateLimitLayer::with_store(Far::new(Manner::Silent), [user.on_failure(failure), address]).unwrap()
    };
    for (user, address, failure, waited, expected) in [
        (10, 10, Failure::Open, 10, 200),
        (10, 70, Failure::Open, 70, 200),
        (10, 70, Failure::Closed, 10, 503),
        (70, 10, Failure::Closed, 70, 503),
    ] {
        let start = Instant::now();
        assert_eq!(status(&layer(user, address, failure), of("alice", "192.0.2.1")).await, expected);
        assert_eq!(start.elapsed().as_millis(), waited, "{user} ms and {address} ms, {failure:?}");
    }
    // A limit that is not about the request has no say.
    let start = Instant::now();
    status(&layer(5_000, 10, Failure::Closed), from("192.0.2.1")).await;
    assert_eq!(start.elapsed().as_millis(), 10);
}

// RLM-11, RLM-15
#[tokio::test(start_paused = true)]
async fn a_shadow_refuses_nobody_whatever_happens_to_the_store() {
    for manner in WAYS {
        let shadow = Limit::new("new", quota("2/h"), ClientAddr::peer()).shadow().on_failure(Failure::Closed);
        let old = Limit::new("old", quota("2/h"), ClientAddr::peer()).time_out(Duration::from_millis(70));
        let layer = RateLimitLayer::with_store(Far::new(manner), [shadow, old]).unwrap();
        let start = Instant::now();
        assert_eq!(status(&layer, from("192.0.2.1")).await, 200, "{manner:?}");
        assert!(matches!(start.elapsed().as_millis(), 0 | 70), "{manner:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_decides_as_a_quick_one_does() {
    assert_eq!(
        statuses(&with_far(Manner::Slow(Duration::from_millis(5)), Failure::Closed)).await,
        [200, 200, 429, 429]
    );
    let answer = ask(&with_far(Manner::Slow(Duration::from_millis(5)), Failure::Closed), from("192.0.2.1")).await;
    assert_eq!(header(&answer, "ratelimit"), r#""address";r=1;t=1800"#);
}

// RLM-16
#[tokio::test(start_paused = true)]
async fn a_limit_that_panics_is_open_or_closed_by_choice_and_harms_no_other() {
    let broken = |failure| {
        let panics = |head: &Head<'_>| if head.method() == "GET" { panic!("on purpose") } else { false };
        let limits = [
            Limit::new("key", quota("1/h"), by(|_| panic!("on purpose"))).on_failure(failure),
            Limit::new("only", quota("1/h"), ClientAddr::peer()).only_for(panics).on_failure(failure),
            Limit::new("cost", quota("1/h"), ClientAddr::peer()).cost(|_| panic!("on purpose")).on_failure(failure),
            Limit::new("quota", quota("1/h"), ClientAddr::peer())
                .quota_by(|_, _| panic!("on purpose"))
                .on_failure(failure),
            Limit::new("sound", quota("2/h"), ClientAddr::peer()),
        ];
        let layer = RateLimitLayer::new(limits).unwrap().on_refused(|_| panic!("on purpose"));
        layer.exempt(|_| panic!("on purpose")).event_streams(|_| panic!("on purpose"))
    };
    for failure in [Failure::Open, Failure::Local] {
        let layer = broken(failure);
        assert_eq!(status(&layer, from("192.0.2.1")).await, 200);
        assert_eq!(status(&layer, from("192.0.2.1")).await, 200);
        let answer = ask(&layer, from("192.0.2.1")).await;
        assert_eq!(answer.status(), 429, "the sound one still counts");
        assert_eq!(json(answer).await["violated-policies"], serde_json::json!(["sound"]));
    }
    assert_eq!(status(&broken(Failure::Closed), from("192.0.2.1")).await, 503);
}

// RLM-16
#[tokio::test(start_paused = true)]
async fn a_limit_without_a_key_takes_nothing_wherever_it_stands() {
    let without_key = || {
        [
            Limit::new("none", quota("1/h"), by(|_| None)),
            Limit::new("broken", quota("1/h"), by(|_| panic!("on purpose"))),
        ]
    };
    for last in without_key() {
        let layer = RateLimitLayer::new([Limit::new("sound", quota("2/h"), ClientAddr::peer()), last]).unwrap();
        assert_eq!(statuses(&layer).await, [200, 200, 429, 429]);
    }
    for first in without_key() {
        let layer = RateLimitLayer::new([first, Limit::new("sound", quota("2/h"), ClientAddr::peer())]).unwrap();
        assert_eq!(statuses(&layer).await, [200, 200, 429, 429]);
    }
}

// RLM-15
#[tokio::test]
async fn a_shadow_refuses_nobody_whom_it_cannot_count() {
    let limits = || {
        let closed = |limit: Limit| limit.shadow().on_failure(Failure::Closed);
        [
            closed(Limit::new("address", quota("1/h"), ClientAddr::peer())),
            closed(Limit::concurrent("streams", 1, ClientAddr::peer())),
            closed(Limit::new("broken", quota("1/h"), by(|_| panic!("on purpose")))),
        ]
    };
    let layer = RateLimitLayer::new(limits()).unwrap();
    assert_eq!(status(&layer, Request::new(())).await, 200);
    let enforced = RateLimitLayer::new(limits().map(|limit| limit.enforce_for(1))).unwrap();
    assert_eq!(status(&enforced, Request::new(())).await, 500);
    assert_eq!(status(&enforced, from("192.0.2.1")).await, 503);
}
