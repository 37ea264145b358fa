use std::time::Duration;

use buttress_core::Problem;
use buttress_envelope::EnvelopeLayer;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{ID, JSON, Step, answer, full, got, json, request, script, through};

const TEXT: (&str, &str) = ("content-type", "text/plain; charset=utf-8");

async fn error(answer: Response<Full<bytes::Bytes>>) -> Value {
    let after = got(answer).await;
    assert!(after.extensions().get::<Problem>().is_some());
    json(after).await["error"].take()
}

// ENV-3
#[tokio::test]
async fn every_bare_status_is_an_envelope() {
    for status in 400..600 {
        let error = error(answer(status, &[], full(""))).await;
        assert!(
            error["code"].is_string() && error["message"].is_string() && error["retryable"].is_boolean(),
            "{status}"
        );
        assert_eq!(error["correlationId"], ID);
    }
}

// ENV-3
#[tokio::test]
async fn the_text_of_a_framework_is_the_message() {
    let error = error(answer(400, &[TEXT], full("Failed to parse\r\n\tthe \u{1b}[31mbody\0 "))).await;
    assert_eq!((&error["code"], &error["message"]), (&json!("bad_request"), &json!("Failed to parse the [31mbody")));
}

#[tokio::test]
async fn a_long_text_is_cut_between_characters() {
    let error = error(answer(400, &[TEXT], full("ä".repeat(100_000)))).await;
    let message = error["message"].as_str().unwrap();
    assert!(message.len() <= 503 && message.starts_with("ää") && message.ends_with('…'), "{}", message.len());
}

// ENV-4
#[tokio::test]
async fn nothing_of_a_server_error_is_shown() {
    for (media, body) in [
        (TEXT, "panicked at src/db.rs:7: SELECT secret"),
        (JSON, r#"{"error":"secret","details":"secret","stack":"secret"}"#),
        (JSON, r#"{"type":"about:blank","title":"secret","detail":"secret"}"#),
    ] {
        for status in [500, 502, 503, 504] {
            let error = error(answer(status, &[media], full(body))).await;
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}

// ENV-4
#[tokio::test]
async fn pages_pictures_and_packed_bodies_are_not_read() {
    for fields in [&[("content-type", "text/html")][..], &[TEXT, ("content-encoding", "gzip")]] {
        let after = got(answer(404, fields, script([Step::Hang]))).await;
        assert_eq!(json(after).await["error"]["message"], "there is nothing at this address");
    }
}

// ENV-8
#[tokio::test]
async fn the_faults_of_fastapi_are_fields() {
    let body = r#"{"detail":[{"type":"missing","loc":["body","prompt"],"msg":"Field required","input":"secret"}]}"#;
    let error = error(answer(422, &[JSON], full(body))).await;
    assert_eq!(error["details"], json!([{ "field": "prompt", "problem": "Field required" }]));
    assert_eq!(error["message"], "some fields are wrong");
}

#[tokio::test]
async fn problem_details_and_envelopes_of_others_are_understood() {
    let details =
        r#"{"type":"about:blank","title":"Conflict","status":409,"detail":"taken","code":"gone","errors":[1]}"#;
    let problem = ("content-type", "application/problem+json");
    let told = error(answer(409, &[problem], full(details))).await;
    assert_eq!((&told["message"], &told["code"], &told["details"]), (&json!("taken"), &json!("gone"), &json!([1])));
    let envelope = r#"{"ok":false,"error":{"code":"made_up","message":"no","details":{"a":1}}}"#;
    let told = error(answer(404, &[JSON], full(envelope))).await;
    // A code that is in no catalogue of ours is not handed on.
    assert_eq!(
        (&told["message"], &told["code"], &told["details"]),
        (&json!("no"), &json!("not_found"), &json!({ "a": 1 }))
    );
}

#[tokio::test]
async fn of_an_unknown_shape_nothing_is_taken() {
    for body in [r#"{"token":"secret","details":"secret"}"#, "[\"secret\"]", "17", "null", "{\"error\":", "\u{feff}{}"]
    {
        let error = error(answer(400, &[JSON], full(body))).await;
        assert_eq!((&error["message"], error.get("details")), (&json!("the request cannot be read"), None), "{body}");
    }
}

// ENV-7
#[tokio::test]
async fn the_wait_of_a_bare_answer_makes_it_retryable() {
    let after = got(answer(409, &[("retry-after", "7")], full(""))).await;
    assert_eq!(after.headers()["retry-after"], "7");
    assert_eq!(json(after).await["error"]["retryable"], true);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_body_that_never_ends_is_waited_for_only_so_long() {
    let start = Instant::now();
    let layer = EnvelopeLayer::new().foreign_time(Duration::from_secs(2));
    let body = script([Step::Data("half of "), Step::Hang]);
    let after = through(layer, request("GET", &[]), answer(404, &[TEXT], body)).await;
    assert_eq!(start.elapsed().as_secs(), 2);
    assert_eq!(json(after).await["error"]["message"], "there is nothing at this address");
}

#[tokio::test]
async fn a_foreign_body_that_breaks_still_yields_the_envelope() {
    let after = got(answer(404, &[JSON], script([Step::Data("{\"err"), Step::Pause, Step::Fail("cut")]))).await;
    assert_eq!(json(after).await["error"]["code"], "not_found");
}

#[tokio::test]
async fn a_foreign_body_is_read_up_to_the_limit() {
    let layer = EnvelopeLayer::new().foreign_limit(16.try_into().unwrap());
    // It would hang, if it were read on.
    let steps = || [Step::Data("0123456789"), Step::Data("0123456789"), Step::Hang];
    let cut = through(layer.clone(), request("GET", &[]), answer(400, &[TEXT], script(steps()))).await;
    assert_eq!(json(cut).await["error"]["message"], "01234567890123456789");
    let cut = through(layer, request("GET", &[]), answer(400, &[JSON], script(steps()))).await;
    assert_eq!(json(cut).await["error"]["message"], "the request cannot be read");
}

#[tokio::test]
async fn the_trailers_of_a_foreign_failure_are_left_behind() {
    let after = got(answer(400, &[TEXT], script([Step::Data("no"), Step::Trailers]))).await;
    let collected = http_body_util::BodyExt::collect(after.into_body()).await.unwrap();
    assert!(collected.trailers().is_none());
}
