//! What an operation may fail with, out of the catalogue of codes.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::CATALOGUE;

/// What any call of the provider may end in.
pub(super) const PROVIDER: [&str; 8] = [
    "circuit_open",
    "provider_insufficient_credit",
    "provider_rejected",
    "provider_timeout",
    "provider_unauthorized",
    "provider_unavailable",
    "rate_limited",
    "not_found",
];

/// What any call of the API may end in.
pub(super) const ALWAYS: [&str; 4] = ["unauthorized", "rate_limited", "store_unavailable", "internal"];

/// The answers of these codes, by status.
///
/// # Panics
///
/// When a code is not in the catalogue.
pub(super) fn failures(codes: &[&[&'static str]]) -> Map<String, Value> {
    let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for code in codes.concat() {
        let entry = CATALOGUE.find(code).unwrap_or_else(|| panic!("{code} is in no catalogue"));
        by_status.entry(entry.status().as_u16()).or_default().push(code);
        if code == "provider_rejected" {
            // Where the user's own input is at fault.
            by_status.entry(422).or_default().push(code);
        }
    }
    by_status.into_iter().map(|(status, codes)| (status.to_string(), failure(codes))).collect()
}

fn failure(mut codes: Vec<&str>) -> Value {
    codes.sort_unstable();
    codes.dedup();
    let told = codes.iter().map(|code| format!("`{code}`")).collect::<Vec<_>>().join(", ");
    let waits = codes.iter().any(|code| CATALOGUE.find(code).is_some_and(|entry| entry.retryable()));
    let mut headers = json!({ "x-correlation-id": { "$ref": "#/components/headers/CorrelationId" } });
    if waits {
        headers["retry-after"] = json!({ "$ref": "#/components/headers/RetryAfter" });
    }
    json!({
        "description": told,
        "headers": headers,
        "content": {
            "application/json": { "schema": { "allOf": [
                { "$ref": "#/components/schemas/Failure" },
                { "properties": { "error": { "properties": { "code": { "enum": codes } } } } },
            ] } },
            "application/problem+json": { "schema": { "allOf": [
                { "$ref": "#/components/schemas/ProblemDetails" },
                { "properties": { "code": { "enum": codes } } },
            ] } },
        },
    })
}

pub(super) fn headers() -> Value {
    json!({
        "CorrelationId": {
            "description": "Ties the answer to its log lines and to the calls of the provider.",
            "required": true,
            "schema": { "type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$" },
        },
        "RetryAfter": {
            "description": "When to try again, in whole seconds. On every 429 and 503.",
            "schema": { "type": "string", "pattern": "^[0-9]+$" },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_one_status_are_one_answer() {
        let failures = failures(&[&PROVIDER, &["validation_failed"]]);
        let statuses: Vec<_> = failures.keys().map(String::as_str).collect();
        assert_eq!(statuses, ["404", "422", "429", "502", "503", "504"]);
        assert_eq!(failures["422"]["description"], "`provider_rejected`, `validation_failed`");
        assert!(failures["503"]["headers"]["retry-after"].is_object());
        assert!(failures["422"]["headers"]["retry-after"].is_null());
    }
}
