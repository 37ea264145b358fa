//! The shapes of bodies.

use serde_json::{Map, Value, json};

use crate::{
    CATALOGUE,
    input::{PROMPT_LIMIT, REFERENCE_LIMIT},
    upload::MEDIA_TYPES,
};

/// Of jobs, files and artifacts.
const ID: &str = "^[A-Za-z0-9_-]{1,128}$";

/// Not blank.
const TEXT: &str = r"\S";

/// Each side from 1 to 100.
const ASPECT_RATIO: &str = "^0*([1-9][0-9]?|100):0*([1-9][0-9]?|100)$";

pub(super) fn id() -> Value {
    json!({ "type": "string", "pattern": ID })
}

pub(super) fn schemas() -> Value {
    json!({
        "NewImage": new_image(),
        "NewVideo": new_video(),
        "Job": job(),
        "JobError": job_error(),
        "JobEvent": job_event(),
        "ServerSentEvent": server_sent_event(),
        "Artifact": artifact(),
        "Model": model(),
        "UploadedFile": uploaded_file(),
        "Failure": failure(),
        "ProblemDetails": problem_details(),
    })
}

/// An object that has these members and no others.
fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "additionalProperties": false, "properties": properties })
}

/// A member that may be left out, and `null` then too.
fn optional(mut schema: Value) -> Value {
    schema["type"] = json!([schema["type"], "null"]);
    schema
}

fn prompt() -> Value {
    json!({ "type": "string", "maxLength": PROMPT_LIMIT, "pattern": TEXT })
}

fn seed() -> Value {
    json!({ "type": "integer", "minimum": 0, "maximum": i64::MAX, "description": "Makes the result repeatable." })
}

fn model_name() -> Value {
    json!({ "type": "string", "description": "One of `GET /api/models`.", "examples": ["comfyui/flux"] })
}

fn new_image() -> Value {
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

fn new_video() -> Value {
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

fn progress() -> Value {
    json!({ "type": "number", "minimum": 0, "maximum": 1, "description": "Only where the provider reports it." })
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn job() -> Value {
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

fn job_error() -> Value {
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

fn job_event() -> Value {
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
fn server_sent_event() -> Value {
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

fn artifact() -> Value {
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

fn model() -> Value {
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

fn uploaded_file() -> Value {
    object(
        &["fileId", "mediaType"],
        json!({
            "fileId": id(),
            "url": { "type": "string", "format": "uri" },
            "mediaType": { "type": "string", "enum": MEDIA_TYPES },
        }),
    )
}

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

fn failure() -> Value {
    let error = object(&["code", "message", "retryable", "correlationId"], told().into());
    object(&["ok", "error"], json!({ "ok": { "const": false }, "error": error }))
}

/// RFC 9457.
fn problem_details() -> Value {
    let mut members = told();
    members.insert("type".into(), json!({ "const": "about:blank" }));
    members.insert("title".into(), json!({ "type": "string" }));
    members.insert("status".into(), json!({ "type": "integer" }));
    members.insert("detail".into(), json!({ "type": "string" }));
    object(&["type", "title", "status", "detail", "code", "message", "retryable", "correlationId"], members.into())
}

/// `data` in the envelope of a success.
pub(super) fn success(data: &Value) -> Value {
    object(&["ok", "data"], json!({ "ok": { "const": true }, "data": data }))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::SystemTime};

    use buttress_provider::{
        Artifact, Cost, Job, JobError, JobEvent, JobEventKind, JobStatus, MediaKind, Model, Price, PriceUnit, Task,
        UploadedFile,
    };
    use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::{JobView, NewImage, NewVideo, parse_json, view::event_json};

    fn members(schema: &Value) -> BTreeSet<String> {
        schema["properties"].as_object().expect("an object").keys().cloned().collect()
    }

    /// The members that a type reads, as serde names them when it meets another.
    fn read<T: DeserializeOwned>() -> BTreeSet<String> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        let problem = parse_json::<T>(&headers, br#"{"?":1}"#).map(drop).unwrap_err();
        let text = problem.details_value().unwrap()[0]["problem"].as_str().unwrap().to_owned();
        text.split('`').skip(3).step_by(2).map(str::to_owned).collect()
    }

    /// That a value has only members of the schema, and all that are required.
    fn fits(value: &Value, schema: &Value) {
        let of: BTreeSet<_> = value.as_object().expect("an object").keys().cloned().collect();
        assert!(of.is_subset(&members(schema)), "{of:?}");
        for needed in schema["required"].as_array().unwrap() {
            assert!(of.contains(needed.as_str().unwrap()), "{needed} in {of:?}");
        }
    }

    #[test]
    fn requests_have_the_members_that_are_read() {
        assert_eq!(members(&new_image()), read::<NewImage>());
        assert_eq!(members(&new_video()), read::<NewVideo>());
    }

    #[test]
    fn answers_have_the_members_that_are_written() {
        let id = || "c".parse().unwrap();
        let bare = Job::new("j".parse().unwrap(), MediaKind::Image);
        let failed = bare.clone().status(JobStatus::Running).step("generating").failed(JobError::failed("why"));
        for job in [&bare, &failed] {
            let view = serde_json::to_value(JobView::new(job, SystemTime::now(), &id())).unwrap();
            fits(&view, &super::job());
            let event = event_json(&JobEvent::of(job, JobEventKind::Failed), &id());
            fits(&serde_json::from_str(&event).unwrap(), &job_event());
        }
        let mut made = Artifact::new("j".parse().unwrap(), MediaKind::Image, "u".into(), "image/webp");
        fits(&serde_json::to_value(&made).unwrap(), &artifact());
        (made.thumbnail_url, made.width, made.height) = (Some("t".into()), Some(1), Some(1));
        (made.duration, made.cost) = (Some(std::time::Duration::ZERO), Some(Cost::credits(1.0)));
        assert_eq!(serde_json::to_value(&made).unwrap().as_object().unwrap().len(), members(&artifact()).len());
        let mut listed = Model::new("m", Task::TextToImage);
        fits(&serde_json::to_value(&listed).unwrap(), &model());
        (listed.label, listed.price) = (Some("M".into()), Some(Price::credits(1.0, PriceUnit::Image)));
        assert_eq!(serde_json::to_value(&listed).unwrap().as_object().unwrap().len(), members(&model()).len());
        let file = UploadedFile::new("f".parse().unwrap(), Some("u".into()), "image/png");
        assert_eq!(serde_json::to_value(&file).unwrap().as_object().unwrap().len(), members(&uploaded_file()).len());
    }
}
