//! The schemas, held against real answers by a validator of JSON Schema that others wrote.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{convert::Infallible, future::ready};

use boon::{Compiler, Draft, Schemas};
use buttress_core::{Body, CorrelationId, FieldProblem};
use buttress_envelope::{
    ApiError, Catalogue, EnvelopeLayer, FailureEnvelope, HTTP_CODES, ProblemDetails, RATE_LIMITED, SuccessEnvelope,
    VALIDATION_FAILED,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ComponentsBuilder, RefOr, schema::Schema},
};

type Answer = Response<Body<Full<Bytes>>>;

const ALL: Catalogue = Catalogue::new(&[HTTP_CODES]);

/// Whether a body fits a schema of the document, in which schemas name each other.
fn fits<T: ToSchema>(body: &Value) -> Result<(), String> {
    let mut named = Vec::new();
    T::schemas(&mut named);
    let components = ComponentsBuilder::new().schema_from::<T>().schemas_from_iter(named);
    let components = components.schema("ErrorCode", ALL.code_schema()).build();
    let document = json!({ "components": components });
    let mut compiler = Compiler::new();
    compiler.set_default_draft(Draft::V2020_12);
    compiler.add_resource("http://x/api.json", document).unwrap();
    let mut schemas = Schemas::new();
    let at = format!("http://x/api.json#/components/schemas/{}", T::name());
    let schema = compiler.compile(&at, &mut schemas).unwrap();
    schemas.validate(body, schema).map_err(|fault| fault.to_string())
}

/// What a server with the envelope sends.
async fn sent(accept: &str, answer: Answer) -> Value {
    let mut answer = Some(answer);
    let service = service_fn(move |_| ready(Ok::<_, Infallible>(answer.take().unwrap())));
    let id: CorrelationId = "order-42".parse().unwrap();
    let request = Request::get("/").header("accept", accept).extension(id).body(()).unwrap();
    let answer = ServiceBuilder::new().layer(EnvelopeLayer::new()).service(service).oneshot(request).await.unwrap();
    serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

fn success(data: &'static str) -> Answer {
    let mut answer = Response::new(Body::full(data));
    answer.headers_mut().insert("content-type", "application/json".parse().unwrap());
    answer
}

/// Every failure that there can be a code for, one with details among them, and a bare status.
fn failures() -> Vec<Answer> {
    let fields = ApiError::new(VALIDATION_FAILED, "no").fields(&[FieldProblem::new("prompt", "is empty")]);
    let mut bare: Answer = Response::new(Body::full("teapot"));
    *bare.status_mut() = http::StatusCode::IM_A_TEAPOT;
    let of_codes = HTTP_CODES.iter().map(|code| ApiError::new(*code, "no").into_response(None));
    of_codes.chain([fields.into_response(None), bare]).collect()
}

#[tokio::test]
async fn a_success_fits_the_schema_over_its_data_and_no_other() {
    let body = sent("*/*", success(r#"["a","b"]"#)).await;
    fits::<SuccessEnvelope<Vec<String>>>(&body).unwrap();
    fits::<SuccessEnvelope<Vec<bool>>>(&body).unwrap_err();
    fits::<FailureEnvelope>(&body).unwrap_err();
}

#[tokio::test]
async fn every_failure_fits_the_envelope_and_is_no_success() {
    for answer in failures() {
        let body = sent("*/*", answer).await;
        fits::<FailureEnvelope>(&body).unwrap();
        fits::<ApiError>(&body["error"]).unwrap();
        fits::<SuccessEnvelope<Vec<String>>>(&body).unwrap_err();
    }
}

// ENV-1
#[tokio::test]
async fn every_failure_fits_the_problem_details_where_they_are_asked_for() {
    for answer in failures() {
        let body = sent("application/problem+json", answer).await;
        fits::<ProblemDetails>(&body).unwrap();
        fits::<FailureEnvelope>(&body).unwrap_err();
    }
}

#[test]
fn no_member_of_a_failure_may_be_missing_or_of_another_type() {
    let error = serde_json::from_slice::<Value>(&buttress_envelope::error_json(&RATE_LIMITED.problem("slow"), None));
    let error = error.unwrap();
    fits::<ApiError>(&error).unwrap();
    for member in ["code", "message", "retryable"] {
        let (mut missing, mut other) = (error.clone(), error.clone());
        missing.as_object_mut().unwrap().remove(member);
        other[member] = json!(7);
        fits::<ApiError>(&missing).unwrap_err();
        fits::<ApiError>(&other).unwrap_err();
    }
    let mut shouted = error;
    shouted["code"] = json!("RATE_LIMITED");
    fits::<ApiError>(&shouted).unwrap_err();
}

// ENV-2
#[test]
fn the_catalogue_fits_its_schema_and_names_every_code() {
    fits::<Catalogue>(&ALL.to_json()).unwrap();
    fits::<Catalogue>(&json!([{ "code": "x" }])).unwrap_err();
    let codes = serde_json::to_value(ALL.code_schema()).unwrap();
    let known: Vec<_> = ALL.iter().map(|code| code.code().as_str()).collect();
    assert_eq!(codes["enum"], json!(known));
    assert!(codes["description"].as_str().unwrap().contains("- `not_found`: "));
}

#[test]
fn names_tell_the_data_apart() {
    struct Job;
    impl PartialSchema for Job {
        fn schema() -> RefOr<Schema> {
            utoipa::openapi::schema::empty().into()
        }
    }
    impl ToSchema for Job {}
    assert_eq!(SuccessEnvelope::<Job>::name(), "SuccessEnvelope_Job");
}
