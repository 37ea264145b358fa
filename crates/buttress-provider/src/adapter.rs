use std::sync::Arc;

use futures_core::Stream;

use crate::{Artifact, ImageRequest, Job, JobEvent, JobId, Model, ProviderError, Upload, UploadedFile, VideoRequest};

/// A provider that makes pictures and videos as jobs: a request starts one, its result comes later.
///
/// # Cancel safety
///
/// Dropping the future of a reading call leaves nothing behind. Dropping the future of a creating call, or of an
/// upload, leaves it open whether the provider started the job: it may run, and cost.
pub trait ProviderAdapter: Send + Sync + 'static {
    /// Starts a picture.
    ///
    /// # Errors
    ///
    /// `Invalid`, before anything was sent, when the request does not fit the model; every other kind as the provider
    /// answers; `UnknownOutcome` when the call was sent and nobody knows whether it took effect.
    fn create_image_job(&self, request: ImageRequest) -> impl Future<Output = Result<Job, ProviderError>> + Send;

    /// Starts a video.
    ///
    /// # Errors
    ///
    /// As for [`create_image_job`](Self::create_image_job).
    fn create_video_job(&self, request: VideoRequest) -> impl Future<Output = Result<Job, ProviderError>> + Send;

    /// Looks how a job stands.
    ///
    /// # Errors
    ///
    /// `NotFound` when the provider does not know the job, which may be so for a moment after it was created.
    fn get_job_status(&self, id: &JobId) -> impl Future<Output = Result<Job, ProviderError>> + Send;

    /// Fetches what a finished job made: a description with an address, not the bytes.
    ///
    /// # Errors
    ///
    /// `NotFinished` while the job runs, `JobFailed` when there will be no result.
    fn get_job_result(&self, id: &JobId) -> impl Future<Output = Result<Artifact, ProviderError>> + Send;

    /// Lists the models on offer. Implementations may answer from a copy that is not quite new.
    ///
    /// # Errors
    ///
    /// When there is no copy and the provider does not answer.
    fn models(&self) -> impl Future<Output = Result<Arc<[Model]>, ProviderError>> + Send;

    /// Hands a file to the provider, for later requests to refer to.
    ///
    /// # Errors
    ///
    /// When the body fails, the provider takes no such file, or does not answer.
    fn upload(&self, upload: Upload) -> impl Future<Output = Result<UploadedFile, ProviderError>> + Send;

    /// The events of a job, from `queued` to `completed` or `failed`.
    ///
    /// Ends after the last event, in bounded time. Dropping it does not cancel the job.
    fn watch(&self, job: Job) -> impl Stream<Item = JobEvent> + Send + use<Self>;
}
