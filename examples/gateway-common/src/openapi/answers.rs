//! What callers get where all went well.

use serde_json::{Value, json};

use super::schemas::{ASPECT_RATIO, id, object};
use crate::upload::MEDIA_TYPES;

fn progress() -> Value {
    json!({ "type": "number", "minimum": 0, "maximum": 1, "description": "Only where the provider reports it." })
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

pub(super) fn job() -> Value {
    let link = || json!({ "type": "string", "format": "uri-reference" });
    let links = object(&["self", "result", "events"], json!({ "self": link(), "result": link(), "events": link() }));
    object(
        &["jobId", "kind", "status", "createdAt", "links"],
        json!({
            "jobId": id(),
            "kind": { "type": "string", "enum": ["image", "video"] },
            "status": { "type": "string", "enum": ["queued", "running", "completed", "failed", "cancelled"] },
            "progress": progress(),
            "step": { "type": "string" },
            "artifactId": id(),
            "error": { "$ref": "#/components/schemas/JobError" },
            "createdAt": time(),
            "links": links,
        }),
    )
}

pub(super) fn job_error() -> Value {
    object(
        &["code", "message", "retryable", "correlationId"],
        json!({
            "code": { "type": "string" },
            "message": { "type": "string" },
            "retryable": { "type": "boolean" },
            "correlationId": { "type": "string" },
        }),
    )
}

const EVENTS: [&str; 7] = ["queued", "progress", "artifact", "completed", "failed", "heartbeat", "reset"];

pub(super) fn job_event() -> Value {
    object(
        &["type", "jobId", "ts"],
        json!({
            "type": { "type": "string", "enum": EVENTS },
            "jobId": id(),
            "step": { "type": "string" },
            "progress": progress(),
            "artifactId": id(),
            "error": { "$ref": "#/components/schemas/JobError" },
            "ts": time(),
        }),
    )
}

/// An event as it goes over the wire. `heartbeat` and `reset` have no id.
pub(super) fn server_sent_event() -> Value {
    object(
        &["event", "data"],
        json!({
            "id": { "type": "string", "pattern": "^[A-Za-z0-9]+-[0-9]+$" },
            "event": { "type": "string", "enum": EVENTS },
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": { "$ref": "#/components/schemas/JobEvent" },
            },
        }),
    )
}

pub(super) fn artifact() -> Value {
    let pixels = || json!({ "type": "integer", "minimum": 1 });
    object(
        &["artifactId", "jobId", "kind", "url", "mediaType"],
        json!({
            "artifactId": id(),
            "jobId": id(),
            "kind": { "type": "string", "enum": ["image", "video"] },
            "url": { "type": "string", "format": "uri" },
            "thumbnailUrl": { "type": "string", "format": "uri" },
            "mediaType": { "type": "string" },
            "width": pixels(),
            "height": pixels(),
            "durationMs": { "type": "integer", "minimum": 0 },
            "cost": object(
                &["amount", "currency"],
                json!({ "amount": { "type": "number" }, "currency": { "type": "string" } }),
            ),
        }),
    )
}

pub(super) fn model() -> Value {
    let tasks = ["text_to_image", "image_to_image", "text_to_video", "image_to_video", "video_to_video"];
    let price = object(
        &["amount", "currency", "per"],
        json!({
            "amount": { "type": "number" },
            "currency": { "type": "string" },
            "per": { "type": "string", "enum": ["image", "second"] },
        }),
    );
    let size = json!({ "type": "array", "items": { "type": "integer" }, "minItems": 2, "maxItems": 2 });
    let limits = object(
        &[],
        json!({
            "durations": { "type": "array", "items": { "type": "integer" } },
            "aspectRatios": { "type": "array", "items": { "type": "string", "pattern": ASPECT_RATIO } },
            "sizes": { "type": "array", "items": size },
            "requiredReferences": { "type": "array", "items": { "type": "string" } },
        }),
    );
    object(
        &["name", "kind", "task", "limits", "restricted"],
        json!({
            "name": { "type": "string" },
            "label": { "type": "string" },
            "kind": { "type": "string", "enum": ["image", "video"] },
            "task": { "type": "string", "enum": tasks },
            "price": price,
            "limits": limits,
            "restricted": { "type": "boolean" },
        }),
    )
}

pub(super) fn uploaded_file() -> Value {
    object(
        &["fileId", "mediaType"],
        json!({
            "fileId": id(),
            "url": { "type": "string", "format": "uri" },
            "mediaType": { "type": "string", "enum": MEDIA_TYPES },
        }),
    )
}
