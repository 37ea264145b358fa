use std::time::SystemTime;

use buttress_core::CorrelationId;
use buttress_provider::{Job, JobError, JobEvent, JobId, JobStatus};
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::answer::ErrorView;

/// A job as callers see it.
#[derive(Clone, Debug)]
pub struct JobView {
    json: Box<RawValue>,
    location: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View<'a> {
    job_id: &'a str,
    kind: &'a str,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorView<'a>>,
    created_at: String,
    links: Links,
}

#[derive(Serialize)]
struct Links {
    #[serde(rename = "self")]
    this: String,
    result: String,
    events: String,
}

impl JobView {
    pub(crate) fn new(job: &Job, created_at: SystemTime, correlation_id: &CorrelationId) -> Self {
        let this = path(&job.id);
        let view = View {
            job_id: job.id.as_str(),
            kind: job.kind.as_str(),
            status: match &job.status {
                // Callers know five states: one that this version does not know is not the end.
                JobStatus::Unknown(_) => "running",
                known => known.as_str(),
            },
            progress: job.progress,
            step: job.step.as_deref(),
            artifact_id: job.artifact_id.as_ref().map(|id| id.as_str()),
            error: job.error.as_ref().map(|error| error_view(error, correlation_id)),
            created_at: timestamp(created_at),
            links: Links { result: format!("{this}/result"), events: format!("{this}/events"), this },
        };
        Self { location: view.links.this.clone(), json: raw(&view) }
    }

    /// Where the job can be looked at.
    pub fn location(&self) -> &str {
        &self.location
    }
}

impl Serialize for JobView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

/// An event as it goes over the wire: the job's own, with the error as in every other answer.
pub(crate) fn event_json(event: &JobEvent, correlation_id: &CorrelationId) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct View<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
        job_id: &'a str,
        step: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        progress: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        artifact_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<ErrorView<'a>>,
        ts: String,
    }
    let view = View {
        kind: event.kind.as_str(),
        job_id: event.job_id.as_str(),
        step: &event.step,
        progress: event.progress,
        artifact_id: event.artifact_id.as_ref().map(|id| id.as_str()),
        error: event.error.as_ref().map(|error| error_view(error, correlation_id)),
        ts: timestamp(event.ts),
    };
    String::from(Box::<str>::from(raw(&view)))
}

/// An event of the line itself, not of the job: `heartbeat` or `reset`.
pub(crate) fn line_event_json(kind: &str, job_id: &JobId) -> String {
    format!(r#"{{"type":"{kind}","jobId":"{job_id}","ts":"{}"}}"#, timestamp(SystemTime::now()))
}

fn raw<T: Serialize>(view: &T) -> Box<RawValue> {
    to_raw_value(view).expect("strings and finite numbers serialise")
}

pub(crate) fn path(id: &JobId) -> String {
    format!("/api/jobs/{id}")
}

fn error_view<'a>(error: &'a JobError, correlation_id: &'a CorrelationId) -> ErrorView<'a> {
    ErrorView {
        code: &error.code,
        message: &error.message,
        retryable: error.retryable,
        correlation_id: correlation_id.as_str(),
    }
}

fn timestamp(at: SystemTime) -> String {
    // A clock before 1970 has no such form.
    humantime::format_rfc3339_millis(at.max(SystemTime::UNIX_EPOCH)).to_string()
}
