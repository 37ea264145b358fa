//! What looks at something: jobs, results, models.

use std::sync::Arc;

use buttress_core::Problem;
use buttress_provider::{Artifact, JobError, JobStatus, Model, ProviderAdapter};
use buttress_request_log::NotesExt;

use super::{Gateway, note_cost, note_provider, told, view};
use crate::{Context, JobView, codes};

impl Gateway {
    /// `GET /api/jobs/{jobId}`.
    ///
    /// # Errors
    ///
    /// 404 when this user has no such job.
    pub fn job(&self, cx: &Context, id: &str) -> Result<JobView, Problem> {
        let record = self.find(&cx.user, id)?;
        Ok(view(&record))
    }

    /// `GET /api/jobs/{jobId}/result`.
    ///
    /// # Errors
    ///
    /// 404 when this user has no such job, 409 while it runs, 422 when it failed.
    pub async fn result(&self, cx: &Context, id: &str) -> Result<Artifact, Problem> {
        let record = self.find(&cx.user, id)?;
        if let Some(artifact) = record.artifact {
            note_cost(&cx.notes, artifact.cost.as_ref());
            return Ok(artifact);
        }
        let failed = |error: Option<&JobError>| codes::job_failed(error.map_or("", |error| &error.message).to_owned());
        let error = record.job.error.as_ref();
        match record.job.status {
            JobStatus::Completed => {}
            JobStatus::Cancelled => return Err(codes::job_cancelled()),
            // The provider's own verdict is final. Where it was only lost sight of, the result may have come since.
            JobStatus::Failed if error.is_none_or(|error| error.code == "job_failed") => return Err(failed(error)),
            JobStatus::Failed => {}
            _ => return Err(codes::job_not_finished()),
        }
        note_provider(&cx.notes);
        let outcome = self.0.provider.get_job_result(&record.job.id).with_notes(cx.notes.clone()).await;
        let artifact = outcome.map_err(|now| match record.job.status {
            JobStatus::Failed => failed(error),
            _ => told(&now),
        })?;
        note_cost(&cx.notes, artifact.cost.as_ref());
        self.0.jobs.update(&record.job.id, |record| record.artifact = Some(artifact.clone()));
        Ok(artifact)
    }

    /// `GET /api/models`.
    ///
    /// # Errors
    ///
    /// What the provider says, when there is no list from before.
    pub async fn models(&self, cx: &Context) -> Result<Arc<[Model]>, Problem> {
        note_provider(&cx.notes);
        let models = self.0.provider.models().with_notes(cx.notes.clone()).await;
        models.map_err(|error| told(&error))
    }
}
