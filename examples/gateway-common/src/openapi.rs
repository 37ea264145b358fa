//! The contract as an OpenAPI 3.1 document: its limits, names and codes are those of the code.

mod answers;
mod failures;
mod paths;
mod problems;
mod requests;
mod schemas;

use std::sync::LazyLock;

use buttress_core::Body;
use buttress_envelope::Raw;
use bytes::Bytes;
use http::{
    HeaderValue, Response,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use serde_json::{Value, json};

use crate::Answer;

/// `GET /openapi.json`: the contract of the gateway, with answers as they are where `ENVELOPE` is `new`.
pub fn openapi() -> Answer {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| format!("{:#}\n", document()).into());
    let mut response = Response::new(Body::full(TEXT.clone()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response.extensions_mut().insert(Raw);
    response
}

fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "The example gateway of Buttress",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Pictures and videos as jobs, with live events that resume after any cut. \
                Success is `{ok: true, data}`, failure is `{ok: false, error}`; with `Accept: application/problem+json` \
                a failure is RFC 9457 problem details with the same members.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        // A guest needs nothing at first: the answer to its first call sets the cookie.
        "security": [{ "key": [] }, { "guest": [] }, {}],
        "paths": paths::paths(),
        "components": {
            "schemas": schemas::schemas(),
            "headers": failures::headers(),
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer", "description": "One of `API_KEYS`." },
                "guest": { "type": "apiKey", "in": "cookie", "name": "guest", "description": "Set by `GET /`." },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every value under `$ref`.
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(|target| target.as_str().map(str::to_owned)));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn what_it_refers_to_is_there() {
        let (document, mut found) = (document(), Vec::new());
        references(&document, &mut found);
        assert!(found.len() > 30);
        for target in found {
            assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target}");
        }
    }
}
