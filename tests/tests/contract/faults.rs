//! What callers of the gateway see when the provider fails.

use std::time::Duration;

use buttress_tests::http::{Answer, Event, Http};
use gateway_common::{BreakerSettings, Settings};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use superduperai_sim::{Fault, Then};

use super::Gateway;

const IMAGES: &str = "/api/v1/file/generate-image";

async fn image(client: &Http) -> Answer {
    client.post("/api/images", &json!({ "prompt": "a paper boat" })).await
}

fn link<'a>(job: &'a Value, name: &str) -> &'a str {
    job["links"][name].as_str().expect("a job has links")
}

fn until_the_end(_: &[Event]) -> bool {
    false
}

#[tokio::test]
async fn each_answer_of_the_provider_has_its_code() {
    let gateway = Gateway::start(|_| {}).await;
    let client = gateway.guest().await;
    client.get("/api/models").await;
    let table = [
        (401, 502, "provider_unauthorized", false),
        (402, 502, "provider_insufficient_credit", false),
        (400, 502, "provider_rejected", false),
        (500, 503, "provider_unavailable", true),
        (502, 503, "provider_unavailable", true),
        (503, 503, "provider_unavailable", true),
        (524, 504, "provider_timeout", true),
    ];
    for (theirs, ours, code, retryable) in table {
        let status = StatusCode::from_u16(theirs).unwrap();
        gateway.sim().add_fault(Fault::new(
            Method::POST,
            IMAGES,
            superduperai_sim::Answer::new(status).body("upstream-secret <html>"),
        ));
        let answer = image(&client).await;
        assert_eq!(answer.failure(), (ours, code.into()), "{theirs}");
        assert_eq!(answer.error()["retryable"], retryable, "{theirs}");
        assert_eq!(answer.headers.contains_key("retry-after"), ours == 503, "{theirs}");
        assert!(theirs < 500 || !String::from_utf8_lossy(&answer.body).contains("upstream-secret"), "{theirs}");
    }
    assert!(gateway.sim().jobs().is_empty());
}

#[tokio::test]
async fn a_wait_that_the_provider_asks_for_is_passed_on() {
    let gateway = Gateway::start(|_| {}).await;
    let client = gateway.guest().await;
    let later = std::time::SystemTime::now() + Duration::from_secs(90);
    for (value, least, most) in [("7".to_owned(), 7, 7), (httpdate::fmt_http_date(later), 80, 90)] {
        let reply = superduperai_sim::Answer::new(StatusCode::TOO_MANY_REQUESTS).header("retry-after", &value);
        gateway.sim().add_fault(Fault::new(Method::POST, IMAGES, reply));
        let answer = image(&client).await;
        assert_eq!(answer.failure(), (429, "rate_limited".into()));
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((least..=most).contains(&wait), "{value}: {wait}");
    }
}

#[tokio::test]
async fn a_job_whose_answer_was_lost_is_found_again_and_paid_once() {
    let gateway = Gateway::start(|_| {}).await;
    let client = gateway.guest().await;
    gateway.sim().add_fault(Fault::new(Method::POST, IMAGES, Then::DropBefore));
    let answer = image(&client).await;
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    assert_eq!(gateway.sim().jobs().len(), 1);
    let events = client.events(link(&answer.data(), "events"), &[], until_the_end).await;
    assert_eq!(events.last().unwrap().name, "completed");
}

#[tokio::test]
async fn a_provider_that_hangs_is_a_timeout_and_not_a_hang() {
    let gateway = Gateway::start(|settings| {
        settings.attempt_timeout = Duration::from_millis(300);
        settings.provider_timeout = Duration::from_secs(3);
    })
    .await;
    gateway.sim().add_fault(Fault::new(Method::POST, IMAGES, Then::Hang));
    assert_eq!(image(&gateway.guest().await).await.failure(), (504, "provider_timeout".into()));
}

#[tokio::test]
async fn a_provider_that_dies_in_the_middle_of_a_job_leads_to_an_event_and_an_answer() {
    let slow = superduperai_sim::Settings::default().step(Duration::from_secs(60));
    let mut gateway = Gateway::start_with(slow, |_| {}).await;
    let client = gateway.guest().await;
    let job = image(&client).await.data();
    gateway.kill_sim().await;
    let events = client.events(link(&job, "events"), &[], until_the_end).await;
    assert!(events.iter().any(|event| event.json()["step"] == "provider_unreachable"), "{events:?}");
    let last = events.last().unwrap();
    assert_eq!((last.name.as_str(), &last.json()["error"]["code"]), ("failed", &json!("provider_unavailable")));
    assert_eq!(client.get(link(&job, "self")).await.data()["status"], "failed");
    assert_eq!(client.get(link(&job, "result")).await.failure(), (422, "job_failed".into()));
    // By now the circuit breaker may have seen enough.
    let (status, code) = image(&client).await.failure();
    assert!(status == 503 && ["provider_unavailable", "circuit_open"].contains(&code.as_str()), "{status} {code}");
}

#[tokio::test]
async fn a_result_that_came_while_the_provider_was_out_of_sight_is_not_lost() {
    let gateway = Gateway::start(|settings| {
        let schedule = settings.schedule.take().unwrap();
        settings.schedule = Some(schedule.outage(Duration::from_millis(300)));
    })
    .await;
    let client = gateway.guest().await;
    client.get("/api/models").await;
    gateway.sim().add_fault(Fault::new(Method::GET, "/api/v1/file/*", StatusCode::BAD_GATEWAY).times(100));
    let job = image(&client).await.data();
    let events = client.events(link(&job, "events"), &[], until_the_end).await;
    assert_eq!(events.last().unwrap().json()["error"]["code"], "provider_unavailable");
    assert_eq!(client.get(link(&job, "result")).await.failure(), (422, "job_failed".into()));
    gateway.sim().clear_faults();
    assert_eq!(client.get(link(&job, "result")).await.data()["kind"], "image");
}

#[tokio::test]
async fn an_upload_that_the_provider_does_not_answer_is_a_timeout() {
    let gateway = Gateway::start(|settings| settings.attempt_timeout = Duration::from_millis(300)).await;
    gateway.sim().add_fault(Fault::new(Method::POST, "/api/v1/file/upload", Then::Hang));
    let png = "--X\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n\u{89}PNG";
    let form = [&png.as_bytes()[..png.len() - 5], b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\r\n--X--\r\n"].concat();
    let answer = gateway.guest().await.post_raw("/api/uploads", "multipart/form-data; boundary=X", form).await;
    assert_eq!(answer.failure(), (504, "provider_timeout".into()));
}

#[tokio::test]
async fn a_caller_who_leaves_does_not_lose_what_is_paid_for() {
    let gateway = Gateway::start(|_| {}).await;
    let client = gateway.guest().await;
    client.get("/api/models").await;
    gateway.sim().add_fault(Fault::new(Method::POST, IMAGES, Then::Delay(Duration::from_millis(300))));
    let leaving = tokio::time::timeout(Duration::from_millis(100), image(&client)).await;
    assert!(leaving.is_err(), "the caller left before the answer");
    let looked_after =
        || gateway.sim().requests().iter().any(|request| request.path.starts_with("/api/v1/events/file."));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !looked_after() {
        assert!(tokio::time::Instant::now() < deadline, "the job is watched all the same");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(gateway.sim().jobs().len(), 1);
}

const MODELS: &str = "/api/v1/generation-config";
const FILES: &str = "/api/v1/file";

/// Quick retries, and little patience with one try.
fn hasty(settings: &mut Settings) {
    settings.retry.base = Duration::from_millis(1);
    settings.retry.cap = Duration::from_millis(5);
    settings.attempt_timeout = Duration::from_millis(300);
    settings.provider_timeout = Duration::from_secs(5);
}

/// How often the provider was asked this.
fn calls(gateway: &Gateway, method: Method, path: &str) -> usize {
    gateway.sim().requests().iter().filter(|request| request.method == method.as_str() && request.path == path).count()
}

fn answer(status: u16) -> Then {
    superduperai_sim::Answer::new(StatusCode::from_u16(status).expect("a status")).into()
}

/// All that can go wrong with one call.
fn faults() -> Vec<(&'static str, Then)> {
    let busy = superduperai_sim::Answer::new(StatusCode::TOO_MANY_REQUESTS).header("retry-after-ms", "10");
    vec![
        ("429", answer(429)),
        ("429 with a wait", busy.into()),
        ("503", answer(503)),
        ("524", answer(524)),
        ("reset", Then::DropBefore),
        ("delay", Then::Delay(Duration::from_millis(900))),
        ("hang", Then::Hang),
    ]
}

// RTY-1, RTY-4, RTY-5
#[tokio::test]
async fn a_read_that_fails_is_tried_again_to_the_call() {
    let well = Gateway::start(hasty).await;
    assert_eq!(well.guest().await.get("/api/models").await.status, 200);
    let pages = calls(&well, Method::GET, MODELS);
    for (name, fault) in faults() {
        for failures in [1, 2] {
            let gateway = Gateway::start(hasty).await;
            gateway.sim().add_fault(Fault::new(Method::GET, MODELS, fault.clone()).times(failures));
            assert_eq!(gateway.guest().await.get("/api/models").await.status, 200, "{name} {failures}");
            assert_eq!(calls(&gateway, Method::GET, MODELS), pages + failures as usize, "{name} {failures}");
        }
        let gateway = Gateway::start(hasty).await;
        gateway.sim().add_fault(Fault::new(Method::GET, MODELS, fault).times(100));
        let answer = gateway.guest().await.get("/api/models").await;
        assert!([429, 503, 504].contains(&answer.status.as_u16()), "{name} {}", answer.status);
        assert_eq!(calls(&gateway, Method::GET, MODELS), 3, "{name}");
    }
}

// RTY-4
#[tokio::test]
async fn one_attempt_is_one_call() {
    let gateway = Gateway::start(|settings| {
        hasty(settings);
        settings.retry.attempts = std::num::NonZeroU32::MIN;
    })
    .await;
    gateway.sim().add_fault(Fault::new(Method::GET, MODELS, answer(503)));
    assert_eq!(gateway.guest().await.get("/api/models").await.failure(), (503, "provider_unavailable".into()));
    assert_eq!(calls(&gateway, Method::GET, MODELS), 1);
}

// RTY-8
#[tokio::test]
async fn a_wait_beyond_the_time_of_the_call_is_not_waited_for() {
    let gateway = Gateway::start(hasty).await;
    let busy = superduperai_sim::Answer::new(StatusCode::SERVICE_UNAVAILABLE).header("retry-after", "60");
    gateway.sim().add_fault(Fault::new(Method::GET, MODELS, busy).times(9));
    let answer = gateway.guest().await.get("/api/models").await;
    assert_eq!((answer.failure(), answer.header("retry-after")), ((503, "provider_unavailable".into()), "60"));
    assert_eq!(calls(&gateway, Method::GET, MODELS), 1);
}

// RTY-1, AIC-2
#[tokio::test]
async fn a_creation_is_sent_once_whatever_happens_and_looked_up_where_it_is_in_doubt() {
    for (name, fault) in faults() {
        let gateway = Gateway::start(hasty).await;
        let client = gateway.guest().await;
        client.get("/api/models").await;
        gateway.sim().add_fault(Fault::new(Method::POST, IMAGES, fault).times(100));
        let status = image(&client).await.status.as_u16();
        // Adopted, known to be refused, or known not to have happened.
        let (expected, lookups, jobs) = match name {
            "reset" => (202, 1, 1),
            "429" | "429 with a wait" => (429, 0, 0),
            "503" => (503, 2, 0),
            _ => (504, 2, 0),
        };
        assert_eq!(status, expected, "{name}");
        assert_eq!(calls(&gateway, Method::POST, IMAGES), 1, "{name}");
        assert_eq!(calls(&gateway, Method::GET, FILES), lookups, "{name}");
        assert_eq!(gateway.sim().jobs().len(), jobs, "{name}");
    }
}

#[tokio::test]
async fn a_picture_for_which_there_are_no_models_asks_for_them_in_one_call() {
    let gateway = Gateway::start(hasty).await;
    gateway.sim().add_fault(Fault::new(Method::GET, MODELS, answer(503)).times(100));
    assert_eq!(image(&gateway.guest().await).await.failure(), (503, "provider_unavailable".into()));
    assert_eq!(calls(&gateway, Method::GET, MODELS), 3);
}

// RTY-3
#[tokio::test]
async fn an_answer_that_breaks_in_the_middle_is_not_tried_again() {
    let gateway = Gateway::start(hasty).await;
    gateway.sim().add_fault(Fault::new(Method::GET, MODELS, Then::DropAfter(100)));
    assert_eq!(gateway.guest().await.get("/api/models").await.failure(), (503, "provider_unavailable".into()));
    assert_eq!(calls(&gateway, Method::GET, MODELS), 1);
}

async fn health(gateway: &Gateway) -> Value {
    serde_json::from_slice(&gateway.http().get("/healthz").await.body).expect("JSON")
}

// CBK-2, CBK-8, RTY-18
#[tokio::test]
async fn a_provider_that_is_down_is_left_alone_and_found_again() {
    gateway_common::init_metrics();
    let gateway = Gateway::start(|settings| {
        hasty(settings);
        let cool_down = Duration::from_millis(800);
        settings.breaker = Some(BreakerSettings { min_calls: 6, cool_down, trials: 1, ..BreakerSettings::default() });
    })
    .await;
    let client = gateway.guest().await;
    assert_eq!(health(&gateway).await["breakers"], json!({ "superduperai": "closed" }));
    gateway.sim().add_fault(Fault::new(Method::GET, MODELS, answer(503)).times(100));
    for _ in 0..2 {
        assert_eq!(client.get("/api/models").await.failure(), (503, "provider_unavailable".into()));
    }
    assert_eq!(calls(&gateway, Method::GET, MODELS), 6, "each try counts");
    for refused in [client.get("/api/models").await, image(&client).await] {
        assert_eq!((refused.failure(), refused.header("retry-after")), ((503, "circuit_open".into()), "1"));
        assert_eq!(refused.error()["retryable"], true);
    }
    assert_eq!(calls(&gateway, Method::GET, MODELS), 6, "and no refusal is a call");
    assert_eq!(health(&gateway).await["breakers"], json!({ "superduperai": "open" }));
    let metrics = String::from_utf8(gateway.http().get("/metrics").await.body.to_vec()).unwrap();
    for name in ["buttress_retries_total", "buttress_retries_given_up_total", "buttress_breaker_transitions_total"] {
        assert!(metrics.contains(name), "{name} in {metrics}");
    }

    gateway.sim().clear_faults();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while client.get("/api/models").await.status != 200 {
        assert!(tokio::time::Instant::now() < deadline, "it is found again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(health(&gateway).await["breakers"], json!({ "superduperai": "closed" }));
}

// CBK-12
#[tokio::test]
async fn a_breaker_that_is_off_lets_every_call_through() {
    let gateway = Gateway::start(|settings| {
        hasty(settings);
        settings.breaker = None;
    })
    .await;
    let client = gateway.guest().await;
    gateway.sim().add_fault(Fault::new(Method::GET, MODELS, answer(503)).times(100));
    for _ in 0..10 {
        assert_eq!(client.get("/api/models").await.failure(), (503, "provider_unavailable".into()));
    }
    assert_eq!(calls(&gateway, Method::GET, MODELS), 30);
    assert_eq!(health(&gateway).await["breakers"], json!({}));
}
