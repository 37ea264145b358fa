//! What starts something: pictures, videos, uploads.

use std::{sync::Arc, time::Duration};

use buttress_core::{FieldProblem, Problem};
use buttress_correlation_id::CorrelationExt;
use buttress_provider::{
    Cost, FileId, ImageRequest, Job, MediaKind, PriceUnit, ProviderAdapter, ProviderError, UploadedFile, VideoRequest,
};
use buttress_request_log::NotesExt;
use bytes::Bytes;
use futures_util::Stream;
use http::HeaderMap;
use sentry::{Hub, SentryFutureExt};
use tokio::time::timeout;
use tracing::{Instrument, error, info, info_span};

use super::{Gateway, Inner, note_cost, note_provider, told, view};
use crate::{
    BODY_TIMEOUT, Context, JobView, NewImage, NewVideo, User, codes,
    jobs::{Holding, Record},
    provider::Provider,
    run, telemetry, upload,
};

impl Gateway {
    /// `POST /api/images`.
    ///
    /// # Errors
    ///
    /// 422 with the fields at fault; what the provider says.
    pub async fn create_image(&self, cx: &Context, new: NewImage) -> Result<JobView, Problem> {
        let mut request = new.into_request(&self.0.settings.default_image_model)?;
        request.mark = Some(cx.call_key.number(u64::MAX));
        let files: Vec<_> = request.references.iter().map(|reference| &reference.file_id).collect();
        self.check_files(&cx.user, &files, |i| format!("references[{i}].fileId"))?;
        self.create(cx, Order::Image(request)).await
    }

    /// `POST /api/videos`.
    ///
    /// # Errors
    ///
    /// 422 with the fields at fault; what the provider says.
    pub async fn create_video(&self, cx: &Context, new: NewVideo) -> Result<JobView, Problem> {
        let settings = &self.0.settings;
        let mut request = new.into_request((&settings.default_video_model, &settings.default_animate_model))?;
        request.mark = Some(cx.call_key.number(u64::MAX));
        let files: Vec<_> = request.references.iter().map(|reference| &reference.file_id).collect();
        self.check_files(&cx.user, &files, |_| "image".into())?;
        self.create(cx, Order::Video(request)).await.map_err(in_our_words)
    }

    /// `POST /api/uploads`: `body` goes to the provider as it arrives.
    ///
    /// # Errors
    ///
    /// 413, 415, 422 and 400 for forms that are not taken; what the provider says.
    pub async fn upload<S, E>(&self, cx: &Context, headers: &HeaderMap, body: S) -> Result<UploadedFile, Problem>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
    {
        let late = |_| codes::bad_request("the form did not begin in time");
        let (upload, failure) = timeout(BODY_TIMEOUT, upload::open(headers, body)).await.map_err(late)??;
        note_provider(&cx.notes);
        let outcome = self.0.provider.upload(upload).with_notes(cx.notes.clone()).await;
        let file = outcome.map_err(|error| failure.get().cloned().unwrap_or_else(|| told(&error)))?;
        let kind = if file.media_type.starts_with("video/") { MediaKind::Video } else { MediaKind::Image };
        self.0.jobs.uploaded(&cx.user, file.file_id.clone(), kind);
        Ok(file)
    }

    /// Refuses files that are not the user's own pictures, before anything is sent.
    fn check_files(&self, user: &User, files: &[&FileId], field: impl Fn(usize) -> String) -> Result<(), Problem> {
        let problem = |file| match self.0.jobs.holding(user, file) {
            Holding::Ready(MediaKind::Image) => None,
            Holding::Ready(_) => Some("is a video, not a picture"),
            Holding::NotReady => Some("is a job that has no result"),
            Holding::Nothing => Some("is neither an upload nor a finished job of yours"),
        };
        let indexed = files.iter().enumerate();
        let faults: Vec<_> =
            indexed.filter_map(|(i, file)| Some(FieldProblem::new(field(i), problem(file)?))).collect();
        if faults.is_empty() { Ok(()) } else { Err(codes::validation_failed(&faults)) }
    }

    /// Starts a job and its watch. Goes on when the caller leaves: what is paid for is remembered.
    async fn create(&self, cx: &Context, order: Order) -> Result<JobView, Problem> {
        let room = || codes::store_unavailable("too many jobs are running");
        let place = self.0.jobs.reserve().ok_or_else(room)?;
        let (gateway, cx, notes) = (self.clone(), cx.clone(), cx.notes.clone());
        let work = async move {
            note_provider(&cx.notes);
            let job = order.clone().send(&gateway.0.provider).await.map_err(|error| told(&error))?;
            telemetry::job_started(&job);
            info!(job_id = %job.id, kind = %job.kind, user = cx.user.as_str(), "job_started");
            let record = Record::new(cx.user, job, cx.correlation_id);
            let view = view(&record);
            gateway.watch(record, place)?;
            // Only now: the creation has fetched the list of models.
            note_cost(&cx.notes, order.price(&gateway.0.provider).await.as_ref());
            Ok(view)
        };
        let work = work.with_notes(notes).in_current_correlation();
        let started = self.0.tasks.spawn(work.in_current_span().bind_hub(Hub::current()));
        started.await.unwrap_or_else(|panic| {
            error!(error = %panic, "creating_a_job_panicked");
            Err(codes::internal())
        })
    }

    fn watch(&self, record: Record, place: crate::jobs::Place) -> Result<(), Problem> {
        let Inner { provider, jobs, log, tasks, stopped, .. } = &*self.0;
        let (job, id) = (record.job.clone(), record.correlation_id.clone());
        let span = info_span!(parent: None, "job", correlation_id = %id, job_id = %job.id);
        let publisher = log.create(job.id.as_str()).map_err(|error| {
            // The job runs and is paid for: nobody shall be asked to start it again.
            error!(job_id = %job.id, error = %error, "no_event_log");
            codes::internal()
        })?;
        if !jobs.insert(place, record) {
            error!(job_id = %job.id, "the provider gave the id of a job that exists");
            return Err(codes::internal());
        }
        let run = run::run(provider.clone(), Arc::clone(jobs), job, publisher, id);
        let run = stopped.clone().run_until_cancelled_owned(run.in_current_correlation());
        tasks.spawn(run.instrument(span));
        Ok(())
    }
}

/// What to ask of the provider.
#[derive(Clone)]
enum Order {
    Image(ImageRequest),
    Video(VideoRequest),
}

impl Order {
    async fn send(self, provider: &Provider) -> Result<Job, ProviderError> {
        match self {
            Self::Image(request) => provider.create_image_job(request).await,
            Self::Video(request) => provider.create_video_job(request).await,
        }
    }
}

impl Order {
    /// What it will cost if it succeeds, by the provider's list.
    async fn price(&self, provider: &Provider) -> Option<Cost> {
        let (model, seconds) = match self {
            Self::Image(request) => (&request.model, 0.0),
            Self::Video(request) => (&request.model, request.duration.unwrap_or(USUAL_LENGTH).as_secs_f64()),
        };
        let models = provider.models().await.ok()?;
        let price = models.iter().find(|listed| listed.name == *model)?.price.as_ref()?;
        let units = if price.per == PriceUnit::Second { seconds } else { 1.0 };
        Some(Cost::credits(price.amount * units))
    }
}

/// How long a video of the provider plays when nobody says otherwise.
const USUAL_LENGTH: Duration = Duration::from_secs(5);

/// A video has one reference here, and it is called `image`.
fn in_our_words(problem: Problem) -> Problem {
    let Some(details) = problem.details_value().and_then(|details| details.as_array()).cloned() else {
        return problem;
    };
    let renamed = details.into_iter().map(|mut fault| {
        if fault["field"].as_str().is_some_and(|field| field.starts_with("references")) {
            fault["field"] = "image".into();
        }
        fault
    });
    problem.details(renamed.collect())
}
