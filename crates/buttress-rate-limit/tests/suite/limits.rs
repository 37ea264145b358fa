use std::time::Duration;

use buttress_core::{CorrelationId, Problem};
use buttress_rate_limit::{
    ClientAddr, Head, InvalidLimits, Key, KeyBy, Limit, MOST_LIMITS, MemoryStore, RateLimitLayer, Reason, SharedQuota,
    by_nothing,
};
use http::{Method, Request};
use serde_json::json;
use tokio::time::advance;

use super::common::{User, ask, both, by_address, by_user, from, header, json, of, passed, quota, status, text, with};

// RLM-5, RLM-8, D8, D12: tower_governor 0.8.0 tells 0 seconds for 0.9, tower-resilience tells none.
#[tokio::test(start_paused = true)]
async fn a_refusal_is_429_with_the_wait_rounded_up_and_a_problem() {
    let layer = by_address("1/s burst 1");
    assert_eq!(status(&layer, from("192.0.2.1")).await, 200);
    advance(Duration::from_millis(100)).await;
    let answer = ask(&layer, from("192.0.2.1")).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), (429, "1"));
    assert_eq!(header(&answer, "content-type"), "application/problem+json");
    let problem = json(answer).await;
    assert_eq!(problem["code"], "rate_limited");
    assert_eq!(problem["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
    assert_eq!(problem["violated-policies"], json!(["address"]));
    assert_eq!(problem["retryable"], true);
}

// RLM-8, ENV-1, ENV-5
#[tokio::test(start_paused = true)]
async fn every_refusal_says_the_same_but_for_id_and_wait_and_shows_nothing_of_its_request() {
    let layer = both("2/min burst 1", "1/min");
    ask(&layer, of("alice", "192.0.2.1")).await;
    let body = |id: &str, names: &str| {
        format!(
            "{{\"type\":\"https://iana.org/assignments/http-problem-types#quota-exceeded\",\
             \"title\":\"Too Many Requests\",\"status\":429,\"detail\":\"too many requests\",\
             \"code\":\"rate_limited\",\"message\":\"too many requests\",\
             \"details\":{{\"violated-policies\":[{names}]}},\"retryable\":true{id},\
             \"violated-policies\":[{names}]}}"
        )
    };
    for (user, waited, names, wait) in [
        ("alice", 10, r#""user","address""#, "50"),
        ("alice", 30, r#""address""#, "20"),
        ("bob", 5, r#""address""#, "15"),
    ] {
        advance(Duration::from_secs(waited)).await;
        for id in ["", ",\"correlationId\":\"abc\""] {
            let mut request = with(of(user, "192.0.2.1"), "cookie", "secret");
            if !id.is_empty() {
                request.extensions_mut().insert("abc".parse::<CorrelationId>().unwrap());
            }
            let answer = ask(&layer, request).await;
            assert_eq!(header(&answer, "retry-after"), wait);
            let mut fields: Vec<_> = answer.headers().keys().map(|name| name.as_str().to_owned()).collect();
            fields.sort();
            assert_eq!(fields, ["content-type", "ratelimit", "ratelimit-policy", "retry-after"]);
            assert_eq!(answer.extensions().len(), 1, "only the problem");
            assert_eq!(text(answer).await, body(id, names));
        }
    }
}

// RLM-8
#[tokio::test(start_paused = true)]
async fn the_reason_decides_status_and_type() {
    for (reason, status, kind) in [
        (Reason::Quota, 429, "quota-exceeded"),
        (Reason::Abuse, 429, "abnormal-usage-detected"),
        (Reason::Capacity, 503, "temporary-reduced-capacity"),
    ] {
        let layer = RateLimitLayer::new([Limit::new("all", quota("1/h"), by_nothing()).reason(reason)]).unwrap();
        ask(&layer, Request::new(())).await;
        let answer = ask(&layer, Request::new(())).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), (status, "3600"));
        let problem = json(answer).await;
        assert_eq!(problem["type"], format!("https://iana.org/assignments/http-problem-types#{kind}"));
        assert_eq!(problem["violated-policies"], json!(["all"]));
    }
}

// RLM-18
#[tokio::test(start_paused = true)]
async fn a_refusal_is_marked_for_the_layers_around() {
    let layer = by_address("1/min");
    ask(&layer, from("192.0.2.1")).await;
    let answer = ask(&layer, from("192.0.2.1")).await;
    let problem = answer.extensions().get::<Problem>().unwrap();
    assert_eq!(problem.layer(), Some("rate_limit"));
    assert_eq!(problem.delay(), Some(Duration::from_secs(60)));
}

// RLM-2
#[tokio::test(start_paused = true)]
async fn a_denial_takes_nothing_and_coming_back_when_told_succeeds() {
    let layer = by_address("1/min burst 2");
    assert_eq!(passed(&layer, (0..10).map(|_| from("192.0.2.1"))).await, 2);
    let refused = ask(&layer, from("192.0.2.1")).await;
    let wait = refused.extensions().get::<Problem>().unwrap().delay().unwrap();
    advance(wait - Duration::from_millis(1)).await;
    assert_eq!(status(&layer, from("192.0.2.1")).await, 429);
    advance(Duration::from_millis(1)).await;
    assert_eq!(passed(&layer, (0..10).map(|_| from("192.0.2.1"))).await, 1);
}

// RLM-3
#[tokio::test(start_paused = true)]
async fn several_limits_are_one_decision() {
    let layer = both("2/min burst 2", "60/min burst 4");
    assert_eq!(passed(&layer, (0..5).map(|_| of("alice", "192.0.2.1"))).await, 2);
    // Alice's three refusals took nothing from the address.
    assert_eq!(passed(&layer, (0..5).map(|_| of("bob", "192.0.2.1"))).await, 2);
    // Both are used up: both are named, and the longest wait is told.
    let answer = ask(&layer, of("alice", "192.0.2.1")).await;
    assert_eq!(header(&answer, "retry-after"), "30");
    assert_eq!(json(answer).await["violated-policies"], json!(["user", "address"]));
    let answer = ask(&layer, of("carol", "192.0.2.1")).await;
    assert_eq!(header(&answer, "retry-after"), "1");
    assert_eq!(json(answer).await["violated-policies"], json!(["address"]));
}

// RLM-9
#[tokio::test(start_paused = true)]
async fn a_cost_above_the_burst_can_never_pass() {
    let limit = Limit::new("pixels", quota("100/min"), ClientAddr::peer()).cost(|head| head.path().len() as u32);
    let layer = RateLimitLayer::new([limit]).unwrap();
    let long_as = |len: usize| {
        let mut request = from("192.0.2.1");
        *request.uri_mut() = format!("/{}", "x".repeat(len - 1)).parse().unwrap();
        request
    };
    let answer = ask(&layer, long_as(101)).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), (413, ""));
    let problem = json(answer).await;
    assert_eq!((&problem["code"], &problem["retryable"]), (&json!("payload_too_large"), &json!(false)));
    assert!(problem["detail"].as_str().unwrap().contains("never"), "{problem}");
    // It took nothing.
    assert_eq!(status(&layer, long_as(100)).await, 200);
}

// RLM-12
#[tokio::test(start_paused = true)]
async fn the_key_is_who_was_authenticated_and_no_header_chooses_it() {
    let layer = RateLimitLayer::new([Limit::new("caller", quota("1/h"), by_user().or(ClientAddr::peer()))]).unwrap();
    assert_eq!(status(&layer, of("alice", "192.0.2.1")).await, 200);
    assert_eq!(status(&layer, of("alice", "192.0.2.2")).await, 429, "alice, from wherever");
    for name in ["x-user", "authorization", "x-forwarded-for", "forwarded", "x-real-ip"] {
        assert_eq!(status(&layer, with(of("alice", "192.0.2.1"), name, "for=bob")).await, 429, "{name}");
    }
    // Who is not authenticated is its address, which is not alice's bucket.
    assert_eq!(status(&layer, from("192.0.2.1")).await, 200);
    assert_eq!(status(&layer, from("192.0.2.1")).await, 429);
}

#[tokio::test(start_paused = true)]
async fn what_is_exempt_or_not_meant_is_neither_counted_nor_told() {
    let images = Limit::new("images", quota("1/h"), ClientAddr::peer()).only_for(|head| head.method() == Method::POST);
    let layer = RateLimitLayer::new([images]).unwrap().exempt(|head| head.path() == "/health");
    for _ in 0..3 {
        let answer = ask(&layer, from("192.0.2.1")).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "ratelimit")), (200, ""));
    }
    let post = |path: &str| {
        let mut request = from("192.0.2.1");
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path.parse().unwrap();
        request
    };
    assert_eq!(status(&layer, post("/")).await, 200);
    assert_eq!(status(&layer, post("/health")).await, 200);
    assert_eq!(status(&layer, post("/")).await, 429);
    // Without any key there is no limit; and no peer is asked for where none is exempt from it.
    assert_eq!(status(&layer, Request::new(())).await, 200);
}

#[tokio::test(start_paused = true)]
async fn quotas_can_differ_by_key_and_change_at_run_time() {
    let shared = SharedQuota::new(quota("1/h"));
    let limit =
        Limit::new("user", quota("9/h"), by_user()).quota_from(&shared).quota_by(|head: &Head<'_>, _: &Key<'_>| {
            head.extensions().get::<User>().filter(|user| user.0 == "pro").map(|_| quota("3/h"))
        });
    let layer = RateLimitLayer::new([limit]).unwrap();
    assert_eq!(passed(&layer, (0..5).map(|_| of("pro", "192.0.2.1"))).await, 3);
    assert_eq!(passed(&layer, (0..5).map(|_| of("free", "192.0.2.1"))).await, 1);
    shared.set(quota("1/h burst 4"));
    assert_eq!(passed(&layer, (0..5).map(|_| of("free", "192.0.2.1"))).await, 3, "what was taken stays taken");
    assert_eq!(passed(&layer, (0..5).map(|_| of("other", "192.0.2.1"))).await, 4);
}

#[tokio::test(start_paused = true)]
async fn layers_with_one_store_share_limits_by_name() {
    let store = MemoryStore::default();
    let layer = |name| {
        let limit = Limit::new(name, quota("1/h"), ClientAddr::peer());
        RateLimitLayer::with_store(store.clone(), [limit]).unwrap()
    };
    assert_eq!(status(&layer("address"), from("192.0.2.1")).await, 200);
    assert_eq!(status(&layer("address"), from("192.0.2.1")).await, 429);
    assert_eq!(status(&layer("other"), from("192.0.2.1")).await, 200);
}

#[test]
fn limits_that_cannot_be_are_refused_when_the_layer_is_made() {
    let limit = |name| Limit::new(name, quota("1/s"), by_nothing());
    let said = |limits: Vec<Limit>| -> String {
        let refused: InvalidLimits = RateLimitLayer::new(limits).unwrap_err();
        refused.to_string()
    };
    assert!(said(vec![]).contains("without limits"));
    assert!(said(vec![limit("a"), limit("a")]).contains("two limits"));
    assert!(said(vec![limit("a").time_out(Duration::ZERO)]).contains("no time"));
    for bad in ["", "a b", "a\"", "ä", "a-name-that-is-longer-than-32-bytes"] {
        assert!(said(vec![limit(bad)]).contains("no name"), "{bad}");
    }
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    assert!(said(names.map(limit).into()).contains("more than"));
    assert!(RateLimitLayer::new(names[..MOST_LIMITS].iter().map(|name| limit(name))).is_ok());
}
