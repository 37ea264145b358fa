use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

use crate::{ArtifactId, JobId};

/// What a job makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A video.
    Video,
}

impl MediaKind {
    /// `image` or `video`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
        }
    }
}

impl fmt::Display for MediaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a job stands: a closed set, and an arm for what a provider may add without notice (AIC-1).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Cow<'_, str>", into = "String")]
#[expect(clippy::exhaustive_enums, reason = "closed on purpose: new states arrive as `Unknown`")]
pub enum JobStatus {
    /// Accepted, not started.
    Queued,
    /// Being worked on.
    Running,
    /// Done; there is an artifact. Final.
    Completed,
    /// Ended without an artifact. Final.
    Failed,
    /// Stopped on somebody's wish. Final.
    Cancelled,
    /// A state that this version does not know, under the provider's name for it. Not final.
    Unknown(Box<str>),
}

impl JobStatus {
    /// Whether a job in this state never changes again.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// The name of the state, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Unknown(name) => name,
        }
    }
}

impl From<Cow<'_, str>> for JobStatus {
    fn from(name: Cow<'_, str>) -> Self {
        match name.as_ref() {
            "queued" => Self::Queued,
            "running" => Self::Running,
            "completed" => Self::Completed,
            "failed" => Self::Failed,
            "cancelled" => Self::Cancelled,
            other => Self::Unknown(other.into()),
        }
    }
}

impl From<JobStatus> for String {
    fn from(status: JobStatus) -> Self {
        status.as_str().into()
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a job ended without an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JobError {
    /// The stable code that programs go by, `job_failed` for instance.
    pub code: Cow<'static, str>,
    /// What to tell a person.
    pub message: Cow<'static, str>,
    /// Whether the same request may succeed as a new job.
    pub retryable: bool,
}

impl JobError {
    /// The provider ended the job without an artifact.
    #[must_use]
    pub fn failed(message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: "job_failed".into(), message: message.into(), retryable: false }
    }

    /// An error under a code of one's own.
    #[must_use]
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>, retryable: bool) -> Self {
        Self { code: code.into(), message: message.into(), retryable }
    }
}

/// A job as it stood when it was last looked at.
///
/// # Examples
///
/// ```
/// use buttress_provider::{Job, JobStatus, MediaKind};
///
/// let mut job = Job::new("job-1".parse()?, MediaKind::Image);
/// assert!(job.advance(Job::new(job.id.clone(), MediaKind::Image).status(JobStatus::Completed)));
///
/// // Terminal states are final: a late or doubled update changes nothing.
/// assert!(!job.advance(Job::new(job.id.clone(), MediaKind::Image).status(JobStatus::Running)));
/// assert_eq!(job.status, JobStatus::Completed);
/// # Ok::<(), buttress_provider::InvalidId>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Job {
    /// Names the job at its provider.
    #[serde(rename = "jobId")]
    pub id: JobId,
    /// What it makes.
    pub kind: MediaKind,
    /// Where it stands.
    pub status: JobStatus,
    /// From 0 to 1, only where the provider reports it: never guessed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<f64>,
    /// What is being done, in one word: `generating`, `finalising`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<Cow<'static, str>>,
    /// What it made, once completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_id: Option<ArtifactId>,
    /// Why it failed, once failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
}

impl Job {
    /// A job that was accepted and about which nothing more is known.
    #[must_use]
    pub fn new(id: JobId, kind: MediaKind) -> Self {
        Self { id, kind, status: JobStatus::Queued, progress: None, step: None, artifact_id: None, error: None }
    }

    /// Sets where it stands.
    #[must_use]
    pub fn status(mut self, status: JobStatus) -> Self {
        self.status = status;
        self
    }

    /// Sets what is being done.
    #[must_use]
    pub fn step(mut self, step: impl Into<Cow<'static, str>>) -> Self {
        self.step = Some(step.into());
        self
    }

    /// Completes it.
    #[must_use]
    pub fn completed(self, artifact_id: ArtifactId) -> Self {
        Self { artifact_id: Some(artifact_id), ..self.status(JobStatus::Completed) }
    }

    /// Fails it.
    #[must_use]
    pub fn failed(self, error: JobError) -> Self {
        Self { error: Some(error), ..self.status(JobStatus::Failed) }
    }

    /// Takes over a newer look at the same job; says whether that changed anything.
    ///
    /// Terminal states are final, and what runs does not go back into the queue (AIC-1). A look without a step or a
    /// progress keeps those that were known.
    pub fn advance(&mut self, newer: Self) -> bool {
        let goes_back = self.status == JobStatus::Running && newer.status == JobStatus::Queued;
        if self.status.is_terminal() || goes_back || newer.id != self.id {
            return false;
        }
        let next = Self { step: newer.step.or(self.step.clone()), progress: newer.progress.or(self.progress), ..newer };
        let changed = next != *self;
        *self = next;
        changed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn job(status: JobStatus) -> Job {
        Job::new("j".parse().unwrap(), MediaKind::Image).status(status)
    }

    fn any_status() -> impl Strategy<Value = JobStatus> {
        prop_oneof![
            Just(JobStatus::Queued),
            Just(JobStatus::Running),
            Just(JobStatus::Completed),
            Just(JobStatus::Failed),
            Just(JobStatus::Cancelled),
            "[a-z]{1,8}".prop_map(|name| JobStatus::Unknown(name.into())),
        ]
    }

    proptest! {
        // AIC-1
        #[test]
        fn no_update_leaves_a_terminal_state(updates in prop::collection::vec(any_status(), 0..20)) {
            let mut current = job(JobStatus::Queued);
            for update in updates {
                let before = current.clone();
                let changed = current.advance(job(update));
                prop_assert_eq!(changed, before != current);
                if before.status.is_terminal() {
                    prop_assert_eq!(before, current.clone());
                }
            }
        }

        // AIC-14
        #[test]
        fn every_status_survives_a_round_trip(status in any_status()) {
            let json = serde_json::to_string(&status).unwrap();
            prop_assert_eq!(serde_json::from_str::<JobStatus>(&json).unwrap(), status);
        }
    }

    #[test]
    fn a_running_job_does_not_go_back_into_the_queue() {
        let mut current = job(JobStatus::Running);
        assert!(!current.advance(job(JobStatus::Queued)));
        assert_eq!(current.status, JobStatus::Running);
    }

    #[test]
    fn a_look_that_says_less_keeps_what_was_known() {
        let mut current = job(JobStatus::Running).step("generating");
        current.progress = Some(0.5);
        assert!(!current.advance(job(JobStatus::Running)));
        assert_eq!((current.step.as_deref(), current.progress), (Some("generating"), Some(0.5)));
    }

    #[test]
    fn another_job_is_no_update() {
        let mut current = job(JobStatus::Running);
        let other = Job::new("k".parse().unwrap(), MediaKind::Image).status(JobStatus::Completed);
        assert!(!current.advance(other));
    }
}
