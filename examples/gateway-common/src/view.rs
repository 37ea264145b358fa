use std::time::SystemTime;

use buttress_core::CorrelationId;
use buttress_provider::{Job, JobError, JobEvent, JobId, JobStatus};
use serde::Serialize;

use crate::answer::ErrorView;

/// A job as callers see it.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct JobView(serde_json::Value);

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
        Self(serde_json::to_value(view).expect("strings and finite numbers serialise"))
    }

    /// Where the job can be looked at.
    pub fn location(&self) -> &str {
        self.0["links"]["self"].as_str().unwrap_or_default()
    }
}

/// An event as it goes over the wire: the job's own, with the error as in every other answer.
pub(crate) fn event_json(event: &JobEvent, correlation_id: &CorrelationId) -> String {
    let mut value = serde_json::to_value(event).expect("strings and finite numbers serialise");
    if let Some(error) = &event.error {
        value["error"] = serde_json::to_value(error_view(error, correlation_id)).expect("strings serialise");
    }
    value.to_string()
}

/// An event of the line itself, not of the job: `heartbeat` or `reset`.
pub(crate) fn line_event_json(kind: &str, job_id: &JobId) -> String {
    serde_json::json!({ "type": kind, "jobId": job_id, "ts": timestamp(SystemTime::now()) }).to_string()
}

pub(crate) fn path(id: &JobId) -> String {
    format!("/api/jobs/{id}")
}

fn error_view<'a>(error: &'a JobError, correlation_id: &'a CorrelationId) -> ErrorView<'a> {
    ErrorView {
        code: &error.code,
        message: &error.message,
        details: None,
        retryable: error.retryable,
        correlation_id: correlation_id.as_str(),
    }
}

fn timestamp(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(at).to_string()
}
