//! The limits of the gateway, as its callers meet them, alone and behind real proxies.

use std::time::Duration;

use buttress_rate_limit::{ListHeader, Quota};
use buttress_tests::{
    haproxy::Haproxy,
    http::{Answer, Http},
    nginx::Nginx,
};
use gateway_common::Settings;
use serde_json::json;
use tokio::time::Instant;

use super::Gateway;

fn quota(text: &str) -> Option<Quota> {
    Some(text.parse().expect("a quota"))
}

async fn models(client: &Http) -> Answer {
    client.get("/api/models").await
}

async fn picture(client: &Http) -> Answer {
    client.post("/api/images", &json!({ "prompt": "a paper boat" })).await
}

/// How many of so many requests get through.
async fn passed(client: &Http, requests: u32) -> u32 {
    let mut passed = 0;
    for _ in 0..requests {
        passed += u32::from(models(client).await.status == 200);
    }
    passed
}

#[tokio::test]
async fn an_address_is_limited_and_every_answer_says_how_much_is_left() {
    let gateway = Gateway::start(|settings| settings.ip_limit = quota("1/h burst 3")).await;
    let client = gateway.http();
    for left in [2, 1, 0] {
        let answer = models(&client).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("ratelimit-policy"), r#""address";q=1;w=3600"#);
        assert!(answer.header("ratelimit").starts_with(&format!(r#""address";r={left};t="#)), "{:?}", answer.headers);
    }
    let answer = models(&client).await;
    assert_eq!(answer.failure(), (429, "rate_limited".into()));
    assert_eq!(answer.error()["retryable"], true);
    assert_eq!(answer.error()["details"], json!({ "violated-policies": ["address"] }));
    assert!((3_590..=3_600).contains(&answer.header("retry-after").parse().unwrap()), "{:?}", answer.headers);
    assert_eq!(client.get("/api/nowhere").await.status, 429, "also what does not exist");
    // Not limited: the page, and what operators ask.
    for path in ["/", "/healthz", "/metrics"] {
        let answer = client.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.header("ratelimit")), (200, ""), "{path}");
    }
}

#[tokio::test]
async fn problem_details_of_a_refusal_name_the_type_of_the_draft() {
    let gateway = Gateway::start(|settings| settings.ip_limit = quota("1/h")).await;
    let client = gateway.http().with("accept", "application/problem+json");
    models(&client).await;
    let answer = models(&client).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (429, "application/problem+json"));
    assert_eq!(answer.json()["code"], "rate_limited");
}

#[tokio::test]
async fn users_have_buckets_of_their_own() {
    let gateway = Gateway::start(|settings| settings.user_limit = quota("1/h burst 2")).await;
    let (alice, bob) = (gateway.guest().await, gateway.guest().await);
    assert_eq!((passed(&alice, 5).await, passed(&bob, 5).await), (2, 2));
    assert_eq!(models(&alice).await.error()["details"]["violated-policies"], json!(["user"]));
}

#[tokio::test]
async fn jobs_have_limits_of_their_own() {
    let limit = |settings: &mut Settings| {
        settings.image_limit = quota("1/h burst 2");
        settings.video_limit = quota("1/h burst 1");
    };
    let gateway = Gateway::start(limit).await;
    let client = gateway.guest().await;
    assert_eq!((picture(&client).await.status.as_u16(), picture(&client).await.status.as_u16()), (202, 202));
    let refused = picture(&client).await;
    assert_eq!(refused.failure(), (429, "rate_limited".into()));
    assert_eq!(refused.error()["details"]["violated-policies"], json!(["images"]));
    let video = async || client.post("/api/videos", &json!({ "prompt": "waves" })).await.status.as_u16();
    assert_eq!((video().await, video().await), (202, 429));
    assert_eq!(models(&client).await.status, 200, "looking costs nothing");
    // Nobody gets more by throwing the cookie away: who is nobody yet is an address.
    let nobody = gateway.http();
    let started = [picture(&nobody).await, picture(&nobody).await, picture(&nobody).await];
    assert_eq!(started.map(|answer| answer.status.as_u16()), [202, 202, 429]);
}

// SSE-57
#[tokio::test]
async fn the_events_route_is_never_answered_with_429() {
    let gateway = Gateway::start(|settings| settings.user_limit = quota("1/h burst 2")).await;
    let client = gateway.guest().await;
    let job = picture(&client).await.data();
    let events = job["links"]["events"].as_str().unwrap();
    assert_eq!(client.events(events, &[], |_| false).await.last().unwrap().name, "completed");
    let answer = client.get(events).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/event-stream; charset=utf-8"));
    assert_eq!((answer.header("cache-control"), answer.header("x-accel-buffering")), ("no-store", "no"));
    let text = std::str::from_utf8(&answer.body).unwrap();
    let retry = text.strip_prefix("retry: ").and_then(|rest| rest.strip_suffix("\n\n")).expect(text);
    assert!((3_590_000..=3_600_000).contains(&retry.parse().unwrap()), "{text}");
    assert_eq!(models(&client).await.status, 429);
}

// IPA-1, RLM-12
#[tokio::test]
async fn no_header_of_a_caller_changes_its_address() {
    let gateway = Gateway::start(|settings| settings.ip_limit = quota("1/h")).await;
    models(&gateway.http()).await;
    for name in ["x-forwarded-for", "forwarded", "x-real-ip", "true-client-ip", "cf-connecting-ip"] {
        let forged = gateway.http().with(name, "203.0.113.9").with("forwarded", "for=203.0.113.9");
        assert_eq!(models(&forged).await.status, 429, "{name}");
    }
}

#[tokio::test]
async fn calls_to_the_provider_leave_no_faster_than_it_takes_them() {
    let gateway = Gateway::start(|settings| settings.provider_limit = "10/s burst 2".parse().expect("a quota")).await;
    let client = gateway.guest().await;
    let start = Instant::now();
    let (a, b, c) = tokio::join!(picture(&client), picture(&client), picture(&client));
    assert_eq!([a, b, c].map(|answer| answer.status.as_u16()), [202; 3], "they wait their turn");
    let received = Http::new(gateway.sim().url()).get("/_sim/requests").await.json();
    let most = 2 + start.elapsed().as_millis() as usize / 100 + 1;
    let received = received.as_array().unwrap().len();
    assert!((4..=most).contains(&received), "{received} of {most}");
    assert!(start.elapsed() >= Duration::from_millis(190), "{:?}", start.elapsed());
}

#[tokio::test]
async fn what_the_provider_cannot_take_in_time_is_refused_and_may_be_tried_again() {
    let slow = |settings: &mut Settings| {
        settings.provider_limit = "1/h burst 2".parse().expect("a quota");
        settings.attempt_timeout = Duration::from_millis(500);
    };
    let gateway = Gateway::start(slow).await;
    let client = gateway.guest().await;
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(picture(&client).await);
    }
    let refused = answers.last().unwrap();
    assert!(matches!(refused.status.as_u16(), 429 | 503), "{refused:?}");
    assert_eq!(refused.error()["retryable"], true);
    assert!(!refused.header("retry-after").is_empty());
}

/// Two addresses of this machine, each of which gets two requests, whatever it writes into headers.
async fn each_client_is_told_apart(url: &str, forged: &'static str, value: &str) {
    for own in ["127.0.0.2", "127.0.0.3"] {
        let client = Http::from_address(url, own.parse().expect("an address"));
        assert_eq!(passed(&client.clone().with(forged, value), 2).await, 2, "{own}");
        assert_eq!(passed(&client.clone().with(forged, "203.0.113.9"), 2).await, 0, "{own}");
        assert_eq!(passed(&client.with(forged, "\"garbage"), 2).await, 0, "{own}");
    }
}

fn behind(header: ListHeader) -> impl FnOnce(&mut Settings) {
    move |settings| {
        settings.ip_limit = quota("1/h burst 2");
        settings.trusted_proxies = vec!["127.0.0.1".parse().expect("a network")];
        settings.client_addr_header = header;
    }
}

// IPA-3
#[tokio::test]
async fn behind_nginx_every_client_has_its_own_address() {
    let gateway = Gateway::start(behind(ListHeader::XForwardedFor)).await;
    let nginx = Nginx::start(&format!(
        "location / {{ proxy_pass http://{}; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }}",
        gateway.addr()
    ))
    .await;
    each_client_is_told_apart(&nginx.url(), "x-forwarded-for", "6.6.6.6, 127.0.0.1").await;
}

// IPA-3, IPA-5
#[tokio::test]
async fn behind_nginx_that_writes_forwarded_as_well() {
    let gateway = Gateway::start(behind(ListHeader::Forwarded)).await;
    let nginx = Nginx::start(&format!(
        "location / {{ proxy_pass http://{}; proxy_set_header Forwarded \"$http_forwarded, for=$remote_addr\"; }}",
        gateway.addr()
    ))
    .await;
    each_client_is_told_apart(&nginx.url(), "forwarded", "for=6.6.6.6, for=\"127.0.0.1").await;
}

// IPA-3
#[tokio::test]
async fn behind_haproxy_every_client_has_its_own_address() {
    let gateway = Gateway::start(behind(ListHeader::XForwardedFor)).await;
    let haproxy = Haproxy::in_front_of(gateway.addr(), "option forwardfor").await;
    each_client_is_told_apart(&haproxy.url(), "x-forwarded-for", "6.6.6.6, 127.0.0.1").await;
}

// IPA-3, IPA-5
#[tokio::test]
async fn behind_haproxy_that_writes_forwarded_as_well() {
    let gateway = Gateway::start(behind(ListHeader::Forwarded)).await;
    let haproxy = Haproxy::in_front_of(gateway.addr(), "http-request add-header Forwarded for=%[src]").await;
    each_client_is_told_apart(&haproxy.url(), "forwarded", "for=6.6.6.6;by=\"").await;
}

#[tokio::test]
async fn behind_both_the_first_of_them_says_who_it_is() {
    let gateway = Gateway::start(behind(ListHeader::XForwardedFor)).await;
    let nginx = Nginx::start(&format!(
        "location / {{ proxy_pass http://{}; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }}",
        gateway.addr()
    ))
    .await;
    let haproxy = Haproxy::in_front_of(nginx.addr(), "option forwardfor").await;
    each_client_is_told_apart(&haproxy.url(), "x-forwarded-for", "6.6.6.6").await;
}

// IPA-1
#[tokio::test]
async fn a_proxy_that_nobody_named_is_one_client() {
    let gateway = Gateway::start(|settings| settings.ip_limit = quota("1/h burst 2")).await;
    let haproxy = Haproxy::in_front_of(gateway.addr(), "option forwardfor").await;
    let mut all = 0;
    for own in ["127.0.0.2", "127.0.0.3"] {
        all += passed(&Http::from_address(&haproxy.url(), own.parse().expect("an address")), 2).await;
    }
    assert_eq!(all, 2);
}
