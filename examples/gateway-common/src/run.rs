use std::sync::Arc;

use buttress_core::CorrelationId;
use buttress_provider::{Job, JobError, JobEvent, JobEventKind, JobId, JobStatus, ProviderAdapter};
use buttress_sse::{Event, EventName, Publisher};
use futures_util::StreamExt;
use tracing::{info, warn};

use crate::{jobs::Jobs, telemetry, view::event_json};

/// Watches one job to its end: every event goes into the job's record, and then into its log.
pub(crate) async fn run<P: ProviderAdapter>(
    provider: P,
    jobs: Arc<Jobs>,
    job: Job,
    publisher: Publisher,
    correlation_id: CorrelationId,
) {
    let id = job.id.clone();
    let mut teller = Teller { jobs, job: job.clone(), publisher: Some(publisher), correlation_id };
    let mut events = std::pin::pin!(provider.watch(job));
    while let Some(event) = events.next().await {
        if event.kind == JobEventKind::Artifact {
            teller.keep_result(&provider, &id).await;
        }
        teller.tell(&event);
    }
}

/// Tells the events of one job. If it is dropped before the last one, it tells that the job failed.
struct Teller {
    jobs: Arc<Jobs>,
    job: Job,
    /// Until the last event.
    publisher: Option<Publisher>,
    correlation_id: CorrelationId,
}

impl Teller {
    /// So that the result is there when the end is told. If it cannot be had now, whoever asks for it tries again.
    async fn keep_result<P: ProviderAdapter>(&self, provider: &P, id: &JobId) {
        match provider.get_job_result(id).await {
            Ok(artifact) => self.jobs.update(id, |record| record.artifact = Some(artifact)),
            Err(error) => warn!(job_id = %id, error = %error, "result_not_fetched"),
        }
    }

    /// The record first, so that whoever hears of the event finds the record changed.
    fn tell(&mut self, event: &JobEvent) {
        let Some(mut publisher) = self.publisher.take() else { return };
        self.job.advance(after(&self.job, event));
        self.jobs.update(&event.job_id, |record| record.job = self.job.clone());
        let data = self::event(event, &self.correlation_id);
        if event.kind.is_last() {
            let last = publisher.finish(data);
            self.jobs.update(&event.job_id, |record| record.last = Some(last));
            telemetry::job_finished(&self.job);
            info!(job_id = %event.job_id, status = %self.job.status, "job_finished");
        } else {
            publisher.send_event(data);
            self.publisher = Some(publisher);
        }
    }
}

/// A panic, or a gateway that stops: nobody watches the job any more, and those who wait shall know.
impl Drop for Teller {
    fn drop(&mut self) {
        if self.publisher.is_some() {
            let error = JobError::new("internal", "the gateway no longer watches this job", false);
            let ended = self.job.clone().failed(error);
            self.tell(&JobEvent::of(&ended, JobEventKind::Failed));
        }
    }
}

/// The job as it stands after an event.
fn after(job: &Job, event: &JobEvent) -> Job {
    let mut next = job.clone();
    (next.progress, next.step) = (event.progress, Some(event.step.clone()));
    next.artifact_id = event.artifact_id.clone();
    next.error = event.error.clone();
    let cancelled = event.error.as_ref().is_some_and(|error| error.code == "job_cancelled");
    next.status = match event.kind {
        JobEventKind::Queued => JobStatus::Queued,
        JobEventKind::Completed => JobStatus::Completed,
        JobEventKind::Failed if cancelled => JobStatus::Cancelled,
        JobEventKind::Failed => JobStatus::Failed,
        _ => JobStatus::Running,
    };
    next
}

/// An event of a job as it goes over the wire.
pub(crate) fn event(event: &JobEvent, correlation_id: &CorrelationId) -> Event {
    Event::data(event_json(event, correlation_id)).name(EventName::from_static(event.kind.as_str()))
}
