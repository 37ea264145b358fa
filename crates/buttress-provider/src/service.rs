use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use crate::{
    Artifact, ImageRequest, Job, JobId, Model, ProviderAdapter, ProviderError, Upload, UploadedFile, VideoRequest,
};

/// A provider as a tower [`Service`], so that layers go above it: one `Service` for each kind of call, told apart by
/// the request's type.
///
/// | request | response |
/// |---|---|
/// | [`ImageRequest`], [`VideoRequest`], [`GetStatus`] | [`Job`] |
/// | [`GetResult`] | [`Artifact`] |
/// | [`ListModels`] | the [`Model`]s |
/// | [`Upload`] | [`UploadedFile`] |
///
/// It is always ready; a clone shares the provider.
#[derive(Debug)]
pub struct ProviderService<P> {
    provider: Arc<P>,
}

impl<P> ProviderService<P> {
    /// Wraps a provider.
    pub fn new(provider: P) -> Self {
        Self { provider: Arc::new(provider) }
    }
}

impl<P> Clone for ProviderService<P> {
    fn clone(&self) -> Self {
        Self { provider: Arc::clone(&self.provider) }
    }
}

/// Asks how a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a name for the id in its role")]
pub struct GetStatus(pub JobId);

/// Asks for what a job made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a name for the id in its role")]
pub struct GetResult(pub JobId);

/// Asks for the models on offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to ask beside the question")]
pub struct ListModels;

/// The answer to come of a [`ProviderService`].
///
/// Boxed: the futures of [`ProviderAdapter`] have no names, and a call costs a round trip over the network.
pub struct ResponseFuture<T>(Pin<Box<dyn Future<Output = Result<T, ProviderError>> + Send>>);

impl<T> Future for ResponseFuture<T> {
    type Output = Result<T, ProviderError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for ResponseFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

macro_rules! service {
    ($request:ty => $response:ty, |$provider:ident, $call:ident| $answer:expr) => {
        impl<P: ProviderAdapter> Service<$request> for ProviderService<P> {
            type Response = $response;
            type Error = ProviderError;
            type Future = ResponseFuture<$response>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ProviderError>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, $call: $request) -> Self::Future {
                let $provider = Arc::clone(&self.provider);
                ResponseFuture(Box::pin(async move { $answer.await }))
            }
        }
    };
}

service!(ImageRequest => Job, |provider, call| provider.create_image_job(call));
service!(VideoRequest => Job, |provider, call| provider.create_video_job(call));
service!(GetStatus => Job, |provider, call| provider.get_job_status(&call.0));
service!(GetResult => Artifact, |provider, call| provider.get_job_result(&call.0));
service!(ListModels => Arc<[Model]>, |provider, _call| provider.models());
service!(Upload => UploadedFile, |provider, call| provider.upload(call));
