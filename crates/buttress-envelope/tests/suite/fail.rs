use std::{convert::Infallible, error::Error, time::Duration};

use buttress_core::{Body, FieldProblem, Problem};
use buttress_envelope::{
    ApiError, EnvelopeLayer, Enveloped, INTERNAL, Mode, NOT_FOUND, RATE_LIMITED, UNAVAILABLE, VALIDATION_FAILED,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::json;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::support::{ID, answer, full, got, json, request, said, text, through};

fn told(problem: Problem) -> Response<Body<Full<Bytes>>> {
    problem.into_response(None)
}

// ENV-1, ENV-2, ENV-3, ENV-5, ENV-8
#[tokio::test]
async fn a_problem_of_any_layer_is_told_in_both_forms() {
    let fields = [FieldProblem::new("prompt", "is empty")];
    let problem = VALIDATION_FAILED.problem("some fields are wrong").fields(&fields);
    let envelope = got(told(problem.clone())).await;
    assert_eq!((envelope.status().as_u16(), said(&envelope, "content-type").as_str()), (422, "application/json"));
    assert_eq!(envelope.headers()["x-correlation-id"], ID);
    let expected = json!({
        "code": "validation_failed", "message": "some fields are wrong", "retryable": false, "correlationId": ID,
        "details": [{ "field": "prompt", "problem": "is empty" }],
    });
    assert_eq!(json(envelope).await, json!({ "ok": false, "error": expected }));

    let wants = request("GET", &[("accept", "application/problem+json")]);
    let details = through(EnvelopeLayer::new(), wants, told(problem)).await;
    assert_eq!(details.headers()["content-type"], "application/problem+json");
    let details = json(details).await;
    assert_eq!((&details["status"], &details["type"]), (&json!(422), &json!("about:blank")));
    for (member, value) in expected.as_object().unwrap() {
        assert_eq!(&details[member], value, "{member}");
    }
}

// ENV-7
#[tokio::test]
async fn retry_after_and_retryable_agree() {
    let wait = Duration::from_millis(1_500);
    let answer = got(told(RATE_LIMITED.problem("slow down").retry_after(wait))).await;
    assert_eq!(answer.headers()["retry-after"], "2");
    assert_eq!(json(answer).await["error"]["retryable"], true);
    // That of the answer itself stays as it is.
    let mut own = told(UNAVAILABLE.problem("later"));
    own.headers_mut().insert("retry-after", "Sun, 06 Nov 2094 08:49:37 GMT".parse().unwrap());
    let own = got(own).await;
    assert_eq!(own.headers()["retry-after"], "Sun, 06 Nov 2094 08:49:37 GMT");
}

#[tokio::test]
async fn fields_that_do_not_speak_of_the_body_stay() {
    let fields = [
        ("content-type", "text/html"),
        ("content-length", "3"),
        ("content-encoding", "gzip"),
        ("content-language", "en"),
        ("content-location", "/x"),
        ("content-disposition", "inline"),
        ("content-range", "bytes */9"),
        ("content-md5", "x"),
        ("etag", "\"v1\""),
        ("last-modified", "x"),
        ("accept-ranges", "bytes"),
        ("allow", "GET"),
        ("www-authenticate", "Bearer"),
        ("set-cookie", "a=b"),
        ("access-control-allow-origin", "*"),
        ("content-security-policy", "default-src 'none'"),
        ("vary", "origin"),
    ];
    let after = got(answer(405, &fields, full("zip"))).await;
    let mut left: Vec<_> = after.headers().keys().map(http::HeaderName::as_str).collect();
    left.sort_unstable();
    let expected = [
        "access-control-allow-origin",
        "allow",
        "cache-control",
        "content-length",
        "content-security-policy",
        "content-type",
        "set-cookie",
        "vary",
        "www-authenticate",
        "x-correlation-id",
    ];
    assert_eq!(left, expected);
    assert_eq!(after.headers().get_all("vary").iter().collect::<Vec<_>>(), ["origin", "accept"]);
    let length = after.headers()["content-length"].to_str().unwrap().to_owned();
    assert_eq!(text(after.into_body()).await.unwrap().len().to_string(), length);
    let range = got(answer(416, &fields, full(""))).await;
    assert_eq!(range.headers()["content-range"], "bytes */9");
}

// ENV-5
#[tokio::test]
async fn without_an_id_in_the_request_that_of_the_answer_is_told_and_else_none() {
    let plain = || Request::new(());
    let mut named = told(NOT_FOUND.problem("no"));
    named.headers_mut().insert("x-correlation-id", "from-below".parse().unwrap());
    let answer = through(EnvelopeLayer::new(), plain(), named).await;
    assert_eq!(answer.headers()["x-correlation-id"], "from-below");
    assert_eq!(json(answer).await["error"]["correlationId"], "from-below");
    let answer = through(EnvelopeLayer::new(), plain(), told(NOT_FOUND.problem("no"))).await;
    assert!(!answer.headers().contains_key("x-correlation-id"));
    assert_eq!(json(answer).await["error"].get("correlationId"), None);
}

// ENV-5
#[tokio::test]
async fn the_header_says_what_the_body_says() {
    let mut other = told(NOT_FOUND.problem("no"));
    other.headers_mut().insert("x-correlation-id", "another".parse().unwrap());
    let answer = got(other).await;
    assert_eq!(answer.headers()["x-correlation-id"], ID);
    assert_eq!(json(answer).await["error"]["correlationId"], ID);
}

// ENV-3, ENV-4
#[tokio::test]
async fn a_panic_in_the_future_or_in_the_call_is_a_500() {
    type Answer = Result<Response<Full<Bytes>>, Infallible>;
    let later = service_fn(|_: Request<()>| async { panic!("secret {}", 1) as Answer });
    let at_once = service_fn(|_: Request<()>| -> std::future::Ready<Answer> { panic!("secret") });
    let first = ServiceBuilder::new().layer(EnvelopeLayer::new()).service(later).oneshot(request("GET", &[])).await;
    let second = ServiceBuilder::new().layer(EnvelopeLayer::new()).service(at_once).oneshot(request("GET", &[])).await;
    for answer in [first, second] {
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 500);
        assert!(answer.extensions().get::<Problem>().is_some_and(|problem| problem.code() == INTERNAL.code()));
        let body = json(answer).await;
        assert_eq!((&body["error"]["code"], &body["error"]["correlationId"]), (&json!("internal"), &json!(ID)));
        assert!(!body.to_string().contains("secret"));
    }
}

#[tokio::test]
async fn a_panic_under_the_old_shape_is_told_in_it() {
    type Answer = Result<Response<Full<Bytes>>, Infallible>;
    let inner = service_fn(|_: Request<()>| async { panic!("secret") as Answer });
    let stack = ServiceBuilder::new().layer(EnvelopeLayer::new().mode(Mode::Legacy)).service(inner);
    let answer = stack.oneshot(request("GET", &[])).await.unwrap();
    assert_eq!(json(answer).await, json!({ "error": "something went wrong on our side" }));
}

#[tokio::test]
async fn the_errors_of_the_inner_service_stay_its_errors() {
    let inner = service_fn(|_: Request<()>| async { Err::<Response<Full<Bytes>>, _>("down") });
    let stack = ServiceBuilder::new().layer(EnvelopeLayer::new()).service(inner);
    assert_eq!(stack.oneshot(request("GET", &[])).await.unwrap_err(), "down");
}

// ENV-4
#[tokio::test]
async fn the_cause_of_an_api_error_is_not_shown() {
    let error = ApiError::new(UNAVAILABLE, "come back").because("secret").details(json!({ "queue": 3 }));
    assert_eq!(
        (error.source().unwrap().to_string(), error.to_string()),
        ("secret".into(), "unavailable: come back".into())
    );
    let answer = got(error.into_response::<Full<Bytes>>(None)).await;
    assert_eq!(answer.status(), 503);
    let error = json!({
        "code": "unavailable", "message": "come back", "retryable": true, "correlationId": ID, "details": { "queue": 3 },
    });
    assert_eq!(json(answer).await, json!({ "ok": false, "error": error }));
}

#[tokio::test]
async fn failures_are_marked_so_that_no_second_layer_renders_them() {
    let once = got(told(NOT_FOUND.problem("no"))).await;
    assert!(once.extensions().get::<Enveloped>().is_some());
    let wants = request("GET", &[("accept", "application/problem+json")]);
    let twice = through(EnvelopeLayer::new(), wants, once).await;
    assert_eq!(json(twice).await["ok"], false);
}
