//! The shapes that servers had before there was an envelope, one by one.

use std::time::Duration;

use buttress_envelope::{EnvelopeLayer, Route};
use http::Response;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{JSON, Script, Step, answer, full, got, json, request, script, text, through};

const FIXTURE: &str = include_str!("../fixtures/legacy-envelopes.json");

/// Case, status, type and body of each answer in the fixture.
fn cases() -> Vec<(String, u16, &'static str, String)> {
    let cases: Vec<Value> = serde_json::from_str(FIXTURE).unwrap();
    let answers = cases.iter().filter(|case| case["status"].is_u64());
    answers
        .map(|case| {
            let is_text = case["body_kind"] == "text";
            let body = if is_text { case["body"].as_str().unwrap().to_owned() } else { case["body"].to_string() };
            let status = u16::try_from(case["status"].as_u64().unwrap()).unwrap();
            (
                case["case"].as_str().unwrap().to_owned(),
                status,
                if is_text { "text/plain" } else { "application/json" },
                body,
            )
        })
        .collect()
}

/// Message and details of what the layer makes of a case.
async fn made_of(name: &str) -> (String, Value, Response<()>) {
    let (_, status, media, body) = cases().into_iter().find(|(case, ..)| case == name).expect("is in the fixture");
    let after = got(answer(status, &[("content-type", media)], full(body))).await;
    let (parts, body) = after.into_parts();
    let body: Value = serde_json::from_str(&text(body).await.unwrap()).unwrap();
    let error = &body["error"];
    (error["message"].as_str().unwrap().to_owned(), error["details"].clone(), Response::from_parts(parts, ()))
}

// ENV-3, ENV-4
#[tokio::test]
async fn every_failure_is_told_and_every_success_is_wrapped() {
    for (name, status, media, before) in cases() {
        let after = got(answer(status, &[("content-type", media)], full(before.clone()))).await;
        assert_eq!(after.status(), status, "{name}");
        let body = json(after).await;
        if status < 400 {
            assert_eq!(body, json!({ "ok": true, "data": serde_json::from_str::<Value>(&before).unwrap() }), "{name}");
        } else {
            let error = &body["error"];
            assert!(error["code"].is_string() && !error["message"].as_str().unwrap().is_empty(), "{name}");
            assert!(!body.to_string().contains("stack"), "{name}");
            assert!(status < 500 || error.get("details").is_none(), "{name}");
        }
    }
}

#[tokio::test]
async fn failures_of_the_caller_keep_their_message_and_details() {
    let faults = |field: &str, problem: &str| json!([{ "field": field, "problem": problem }]);
    let table = [
        ("err-error-only", "Unauthorized", Value::Null),
        ("err-error-details-issues", "Invalid request parameters", faults("limit", "too big")),
        ("err-proxy-passthrough", "API Error", faults("config", "Field required")),
        ("err-balance-nano", "(text)", json!({ "balanceError": true, "requiredCredits": 5 })),
        ("err-rate-limit-lib", "(localised text)", Value::Null),
        ("err-plain-text", "Unauthorized", Value::Null),
        ("err-sse-proxy-text", r#"SSE Backend Error: 404 Not Found {"detail":"Not Found"}"#, Value::Null),
    ];
    for (name, message, details) in table {
        let (found, told, _) = made_of(name).await;
        assert_eq!((found.as_str(), told), (message, details), "{name}");
    }
    let (message, details, _) = made_of("err-balance-402").await;
    assert_eq!((message.as_str(), &details["errorType"]), ("Insufficient balance", &json!("insufficient_balance")));
    assert_eq!(details["requiredCredits"], 5);
}

// ENV-7
#[tokio::test]
async fn a_wait_in_the_body_becomes_retry_after() {
    let (.., answer) = made_of("err-rate-limit-lib").await;
    assert_eq!(answer.headers()["retry-after"], "37");
}

const VIDEO: &str = "/api/generate/video";

/// What a layer that looks into a route makes of a success.
async fn looked_into(route: &'static str, body: Script) -> Response<buttress_envelope::ResponseBody<Script>> {
    let layer = EnvelopeLayer::new().look_into(VIDEO).foreign_limit(200.try_into().unwrap());
    let mut before = answer(200, &[JSON], body);
    before.extensions_mut().insert(Route::new(route));
    through(layer, request("POST", &[]), before).await
}

const DISGUISED: &str = r#"{"success":false,"error":"Prompt is required","creditsUsed":8,"usingUserToken":false}"#;

#[tokio::test]
async fn a_failure_with_status_200_is_found_on_routes_that_ask_for_it() {
    let found = looked_into(VIDEO, script([Step::Data(DISGUISED)])).await;
    assert_eq!(found.status(), 422);
    let error = json(found).await["error"].take();
    assert_eq!((&error["code"], &error["message"]), (&json!("request_failed"), &json!("Prompt is required")));
    assert_eq!((&error["details"]["creditsUsed"], &error["retryable"]), (&json!(8), &json!(false)));
    let unread = looked_into("/other", script([Step::Data(DISGUISED)])).await;
    assert_eq!((unread.status().as_u16(), json(unread).await["ok"].take()), (200, json!(true)));
}

#[tokio::test]
async fn a_failure_of_credit_with_status_200_is_a_402() {
    let body = r#"{"success":false,"error":"no","errorType":"insufficient_balance"}"#;
    let found = looked_into(VIDEO, script([Step::Data(body)])).await;
    assert_eq!((found.status().as_u16(), json(found).await["error"]["code"].take()), (402, json!("payment_required")));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_of_what_was_looked_into_in_vain() {
    const LONG: &str = "\"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890\
        12345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890\"";
    let fine = r#"{"success":true}"#;
    for (steps, expected) in [
        (vec![Step::Data(fine), Step::Trailers], fine),
        (vec![Step::Data("{\"success\""), Step::Pause, Step::Data(":true}")], fine),
        (vec![Step::Data("["), Step::Data(LONG), Step::Data("]"), Step::Trailers], &format!("[{LONG}]")),
        (vec![], "null"),
        (vec![Step::Trailers], "null"),
    ] {
        let trailers = matches!(steps.last(), Some(Step::Trailers));
        let body = looked_into(VIDEO, script(steps)).await.into_body();
        let collected = http_body_util::BodyExt::collect(body).await.unwrap();
        assert_eq!(collected.trailers().is_some(), trailers, "{expected}");
        assert_eq!(collected.to_bytes(), format!(r#"{{"ok":true,"data":{expected}}}"#));
    }
}

#[tokio::test(start_paused = true)]
async fn a_success_that_is_slow_is_passed_on_when_time_is_up() {
    let start = Instant::now();
    let mut body = looked_into(VIDEO, script([Step::Data("[1,"), Step::Hang])).await.into_body();
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    for expected in [r#"{"ok":true,"data":"#, "[1,"] {
        let frame = http_body_util::BodyExt::frame(&mut body).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), expected);
    }
}

#[tokio::test]
async fn a_success_that_breaks_while_it_is_looked_into_breaks_where_it_did() {
    let body = looked_into(VIDEO, script([Step::Data("[1,"), Step::Fail("cut")])).await.into_body();
    assert_eq!(text(body).await.unwrap_err().to_string(), "cut");
}

#[tokio::test]
async fn a_success_that_is_known_to_be_long_is_not_looked_into() {
    let mut body = looked_into(VIDEO, script([Step::Data("[1,"), Step::Hang]).says(1_000)).await.into_body();
    assert!(http_body_util::BodyExt::frame(&mut body).await.is_some());
}
