use std::{fmt, sync::Arc, time::Duration};

use buttress_provider::{
    Artifact, ImageRequest, Job, JobEvent, JobId, MediaKind, Model, ProviderAdapter, ProviderError, Schedule, Upload,
    UploadedFile, VideoRequest, watch,
};
use futures_core::Stream;

use crate::{
    ApiUrl, EventChannel, HttpService, InvalidSetting, Operation, Token,
    call::{Api, Call},
    catalogue::Catalogue,
    error::{Asked, expect, not_understood},
    events::hints,
    request::Order,
    settings::Settings,
    validate,
    wire::FileRead,
};

/// SuperDuperAI as a [`ProviderAdapter`], over any HTTP service.
///
/// Clones share the service, the copy of the model list and nothing else; they are cheap.
///
/// # Cancel safety
///
/// A read that is dropped leaves nothing behind. A creating call or an upload that is dropped may have taken effect at
/// the provider, and is not looked up any more: run it in a task of its own where that matters. A dropped
/// [`watch`](ProviderAdapter::watch) closes its event line; the job goes on.
#[derive(Clone)]
pub struct SuperDuperAi<S> {
    pub(crate) api: Api<S>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) settings: Arc<Settings>,
}

#[cfg(feature = "transport")]
impl SuperDuperAi<crate::Transport> {
    /// The provider over a [`Transport`](crate::Transport) of its own, without any layers.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up. Nothing is sent yet.
    pub fn connect(url: ApiUrl, token: Token) -> Result<Self, crate::TransportError> {
        Ok(Self::new(url, token, crate::Transport::new()?))
    }
}

#[cfg(feature = "stack")]
impl SuperDuperAi<crate::Stack> {
    /// The provider over a [`Stack`](crate::Stack) of its own: looks are tried again, creations only if they provably
    /// never left.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up. Nothing is sent yet.
    pub fn resilient(url: ApiUrl, token: Token, resilience: &crate::Resilience) -> Result<Self, crate::TransportError> {
        let stack = crate::Stack::new(crate::Transport::new()?, resilience);
        Ok(Self::new(url, token, stack).tried_beneath())
    }
}

impl<S: HttpService> SuperDuperAi<S> {
    /// The provider over a service, which carries every call and may have as many layers as you like.
    #[must_use]
    pub fn new(url: ApiUrl, token: Token, service: S) -> Self {
        Self { api: Api::new(url, token, service), catalogue: Arc::default(), settings: Arc::default() }
    }

    /// The time for one HTTP call with its answer, 10 s by default, and for one operation in all, 30 s by default.
    ///
    /// An operation may make several calls: the model list, the creation, the lookup of what is in doubt. Where a
    /// layer beneath makes several tries of one call, they share the time of one attempt here, unless
    /// [`tried_beneath`](Self::tried_beneath) says that there is one. Each call carries the end of its time as a
    /// [`Deadline`](buttress_core::Deadline).
    ///
    /// # Errors
    ///
    /// When either is zero, or an attempt may take longer than its operation.
    pub fn timeouts(self, attempt: Duration, operation: Duration) -> Result<Self, InvalidSetting> {
        if attempt.is_zero() || operation < attempt {
            return Err(InvalidSetting("an attempt takes some time, and not more than its operation"));
        }
        Ok(self.set(|settings| (settings.attempt, settings.operation) = (attempt, operation)))
    }

    /// A layer beneath tries calls again, and sees to the time of each try: a call with all its tries may take as long as
    /// its operation, but for the third that a creation keeps for its lookup.
    #[must_use]
    pub fn tried_beneath(self) -> Self {
        self.set(|settings| settings.tried_beneath = true)
    }

    /// How long the source of an upload may give nothing, 30 s by default, and the upload take in all, 5 min by
    /// default. Once its last byte is handed over, the answer is due within the time of an attempt.
    ///
    /// # Errors
    ///
    /// When either is zero.
    pub fn upload_timeouts(self, idle: Duration, total: Duration) -> Result<Self, InvalidSetting> {
        if idle.is_zero() || total.is_zero() {
            return Err(InvalidSetting("an upload takes some time"));
        }
        Ok(self.set(|settings| (settings.upload_idle, settings.upload_total) = (idle, total)))
    }

    /// When to look after jobs of a kind. By default as [`Schedule::default`], with a deadline of 10 min for pictures
    /// and 20 min for videos.
    #[must_use]
    pub fn schedule(self, kind: MediaKind, schedule: Schedule) -> Self {
        self.set(|settings| match kind {
            MediaKind::Image => settings.image = schedule,
            _ => settings.video = schedule,
        })
    }

    /// How long a copy of the model list will do; 1 h by default.
    #[must_use]
    pub fn model_ttl(self, ttl: Duration) -> Self {
        self.set(|settings| settings.model_ttl = ttl)
    }

    /// The pause before each of the two lookups of a creation in doubt; 1 s by default.
    #[must_use]
    pub fn lookup_pause(self, pause: Duration) -> Self {
        self.set(|settings| settings.lookup_pause = pause)
    }

    /// How to listen to events.
    #[must_use]
    pub fn events(self, channel: EventChannel) -> Self {
        self.set(|settings| settings.events = Some(channel))
    }

    /// Looks only, and does not listen to events: one connection less for each watched job, and news a little later.
    #[must_use]
    pub fn without_events(self) -> Self {
        self.set(|settings| settings.events = None)
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }

    async fn file(&self, id: &JobId, by: tokio::time::Instant) -> Result<FileRead, ProviderError> {
        let call = Call::get(Operation::Status, format!("/api/v1/file/{id}"));
        let file: FileRead = expect(self.api.call(call, by).await, Asked::Status)?;
        if file.id == id.as_str() { Ok(file) } else { Err(not_understood("the file is another one")) }
    }
}

impl<S: HttpService> ProviderAdapter for SuperDuperAi<S> {
    async fn create_image_job(&self, request: ImageRequest) -> Result<Job, ProviderError> {
        let budget = self.settings.budget();
        let models = self.catalogue.models(&self.api, self.settings.model_ttl, budget).await?;
        let model = validate::image(&request, &models).map_err(ProviderError::invalid)?;
        self.start(Order::image(request, model), budget).await
    }

    async fn create_video_job(&self, request: VideoRequest) -> Result<Job, ProviderError> {
        let budget = self.settings.budget();
        let models = self.catalogue.models(&self.api, self.settings.model_ttl, budget).await?;
        let model = validate::video(&request, &models).map_err(ProviderError::invalid)?;
        self.start(Order::video(request, model), budget).await
    }

    async fn get_job_status(&self, id: &JobId) -> Result<Job, ProviderError> {
        self.file(id, self.settings.budget().call()).await?.job()
    }

    async fn get_job_result(&self, id: &JobId) -> Result<Artifact, ProviderError> {
        let budget = self.settings.budget();
        let file = self.file(id, budget.call()).await?;
        // Only the price is wanted: no list is no error.
        let listed = match file.address() {
            Some(_) => self.catalogue.models(&self.api, self.settings.model_ttl, budget).await.ok(),
            None => None,
        };
        file.artifact(listed.as_deref().unwrap_or_default())
    }

    async fn models(&self) -> Result<Arc<[Model]>, ProviderError> {
        self.catalogue.models(&self.api, self.settings.model_ttl, self.settings.budget()).await
    }

    async fn upload(&self, upload: Upload) -> Result<UploadedFile, ProviderError> {
        self.send_file(upload).await
    }

    fn watch(&self, job: Job) -> impl Stream<Item = JobEvent> + Send + use<S> {
        let schedule = self.settings.schedule(job.kind).clone();
        let hints = hints(self.api.clone(), job.id.clone(), self.settings.events.clone());
        let (this, id) = (self.clone(), job.id.clone());
        let look = move || {
            let (this, id) = (this.clone(), id.clone());
            async move { this.get_job_status(&id).await }
        };
        watch(job, schedule, hints, look)
    }
}

impl<S: HttpService> fmt::Debug for SuperDuperAi<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { api, catalogue: _, settings } = self;
        f.debug_struct("SuperDuperAi").field("url", api.url()).field("settings", settings).finish_non_exhaustive()
    }
}
