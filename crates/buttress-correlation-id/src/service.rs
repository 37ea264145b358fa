use std::{
    sync::Arc,
    task::{Context, Poll},
};

use buttress_core::Body;
use http::{Request, Response};
use tower_service::Service;

use crate::{
    call::Call,
    future::ResponseFuture,
    generate::{MakeCorrelationId, UuidV7},
    inbound::Inbound,
    settings::Settings,
};

/// Gives every request one id and one trace: made by [`CorrelationLayer`](crate::CorrelationLayer).
///
/// It is ready when the service below is: whether a request is refused is known only once it is here.
///
/// # Cancel safety
///
/// A response future that is dropped before the answer tells so in an event and to the hook, and drops the future of
/// the service below within the request's scope and span. Nothing is kept.
#[derive(Clone, Debug)]
pub struct Correlation<S, M = UuidV7> {
    inner: S,
    settings: Arc<Settings>,
    make: M,
}

impl<S, M> Correlation<S, M> {
    pub(crate) fn new(inner: S, settings: Arc<Settings>, make: M) -> Self {
        Self { inner, settings, make }
    }

    /// The service below.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service below, to be changed.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The service below, alone.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, M, ReqBody, ResBody> Service<Request<ReqBody>> for Correlation<S, M>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    M: MakeCorrelationId,
{
    type Response = Response<Body<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let mut call = Call::new(&self.settings);
        if call.receive(&mut request, &self.settings, &self.make) == Inbound::Refused {
            return ResponseFuture::refused(call);
        }
        let running = call.run();
        let inner = self.inner.call(request);
        running.ended();
        ResponseFuture::called(inner, call)
    }
}
