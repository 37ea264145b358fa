use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::{follower::Follower, head::prepare, layer::Settings};
use crate::{Heartbeat, HeartbeatBody, head::is_event_stream};

pin_project! {
    /// The answer of a [`Heartbeats`](crate::Heartbeats).
    ///
    /// # Cancel safety
    ///
    /// It holds the inner future and nothing else that matters.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct HeartbeatFuture<F> {
        #[pin]
        inner: F,
        // None when no answer can have a body.
        settings: Option<Arc<Settings>>,
    }
}

impl<F> HeartbeatFuture<F> {
    pub(super) fn new(inner: F, settings: Option<Arc<Settings>>) -> Self {
        Self { inner, settings }
    }
}

impl<F, B, E> Future for HeartbeatFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<HeartbeatBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        let settings = this.settings.take().filter(|_| is_event_stream(&response));
        let follower = settings.map(|settings| {
            prepare(response.headers_mut(), settings.cache_control);
            match response.extensions_mut().remove::<Heartbeat>() {
                Some(own) => Follower::new(Arc::new(settings.with(own))),
                None => Follower::new(settings),
            }
        });
        Poll::Ready(Ok(response.map(|body| HeartbeatBody::new(body, follower))))
    }
}
