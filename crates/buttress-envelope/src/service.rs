use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::{
    BoxError, EnvelopeHandle, ResponseBody, ResponseFuture,
    asked::{Asked, Settings},
};

/// Gives every answer of a service one shape. Made by [`EnvelopeLayer`](crate::EnvelopeLayer).
///
/// Clones share the handle and nothing else; readiness is that of the inner service.
///
/// # Errors
///
/// The errors of the inner service, untouched: [`AnswerErrors`](crate::AnswerErrors) below makes answers of them.
///
/// # Cancel safety
///
/// See [`ResponseFuture`].
#[derive(Clone, Debug)]
pub struct Envelope<S> {
    inner: S,
    handle: EnvelopeHandle,
    settings: Settings,
}

impl<S> Envelope<S> {
    pub(crate) fn new(inner: S, handle: EnvelopeHandle, settings: Settings) -> Self {
        Self { inner, handle, settings }
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

impl<S, ReqB, ResB> Service<Request<ReqB>> for Envelope<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: Body,
    ResB::Data: From<Bytes>,
    ResB::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let asked = Asked::new(&request, &self.handle, self.settings);
        let inner = &mut self.inner;
        match catch_unwind(AssertUnwindSafe(|| inner.call(request))) {
            Ok(future) => ResponseFuture::calling(future, asked),
            Err(payload) => ResponseFuture::panicked(&*payload, asked),
        }
    }
}
