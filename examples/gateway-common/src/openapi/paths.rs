//! The operations.

use serde_json::{Map, Value, json};

use super::{
    failures::{ALWAYS, PROVIDER, failures},
    schemas::{id, success},
};

/// What the body of a request that creates something may be refused for.
const BODY: [&str; 5] =
    ["bad_request", "payload_too_large", "unsupported_media_type", "validation_failed", "request_timeout"];

/// What its idempotency key may come to.
const KEYED: [&str; 6] = [
    "idempotency_key_invalid",
    "idempotency_mismatch",
    "idempotency_in_progress",
    "operation_uncertain",
    "result_expired",
    "result_unavailable",
];

pub(super) fn paths() -> Value {
    json!({
        "/api/images": { "post": create("createImage", "Starts a picture.", "NewImage") },
        "/api/videos": { "post": create("createVideo", "Starts a video.", "NewVideo") },
        "/api/uploads": { "post": upload() },
        "/api/jobs/{jobId}": { "parameters": [job_id()], "get": job() },
        "/api/jobs/{jobId}/result": { "parameters": [job_id()], "get": result() },
        "/api/jobs/{jobId}/events": { "parameters": [job_id()], "get": events() },
        "/api/models": { "get": models() },
        "/openapi.json": { "get": public("getContract", "This document.", "application/json") },
        "/": { "get": public("getPage", "The demo page. Sets the cookie of a guest.", "text/html") },
        "/assets/{name}": { "parameters": [asset_name()], "get": asset() },
        "/healthz": { "get": local("getHealth", "That it lives, and how its breakers stand.", "application/json") },
        "/metrics": { "get": local("getMetrics", "Prometheus text.", "text/plain") },
    })
}

fn create(name: &str, summary: &str, body: &str) -> Value {
    let mut responses = failures(&[&ALWAYS, &PROVIDER, &BODY, &KEYED]);
    responses.insert("202".into(), accepted());
    let schema = json!({ "$ref": format!("#/components/schemas/{body}") });
    let mut operation = operation(name, summary, responses);
    operation["parameters"] = json!([key()]);
    operation["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    operation
}

/// Quoted or raw.
fn key() -> Value {
    json!({
        "name": "Idempotency-Key", "in": "header", "required": false,
        "schema": { "type": "string", "maxLength": 257 },
        "description": "The same key with the same request starts nothing twice: its answer is replayed, with \
            `Idempotency-Replayed: true`.",
    })
}

/// The answer to a job that was taken, and where it leads.
fn accepted() -> Value {
    let mut accepted = answer("The job is accepted.", &success(&json!({ "$ref": "#/components/schemas/Job" })));
    accepted["headers"]["location"] =
        json!({ "description": "Where the job is.", "required": true, "schema": { "type": "string" } });
    let link =
        |operation: &str| json!({ "operationId": operation, "parameters": { "jobId": "$response.body#/data/jobId" } });
    accepted["links"] = json!({ "job": link("getJob"), "result": link("getResult"), "events": link("getEvents") });
    accepted
}

fn upload() -> Value {
    let mut responses = failures(&[&ALWAYS, &PROVIDER, &BODY, &KEYED]);
    let mut created =
        answer("The file is with the provider.", &success(&json!({ "$ref": "#/components/schemas/UploadedFile" })));
    created["links"] = json!({ "video": {
        "operationId": "createVideo",
        "requestBody": { "prompt": "it moves", "image": "$response.body#/data/fileId" },
    } });
    responses.insert("201".into(), created);
    let form = json!({
        "type": "object",
        "required": ["file"],
        "properties": { "file": {
            "type": "string", "format": "binary",
            "description": "The one part: a picture or a video, known by its content.",
        } },
    });
    let mut operation = operation("uploadFile", "Hands a picture or a video to the provider, to refer to.", responses);
    operation["parameters"] = json!([key()]);
    operation["requestBody"] = json!({ "required": true, "content": { "multipart/form-data": { "schema": form } } });
    operation
}

fn job() -> Value {
    let mut responses = failures(&[&ALWAYS, &["not_found"]]);
    responses.insert("200".into(), answer("How it stands.", &success(&json!({ "$ref": "#/components/schemas/Job" }))));
    operation("getJob", "How a job stands. It exists for its owner alone.", responses)
}

fn result() -> Value {
    let mut responses =
        failures(&[&ALWAYS, &PROVIDER, &["not_found", "job_not_finished", "job_failed", "job_cancelled"]]);
    let made = success(&json!({ "$ref": "#/components/schemas/Artifact" }));
    responses.insert("200".into(), answer("What it made.", &made));
    operation("getResult", "What a finished job made.", responses)
}

fn events() -> Value {
    // Limits never answer here with 429 or 503: a browser would stop for good.
    let mut responses = failures(&[&["unauthorized", "internal", "not_found", "bad_request"]]);
    responses.insert(
        "200".into(),
        json!({
            "description": "Server-sent events, until `completed` or `failed`. The first line is `retry:`.",
            "headers": { "x-correlation-id": { "$ref": "#/components/headers/CorrelationId" } },
            "content": { "text/event-stream": { "schema": { "$ref": "#/components/schemas/ServerSentEvent" } } },
        }),
    );
    responses.insert(
        "204".into(),
        json!({
            "description": "Everything was read: do not come back.",
            "headers": { "x-correlation-id": { "$ref": "#/components/headers/CorrelationId" } },
        }),
    );
    let mut operation =
        operation("getEvents", "The events of a job, resumed after the last one that was read.", responses);
    operation["parameters"] = json!([
        {
            "name": "Last-Event-ID", "in": "header", "required": false,
            "schema": { "type": "string", "maxLength": 128, "pattern": "^([A-Za-z0-9]+-[0-9]{1,10})?$" },
            "description": "The id of the last event that was read.",
        },
        {
            "name": "lastEventId", "in": "query", "required": false, "schema": { "type": "string" },
            "description": "The same, for clients that cannot set the header, which wins.",
        },
    ]);
    operation
}

fn models() -> Value {
    let list = json!({ "type": "array", "items": { "$ref": "#/components/schemas/Model" } });
    let mut responses = failures(&[&ALWAYS, &PROVIDER]);
    responses.insert("200".into(), answer("What is on offer.", &success(&list)));
    operation("listModels", "The provider's models: name, kind, price, limits.", responses)
}

fn asset() -> Value {
    let mut responses = failures(&[&["not_found"]]);
    responses.insert("200".into(), raw("What it is made of.", &["text/javascript", "text/css"]));
    let mut operation = operation("getAsset", "A part of the demo page.", responses);
    operation["security"] = json!([]);
    operation
}

/// For everybody.
fn public(name: &str, summary: &str, media_type: &str) -> Value {
    let mut operation = operation(name, summary, Map::from_iter([("200".into(), raw(summary, &[media_type]))]));
    operation["security"] = json!([]);
    operation
}

/// For the gateway's own machine alone.
fn local(name: &str, summary: &str, media_type: &str) -> Value {
    let mut responses = failures(&[&["not_found"]]);
    responses.insert("200".into(), raw(summary, &[media_type]));
    let mut operation = operation(name, summary, responses);
    operation["security"] = json!([]);
    operation["description"] = json!("On loopback alone; elsewhere it does not exist. Not limited, not wrapped.");
    operation
}

fn operation(name: &str, summary: &str, responses: Map<String, Value>) -> Value {
    json!({ "operationId": name, "summary": summary, "responses": responses })
}

fn answer(description: &str, schema: &Value) -> Value {
    json!({
        "description": description,
        "headers": { "x-correlation-id": { "$ref": "#/components/headers/CorrelationId" } },
        "content": { "application/json": { "schema": schema } },
    })
}

/// An answer that the envelope leaves alone.
fn raw(description: &str, media_types: &[&str]) -> Value {
    let content = media_types.iter().map(|media_type| ((*media_type).to_owned(), json!({})));
    json!({
        "description": description,
        "headers": { "x-correlation-id": { "$ref": "#/components/headers/CorrelationId" } },
        "content": content.collect::<Map<_, _>>(),
    })
}

fn job_id() -> Value {
    json!({ "name": "jobId", "in": "path", "required": true, "schema": id() })
}

fn asset_name() -> Value {
    let names = ["page.js", "events.js", "page.css"];
    json!({ "name": "name", "in": "path", "required": true, "schema": { "type": "string", "enum": names } })
}
