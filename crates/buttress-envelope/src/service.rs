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
    asked::{Asked, Caller, Settings},
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
        let mut caller = Caller::at_sight(&request);
        // The closure takes hold of references alone, and the closer look is within: else each would move the request
        // once more.
        let mut sent = Some(request);
        let called = catch_unwind(AssertUnwindSafe(|| {
            let request = sent.take().expect("this runs once");
            caller.look_closer(&request, &self.handle);
            self.inner.call(request)
        }));
        match called {
            Ok(future) => ResponseFuture::calling(future, Asked { settings: self.settings, caller }),
            Err(payload) => ResponseFuture::panicked(&*payload, Asked { settings: self.settings, caller }),
        }
    }
}
