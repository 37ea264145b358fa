//! Jobs: their reports, and the clockwork that moves them from step to step.

use std::{collections::VecDeque, sync::Arc};

use serde::Serialize;
use tokio::{sync::mpsc, time::Instant};
use uuid::Uuid;

use crate::{announce, world::World};

/// Most reports kept; one more forgets the oldest.
const MAX_REPORTS: usize = 10_000;

/// Where a job is.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Accepted; its task is not yet announced.
    Queued,
    /// Its task is announced as `in_progress`.
    Started,
    /// Halfway.
    Rendering,
    /// Its task is `completed`, and `url` still null.
    Finalising,
    /// `url` is there, and the credits are charged.
    Completed,
    /// Its task is `error`; nothing was charged.
    Failed,
    /// Its file was deleted, or forgotten for a newer one, before it ended.
    Deleted,
}

/// What became of one job: one file of a `generate-*` request.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize)]
pub struct JobReport {
    /// Id of the job and of its file.
    pub id: Uuid,
    /// The file's type: `image`, `video`, `voiceover` or `sound_effect`.
    pub kind: &'static str,
    /// Where it is now.
    pub status: JobStatus,
    /// The model asked for.
    pub model: Option<String>,
    /// The prompt asked for.
    pub prompt: String,
    /// The seed asked for, or drawn.
    pub seed: i64,
    /// The project it belongs to.
    pub project_id: Option<Uuid>,
    /// Credits it costs if it completes.
    pub cost: f64,
    /// Why the worker fails it; never on the provider's wire.
    pub refusal: Option<&'static str>,
    /// When it was made, RFC 3339.
    pub created_at: String,
}

#[derive(Debug, Default)]
pub(crate) struct Reports(VecDeque<JobReport>);

impl Reports {
    pub(crate) fn push(&mut self, report: JobReport) {
        if self.0.len() == MAX_REPORTS {
            self.0.pop_front();
        }
        self.0.push_back(report);
    }

    pub(crate) fn set(&mut self, id: Uuid, status: JobStatus) {
        let report = self.0.iter_mut().rev().find(|report| report.id == id);
        if let Some(report) = report {
            report.status = status;
        }
    }

    /// Marks a job whose file is gone, unless it had ended before.
    pub(crate) fn lose(&mut self, id: Uuid) {
        let report = self.0.iter_mut().rev().find(|report| report.id == id);
        let ended = [JobStatus::Completed, JobStatus::Failed];
        if let Some(report) = report.filter(|report| !ended.contains(&report.status)) {
            report.status = JobStatus::Deleted;
        }
    }

    pub(crate) fn all(&self) -> Vec<JobReport> {
        self.0.iter().cloned().collect()
    }
}

/// Starts a job's clock.
pub(crate) fn launch(world: &Arc<World>, id: Uuid, fails: bool) {
    world.tasks.spawn(drive(Arc::clone(world), id, fails));
}

async fn drive(world: Arc<World>, id: Uuid, fails: bool) {
    let (later, waiting) = mpsc::channel(announce::BACKLOG);
    world.tasks.spawn(announce::run(Arc::clone(&world), waiting));
    let mut at = Instant::now();
    for status in course(fails) {
        at += world.live().settings.step;
        tokio::time::sleep_until(at).await;
        if !world.enter(id, *status, &later) {
            return;
        }
    }
}

fn course(fails: bool) -> &'static [JobStatus] {
    use JobStatus::{Completed, Failed, Finalising, Rendering, Started};
    if fails { &[Started, Rendering, Failed] } else { &[Started, Rendering, Finalising, Completed] }
}
