//! What callers get where something failed.

use serde_json::{Map, Value, json};

use super::schemas::object;
use crate::CATALOGUE;

/// What a failure says in both of its shapes.
fn told() -> Map<String, Value> {
    let codes: Vec<_> = CATALOGUE.iter().map(|entry| entry.code().as_str()).collect();
    let members = json!({
        "code": { "type": "string", "enum": codes },
        "message": { "type": "string", "description": "For people; it may change." },
        "details": { "description": "For `validation_failed`: a list of `{field, problem}`." },
        "retryable": { "type": "boolean", "description": "Whether the same request may succeed later." },
        "correlationId": { "type": "string" },
    });
    members.as_object().cloned().unwrap_or_default()
}

pub(super) fn failure() -> Value {
    let error = object(&["code", "message", "retryable", "correlationId"], told().into());
    object(&["ok", "error"], json!({ "ok": { "const": false }, "error": error }))
}

/// RFC 9457.
pub(super) fn problem_details() -> Value {
    let mut members = told();
    members.insert("type".into(), json!({ "type": "string", "format": "uri-reference" }));
    // Of the types of draft-ietf-httpapi-ratelimit-headers.
    members.insert("violated-policies".into(), json!({ "type": "array", "items": { "type": "string" } }));
    members.insert("title".into(), json!({ "type": "string" }));
    members.insert("status".into(), json!({ "type": "integer" }));
    members.insert("detail".into(), json!({ "type": "string" }));
    object(&["type", "title", "status", "detail", "code", "message", "retryable", "correlationId"], members.into())
}
