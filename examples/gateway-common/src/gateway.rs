use std::{sync::Arc, time::Duration};

use buttress_circuit_breaker::{CIRCUIT_OPEN, Circuits};
use buttress_core::{FieldProblem, Notes, Problem};
use buttress_correlation_id::CorrelationExt;
use buttress_idempotency::{CallKey, Run};
use buttress_provider::{
    Artifact, Cost, FileId, ImageRequest, Job, JobError, JobEvent, JobEventKind, JobId, JobStatus, MediaKind, Model,
    PriceUnit, ProviderAdapter, ProviderError, UploadedFile, VideoRequest,
};
use buttress_rate_limit::RateLimitLayer;
use buttress_request_log::NotesExt;
use buttress_sse::{
    Drain, Event, EventBody, EventName, Heartbeat, HeartbeatLayer, MemoryLog, Resume, Retention, last_event_id,
};
use buttress_superduperai::LocalRefusal;
use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderMap, Request, Response, request::Parts};
use sentry::{Hub, SentryFutureExt};
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, error, info, info_span};

use crate::{
    BODY_TIMEOUT, Context, JobView, NewImage, NewVideo, Settings, User, codes,
    idempotency::{self, Keys},
    jobs::{Holding, Jobs, Record},
    limits,
    once::OnceLayer,
    provider::{self, Connected, Provider, Simulated},
    run, telemetry, upload,
    users::{Caller, Known, Users},
    view::line_event_json,
};

/// How long a client waits before it comes back to an event stream.
const RECONNECT: Duration = Duration::from_secs(2);

const HEARTBEAT: EventName = EventName::from_static("heartbeat");

/// What the gateway does, apart from how it is hosted. A clone is the same gateway.
#[derive(Clone, Debug)]
pub struct Gateway(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    provider: Provider,
    circuits: Circuits,
    simulated: Option<Simulated>,
    users: Users,
    limits: RateLimitLayer,
    jobs: Arc<Jobs>,
    log: MemoryLog,
    heartbeat: Heartbeat,
    drain: Drain,
    idempotency: Keys,
    tasks: TaskTracker,
    stopped: CancellationToken,
}

impl Gateway {
    /// Builds a gateway, and starts the simulator if no provider is set.
    ///
    /// # Errors
    ///
    /// When a setting cannot work after all, or the simulator cannot listen.
    pub async fn start(settings: Settings) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let Connected { provider, circuits, simulated } = provider::connect(&settings).await?;
        let retention = Retention::default().events(settings.retain_events).age(settings.retain);
        let inner = Inner {
            provider,
            circuits,
            simulated,
            users: Users::new(&settings.api_keys, settings.guests, settings.session_secret.as_ref()),
            limits: limits::layer(&settings)?,
            jobs: Arc::default(),
            log: MemoryLog::new(retention)?,
            // A tenth of jitter, so that many lines do not beat together.
            heartbeat: Heartbeat::every(settings.heartbeat)?.jitter(settings.heartbeat / 10),
            drain: Drain::new(),
            idempotency: idempotency::layer(&settings)?,
            tasks: TaskTracker::new(),
            stopped: CancellationToken::new(),
            settings,
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Its settings.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The layer that keeps its event streams alive, and ends them when it [drains](Self::drain).
    pub fn heartbeats(&self) -> HeartbeatLayer {
        let layer = HeartbeatLayer::new(self.0.heartbeat.clone()).retry(RECONNECT).drained_by(&self.0.drain);
        // `no-store`, as the contract says.
        layer.keep_cache_control()
    }

    /// The simulator, when no provider is set.
    pub fn simulator(&self) -> Option<&Simulated> {
        self.0.simulated.as_ref()
    }

    /// Finds out who sent a request, for all who come after: limits, idempotency keys and [`context`](Self::context).
    pub fn identify<B>(&self, mut request: Request<B>) -> Request<B> {
        let known = self.known(request.headers());
        // Also for the log lines of requests that no handler sees.
        if let (Some(user), Some(notes)) = (known.user(), request.extensions().get::<Notes>()) {
            notes.write(|noted| noted.user_id = Some(user.as_str().to_owned().into()));
        }
        request.extensions_mut().insert(known);
        request
    }

    /// The limits of users and addresses. It stands below [`identify`](Self::identify).
    pub fn limits(&self) -> RateLimitLayer {
        self.0.limits.clone()
    }

    /// What is known of a request that came through the stack.
    ///
    /// # Errors
    ///
    /// 401 for unknown credentials, and for none where guests are not let in.
    ///
    /// # Panics
    ///
    /// When no layer gave the request a correlation id.
    pub fn context(&self, parts: &Parts) -> Result<Context, Problem> {
        let Known(caller) = parts.extensions.get().cloned().unwrap_or_else(|| self.known(&parts.headers));
        let Caller { user, cookie } = caller?;
        let correlation_id = parts.extensions.get().cloned().expect("the correlation layer stands above the routes");
        let notes: Notes = parts.extensions.get().cloned().unwrap_or_default();
        notes.write(|noted| noted.user_id = Some(user.as_str().to_owned().into()));
        let call_key = parts.extensions.get::<Run>().map_or_else(CallKey::random, Run::call_key);
        Ok(Context { user, cookie, correlation_id, notes, call_key })
    }

    fn known(&self, headers: &HeaderMap) -> Known {
        Known(self.0.users.identify(headers))
    }

    /// The layer that lets a request with an idempotency key start its job once. It stands below [`Self::identify`].
    pub fn idempotency(&self) -> OnceLayer {
        OnceLayer::new(self.0.idempotency.clone())
    }

    /// `POST /api/images`.
    ///
    /// # Errors
    ///
    /// 422 with the fields at fault; what the provider says.
    pub async fn create_image(&self, cx: &Context, new: NewImage) -> Result<JobView, Problem> {
        let mut request = new.into_request(&self.0.settings.default_image_model)?;
        request.mark = Some(cx.call_key.number(u64::MAX));
        let files: Vec<_> = request.references.iter().map(|reference| &reference.file_id).collect();
        self.check_files(&cx.user, &files, |i| format!("references[{i}].fileId"), None)?;
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
        self.check_files(&cx.user, &files, |_| "image".into(), Some(MediaKind::Image))?;
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
        self.0.jobs.uploaded(&cx.user, file.file_id.clone());
        Ok(file)
    }

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

    /// `GET /api/jobs/{jobId}/events`; `None` when there is nothing more to tell: 204.
    ///
    /// A job goes on and is told of whether or not anybody ever asks for its events, so its watch publishes them, and
    /// readers are answered from the log: a `ResumeLayer` would begin with the first reader. Heartbeats and the end at
    /// a shutdown are the [layer](Self::heartbeats)'s.
    ///
    /// # Errors
    ///
    /// 404 when this user has no such job, 400 for a malformed cursor.
    pub fn events(
        &self,
        cx: &Context,
        id: &str,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Result<Option<Response<EventBody>>, Problem> {
        let record = self.find(&cx.user, id)?;
        let id = record.job.id.clone();
        let cursor = last_event_id(headers, query)
            .map_err(|error| codes::bad_request(format!("Last-Event-ID is no cursor: {error}")))?;
        let replay = match self.0.log.resume_from(id.as_str(), cursor.as_ref()) {
            Resume::Play(replay) => replay,
            Resume::Finished => return Ok(None),
            Resume::Unknown if cursor.is_some() && cursor == record.last => return Ok(None),
            Resume::Unknown => {
                self.tell_end_again(&record);
                let Resume::Play(replay) = self.0.log.resume_from(id.as_str(), cursor.as_ref()) else {
                    return Ok(None);
                };
                replay
            }
        };
        telemetry::event_stream_opened();
        let beat = self.0.heartbeat.clone().event({
            let id = id.clone();
            move || Event::data(line_event_json("heartbeat", &id)).name(HEARTBEAT)
        });
        let reset = move || Event::data(line_event_json("reset", &id));
        let mut response = replay.retry(RECONNECT).heartbeat(Heartbeat::never()).reset(reset).into_response();
        // For the layer, which beats with this instead of a comment.
        response.extensions_mut().insert(beat);
        Ok(Some(response))
    }

    /// The events of a finished job are forgotten after a while, how it ended is not.
    fn tell_end_again(&self, record: &Record) {
        let kind = match record.job.status {
            JobStatus::Completed => JobEventKind::Completed,
            JobStatus::Failed | JobStatus::Cancelled => JobEventKind::Failed,
            _ => return,
        };
        // Another reader may have been first.
        if let Ok(publisher) = self.0.log.create(record.job.id.as_str()) {
            let event = JobEvent::of(&record.job, kind);
            let last = publisher.finish(run::event(&event, &record.correlation_id));
            self.0.jobs.update(&record.job.id, |record| record.last = Some(last));
        }
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

    /// `GET /healthz`: that the gateway lives, and what it stands in front of.
    pub fn health(&self) -> serde_json::Value {
        let provider = if self.0.simulated.is_some() { "simulator" } else { "superduperai" };
        let states = self.0.circuits.snapshots().into_iter();
        let breakers: serde_json::Map<_, _> =
            states.map(|circuit| (circuit.name.to_string(), circuit.state.as_str().into())).collect();
        serde_json::json!({ "status": "ok", "provider": provider, "breakers": breakers })
    }

    /// `GET /metrics`: Prometheus text.
    pub fn metrics(&self) -> String {
        // Brings what the breakers have counted up to date.
        drop(self.0.circuits.snapshots());
        telemetry::init_metrics().render()
    }

    /// Ends every event stream at the border of an event, so that its client comes back elsewhere.
    pub fn drain(&self) {
        self.0.drain.drain();
    }

    /// Ends all work. Jobs that run still are told as failed here; the provider goes on with them.
    pub async fn stop(&self) {
        self.0.idempotency.detached().idle().await;
        self.0.stopped.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    fn find(&self, user: &User, id: &str) -> Result<Record, Problem> {
        let id = id.parse::<JobId>().ok();
        let record = id.and_then(|id| self.0.jobs.find(user, &id));
        record.ok_or_else(|| codes::not_found("there is no such job"))
    }

    /// Refuses files that are not the user's own, before anything is sent.
    fn check_files(
        &self,
        user: &User,
        files: &[&FileId],
        field: impl Fn(usize) -> String,
        wanted: Option<MediaKind>,
    ) -> Result<(), Problem> {
        let problem = |file| match self.0.jobs.holding(user, file) {
            Holding::Ready(Some(kind)) if wanted.is_some_and(|wanted| wanted != kind) => {
                Some("is the job of a video, not of a picture")
            }
            Holding::Ready(_) => None,
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
            let price = order.price(&gateway.0.provider).await;
            let job = order.send(&gateway.0.provider).await.map_err(|error| told(&error))?;
            note_cost(&cx.notes, price.as_ref());
            telemetry::job_started(&job);
            info!(job_id = %job.id, kind = %job.kind, user = cx.user.as_str(), "job_started");
            let record = Record::new(cx.user, job, cx.correlation_id);
            let view = view(&record);
            gateway.watch(record, place)?;
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

fn note_provider(notes: &Notes) {
    notes.write(|noted| noted.provider = Some("superduperai".into()));
}

fn note_cost(notes: &Notes, cost: Option<&Cost>) {
    notes.write(|noted| noted.cost = cost.map(|cost| (cost.amount, cost.currency.clone())));
}

fn view(record: &Record) -> JobView {
    JobView::new(&record.job, record.created_at, &record.correlation_id)
}

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

/// The problem for the caller; the cause goes to the log.
fn told(error: &ProviderError) -> Problem {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    info!(error = %error, kind = ?error.kind(), cause, "provider_error");
    let refusal = std::error::Error::source(error).and_then(|source| source.downcast_ref::<LocalRefusal>());
    match refusal.map(LocalRefusal::problem).filter(|problem| problem.code() == CIRCUIT_OPEN) {
        Some(problem) => codes::circuit_open(problem.delay()),
        None => error.to_problem(),
    }
}
