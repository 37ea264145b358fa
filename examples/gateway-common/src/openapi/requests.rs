//! What callers send.

use serde_json::{Value, json};

use super::schemas::{ASPECT_RATIO, ID, id, object, optional};
use crate::input::{PROMPT_LIMIT, REFERENCE_LIMIT};

/// Not blank.
const TEXT: &str = r"\S";

fn prompt() -> Value {
    json!({ "type": "string", "maxLength": PROMPT_LIMIT, "pattern": TEXT })
}

fn seed() -> Value {
    json!({ "type": "integer", "minimum": 0, "maximum": i64::MAX, "description": "Makes the result repeatable." })
}

fn model_name() -> Value {
    json!({ "type": "string", "description": "One of `GET /api/models`.", "examples": ["comfyui/flux"] })
}

pub(super) fn new_image() -> Value {
    let side = || json!({ "type": "integer", "minimum": 1, "maximum": 2_500, "description": "In pixels." });
    let reference = object(
        &["type", "fileId"],
        json!({ "type": { "type": "string", "enum": ["source", "style", "mask", "face", "voice"] }, "fileId": id() }),
    );
    let mut new = object(
        &["prompt"],
        json!({
            "prompt": prompt(),
            "model": optional(model_name()),
            "width": optional(side()),
            "height": optional(side()),
            "negativePrompt": optional(json!({ "type": "string", "maxLength": PROMPT_LIMIT })),
            "seed": optional(seed()),
            "steps": optional(json!({ "type": "integer", "minimum": 1, "maximum": 150 })),
            "references": optional(json!({ "type": "array", "maxItems": REFERENCE_LIMIT, "items": reference })),
        }),
    );
    new["examples"] = json!([{ "prompt": "a paper boat on a calm lake at dawn", "width": 320, "height": 240 }]);
    new
}

pub(super) fn new_video() -> Value {
    let duration = json!({
        "type": "number", "minimum": 1, "maximum": 3_600, "multipleOf": 1, "description": "In whole seconds.",
    });
    let image = json!({
        "type": "string", "pattern": ID, "description": "The `fileId` of an upload, or the `jobId` of an own finished picture.",
    });
    let mut new = object(
        &["prompt"],
        json!({
            "prompt": prompt(),
            "model": optional(model_name()),
            "duration": optional(duration),
            "aspectRatio": optional(json!({ "type": "string", "pattern": ASPECT_RATIO, "examples": ["16:9"] })),
            "seed": optional(seed()),
            "image": optional(image),
        }),
    );
    new["examples"] = json!([{ "prompt": "waves", "duration": 6, "aspectRatio": "16:9" }]);
    new
}
