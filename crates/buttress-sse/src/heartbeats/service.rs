use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{BoxError, layer::Settings};
use crate::{HeartbeatBody, HeartbeatFuture};

/// Keeps the event streams of a service alive. Made by [`HeartbeatLayer`](crate::HeartbeatLayer).
///
/// It is ready when the inner service is, and has no errors of its own.
///
/// # Cancel safety
///
/// A future or a body that is dropped drops what it holds of the inner service, and leaves nothing else.
#[derive(Clone, Debug)]
pub struct Heartbeats<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> Heartbeats<S> {
    pub(super) fn new(inner: S, settings: Arc<Settings>) -> Self {
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

impl<S, ReqB, ResB> Service<Request<ReqB>> for Heartbeats<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: Body,
    ResB::Data: From<Bytes>,
    ResB::Error: Into<BoxError>,
{
    type Response = Response<HeartbeatBody<ResB>>;
    type Error = S::Error;
    type Future = HeartbeatFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let settings = (request.method() != Method::HEAD).then(|| self.settings.clone());
        HeartbeatFuture::new(self.inner.call(request), settings)
    }
}
