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
        let caller = Caller::at_sight(&request);
        // In an option, as it would be moved once more if it were handed on by itself.
        if caller.needs_closer_look(&self.handle) {
            self.send_known(Some(request), caller)
        } else {
            self.send(Some(request), caller)
        }
    }
}

impl<S> Envelope<S> {
    // Always inlined: a request is moved for each function that it passes.
    #[inline(always)]
    fn send<ReqB, ResB>(&mut self, mut sent: Option<Request<ReqB>>, caller: Caller) -> ResponseFuture<S::Future, ResB>
    where
        S: Service<Request<ReqB>>,
    {
        // The closure takes hold of references alone: else it would move the request once more.
        let called = catch_unwind(AssertUnwindSafe(|| self.inner.call(sent.take().expect("this runs once"))));
        match called {
            Ok(future) => ResponseFuture::calling(future, Asked { settings: self.settings, caller }),
            Err(payload) => ResponseFuture::panicked(&*payload, Asked { settings: self.settings, caller }),
        }
    }

    /// Sends what takes a closer look first.
    // Apart, and with a place of its own for the request: what is shown to a function has to be moved once more.
    #[inline(never)]
    fn send_known<ReqB, ResB>(
        &mut self,
        sent: Option<Request<ReqB>>,
        mut caller: Caller,
    ) -> ResponseFuture<S::Future, ResB>
    where
        S: Service<Request<ReqB>>,
    {
        if let Some(request) = &sent {
            caller.look_closer(request, &self.handle);
        }
        self.send(sent, caller)
    }
}
