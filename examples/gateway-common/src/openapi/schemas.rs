//! The shapes of bodies.

use serde_json::{Value, json};

use super::{
    answers::{artifact, job, job_error, job_event, model, server_sent_event, uploaded_file},
    problems::{failure, problem_details},
    requests::{new_image, new_video},
};

/// Of jobs, files and artifacts.
pub(super) const ID: &str = "^[A-Za-z0-9_-]{1,128}$";

/// Each side from 1 to 100.
pub(super) const ASPECT_RATIO: &str = "^0*([1-9][0-9]?|100):0*([1-9][0-9]?|100)$";

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
pub(super) fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "additionalProperties": false, "properties": properties })
}

/// A member that may be left out, and `null` then too.
pub(super) fn optional(mut schema: Value) -> Value {
    schema["type"] = json!([schema["type"], "null"]);
    schema
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
        for told in [&bare, &failed] {
            let view = serde_json::to_value(JobView::new(told, SystemTime::now(), &id())).unwrap();
            fits(&view, &job());
            let event = event_json(&JobEvent::of(told, JobEventKind::Failed), &id());
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
