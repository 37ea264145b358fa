//! Ill-typed requests, answered as pydantic would.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Bench, bench, boat, quick};

const IMAGE: &str = "/api/v1/file/generate-image";

/// `type` and `loc` of each problem.
async fn problems(bench: &Bench, body: Value) -> Vec<(Value, Value)> {
    let reply = bench.post(IMAGE, body).await;
    assert_eq!(reply.status, 422, "{reply:?}");
    let detail = reply.json()["detail"].as_array().unwrap().clone();
    detail.into_iter().map(|one| (one["type"].clone(), one["loc"].clone())).collect()
}

#[tokio::test]
async fn a_missing_field_answers_the_fixture() {
    let bench = bench(quick()).await;
    let config = json!({ "prompt": "A paper boat on a calm lake at dawn" });
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/validation-error-422.json")).unwrap();
    let reply = bench.image(config).await;
    assert_eq!((reply.status, reply.json()), (422, fixture));
}

#[tokio::test]
async fn an_unknown_shot_size_answers_the_fixture() {
    let bench = bench(quick()).await;
    let mut config = boat();
    config["shot_size"] = "medium_shot".into();
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/validation-error-422-enum.json")).unwrap();
    let reply = bench.image(config).await;
    assert_eq!((reply.status, reply.json()), (422, fixture));
}

#[tokio::test]
async fn all_problems_are_told_at_once_each_with_its_place() {
    let bench = bench(quick()).await;
    let config = json!({
        "prompt": 7, "generation_config_name": "comfyui/flux", "width": "wide", "batch_size": 0,
        "references": [{ "type": "sauce" }],
    });
    let body = json!({ "project_id": "mine", "config": config });
    let mut told = problems(&bench, body).await;
    told.sort_by_key(|(_, loc)| loc.to_string());
    let expected = [
        ("greater_than_equal", json!(["body", "config", "batch_size"])),
        ("string_type", json!(["body", "config", "prompt"])),
        ("missing", json!(["body", "config", "references", 0, "reference_id"])),
        ("enum", json!(["body", "config", "references", 0, "type"])),
        ("int_parsing", json!(["body", "config", "width"])),
        ("uuid_parsing", json!(["body", "project_id"])),
    ];
    assert_eq!(told, expected.map(|(kind, loc)| (json!(kind), loc)));
}

#[tokio::test]
async fn a_body_of_another_shape_is_told_so() {
    let bench = bench(quick()).await;
    let kind = |kind: &str, loc: Value| vec![(json!(kind), loc)];
    let missing = kind("missing", json!(["body", "config"]));
    assert_eq!(problems(&bench, json!({})).await, missing);
    let wrong = kind("model_attributes_type", json!(["body"]));
    assert_eq!(problems(&bench, json!([1])).await, wrong);
    let wrong = kind("model_attributes_type", json!(["body", "config"]));
    assert_eq!(problems(&bench, json!({ "config": null })).await, wrong);
}

#[tokio::test]
async fn malformed_json_answers_json_invalid_with_its_position() {
    let bench = bench(quick()).await;
    let reply = bench.send(Method::POST, IMAGE, "{\n\"config\": }").await;
    assert_eq!(reply.status, 422);
    let problem = &reply.json()["detail"][0];
    assert_eq!(problem["type"], "json_invalid");
    assert_eq!(problem["loc"], json!(["body", 12]));
    assert_eq!(problem["msg"], "JSON decode error");
    let empty = bench.send(Method::POST, IMAGE, "").await;
    assert_eq!(empty.json()["detail"][0]["loc"], json!(["body"]));
}

#[tokio::test]
async fn json_under_another_media_type_is_not_read() {
    let bench = bench(quick()).await;
    let request = bench.request(Method::POST, IMAGE);
    let request = request.header("content-type", "text/plain");
    let body = Bytes::from(json!({ "config": boat() }).to_string());
    let reply = bench.try_send(request.body(body).unwrap()).await.unwrap();
    assert_eq!(reply.status, 422);
    assert_eq!(reply.json()["detail"][0]["type"], "model_attributes_type");
}

#[tokio::test]
async fn queries_and_paths_are_checked_too() {
    let bench = bench(quick()).await;
    for (path, kind, loc) in [
        ("file?limit=0", "greater_than_equal", json!(["query", "limit"])),
        ("file?limit=101", "less_than_equal", json!(["query", "limit"])),
        ("file?offset=x", "int_parsing", json!(["query", "offset"])),
        ("file?order=asc", "enum", json!(["query", "order"])),
        ("file?types=image&types=poem", "enum", json!(["query", "types", 1])),
        ("file?project_id=x", "uuid_parsing", json!(["query", "project_id"])),
        ("file/x", "uuid_parsing", json!(["path", "id"])),
        ("generation-config?limit=x", "int_parsing", json!(["query", "limit"])),
    ] {
        let reply = bench.get(&format!("/api/v1/{path}")).await;
        assert_eq!(reply.status, 422, "{path}");
        let problem = &reply.json()["detail"][0];
        assert_eq!((&problem["type"], &problem["loc"]), (&json!(kind), &loc), "{path}");
        assert!(problem["input"].is_string(), "{path}");
    }
}

#[tokio::test]
async fn an_unknown_column_is_a_plain_500() {
    let bench = bench(quick()).await;
    for path in ["file", "generation-config"] {
        let reply = bench.get(&format!("/api/v1/{path}?order_by=colour")).await;
        assert_eq!(reply.status, 500);
        assert_eq!(reply.body, "Internal Server Error");
        assert!(reply.header("content-type").starts_with("text/plain"));
    }
}
