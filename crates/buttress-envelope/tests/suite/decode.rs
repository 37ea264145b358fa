use std::time::Duration;

use buttress_core::{CorrelationId, Problem};
use buttress_envelope::{ApiError, Code, HTTP_CODES, decode, decode_answer, failure_json};
use http::{Response, StatusCode};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{JSON, answer, fields, full, got, text};

pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("ok|data|error|success|[a-z]{1,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

pub(crate) fn any_problem() -> impl Strategy<Value = Problem> {
    let code = prop::sample::select(HTTP_CODES);
    (code, any::<String>(), prop::option::of(any_json()), any::<bool>()).prop_map(|(code, message, details, retry)| {
        let problem = Problem::new(code.status(), code.code(), message);
        let problem = if retry { problem.may_retry() } else { problem };
        match details {
            Some(details) => problem.details(details),
            None => problem,
        }
    })
}

pub(crate) fn same(error: &ApiError, problem: &Problem, id: Option<&CorrelationId>) {
    assert_eq!((error.status(), error.code()), (problem.status(), problem.code().as_str()));
    assert_eq!((error.message(), error.retryable()), (problem.message(), problem.retryable()));
    assert_eq!((error.details_value(), error.correlation_id()), (problem.details_value(), id));
}

proptest! {
    // ENV-1, ENV-2: the decoder is the inverse of both renderings
    #[test]
    fn a_failure_is_read_as_it_was_told(problem in any_problem(), id in prop::option::of("[A-Za-z0-9._-]{1,128}")) {
        let id: Option<CorrelationId> = id.map(|id| id.parse().unwrap());
        for body in [failure_json(&problem, id.as_ref()), problem.to_problem_json(id.as_ref())] {
            let error = decode::<Value>(problem.status(), &body).unwrap_err();
            same(&error, &problem, id.as_ref());
            let again = Problem::from(error);
            prop_assert_eq!(&again, &problem);
        }
    }

    #[test]
    fn data_is_read_as_it_was_wrapped(data in any_json()) {
        let body = data.to_string();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let wrapped = runtime.block_on(async {
            let answer = got(answer(200, &[JSON], full(body))).await;
            text(answer.into_body()).await.unwrap()
        });
        prop_assert_eq!(decode::<Value>(StatusCode::OK, wrapped.as_bytes()).unwrap(), data);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(status in 100_u16..1_000, body: Vec<u8>) {
        let _ = decode::<Value>(StatusCode::from_u16(status).unwrap(), &body);
    }

    #[test]
    fn a_failure_never_decodes_as_data(status in 400_u16..600, body in any_json()) {
        let status = StatusCode::from_u16(status).unwrap();
        let error = decode::<Value>(status, body.to_string().as_bytes()).unwrap_err();
        prop_assert_eq!(error.status(), status);
    }
}

#[derive(Debug, Deserialize, PartialEq)]
struct Job {
    id: u8,
}

#[test]
fn data_without_an_envelope_is_read_too() {
    assert_eq!(decode::<Job>(StatusCode::OK, br#"{"id":7}"#).unwrap(), Job { id: 7 });
    assert_eq!(decode::<Job>(StatusCode::OK, br#"{"ok":true,"data":{"id":7}}"#).unwrap(), Job { id: 7 });
    // Data that only looks like one.
    let alike = br#"{"ok":true,"data":1,"more":2}"#;
    assert_eq!(decode::<Value>(StatusCode::OK, alike).unwrap()["more"], 2);
    decode::<()>(StatusCode::NO_CONTENT, b"").unwrap();
    assert_eq!(decode::<Option<Job>>(StatusCode::OK, br#"{"ok":true,"data":null}"#).unwrap(), None);
}

#[test]
fn data_that_does_not_fit_is_a_fault_of_the_server() {
    let error = decode::<Job>(StatusCode::OK, br#"{"ok":true,"data":{"id":700}}"#).unwrap_err();
    assert_eq!(error.code(), "internal");
    let fault = std::error::Error::source(&error).unwrap().to_string();
    assert!(fault.contains("700"), "{fault}");
}

#[test]
fn failures_of_others_are_understood() {
    let of = |status, body: &str| decode::<Value>(StatusCode::from_u16(status).unwrap(), body.as_bytes()).unwrap_err();
    let fastapi = of(422, r#"{"detail":[{"loc":["body","prompt"],"msg":"Field required"}]}"#);
    assert_eq!(fastapi.details_value(), Some(&json!([{ "field": "prompt", "problem": "Field required" }])));
    let text = of(503, "upstream connect error");
    assert_eq!((text.message(), text.code(), text.retryable()), ("upstream connect error", "unavailable", true));
    let foreign = of(409, r#"{"ok":false,"error":{"code":"job_not_finished","message":"wait"}}"#);
    assert_eq!((foreign.code(), foreign.retryable()), ("job_not_finished", false));
    assert_eq!(Problem::from(foreign).code().as_str(), "conflict");
    let disguised = of(200, r#"{"ok":false,"error":{"code":"internal","message":"no"}}"#);
    assert_eq!((disguised.message(), disguised.status()), ("no", StatusCode::INTERNAL_SERVER_ERROR));
    let unnamed = of(202, r#"{"ok":false,"error":{"code":"no_gpu","message":"no"}}"#);
    assert_eq!(unnamed.code(), "no_gpu");
    assert_eq!(Problem::from(unnamed).status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(of(302, "").status(), 502);
}

// ENV-7
#[test]
fn the_wait_and_the_id_of_the_header_are_read() {
    let (mut parts, ()) = Response::new(()).into_parts();
    parts.status = StatusCode::TOO_MANY_REQUESTS;
    parts.headers = fields(&[("retry-after", "9"), ("x-correlation-id", "abc")]);
    let error = decode_answer::<Value>(&parts, b"").unwrap_err();
    assert_eq!((error.delay(), error.retryable()), (Some(Duration::from_secs(9)), true));
    assert_eq!(error.correlation_id().map(CorrelationId::as_str), Some("abc"));
}

// ENV-7
#[test]
fn what_is_not_to_be_tried_again_is_not_when_it_is_handed_on() {
    let (mut parts, ()) = Response::new(()).into_parts();
    parts.status = StatusCode::CONFLICT;
    parts.headers = fields(&[("retry-after", "9")]);
    let body = br#"{"ok":false,"error":{"code":"operation_uncertain","message":"no","retryable":false}}"#;
    let error = decode_answer::<Value>(&parts, body).unwrap_err();
    assert_eq!((error.retryable(), error.delay()), (false, Some(Duration::from_secs(9))));
    let problem = Problem::from(error);
    assert_eq!((problem.retryable(), problem.delay()), (false, None));
}

#[test]
fn every_code_of_the_catalogue_is_lower_snake_case_and_there_once() {
    let mut names: Vec<_> = HTTP_CODES.iter().map(|code: &Code| code.code().as_str()).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}
