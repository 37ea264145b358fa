use std::{
    borrow::Cow,
    fmt,
    time::{Duration, SystemTime},
};

use serde::{Serialize, Serializer};

use crate::{ArtifactId, Job, JobError, JobId};

/// What happened to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum JobEventKind {
    /// It was accepted.
    Queued,
    /// It went on: another step, or another figure.
    Progress,
    /// It made something.
    Artifact,
    /// It is done. The last event.
    Completed,
    /// It ended without a result. The last event.
    Failed,
}

impl JobEventKind {
    /// The name, in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Progress => "progress",
            Self::Artifact => "artifact",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// Whether no event follows.
    #[must_use]
    pub const fn is_last(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

impl fmt::Display for JobEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One event in the life of a job, as it goes to whoever watches.
///
/// Serialises as `{type, jobId, step, progress?, artifactId?, error?, ts}`; `ts` is RFC 3339 in UTC with milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct JobEvent {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: JobEventKind,
    /// To which job.
    pub job_id: JobId,
    /// What is being done: `submitted`, `generating`, `finalising`, `done`, `failed`, …
    pub step: Cow<'static, str>,
    /// From 0 to 1, only where the provider reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<f64>,
    /// What it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_id: Option<ArtifactId>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
    /// When it was noticed.
    #[serde(serialize_with = "timestamp")]
    pub ts: SystemTime,
}

impl JobEvent {
    /// An event of `kind` that tells how `job` stands, now.
    #[must_use]
    pub fn of(job: &Job, kind: JobEventKind) -> Self {
        let usual = match kind {
            JobEventKind::Queued => "submitted",
            JobEventKind::Progress => "generating",
            JobEventKind::Artifact => "finalising",
            JobEventKind::Completed => "done",
            JobEventKind::Failed => "failed",
        };
        let told = job.step.clone().filter(|_| kind == JobEventKind::Progress);
        Self {
            kind,
            job_id: job.id.clone(),
            step: told.unwrap_or(Cow::Borrowed(usual)),
            progress: job.progress.filter(|_| kind == JobEventKind::Progress),
            artifact_id: job.artifact_id.clone(),
            error: job.error.clone(),
            ts: SystemTime::now(),
        }
    }
}

/// Whole milliseconds, so that the text always has three decimals.
fn timestamp<S: Serializer>(ts: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    // A clock before 1970 or after 9999 has no RFC 3339 form.
    let latest = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    let ts = (*ts).clamp(SystemTime::UNIX_EPOCH, latest);
    serializer.collect_str(&humantime::format_rfc3339_millis(ts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{JobStatus, MediaKind};

    fn at(mut event: JobEvent, ts: SystemTime) -> String {
        event.ts = ts;
        serde_json::to_string(&event).unwrap()
    }

    #[test]
    fn the_wire_shape_is_fixed() {
        let mut job = Job::new("j".parse().unwrap(), MediaKind::Video).status(JobStatus::Running).step("rendering");
        job.progress = Some(0.42);
        let ts = SystemTime::UNIX_EPOCH + Duration::from_millis(1_769_860_800_000);
        assert_eq!(
            at(JobEvent::of(&job, JobEventKind::Progress), ts),
            r#"{"type":"progress","jobId":"j","step":"rendering","progress":0.42,"ts":"2026-01-31T12:00:00.000Z"}"#
        );
    }

    #[test]
    fn a_failure_carries_its_error() {
        let job = Job::new("j".parse().unwrap(), MediaKind::Video).failed(JobError::failed("no reason given"));
        let json = at(JobEvent::of(&job, JobEventKind::Failed), SystemTime::UNIX_EPOCH);
        assert!(json.contains(r#""error":{"code":"job_failed","message":"no reason given","retryable":false}"#));
        assert!(json.contains(r#""step":"failed""#));
    }

    #[test]
    fn a_clock_that_is_wrong_does_not_break_the_event() {
        let job = Job::new("j".parse().unwrap(), MediaKind::Video);
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(10);
        assert!(at(JobEvent::of(&job, JobEventKind::Queued), before).contains("1970-01-01T00:00:00.000Z"));
    }
}
