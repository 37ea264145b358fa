use std::{
    sync::Arc,
    task::{Context, Poll},
};

use buttress_core::{Attempt, Body};
use bytes::Bytes;
use http::{Request, Response};
use tower_service::Service;

use crate::{
    Policy, ReplayBody, Reread, ResponseFuture, Standard, Why,
    call::{Again, Call, Sent},
    extras::Lookup,
    keep::Keep,
    open::{Plan, mark},
    settings::Settings,
};

/// The service of a [`RetryLayer`](crate::RetryLayer).
///
/// It is ready when the inner service is. Later tries go to a clone of that, which is asked for readiness before each of
/// them; while it waits, a call holds no place in it.
///
/// # Errors
///
/// Those of the inner service, untouched: of the last try, or of its readiness.
///
/// # Cancel safety
///
/// See [`ResponseFuture`].
#[derive(Clone, Debug)]
pub struct Retry<S, P = Standard> {
    inner: S,
    settings: Arc<Settings<P>>,
}

impl<S, P> Retry<S, P> {
    pub(crate) fn new(inner: S, settings: Arc<Settings<P>>) -> Self {
        Self { inner, settings }
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

impl<S, P, ReqB, ResB> Service<Request<ReqB>> for Retry<S, P>
where
    S: Service<Request<ReplayBody<ReqB>>, Response = Response<ResB>> + Clone,
    P: Policy<S::Error>,
    ReqB: http_body::Body,
    ResB: http_body::Body,
    ResB::Data: From<Bytes>,
{
    type Response = Response<Body<Reread<ResB>>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, P, S::Future, ReqB, ResB>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let Self { inner, settings } = self;
        let mut lookup = Lookup::new(&parts.extensions);
        let Ok(plan) = Plan::of(settings, &parts, &mut lookup, &body) else {
            // It is not called: its place is for others, however long this service is kept.
            *inner = inner.clone();
            return ResponseFuture::too_late(parts.extensions.get().cloned());
        };
        let (common, Plan { limits, repeat, budget, nested }) = (&settings.common, plan);
        match repeat {
            Ok(repeat) => {
                let (keep, body) = Keep::new(&parts, lookup, limits, body, common.replay_limit);
                mark(&mut parts, common, limits, nested);
                Attempt::FIRST.mark(&mut parts.extensions);
                // The one that is ready is called; its clone is for later tries.
                let future = inner.call(Request::from_parts(parts, body));
                let kept = Ok(Again { service: inner.clone(), keep, repeat, budget });
                ResponseFuture::new(future, limits.by, Call::new(settings, limits, kept))
            }
            Err(Why::Unrepeatable) if limits.by.is_none() => {
                mark(&mut parts, common, limits, nested);
                ResponseFuture::once(inner.call(Request::from_parts(parts, ReplayBody::once(body))))
            }
            Err(why) => {
                mark(&mut parts, common, limits, nested);
                let sent = Sent { why, id: parts.extensions.get().cloned() };
                let future = inner.call(Request::from_parts(parts, ReplayBody::once(body)));
                ResponseFuture::new(future, limits.by, Call::new(settings, limits, Err(sent)))
            }
        }
    }
}
